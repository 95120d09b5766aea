"""The annotations that are understood: the names of ingress-nginx, so that existing manifests keep their meaning."""

import re
from collections.abc import Callable
from typing import Any

from tricenter.ingress.model import Options

PREFIX = "nginx.ingress.kubernetes.io/"

_SIZE = re.compile(r"[0-9]{1,9}[kmgKMG]?")


def _size(text: str) -> str:
    if not _SIZE.fullmatch(text):
        raise ValueError("a size such as 8m is wanted")
    return text


def _seconds(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 86400:
        raise ValueError("a number of seconds between 1 and 86400 is wanted")
    return int(text)


def _bool(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError('"true" or "false" is wanted')
    return text == "true"


KNOWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "proxy-body-size": ("body_size", _size),
    "proxy-connect-timeout": ("connect_timeout", _seconds),
    "proxy-read-timeout": ("read_timeout", _seconds),
    "proxy-send-timeout": ("send_timeout", _seconds),
    "ssl-redirect": ("ssl_redirect", _bool),
}


def options(ingress: dict[str, Any]) -> tuple[Options, list[str]]:
    """What the annotations of an Ingress ask for, and complaints about values that cannot be used."""
    values: dict[str, Any] = {}
    complaints = []
    for name, text in (ingress["metadata"].get("annotations") or {}).items():
        if name.removeprefix(PREFIX) not in KNOWN or not name.startswith(PREFIX):
            continue
        option, parse = KNOWN[name.removeprefix(PREFIX)]
        try:
            values[option] = parse(str(text))
        except ValueError as error:
            complaints.append(f"annotation {name}: {error}, not {text!r}")
    return Options(**values), complaints
