"""Which addresses and ports of objects can be used: the API takes more than engines do.

One address or port that is none makes nft, Knot, nginx or keepalived refuse what all other Services have, too.
"""

import ipaddress


def is_ip(text: object) -> bool:
    """Whether a value is an IP address of any family."""
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def is_ipv4(text: object) -> bool:
    """Whether a value is an IPv4 address."""
    try:
        ipaddress.IPv4Address(str(text))
    except ValueError:
        return False
    return True


def is_port(number: int | None) -> bool:
    """Whether traffic can be sent there: the API takes any number in an EndpointSlice, as upstream does."""
    return 0 < (number or 0) < 65536
