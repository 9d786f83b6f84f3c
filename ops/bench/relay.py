"""``make bench``: what the gateway costs between a hospital and the platform.

One gateway process on SQLite with all features on, against the platform simulator called directly and, where nginx is
installed, through it as a plain proxy. All ways take turns in one run on one machine, so the ratios are the message:
generator, gateway and platform share its cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from ops.bench.chart import bars
from ops.bench.load import Measured, bodies, measure
from simulators.common.clock import BusinessClock
from simulators.hospital.national import NationalClient
from simulators.sandbox.sandbox import Sandbox
from simulators.sandbox.settings import Place

HOSPITAL = "H43050000001"
DIRECT, NGINX, GATEWAY = "直连平台 direct", "nginx", "信医网关 gateway"
_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; keepalive_requests 1000000;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream platform {{ server 127.0.0.1:{platform}; keepalive 128; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://platform; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


@contextmanager
def nginx(port: int, platform: int) -> Iterator[bool]:
    """nginx as a plain proxy to the platform; False where it is not installed."""
    program = shutil.which("nginx")
    if program is None:
        yield False
        return
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, platform=platform))
        with subprocess.Popen([program, "-c", str(config), "-p", folder], stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(0.5)
                yield process.poll() is None
            finally:
                process.terminate()


async def run(place: Place, callers: list[int], seconds: float, size: int) -> dict[str, list[Measured]]:
    """All ways in turn, for every number of callers."""
    person = json.loads(resources.files("simulators.data").joinpath("people.json").read_text("utf-8"))[0]
    found: dict[str, list[Measured]] = {}
    async with Sandbox(place) as sandbox, aiohttp.ClientSession() as session:
        institution = sandbox.cast.hospital(HOSPITAL).institution()
        sign_no = await NationalClient(institution, place.gateway, BusinessClock(place.clock_file), session).sign_in()
        messages = bodies(institution, sign_no, person["certno"], size)
        with nginx(place.port + 15, place.ports["platform"]) as proxied:
            ways = {DIRECT: place.ports["platform"], GATEWAY: place.port}
            ways |= {NGINX: place.port + 15} if proxied else {}
            for port in ways.values():  # nobody pays for a first time
                await measure(institution, port, messages, 8, 1.0)
            for number in callers:
                for way, port in ways.items():
                    found.setdefault(way, []).append(await measure(institution, port, messages, number, seconds))
    return found


def show(found: dict[str, list[Measured]], console: Console) -> None:
    """The table: per number of callers every way, its ratio to the direct one and the latency it adds."""
    table = Table(title="中转性能 relay, one process, SQLite, all features on")
    for name in ("callers", "way", "messages/s", "of direct", "p50 ms", "added p50 ms", "p99 ms", "failed"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for place, plain in enumerate(found[DIRECT]):
        for way, rows in found.items():
            row = rows[place]
            table.add_row(
                str(row.callers), way, f"{row.per_second:,.0f}", f"{row.per_second / plain.per_second:.2f}",
                f"{row.p50_ms:.2f}", f"{row.p50_ms - plain.p50_ms:+.2f}", f"{row.p99_ms:.2f}", str(row.failed),
            )  # fmt: skip
        table.add_section()
    console.print(table)


def keep(found: dict[str, list[Measured]], folder: Path) -> None:
    """`relay.json` and `relay.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {way: [asdict(row) for row in measured] for way, measured in found.items()}
    (folder / "relay.json").write_text(json.dumps(rows, ensure_ascii=False, indent=2) + "\n", "utf-8")
    groups = [f"{row.callers} callers" for row in found[DIRECT]]
    values = {way: [row.per_second for row in measured] for way, measured in found.items()}
    (folder / "relay.svg").write_text(bars("messages a second", groups, values), "utf-8")


def main() -> int:
    """Measure, print, write; 1 when a message failed."""
    given = argparse.ArgumentParser(description="中转性能测量 relay benchmark")
    given.add_argument("--callers", type=int, nargs="+", default=[1, 16, 64])
    given.add_argument("--seconds", type=float, default=5.0, help="每项秒数 of every measurement")
    given.add_argument("--size", type=int, default=2048, help="报文字节数 bytes of a message")
    given.add_argument("--port", type=int, default=random.randrange(20000, 60000, 20))
    given.add_argument("--data", type=Path, default=Path("var/bench"))
    arguments = given.parse_args()
    place = Place(arguments.data.resolve() / "sandbox", arguments.port)
    found = asyncio.run(run(place, arguments.callers, arguments.seconds, arguments.size))
    show(found, Console())
    keep(found, arguments.data)
    return int(any(row.failed for rows in found.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main())
