"""What lies beside the table: loopback addresses, UDP flows, health."""

from tricenter.proxy import addresses, conntrack, health
from tricenter.proxy.state import UdpPort

DNS = UdpPort(
    addresses=frozenset({("10.96.0.10", 53)}), node_port=30053, endpoints=frozenset({("10.101.0.5", 53)})
)  # fmt: skip


def test_only_addresses_of_the_pools_go_to_loopback() -> None:
    assert addresses.wanted(["203.0.113.7", "192.0.2.1"], ["203.0.113.0/24"]) == {"203.0.113.7"}


def test_flows_to_endpoints_that_are_gone_are_stale() -> None:
    assert conntrack.is_stale(("10.96.0.10", 53), ("10.101.0.9", 53), DNS, "10.1.1.21")
    assert not conntrack.is_stale(("10.96.0.10", 53), ("10.101.0.5", 53), DNS, "10.1.1.21")


def test_flows_that_were_never_translated_are_stale_too() -> None:
    """A client that sent before the Service had its first endpoint."""
    assert conntrack.is_stale(("10.1.1.21", 30053), ("10.1.1.21", 30053), DNS, "10.1.1.21")


def test_flows_of_others_are_left_alone() -> None:
    assert not conntrack.is_stale(("10.96.0.11", 53), ("10.101.0.9", 53), DNS, "10.1.1.21")
    assert not conntrack.is_stale(("10.1.2.21", 30053), ("10.101.0.9", 53), DNS, "10.1.1.21")


def test_rules_that_stay_behind_make_the_agent_unhealthy() -> None:
    now = 0.0
    freshness = health.Freshness(patience=60, clock=lambda: now)
    freshness.done()
    assert health.own_page(freshness)("/healthz")[0] == 200
    freshness.waiting()
    now = 59
    assert freshness.healthy()
    now = 61
    assert health.own_page(freshness)("/healthz")[0] == 503
