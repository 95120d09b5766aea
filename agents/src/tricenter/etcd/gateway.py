"""etcd's HTTP+JSON gateway: the few calls that concern membership and health.

Specified by etcd's `rpc.proto` (services Cluster and Maintenance) and its gRPC gateway; 64-bit numbers are strings.
"""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from tricenter.etcd.membership import Member


class GatewayError(Exception):
    """A member did not answer, or refused; the message is etcd's own where there is one."""


class Gateway:
    """Questions to etcd members over one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def members(self, url: str) -> tuple[Member, ...]:
        """The cluster's list, confirmed by a quorum; raises GatewayError."""
        answer = await self._call(url, "/v3/cluster/member/list", {"linearizable": True})
        return tuple(parse_member(member) for member in answer.get("members", []))

    async def add_learner(self, url: str, peer_url: str) -> None:
        """Add a member that does not vote yet."""
        await self._call(url, "/v3/cluster/member/add", {"peerURLs": [peer_url], "isLearner": True})

    async def remove(self, url: str, member_id: str) -> None:
        """Remove a member."""
        await self._call(url, "/v3/cluster/member/remove", {"ID": member_id})

    async def promote(self, url: str, member_id: str) -> None:
        """Make a learner a voter; refused until it has caught up with the leader."""
        await self._call(url, "/v3/cluster/member/promote", {"ID": member_id})

    async def healthy(self, url: str) -> bool:
        """True where the member answers a linearizable read, which takes a quorum."""
        try:
            async with self._session.get(f"{url}/health") as response:
                body = json.loads(await response.read())
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return False
        return isinstance(body, dict) and body.get("health") == "true"

    async def _call(self, url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        try:
            async with self._session.post(url + path, json=body) as response:
                answer = json.loads(await response.read())
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise GatewayError(f"{url}: {error or type(error).__name__}") from error
        if not isinstance(answer, dict) or response.status != 200:
            message = answer.get("message") if isinstance(answer, dict) else answer
            raise GatewayError(f"{url}: {message}")
        return answer


def parse_member(entry: dict[str, Any]) -> Member:
    """A member as the gateway prints it; false and empty fields are left out there."""
    return Member(
        id=str(entry["ID"]),
        name=entry.get("name", ""),
        peer_url=next(iter(entry.get("peerURLs", [])), ""),
        started=bool(entry.get("clientURLs")),
        learner=bool(entry.get("isLearner", False)),
    )
