"""Which Service has which public address."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tricenter.balancer import allocation, services
from tricenter.balancer.allocation import Pool

POOL = Pool(("203.0.113.0/29",), frozenset({"203.0.113.2"}))
OURS = "tricenter.io/balancer"


def service(name: str, *addresses: str, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "default", "name": name, "creationTimestamp": created, "resourceVersion": "1"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
        "status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}},
    }


def given_addresses(*everything: dict[str, Any], pool: Pool = POOL) -> dict[str, str]:
    plan = allocation.plan(everything, pool, OURS)
    return {one.service["metadata"]["name"]: one.address for one in plan.assignments}


def reasons(*everything: dict[str, Any]) -> dict[str, str]:
    plan = allocation.plan(everything, POOL, OURS)
    return {one.service["metadata"]["name"]: one.reason for one in plan.refusals}


def test_gives_the_lowest_free_address_but_no_reserved_one() -> None:
    assert given_addresses(service("a"), service("b")) == {"a": "203.0.113.1", "b": "203.0.113.3"}


def test_what_has_an_address_keeps_it() -> None:
    assert given_addresses(service("a", "203.0.113.4"), service("b")) == {"b": "203.0.113.1"}


def test_older_service_keeps_an_address_that_two_claim() -> None:
    young = service("a", "203.0.113.4", created="2026-01-02T00:00:00Z")
    assert given_addresses(young, service("b", "203.0.113.4")) == {"a": "203.0.113.1"}


def test_gives_the_address_that_is_asked_for() -> None:
    annotated = service("b")
    annotated["metadata"]["annotations"] = {services.REQUEST_ANNOTATION: "203.0.113.6"}
    wanted = given_addresses(service("a", loadBalancerIP="203.0.113.5"), annotated)
    assert wanted == {"a": "203.0.113.5", "b": "203.0.113.6"}


def test_changed_wish_moves_the_service() -> None:
    assert given_addresses(service("a", "203.0.113.1", loadBalancerIP="203.0.113.5")) == {"a": "203.0.113.5"}


def test_refuses_what_is_taken_reserved_or_foreign_and_says_why() -> None:
    said = reasons(
        service("a", "203.0.113.1"),
        service("b", loadBalancerIP="203.0.113.1"),
        service("c", loadBalancerIP="203.0.113.2"),
        service("d", loadBalancerIP="192.0.2.1"),
        service("e", loadBalancerIP="nonsense"),
    )
    assert said["b"] == "203.0.113.1 belongs to Service default/a"
    assert "203.0.113.2 is not an address of 203.0.113.0/29" in said["c"]
    assert set(said) == {"b", "c", "d", "e"}


def test_full_pool_is_a_reason() -> None:
    names = [f"s{number}" for number in range(6)]
    assert reasons(*(service(name) for name in names)) == {"s5": "no free address in 203.0.113.0/29"}


def test_service_of_another_class_is_not_ours() -> None:
    assert given_addresses(service("a", loadBalancerClass="example.com/other")) == {}
    assert given_addresses(service("a", loadBalancerClass=OURS)) == {"a": "203.0.113.1"}


def test_address_is_taken_back_from_what_is_no_load_balancer_any_more() -> None:
    assert given_addresses(service("a", "203.0.113.1", type="ClusterIP")) == {"a": ""}


def test_address_of_another_balancer_is_left_alone() -> None:
    assert given_addresses(service("a", "192.0.2.9", loadBalancerClass="example.com/other")) == {}


def test_service_that_is_being_deleted_gets_nothing() -> None:
    leaving = service("a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    assert given_addresses(leaving) == {}


some_address = st.sampled_from(["", *(f"203.0.113.{number}" for number in range(9)), "192.0.2.1"])


@given(st.lists(st.tuples(some_address, some_address, st.sampled_from(["LoadBalancer", "ClusterIP"])), max_size=9))
def test_applied_plan_is_stable_and_gives_no_address_twice(wishes: list[tuple[str, str, str]]) -> None:
    everything = [
        service(f"s{number}", *([has] if has else []), loadBalancerIP=wish, type=kind)
        for number, (has, wish, kind) in enumerate(wishes)
    ]
    for one in allocation.plan(everything, POOL, OURS).assignments:
        ingress = [{"ip": one.address}] if one.address else []
        next(item for item in everything if item is one.service)["status"] = {"loadBalancer": {"ingress": ingress}}
    assert allocation.plan(everything, POOL, OURS).assignments == ()
    held = [address for item in everything for address in services.addresses(item) if address in POOL]
    assert len(held) == len(set(held))
