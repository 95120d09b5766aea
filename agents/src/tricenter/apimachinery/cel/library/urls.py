"""URLs: url, isURL, getScheme, getHost, getHostname, getPort, getEscapedPath, getQuery (library/urls.go)."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from tricenter.apimachinery.cel.library.function import MAP, Function, opaque, unwrap

_KIND = "kubernetes.URL"


def _split(text: str) -> SplitResult:
    """An absolute URI or an absolute path, as Go's url.ParseRequestURI takes. Raises ValueError."""
    parts = urlsplit(text)
    if not (parts.scheme or text.startswith("/")) or any(ord(char) < 0x21 or ord(char) == 0x7F for char in text):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    _ = parts.port
    return parts


def _url(text: str) -> dict[str, Any]:
    _split(text)
    return opaque(_KIND, text)


def _is_url(text: str) -> bool:
    try:
        _split(text)
    except ValueError:
        return False
    return True


def _parts(value: dict[str, Any]) -> SplitResult:
    return _split(unwrap(_KIND, value))


def _hostname(value: dict[str, Any]) -> str:
    host = _parts(value).netloc.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _port(value: dict[str, Any]) -> str:
    port = _parts(value).port
    return "" if port is None else str(port)


FUNCTIONS = (
    Function("url", ("string",), MAP, _url, member=False),
    Function("isURL", ("string",), "bool", _is_url, member=False),
    Function("getScheme", (MAP,), "string", lambda value: _parts(value).scheme),
    Function("getHost", (MAP,), "string", lambda value: _parts(value).netloc.rpartition("@")[2]),
    Function("getHostname", (MAP,), "string", _hostname),
    Function("getPort", (MAP,), "string", _port),
    Function("getEscapedPath", (MAP,), "string", lambda value: quote(_parts(value).path, safe="/%:@!$&'()*+,;=~-._")),
    Function(
        "getQuery",
        (MAP,),
        "map(string, list(string))",
        lambda value: parse_qs(_parts(value).query, keep_blank_values=True),
    ),
)
