"""Addresses and networks: ip, isIP, cidr, isCIDR (library/ip.go, cidr.go)."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from tricenter.apimachinery.cel.library.function import MAP, Function, opaque, unwrap

_IP, _CIDR = "net.IP", "net.CIDR"
_LENGTH = re.compile(r"0|[1-9][0-9]*")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _parse_ip(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f'IP Address "{text}" parse error during conversion from string') from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
        if address.scope_id is not None:
            raise ValueError(f'IP address "{text}" with zone value is not allowed')
    return address


def _parse_cidr(text: str) -> Interface:
    address, slash, length = text.partition("/")
    error = ValueError(f'network address parse error during conversion from string: "{text}"')
    if not slash or not _LENGTH.fullmatch(length):
        raise error
    try:
        _parse_ip(address)
        return ipaddress.ip_interface(text)
    except ValueError:
        raise error from None


def _ip(text: str) -> dict[str, Any]:
    return opaque(_IP, str(_parse_ip(text)))


def _cidr(text: str) -> dict[str, Any]:
    return opaque(_CIDR, str(_parse_cidr(text)))


def _valid(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _address(value: dict[str, Any]) -> Address:
    return ipaddress.ip_address(unwrap(_IP, value))


def _interface(value: dict[str, Any]) -> Interface:
    return ipaddress.ip_interface(unwrap(_CIDR, value))


def _contains(network: dict[str, Any], address: Address) -> bool:
    return address in _interface(network).network


def _covers(network: dict[str, Any], other: Interface) -> bool:
    whole = _interface(network).network
    return other.version == whole.version and other.ip in whole and other.network.prefixlen >= whole.prefixlen


def _masked(value: dict[str, Any]) -> dict[str, Any]:
    return opaque(_CIDR, str(_interface(value).network))


def _global(value: dict[str, Any]) -> bool:
    """Go's IsGlobalUnicast: private addresses too, but nothing special."""
    address = _address(value)
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


def _link_local_multicast(value: dict[str, Any]) -> bool:
    address = _address(value)
    packed = address.packed
    return packed[:3] == b"\xe0\x00\x00" if address.version == 4 else packed[0] == 0xFF and packed[1] & 0x0F == 2


def _text(value: dict[str, Any]) -> str:
    return str(unwrap(_IP if _IP in value else _CIDR, value))


FUNCTIONS = (
    Function("ip", ("string",), MAP, _ip, member=False),
    Function("isIP", ("string",), "bool", lambda text: _valid(_parse_ip, text), member=False),
    Function("ip.isCanonical", ("string",), "bool", lambda text: str(_parse_ip(text)) == text, member=False),
    Function("family", (MAP,), "int", lambda value: _address(value).version),
    Function("isUnspecified", (MAP,), "bool", lambda value: _address(value).is_unspecified),
    Function("isLoopback", (MAP,), "bool", lambda value: _address(value).is_loopback),
    Function("isLinkLocalMulticast", (MAP,), "bool", _link_local_multicast),
    Function("isLinkLocalUnicast", (MAP,), "bool", lambda value: _address(value).is_link_local),
    Function("isGlobalUnicast", (MAP,), "bool", _global),
    Function("cidr", ("string",), MAP, _cidr, member=False),
    Function("isCIDR", ("string",), "bool", lambda text: _valid(_parse_cidr, text), member=False),
    Function("containsIP", (MAP, MAP), "bool", lambda network, value: _contains(network, _address(value))),
    Function("containsIP", (MAP, "string"), "bool", lambda network, text: _contains(network, _parse_ip(text))),
    Function("containsCIDR", (MAP, MAP), "bool", lambda network, value: _covers(network, _interface(value))),
    Function("containsCIDR", (MAP, "string"), "bool", lambda network, text: _covers(network, _parse_cidr(text))),
    Function("ip", (MAP,), MAP, lambda value: opaque(_IP, str(_interface(value).ip))),
    Function("masked", (MAP,), MAP, _masked),
    Function("prefixLength", (MAP,), "int", lambda value: _interface(value).network.prefixlen),
    Function("string", (MAP,), "string", _text, member=False),
)
