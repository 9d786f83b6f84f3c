"""Callers of the national interface: signed 1101 messages over keep-alive connections, each timed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from simulators.common.clock import SHANGHAI
from simulators.hospital.envelope import Institution, envelope, tif_headers

PATH = "/fsi/api/rsfComIfsService/callService"
_serials = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: requests a second, and milliseconds at the median and the 99th percentile."""

    callers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def bodies(institution: Institution, sign_no: str, certno: str, size: int) -> Iterator[bytes]:
    """Endless messages of about ``size`` bytes, no msgid twice."""
    second = datetime.now(SHANGHAI)
    inputs = {"data": {
        "mdtrt_cert_type": "02", "mdtrt_cert_no": certno, "card_sn": "", "begntime": "", "psn_cert_type": "01",
        "certno": certno, "psn_name": "",
    }}  # fmt: skip
    while True:
        # Fourteen digits of a moment and four of a serial: counted on, they never repeat.
        number = int(f"{second:%Y%m%d%H%M%S}0000") + next(_serials)
        content = orjson.loads(
            envelope(institution, "1101", f"{institution.code}{number}", inputs, at=second, sign_no=sign_no,
                     insuplc_admdvs=institution.area)
        )  # fmt: skip
        content["dev_safe_info"] = "0" * max(0, size - len(orjson.dumps(content)))
        yield orjson.dumps(content)


def _request(institution: Institution, port: int, body: bytes) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in tif_headers(institution).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return await reader.readexactly(int(line.partition(b":")[2]))
    raise ConnectionError("an answer without a length")


async def _caller(
    institution: Institution, port: int, messages: Iterator[bytes], until: float, took: list[float], failed: list[bytes]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while time.perf_counter() < until:
            request = _request(institution, port, next(messages))
            began = time.perf_counter()
            writer.write(request)
            answer = await _answer(reader)
            took.append(time.perf_counter() - began)
            if b'"infcode":0' not in answer:
                failed.append(answer)
    finally:
        writer.close()


async def measure(
    institution: Institution, port: int, messages: Iterator[bytes], callers: int, seconds: float
) -> Measured:
    """So many callers for so long, each with one request under way."""
    took: list[float] = []
    failed: list[bytes] = []
    began = time.perf_counter()
    await asyncio.gather(*(_caller(institution, port, messages, began + seconds, took, failed) for _ in range(callers)))
    elapsed = time.perf_counter() - began
    took.sort()
    return Measured(
        callers, len(took) / elapsed, took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000, len(failed)
    )
