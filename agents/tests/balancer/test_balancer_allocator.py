"""The leader writes addresses; what the API refuses for one Service is not the others' matter."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from test_balancer_allocation import service
from test_balancer_desired import CONFIG

from tricenter.balancer.allocator import Allocator
from tricenter.client import errors

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


class Api:
    """Takes the status of every Service but those that it has a refusal for."""

    def __init__(self, *services: dict[str, Any]) -> None:
        self.services = list(services)
        self.refusals: dict[str, errors.ApiError] = {}
        self.written: dict[str, Any] = {}
        self.asked: list[str] = []
        self.events: list[str] = []

    async def list(self, _resource: object) -> SimpleNamespace:
        return SimpleNamespace(items=self.services)

    async def patch(self, _resource: object, name: str, patch: dict[str, Any], *_: object, **__: object) -> None:
        self.asked.append(name)
        if name in self.refusals:
            raise self.refusals[name]
        self.written[name] = patch["status"]["loadBalancer"]["ingress"]
        [found] = [one for one in self.services if one["metadata"]["name"] == name]
        found["status"] = patch["status"]

    async def create(self, _resource: object, event: dict[str, Any]) -> None:
        self.events.append(f"{event['involvedObject']['name']}: {event['message']}")


class Informer:
    """The API's Services, without a delay."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @property
    def store(self) -> dict[str, Any]:
        return {one["metadata"]["name"]: one for one in self._api.services}

    async def wait_synced(self) -> None:
        return

    def add_handler(self, _handler: object) -> None:
        return


@pytest.mark.parametrize("code", [400, 403, 422, 500])
async def test_a_service_whose_status_is_refused_does_not_keep_the_others_from_theirs(
    code: int, eventually: Eventually
) -> None:
    api: Any = Api(service("a", created="2025-01-01T00:00:00Z"), service("b"), service("c"))
    api.refusals["a"] = errors.from_status({"message": "a webhook says no"}, code)
    informer: Any = Informer(api)
    allocator = Allocator(dataclasses.replace(CONFIG, retry_seconds=0.01), api, informer)
    task = asyncio.create_task(allocator._lead())
    await eventually(lambda: api.asked.count("a") >= 3)
    assert set(api.written) == {"b", "c"}
    assert [text for text in api.events if text.startswith("a:")] == ["a: the status is refused: a webhook says no"]
    del api.refusals["a"]
    await eventually(lambda: "a" in api.written)
    task.cancel()
    await asyncio.wait({task})
