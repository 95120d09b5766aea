"""Clients of a few registers (ConfigMaps), and watchers that go from server to server; all they see is written down."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from fault_checker import CONFLICT, EXISTS, MISSING, OK, UNKNOWN, Op, Seen
from fault_cluster import ServerProcess

PATH = "/api/v1/namespaces/registers/configmaps"
_KEYS = [f"r{number}" for number in range(4)]
_RETRYABLE = (429, 500, 503, 504)
_SECONDS = aiohttp.ClientTimeout(6)


@dataclass
class Record:
    """Everything that was seen."""

    ops: list[Op] = field(default_factory=list)
    watches: list[Seen] = field(default_factory=list)
    written: list[float] = field(default_factory=list)
    """When writes were acknowledged."""
    wrong: list[str] = field(default_factory=list)
    """Answers that no client should get."""


class Client:
    """Does one request after another, at whichever server answers."""

    def __init__(self, session: aiohttp.ClientSession, servers: list[ServerProcess], record: Record, seed: int) -> None:
        self._session = session
        self._servers = servers
        self._record = record
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._server = seed
        self._names = (f"{seed}-{number}" for number in itertools.count())
        self._versions: dict[str, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            key = self._random.choice(_KEYS)
            await getattr(self, self._random.choice(("update", "update", "update", "create", "get", "list", "delete")))(
                key
            )
            await asyncio.sleep(self._random.uniform(0.005, 0.05))

    async def create(self, key: str) -> None:
        nonce = next(self._names)
        await self._op("create", key, "POST", PATH, _body(key, nonce), nonce=nonce)

    async def update(self, key: str) -> None:
        expected = self._versions.get(key)
        if expected is None:
            return await self.get(key)
        nonce = next(self._names)
        body = _body(key, nonce, expected)
        return await self._op("update", key, "PUT", f"{PATH}/{key}", body, nonce=nonce, expected=expected)

    async def delete(self, key: str) -> None:
        expected = self._versions.get(key)
        if expected is not None:
            body = {"preconditions": {"resourceVersion": str(expected)}}
            await self._op("delete", key, "DELETE", f"{PATH}/{key}", body, expected=expected)

    async def get(self, key: str) -> None:
        await self._op("get", key, "GET", f"{PATH}/{key}")

    async def list(self, _: str) -> None:
        await self._op("list", "", "GET", PATH)

    async def _op(  # a request and what is known of it
        self, kind: str, key: str, method: str, path: str, body: Any = None, *, nonce: str = "", expected: int = 0
    ) -> None:
        began = time.monotonic()
        status, answer = await self._call(method, path, body)
        ended, outcome = time.monotonic(), self._outcome(status, answer)
        revision, found = 0, {}
        if outcome == OK and kind != "delete":
            revision = int(answer["metadata"]["resourceVersion"])
            found = {
                item["metadata"]["name"]: int(item["metadata"]["resourceVersion"]) for item in answer.get("items", ())
            }
        if key:
            self._versions.pop(key, None)
            if revision:
                self._versions[key] = revision
        if outcome == OK and kind in ("create", "update", "delete"):
            self._record.written.append(ended)
        self._record.ops.append(
            Op(
                kind=kind,
                key=key,
                nonce=nonce,
                expected=expected,
                began=began,
                ended=ended,
                outcome=outcome,
                revision=revision,
                found=found,
            )
        )

    async def _call(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        """Status and answer; 0 when there is none."""
        server = self._servers[self._server % len(self._servers)]
        try:
            async with self._session.request(method, server.base + path, json=body, timeout=_SECONDS) as answer:
                text = await answer.read()
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            self._server += 1
            return 0, {}
        if answer.status >= 500:
            self._server += 1
        if b"Traceback" in text:
            self._record.wrong.append(text.decode())
        return answer.status, orjson.loads(text)

    def _outcome(self, status: int, answer: Any) -> str:
        if status in (200, 201):
            return OK
        if status == 404:
            return MISSING
        if status == 409:
            return EXISTS if answer["reason"] == "AlreadyExists" else CONFLICT
        if status and (
            status not in _RETRYABLE or answer.get("kind") != "Status" or answer["reason"] == "InternalError"
        ):
            self._record.wrong.append(f"{status} {answer}")
        return UNKNOWN


async def follow(
    session: aiohttp.ClientSession, servers: list[ServerProcess], record: Record, stop: asyncio.Event, seed: int
) -> None:
    """Watch for ever, each time at another server, from the last revision that was heard of."""
    chosen = random.Random(seed)  # noqa: S311  # repeatable, not secret
    since = last = await _revision(session, servers, stop)
    events: list[tuple[str, str, int]] = []
    while not stop.is_set():
        server = chosen.choice(servers)
        query = f"watch=1&resourceVersion={last}&timeoutSeconds={chosen.randint(1, 5)}&allowWatchBookmarks=true"
        try:
            async with session.get(f"{server.base}{PATH}?{query}", timeout=aiohttp.ClientTimeout(8)) as answer:
                async for line in answer.content:
                    event = orjson.loads(line)
                    if event["type"] == "ERROR":
                        record.wrong.append(f"watch from {last}: {event['object']}")
                        break
                    metadata = event["object"]["metadata"]
                    last = int(metadata["resourceVersion"])
                    if event["type"] != "BOOKMARK":
                        events.append((event["type"], metadata["name"], last))
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            await asyncio.sleep(0.1)
    record.watches.append(Seen(since, events))


async def _revision(session: aiohttp.ClientSession, servers: list[ServerProcess], stop: asyncio.Event) -> int:
    while not stop.is_set():
        for server in servers:
            try:
                async with session.get(f"{server.base}{PATH}", timeout=_SECONDS) as answer:
                    if answer.status == 200:
                        return int((await answer.json())["metadata"]["resourceVersion"])
            except (aiohttp.ClientError, TimeoutError):
                continue
    return 0


def _body(key: str, nonce: str, version: int = 0) -> dict[str, Any]:
    metadata = {"name": key, **({"resourceVersion": str(version)} if version else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"nonce": nonce}}
