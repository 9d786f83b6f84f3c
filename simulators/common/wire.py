"""Answers on the wire, whole or damaged. Written close to the socket: half a reply must be exactly half a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from simulators.common.faults import Fault, Kind

GARBAGE = b"\x00\xff\xfe<<<\x80 not JSON, not XML \xc3\x28 >>>\x00"
_DRIPS = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer ready to be sent; ``content_type`` is the whole header value."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        return web.Response(body=self.body, status=self.status, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type, **self.headers}

    def stream(self) -> web.StreamResponse:
        response = web.StreamResponse(status=self.status, headers=self._headers())
        response.content_length = len(self.body)
        return response


SERVER_ERROR = Reply(b"Internal Server Error", 500, "text/plain; charset=utf-8")


class Hangup(web.Response):
    """Stands for "no answer": the connection is already gone and nothing is written to it."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        self.force_close()
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def hang_up(request: web.Request) -> web.StreamResponse:
    """Aborts the TCP connection without a byte of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return Hangup()


async def send_damaged(request: web.Request, reply: Reply, fault: Fault) -> web.StreamResponse:
    """Sends the answer to an executed operation the way ``fault`` spoils it."""
    if fault.kind is Kind.DROP_AFTER:
        return hang_up(request)
    if fault.kind is Kind.HTTP_500_AFTER:
        return SERVER_ERROR.response()
    if fault.kind is Kind.GARBAGE:
        return Reply(GARBAGE, reply.status, reply.content_type).response()
    if fault.kind is Kind.HALF_REPLY:
        return await _half(request, reply)
    return await _drip(request, reply, fault.seconds)


async def _half(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = reply.stream()
    try:
        await response.prepare(request)
        await response.write(reply.body[: len(reply.body) // 2])
    except ConnectionError:
        return Hangup()
    if request.transport is not None:
        request.transport.close()  # flushes the half first
    return Hangup()


async def _drip(request: web.Request, reply: Reply, seconds: float) -> web.StreamResponse:
    response = reply.stream()
    size = max(1, -(-len(reply.body) // _DRIPS))
    try:
        await response.prepare(request)
        for start in range(0, len(reply.body), size):
            await response.write(reply.body[start : start + size])
            await asyncio.sleep(seconds / _DRIPS)
        await response.write_eof()
    except ConnectionError:
        return Hangup()
    return response
