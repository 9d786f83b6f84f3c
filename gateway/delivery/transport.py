"""The one place that opens a socket to a counterpart.

What happened to the bytes is said by the type of the error: `NothingLeft` when it is certain that no byte of the
request reached the partner, `OutcomeLost` in every other case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Final

import aiohttp

from gateway.delivery.declare import Answer, Outbound, Timeouts

MAX_ANSWER: Final = 32 * 1024 * 1024
_POOL: Final = 200


class NothingLeft(Exception):
    """Refused connection, unknown host, failed TLS handshake, no free connection: certainly not sent."""


class OutcomeLost(Exception):
    """The request may have arrived, and there is no complete answer."""


def no_probe(point: str) -> None:
    """The default of `Transport.probe`: nothing watches the points of a send."""


class Transport:
    """HTTP to counterparts. ``fresh`` sends use a connection of their own and nothing follows a redirect."""

    def __init__(self, probe: Callable[[str], None] = no_probe) -> None:
        self._probe = probe
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def send(self, url: str, out: Outbound, timeouts: Timeouts, *, fresh: bool) -> Answer:
        """Send and read the whole answer. Raises NothingLeft or OutcomeLost, nothing else."""
        seen = SimpleNamespace(connected=False)
        limit = timeouts.pool + timeouts.connect + timeouts.write + timeouts.read
        try:
            async with asyncio.timeout(limit):
                return await self._exchange(url, out, timeouts, fresh, seen)
        except TimeoutError as error:
            raise self._failure(seen, "time-out") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._failure(seen, type(error).__name__) from error

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def _exchange(
        self, url: str, out: Outbound, timeouts: Timeouts, fresh: bool, seen: SimpleNamespace
    ) -> Answer:
        clock = aiohttp.ClientTimeout(
            total=None, connect=timeouts.pool + timeouts.connect, sock_connect=timeouts.connect, sock_read=timeouts.read
        )
        self._probe("send:before")
        async with self._session(fresh).request(
            out.method, url, data=out.body, headers=dict(out.headers), timeout=clock, allow_redirects=False,
            trace_request_ctx=seen,
        ) as response:  # fmt: skip
            body = await _read(response)
        self._probe("send:after")
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)

    def _session(self, fresh: bool) -> aiohttp.ClientSession:
        if fresh not in self._sessions:
            connector = aiohttp.TCPConnector(limit=_POOL, force_close=fresh, keepalive_timeout=None if fresh else 15)
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=connector,
                trace_configs=[_watch()],
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )
        return self._sessions[fresh]

    @staticmethod
    def _failure(seen: SimpleNamespace, reason: str) -> Exception:
        return OutcomeLost(reason) if seen.connected else NothingLeft(reason)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body. Raises aiohttp.ClientPayloadError when it is cut short, ValueError when it is too large."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(65536):
        size += len(part)
        if size > MAX_ANSWER:
            raise ValueError("answer too large")
        parts.append(part)
    return b"".join(parts)


def _watch() -> aiohttp.TraceConfig:
    """Notes when a connection is in hand: from then on nobody can say that nothing left."""
    trace = aiohttp.TraceConfig()

    async def connected(_session: object, context: SimpleNamespace, _params: object) -> None:
        if context.trace_request_ctx is not None:
            context.trace_request_ctx.connected = True

    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace
