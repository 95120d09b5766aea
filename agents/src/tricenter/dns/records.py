"""The records of one Service: the decision this agent makes.

Rules: https://github.com/kubernetes/dns/blob/master/docs/specification.md, version 1.1.0. Names of pods
(`1-2-3-4.namespace.pod`) need no record: Knot computes them (mod-synthrecord).
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery import names, reachable

Object = dict[str, Any]

VERSION = "1.1.0"

_LONGEST_LABEL = 63


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Record:
    """One resource record; `name` ends with a dot, `data` is in the form of a zone file."""

    name: str
    type: str
    data: str
    ttl: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """What all records have in common."""

    domain: str
    ttl: int

    def record(self, name: str, kind: str, data: str) -> Record:
        """A record with the common time to live."""
        return Record(name=name, type=kind, data=data, ttl=self.ttl)

    def service(self, service: Object) -> str:
        """Full name of a Service."""
        metadata = service["metadata"]
        return f"{metadata['name']}.{metadata['namespace']}.svc.{self.domain}."


def reverse_name(address: str) -> str:
    """`10.96.0.1` → `1.0.96.10.in-addr.arpa.`"""
    return f"{ipaddress.IPv4Address(address).reverse_pointer}."


def of_service(service: Object | None, slices: Iterable[Object], common: Names) -> frozenset[Record]:
    """All records that a Service with these EndpointSlices means; none when it does not exist."""
    if service is None:
        return frozenset()
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        found = _external(service, common)
    elif spec.get("clusterIP") == "None":
        found = _headless(service, slices, common)
    else:
        found = _cluster(service, common)
    return frozenset(filter(_can_be_said, found))


def _can_be_said(record: Record) -> bool:
    """Whether DNS has room for the names of a record (RFC 1035, 2.3.4).

    The API limits an external name only as a whole, and gives the name of a port the room that its underscore needs.
    Knot would refuse the transaction, and with it the changes of all other Services.
    """
    words = (record.name, *record.data.split(" "))
    return all(len(label) <= _LONGEST_LABEL for word in words for label in word.split("."))


def _external(service: Object, common: Names) -> Iterator[Record]:
    target = str(service["spec"].get("externalName") or "").rstrip(".").lower()
    # An address is no name to point at, although the API lets it pass.
    if not names.dns_subdomain(target) and not reachable.is_ipv4(target):
        yield common.record(common.service(service), "CNAME", f"{target}.")


def _cluster(service: Object, common: Names) -> Iterator[Record]:
    spec, name = service["spec"], common.service(service)
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    for address in filter(reachable.is_ipv4, addresses):
        yield common.record(name, "A", address)
        yield common.record(reverse_name(address), "PTR", name)
    for port in spec.get("ports") or []:
        if port.get("name"):
            yield _srv(port, port["port"], name, name, common)


def _headless(service: Object, slices: Iterable[Object], common: Names) -> Iterator[Record]:
    """One name for all ready pods, and one for each."""
    name = common.service(service)
    for item in slices:
        for endpoint in item.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready") is False:
                continue
            for address in filter(reachable.is_ipv4, endpoint.get("addresses") or []):
                own = f"{endpoint.get('hostname') or address.replace('.', '-')}.{name}"
                yield common.record(name, "A", address)
                yield common.record(own, "A", address)
                yield common.record(reverse_name(address), "PTR", own)
                for port in item.get("ports") or []:
                    if port.get("name") and reachable.is_port(port.get("port")):
                        yield _srv(port, port["port"], name, own, common)


def _srv(port: Object, number: int, name: str, target: str, common: Names) -> Record:
    protocol = str(port.get("protocol") or "TCP").lower()
    return common.record(f"_{port['name']}._{protocol}.{name}", "SRV", f"0 100 {number} {target}")
