"""The zones, what each always holds, and which of them a name belongs to."""

from tricenter.dns.records import VERSION, Names, Record

_APEX_TTL = 30


def all_zones(domain: str, reverse_zones: tuple[str, ...]) -> tuple[str, ...]:
    """The zones Knot serves, as its configuration names them."""
    return tuple(f"{zone.rstrip('.')}." for zone in (domain, f"pod.{domain}", *reverse_zones))


def zone_of(name: str, zones: tuple[str, ...]) -> str | None:
    """The zone with the longest match, None when we serve none (the address of a pod outside our ranges)."""
    found = [zone for zone in zones if name == zone or name.endswith(f".{zone}")]
    return max(found, key=len, default=None)


def start_of_authority(domain: str, zone: str, negative_ttl: int) -> Record:
    """The SOA record. Knot counts its serial up with every change; refresh and expire matter to no one here."""
    data = f"ns.dns.{domain}. hostmaster.{domain}. 1 7200 1800 86400 {negative_ttl}"
    return Record(name=zone, type="SOA", data=data, ttl=_APEX_TTL)


def fixed(common: Names, zones: tuple[str, ...], cluster_dns: str) -> frozenset[Record]:
    """Records that belong to no Service: name servers and the version of the naming scheme."""
    server = f"ns.dns.{common.domain}."
    found = [Record(name=zone, type="NS", data=server, ttl=_APEX_TTL) for zone in zones]
    found.append(common.record(server, "A", cluster_dns))
    found.append(common.record(f"dns-version.{common.domain}.", "TXT", f'"{VERSION}"'))
    return frozenset(found)
