"""The kernel's table follows the objects, one transaction a change, and is mended whatever happens to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tricenter.proxy import addresses, conntrack, main, nft
from tricenter.proxy.config import Config
from tricenter.proxy.syncer import Syncer
from tricenter.runtime.config import ApiConfig

Eventually = Callable[[Callable[[], bool]], Awaitable[None]]

API = ApiConfig(server="", ca=Path("/"), cert=Path("/"), key=Path("/"))


class Objects:
    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, list[dict[str, Any]]] = {}
        self.own_node: dict[str, Any] | None = None

    def service(self, key: str) -> dict[str, Any] | None:
        return self.known.get(key)

    def slices(self, key: str) -> Iterable[dict[str, Any]]:
        return self.endpoints.get(key, [])

    def services(self) -> Iterable[str]:
        return self.known

    def node(self) -> dict[str, Any] | None:
        return self.own_node

    def add(self, name: str, address: str, *pods: str, protocol: str = "TCP", vip: str = "") -> str:
        ports = [{"port": 80, "protocol": protocol}]
        self.known[f"default/{name}"] = {
            "metadata": {"namespace": "default", "name": name},
            "spec": {"type": "LoadBalancer" if vip else "ClusterIP", "clusterIP": address, "ports": ports},
            "status": {"loadBalancer": {"ingress": [{"ip": vip}]}} if vip else {},
        }
        entries = [{"addresses": [pod]} for pod in pods]
        self.endpoints[f"default/{name}"] = [{"ports": [{"port": 80, "protocol": protocol}], "endpoints": entries}]
        return f"default/{name}"


class Kernel:
    def __init__(self) -> None:
        self.transactions: list[str] = []
        self.refuse = 0
        self.present = True
        self.vips: set[str] = set()
        self.forgotten = 0

    async def apply(self, commands: list[dict[str, Any]]) -> None:
        if self.refuse:
            self.refuse -= 1
            raise nft.NftError("no")
        self.present = True
        self.transactions.append(str(commands))

    async def exists(self) -> bool:
        return self.present

    async def clients(self) -> dict[str, list[Any]]:
        return {}

    async def put(self, vips: set[str]) -> None:
        self.vips = vips

    async def forget(self, *_: Any) -> None:
        self.forgotten += 1

    def replaced(self) -> list[bool]:
        return ["'delete': {'table'" in transaction for transaction in self.transactions]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    found = Kernel()
    monkeypatch.setattr(nft, "apply", found.apply)
    monkeypatch.setattr(nft, "table_exists", found.exists)
    monkeypatch.setattr(nft, "remembered_clients", found.clients)
    monkeypatch.setattr(addresses, "sync", found.put)
    monkeypatch.setattr(conntrack, "forget_stale", found.forget)
    monkeypatch.setattr("tricenter.proxy.syncer._RETRY_SECONDS", 0.01)
    return found


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.add("shop", "10.96.0.20", "10.101.0.5")
    return found


@pytest.fixture
async def syncer(kernel: Kernel, objects: Objects, eventually: Eventually) -> AsyncIterator[Syncer]:
    config = Config(
        api=API,
        node_name="n1",
        machine_address="127.0.0.1",
        service_cidr="10.96.0.0/16",
        vip_cidrs=("203.0.113.0/24",),
        settle_seconds=0.001,
        check_seconds=0.05,
    )
    found = Syncer(config, objects, lambda: None)
    task = asyncio.create_task(found.run())
    await eventually(lambda: len(kernel.transactions) == 1)
    yield found
    task.cancel()
    await asyncio.wait({task})


async def test_it_starts_with_the_whole_table_and_then_sends_differences(
    syncer: Syncer, kernel: Kernel, objects: Objects, eventually: Eventually
) -> None:
    syncer.service_changed(objects.add("new", "10.96.0.21", "10.101.0.6"))
    await eventually(lambda: len(kernel.transactions) == 2)
    assert kernel.replaced() == [True, False]
    assert "10.96.0.21" in kernel.transactions[1]
    assert "10.96.0.20" not in kernel.transactions[1]
    assert syncer.freshness.healthy()


async def test_an_event_that_changes_nothing_sends_nothing(syncer: Syncer, kernel: Kernel) -> None:
    syncer.service_changed("default/shop")
    syncer.node_changed()
    await asyncio.sleep(0.02)
    assert len(kernel.transactions) == 1


async def test_a_refused_transaction_is_followed_by_the_whole_table(
    syncer: Syncer, kernel: Kernel, objects: Objects, eventually: Eventually
) -> None:
    kernel.refuse = 1
    syncer.service_changed(objects.add("new", "10.96.0.21", "10.101.0.6"))
    await eventually(lambda: len(kernel.transactions) == 2)
    assert kernel.replaced() == [True, True]
    assert "10.96.0.21" in kernel.transactions[1]


async def test_a_flushed_table_comes_back(syncer: Syncer, kernel: Kernel, eventually: Eventually) -> None:
    kernel.present = False
    await eventually(lambda: len(kernel.transactions) == 2)
    assert kernel.replaced() == [True, True]


async def test_the_range_of_the_nodes_pods_is_taken_up_when_it_is_given(
    syncer: Syncer, kernel: Kernel, objects: Objects, eventually: Eventually
) -> None:
    objects.own_node = {"metadata": {"name": "n1"}, "spec": {"podCIDR": "10.101.0.0/24"}}
    syncer.node_changed()
    await eventually(lambda: len(kernel.transactions) == 2)
    assert kernel.replaced() == [True, True]
    assert "10.101.0.0" in kernel.transactions[1]


async def test_a_balanced_address_is_put_on_loopback_and_taken_away(
    syncer: Syncer, kernel: Kernel, objects: Objects, eventually: Eventually
) -> None:
    key = objects.add("lb", "10.96.0.22", "10.101.0.6", vip="203.0.113.7")
    syncer.service_changed(key)
    await eventually(lambda: kernel.vips == {"203.0.113.7"})
    del objects.known[key]
    syncer.service_changed(key)
    await eventually(lambda: kernel.vips == set())


async def test_udp_flows_are_looked_at_only_when_their_endpoints_change(
    syncer: Syncer, kernel: Kernel, objects: Objects, eventually: Eventually
) -> None:
    for pod, expected in (("10.101.0.6", 1), ("10.101.0.6", 1), ("10.101.0.7", 2)):
        syncer.service_changed(objects.add("dns", "10.96.0.10", pod, protocol="UDP"))
        await asyncio.sleep(0.02)
        await eventually(lambda: kernel.forgotten >= expected)  # noqa: B023
        assert kernel.forgotten == expected


async def test_a_service_that_cannot_be_understood_does_not_stop_the_others(
    syncer: Syncer, kernel: Kernel, objects: Objects, eventually: Eventually
) -> None:
    bad = objects.add("bad", "10.96.0.30", "10.101.0.8")
    objects.endpoints[bad] = [{"ports": "80"}]
    syncer.service_changed(bad)
    syncer.service_changed(objects.add("new", "10.96.0.21", "10.101.0.6"))
    await eventually(lambda: len(kernel.transactions) == 2)
    assert "10.96.0.21" in kernel.transactions[1]
    assert "10.96.0.30" not in kernel.transactions[1]


def test_the_author_of_a_port_that_is_none_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    found: Any = SimpleNamespace(service_changed=lambda _key: None)
    labels = {"kubernetes.io/service-name": "shop"}
    item = {"metadata": {"namespace": "default", "name": "shop-1", "labels": labels}, "ports": [{"port": 70000}]}
    main._slice_changed(found, None, item)
    main._slice_changed(found, item, {**item, "endpoints": []})
    assert [record.args for record in caplog.records] == [(70000,)]
