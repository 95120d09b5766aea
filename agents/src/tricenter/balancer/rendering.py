"""Virtual servers as text for keepalived."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import jinja2

from tricenter.balancer.model import VirtualServer


def render(director: str, announce: Path, servers: Sequence[VirtualServer]) -> str:
    """The whole configuration file."""
    return _template().render(director=director, announce=announce, servers=servers)


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(  # noqa: S701 - the output is not HTML
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("keepalived.conf.j2")
