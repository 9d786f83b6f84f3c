"""The TCP listener of a simulator, which can be closed for a while and opened again (``refuse_connection``)."""

from __future__ import annotations

import asyncio

from aiohttp import web


class Listener:
    """Listens on one loopback port through an aiohttp runner."""

    def __init__(self, runner: web.AppRunner, host: str, port: int) -> None:
        self._runner = runner
        self._host = host
        self.port = port
        self._site: web.TCPSite | None = None
        self._reopening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts listening; with port 0 the system picks one, which a reopening keeps. Raises OSError if taken."""
        site = web.TCPSite(self._runner, self._host, self.port, reuse_address=True, backlog=1024)
        await site.start()
        self._site = site
        if self.port == 0:
            self.port = self._runner.addresses[0][1]

    async def refuse(self, seconds: float, keep: asyncio.Transport | None = None) -> None:
        """Closes listener and open connections, ``keep`` aside; listens again after ``seconds`` of real time."""
        if self._reopening is not None:
            self._reopening.cancel()
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self._cut_connections(keep)
        self._reopening = asyncio.create_task(self._reopen(seconds))

    def _cut_connections(self, keep: asyncio.Transport | None) -> None:
        server = self._runner.server
        for connection in [] if server is None else list(server.connections):
            transport = connection.transport
            if transport is not None and transport is not keep:
                transport.abort()

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.open()

    async def close(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        if self._site is not None:
            await self._site.stop()
            self._site = None
