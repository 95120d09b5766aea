"""Endpoint slices: the right pods on the right ports, and few slices touched."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.client import errors
from tricenter.client.informer import Informer
from tricenter.client.resources import ENDPOINTS, ENDPOINTSLICES
from tricenter.controllers import endpoints, endpointslices

NODES = {"n1": {"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/zone": "east1"}}}}


def service(**spec: Any) -> dict[str, Any]:
    spec = {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80, "targetPort": "web"}]} | spec
    return {"metadata": {"name": "shop", "namespace": "d", "uid": "s", "labels": {"team": "x"}}, "spec": spec}


def pod(number: int, *, ready: bool = True, port: int = 8080, **more: Any) -> dict[str, Any]:
    metadata = {"name": f"p{number}", "namespace": "d", "uid": f"u{number}"} | more.get("metadata", {})
    containers = [{"name": "c", "ports": [{"name": "web", "containerPort": port}]}]
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n1", "containers": containers} | more.get("spec", {}),
        "status": {
            "phase": "Running",
            "podIP": f"10.101.{number // 250}.{number % 250}",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        }
        | more.get("status", {}),
    }


def only(groups: dict[Any, list[Any]]) -> dict[str, Any]:
    ((_, items),) = groups.items()
    (item,) = items
    return item


def test_an_endpoint_names_pod_node_zone_and_hint() -> None:
    item = only(endpoints.wanted(service(trafficDistribution="PreferClose"), [pod(1)], NODES))
    assert item == {
        "addresses": ["10.101.0.1"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "targetRef": {"kind": "Pod", "namespace": "d", "name": "p1", "uid": "u1"},
        "nodeName": "n1",
        "zone": "east1",
        "hints": {"forZones": [{"name": "east1"}]},
    }
    assert "hints" not in only(endpoints.wanted(service(), [pod(1)], NODES))


def test_conditions() -> None:
    going = pod(1, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert only(endpoints.wanted(service(), [going], NODES))["conditions"] == {
        "ready": False,
        "serving": True,
        "terminating": True,
    }
    assert only(endpoints.wanted(service(), [pod(1, ready=False)], NODES))["conditions"]["ready"] is False
    everybody = service(publishNotReadyAddresses=True)
    assert only(endpoints.wanted(everybody, [pod(1, ready=False)], NODES))["conditions"]["ready"] is True


def test_pods_without_address_or_finished_are_no_endpoints() -> None:
    pods = [pod(1, status={"podIP": ""}), pod(2, status={"phase": "Failed"})]
    assert endpoints.wanted(service(), pods, NODES) == {}


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "0.0.0.0", "fd00::9", "nowhere"])  # noqa: S104
def test_an_address_that_no_slice_takes_spoils_no_other(address: str) -> None:
    odd = pod(1)
    odd["status"]["podIP"] = address
    assert only(endpoints.wanted(service(), [odd, pod(2)], NODES))["addresses"] == ["10.101.0.2"]


def test_the_family_of_the_service_counts() -> None:
    both = pod(1)
    both["status"]["podIPs"] = [{"ip": "10.101.0.1"}, {"ip": "fd00::1"}]
    assert only(endpoints.wanted(service(ipFamilies=["IPv6"]), [both], NODES))["addresses"] == ["fd00::1"]


def test_a_named_port_may_differ_between_pods() -> None:
    groups = endpoints.wanted(service(), [pod(1, port=80), pod(2, port=81), pod(3, port=80)], NODES)
    assert {ports[0][2]: len(items) for ports, items in groups.items()} == {80: 2, 81: 1}


def test_a_pod_that_does_not_serve_the_port_is_left_out() -> None:
    other = pod(1)
    other["spec"]["containers"] = [{"name": "c"}]
    assert endpoints.wanted(service(), [other], NODES) == {}
    by_number = service(ports=[{"port": 80, "targetPort": 9000}])
    assert next(iter(endpoints.wanted(by_number, [other], NODES)))[0][2] == 9000


def test_a_service_without_pods_has_one_empty_slice() -> None:
    changes = endpoints.plan(service(), {}, [])
    assert [item["endpoints"] for item in changes.create] == [[]]
    assert endpoints.plan(service(), {}, apply(changes, [])) == endpoints.Changes(), "and then nothing changes any more"


def test_a_headless_service_is_marked() -> None:
    made = endpoints.make_slice(service(clusterIP="None"), (), [])
    assert made["metadata"]["labels"][endpoints.HEADLESS_LABEL] == ""
    assert made["addressType"] == "IPv4"
    assert endpoints.make_slice(service(clusterIP="fd00::1"), (), [])["addressType"] == "IPv6"


def apply(changes: endpoints.Changes, slices: list[Any]) -> list[Any]:
    """The slices after `changes` were written; the API gives names."""
    gone = {item["metadata"]["name"] for item in changes.delete}
    updated = {item["metadata"]["name"]: item for item in changes.update}
    result = [updated.get(item["metadata"]["name"], item) for item in slices if item["metadata"]["name"] not in gone]
    free = (name for number in range(1000) if (name := f"s{number}") not in {s["metadata"]["name"] for s in slices})
    return result + [item | {"metadata": item["metadata"] | {"name": next(free)}} for item in changes.create]


@given(st.lists(st.sets(st.integers(0, 300), max_size=260), min_size=1, max_size=4))
def test_slices_follow_the_pods_and_settle(states: list[set[int]]) -> None:
    slices: list[Any] = []
    for numbers in states:
        groups = endpoints.wanted(service(), [pod(number) for number in numbers], NODES)
        slices = apply(endpoints.plan(service(), groups, slices), slices)
        assert endpoints.plan(service(), groups, slices) == endpoints.Changes()
        addresses = [item["addresses"][0] for one in slices for item in one["endpoints"]]
        assert sorted(addresses) == sorted(pod(number)["status"]["podIP"] for number in numbers)
        assert all(len(item["endpoints"]) <= endpoints.MOST_ENDPOINTS for item in slices)


def test_one_pod_more_touches_one_slice() -> None:
    pods = [pod(number) for number in range(150)]
    first = endpoints.plan(service(), endpoints.wanted(service(), pods, NODES), [])
    slices = [item | {"metadata": item["metadata"] | {"name": str(n)}} for n, item in enumerate(first.create)]
    assert [len(item["endpoints"]) for item in slices] == [100, 50]
    changes = endpoints.plan(service(), endpoints.wanted(service(), [*pods, pod(200)], NODES), slices)
    assert (len(changes.create), len(changes.update), len(changes.delete)) == (0, 1, 0)


def test_the_older_object_splits_ready_and_not() -> None:
    groups = endpoints.wanted(service(), [pod(1), pod(2, ready=False)], NODES)
    (subset,) = endpoints.legacy_subsets(groups)
    assert [item["ip"] for item in subset["addresses"]] == ["10.101.0.1"]
    assert [item["ip"] for item in subset["notReadyAddresses"]] == ["10.101.0.2"]
    assert subset["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]


class Site:
    """A controller with what its informers show, and what it removes."""

    def __init__(self, *services: str) -> None:
        self.informers: dict[Any, Informer] = {}
        self.gone: list[tuple[str, str]] = []
        self.services = services
        api: Any = SimpleNamespace(delete=self.delete, get=self.get)
        known = SimpleNamespace(get=lambda res: self.informers.setdefault(res, Informer(api, res)))
        self.controller = endpointslices.EndpointSlices(SimpleNamespace(api=api, informers=known))  # type: ignore[arg-type]

    async def delete(self, res: Any, name: str, *_: Any, uid: str) -> None:
        self.gone.append((res.plural, f"{name} {uid}"))
        self.informers[res]._remove(f"d/{name}", self.informers[res].store[f"d/{name}"])

    async def get(self, _res: Any, name: str, _namespace: str) -> Any:
        if name not in self.services:
            raise errors.NotFound({}, 404)
        return service()

    def has(self, res: Any, name: str, uid: str, **metadata: Any) -> None:
        made = endpoints.make_slice(service(), (), []) if res == ENDPOINTSLICES else {"metadata": {}, "subsets": []}
        made["metadata"] |= {"name": name, "namespace": "d", "uid": uid, **metadata}
        self.informers[res]._put(f"d/{name}", made)


async def test_both_kinds_of_endpoints_go_with_their_service() -> None:
    """Else a new Service of the name, one without a selector too, has the addresses of the old one."""
    site = Site()
    site.has(ENDPOINTSLICES, "shop-1", "e1")
    site.has(ENDPOINTS, "shop", "e2")
    await site.controller.reconcile("d/shop")
    assert site.gone == [("endpointslices", "shop-1 e1"), ("endpoints", "shop e2")]


async def test_endpoints_stay_with_a_service_that_is_not_seen_yet() -> None:
    site = Site("shop")
    site.has(ENDPOINTSLICES, "shop-1", "e1")
    site.has(ENDPOINTS, "shop", "e2")
    await site.controller.reconcile("d/shop")
    assert site.gone == []


async def test_what_was_left_while_nobody_looked_goes_at_the_start() -> None:
    site = Site("other")
    site.has(ENDPOINTS, "left", "e1")
    site.has(ENDPOINTS, "lock", "e2", annotations={"control-plane.alpha.kubernetes.io/leader": "{}"})
    site.has(ENDPOINTS, "other", "e3")
    site.has(ENDPOINTSLICES, "shop-1", "e4", ownerReferences=[])
    running = asyncio.create_task(site.controller.run())
    async with asyncio.timeout(60):
        while len(site.gone) < 2 or len(site.controller.queue):
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    assert sorted(site.gone) == [("endpoints", "left e1"), ("endpointslices", "shop-1 e4")]
