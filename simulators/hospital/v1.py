"""How a HIS and an agency's people talk to ``/v1``: one Idempotency-Key per intention, repeated until answered."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import aiohttp
import orjson

_ASK_AGAIN = frozenset({"IN_PROGRESS", "OVERLOADED"})
_UNAVAILABLE = frozenset({"PLATFORM_UNAVAILABLE", "BANK_UNAVAILABLE", "CREDIT_UNAVAILABLE"})
_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
_PATIENCE_SECONDS = 90.0
_UNAVAILABLE_TRIES = 20


class V1Refused(Exception):
    """A problem answer. ``code`` as in the register of refusal codes; ``problem`` is the whole body."""

    def __init__(self, path: str, status: int, problem: Mapping[str, Any]) -> None:
        self.path, self.status, self.problem = path, status, problem
        self.code = str(problem.get("code") or "")
        super().__init__(f"{path}: {status} {self.code} {problem.get('title', '')} {problem.get('detail', '')}")


class V1NoAnswer(Exception):
    """No answer that could be read within the caller's patience."""


class V1Client:
    """One client of ``/v1`` with its Bearer token. ``counts``: sent, repeats, replayed, lost, pending."""

    def __init__(self, token: str, url: str, session: aiohttp.ClientSession) -> None:
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._url = url.rstrip("/")
        self._session = session
        self.counts: Counter[str] = Counter()

    async def get(self, path: str, **query: str) -> Any:
        """The resource, amounts as they come (strings). Raises V1Refused, V1NoAnswer."""
        return (await self._insist("GET", path, None, {}, query))[1]

    async def rows(self, path: str, **query: str) -> list[dict[str, Any]]:
        """All rows of a list, following its cursor."""
        rows: list[dict[str, Any]] = []
        while True:
            page = await self.get(path, **query)
            rows += page["items"]
            if not page.get("next_cursor"):
                return rows
            query["cursor"] = page["next_cursor"]

    async def post(self, path: str, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """The resource after the POST; a pending one (HTTP 202) is returned as it is. Raises V1Refused, V1NoAnswer.

        An answer ``…_UNAVAILABLE`` means: not sent, and never will be. So trying again is a new intention, with a key
        of its own.
        """
        for attempt in range(_UNAVAILABLE_TRIES):
            own_key = key if attempt == 0 else f"{key}-{attempt}"
            try:
                status, content = await self._insist("POST", path, body, {"Idempotency-Key": own_key}, {})
            except V1Refused as refusal:
                if refusal.code not in _UNAVAILABLE or attempt == _UNAVAILABLE_TRIES - 1:
                    raise
                self.counts["unavailable"] += 1
                await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            else:
                self.counts["pending"] += status == 202
                return dict(content)
        raise AssertionError("the last try returns or raises")

    async def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return dict((await self._insist("PUT", path, body, {}, {}))[1])

    async def _insist(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[int, Any]:
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        attempt = 0
        while True:
            self.counts["repeats" if attempt else "sent"] += 1
            answer = await self._attempt(method, path, body, headers, query)
            if answer is not None:
                return answer
            if asyncio.get_running_loop().time() > deadline:
                raise V1NoAnswer(f"{method} {path}")
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
            attempt += 1

    async def _attempt(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> tuple[int, Any] | None:
        sent = None if body is None else orjson.dumps(body)
        try:
            async with self._session.request(
                method, self._url + path, data=sent, headers={**self._headers, **headers}, params=query
            ) as response:
                raw, status = await response.read(), response.status
                self.counts["replayed"] += response.headers.get("Idempotency-Replayed") == "true"
        except (aiohttp.ClientError, TimeoutError):
            self.counts["lost"] += 1
            return None
        return _final(path, status, raw)


def _final(path: str, status: int, raw: bytes) -> tuple[int, Any] | None:
    try:
        content = json.loads(raw, parse_float=Decimal)
    except ValueError:
        content = None
    if status < 300 and content is not None:
        return status, content
    if not isinstance(content, dict) or content.get("code") in _ASK_AGAIN:
        return None
    raise V1Refused(path, status, content)
