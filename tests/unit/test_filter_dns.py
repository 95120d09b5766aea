"""Zones for the names of addresses."""

import importlib.util
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

SOURCE = Path(__file__).parents[2] / "plugins" / "filter" / "dns.py"
_spec = importlib.util.spec_from_file_location("filter_dns", SOURCE)
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
reverse_zones = _module.reverse_zones


@pytest.mark.parametrize(
    ("cidr", "zones"),
    [
        ("10.96.0.0/16", ["96.10.in-addr.arpa"]),
        ("10.101.3.0/24", ["3.101.10.in-addr.arpa"]),
        ("10.0.0.0/8", ["10.in-addr.arpa"]),
        ("10.96.0.0/15", ["96.10.in-addr.arpa", "97.10.in-addr.arpa"]),
        ("10.0.0.16/28", ["0.0.10.in-addr.arpa"]),
    ],
)
def test_zones_of_a_range(cidr: str, zones: list[str]) -> None:
    assert reverse_zones([cidr]) == zones


@given(st.integers(0, 2**32 - 1), st.integers(8, 32), st.data())
def test_every_address_of_a_range_has_a_zone(start: int, length: int, data: st.DataObject) -> None:
    network = ipaddress.IPv4Network((start, length), strict=False)
    address = network[data.draw(st.integers(0, network.num_addresses - 1))]
    assert any(address.reverse_pointer.endswith(f".{zone}") for zone in reverse_zones([str(network)]))
