"""The nginx configuration of a `Site`, by a Jinja2 template."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import jinja2

from tricenter.ingress.model import Location, Site

OWN_CERTIFICATE = "default"


def server_name(host: str) -> str:
    """nginx's form of an Ingress host: its own `*.` would match several labels, the API means exactly one."""
    if not host:
        return "_"
    if host.startswith("*."):
        return f'"~^[^.]+{re.escape(host[1:])}$"'
    return host


def expand(locations: Iterable[Location]) -> list[Location]:
    """Prefixes count whole path elements: `/foo` is `/foo` and everything below `/foo/`, but not `/foobar`."""
    known = list(locations)
    exact = {location.path for location in known if location.exact}
    found = []
    for location in known:
        if location.exact or location.path == "/":
            found.append(location)
            continue
        if location.path not in exact:
            found.append(replace(location, exact=True))
        found.append(replace(location, path=f"{location.path}/"))
    return found


def catches_all(locations: Iterable[Location]) -> bool:
    """Whether one of the locations answers every path."""
    return any(location.path == "/" and not location.exact for location in locations)


def render(site: Site, *, addresses: Iterable[str], health: str, certificates: Path) -> str:
    """The configuration text; `health` is ADDRESS:PORT of /healthz, key pairs are files NAME.pem in `certificates`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tricenter.ingress"),
        autoescape=False,  # noqa: S701 - not HTML; hosts and paths are checked by `decide`
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "server_name": server_name,
        "expand": expand,
        "catches_all": catches_all,
        "certificate": lambda name: certificates / f"{name or OWN_CERTIFICATE}.pem",
    }
    return environment.get_template("site.conf.j2").render(site=site, addresses=list(addresses), health=health)
