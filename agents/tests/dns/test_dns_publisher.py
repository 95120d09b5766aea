"""Knot has the names of all Services that can be understood."""

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from test_dns_records import service

from tricenter.dns.config import Config
from tricenter.dns.records import Record
from tricenter.runtime.config import ApiConfig

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


class Objects:
    def __init__(self) -> None:
        self.known = {
            "default/bad": service("bad", clusterIP="None"),
            "default/shop": service("shop", clusterIP="10.96.0.20"),
        }

    def service(self, key: str) -> dict[str, Any] | None:
        return self.known.get(key)

    def slices(self, _key: str) -> Iterable[dict[str, Any]]:
        return [{"endpoints": "none"}]

    def services(self) -> Iterable[str]:
        return self.known


async def test_a_service_that_cannot_be_understood_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    # Knot's binding is a package of the system, which who develops need not have; nothing of it is called here.
    for name in ("libknot", "libknot.control"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    knot = importlib.import_module("tricenter.dns.knot")
    publisher = importlib.import_module("tricenter.dns.publisher")
    added: list[Record] = []

    async def read(*_: object) -> frozenset[Record]:
        return frozenset()

    async def change(_socket: Path, _zone: str, what: Any, _soa: Record) -> None:
        added.extend(what.add)

    monkeypatch.setattr(knot, "read", read)
    monkeypatch.setattr(knot, "change", change)
    api = ApiConfig(server="", ca=Path("/"), cert=Path("/"), key=Path("/"))
    config = Config(
        api=api, machine_address="127.0.0.1", dns_address="10.0.0.2", cluster_dns="10.96.0.10", settle_seconds=0.001
    )
    done = asyncio.Event()
    task = asyncio.create_task(publisher.Publisher(config, Objects()).run(done.set))
    await eventually(lambda: done.is_set() or task.done())
    names = {record.name for record in added}
    assert "shop.default.svc.cluster.local." in names
    assert "bad.default.svc.cluster.local." not in names
    task.cancel()
    await asyncio.wait({task})
