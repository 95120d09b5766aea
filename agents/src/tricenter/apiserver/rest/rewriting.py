"""Links of proxied pages: what points to the backend's root is led back through the proxy.

The rules are those of upstream's proxy.Transport (apimachinery pkg/util/proxy): a URL is changed when it has an
absolute path and names no other host, and does not begin with the proxy's path already.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

_ATTRIBUTES = {
    "a": ("href",), "applet": ("codebase",), "area": ("href",), "audio": ("src",), "base": ("href",),
    "blockquote": ("cite",), "body": ("background",), "button": ("formaction",), "command": ("icon",),
    "del": ("cite",), "embed": ("src",), "form": ("action",), "frame": ("longdesc", "src"), "head": ("profile",),
    "html": ("manifest",), "iframe": ("longdesc", "src"), "img": ("longdesc", "src", "usemap"),
    "input": ("src", "usemap", "formaction"), "ins": ("cite",), "link": ("href",),
    "object": ("classid", "codebase", "data", "usemap"), "q": ("cite",), "script": ("src",), "source": ("src",),
    "video": ("poster", "src"),
}  # fmt: skip
"""Attributes that hold a URL, by element (HTML's list of attributes)."""

_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<([a-zA-Z][a-zA-Z0-9]*+)"
    r"((?:\s++[^\s=<>\"'/]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s<>\"']++))?+|\s*+/)*+\s*+)>",
    re.DOTALL,
)
"""A comment or the start of an element. It never goes back over what it has read, so that no page takes it long."""
_RAW_END = {
    name: re.compile(rf"</{name}\s*+>", re.IGNORECASE) for name in ("script", "style", "textarea", "title")
}  # fmt: skip
"""The end of elements that hold text and no others."""
_ATTRIBUTE = re.compile(r"(\s)([^\s=<>\"'/]++)(\s*+=\s*+)(\"[^\"]*+\"|'[^']*+'|[^\s<>\"']++)")


def url(target: str, prefix: str, own_hosts: tuple[str, ...]) -> str:
    """A URL as the client has to ask for it; `own_hosts` are the names that the backend may have called itself by."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return target
    if (parts.netloc and parts.netloc not in own_hosts) or not parts.path.startswith("/"):
        return target
    path = parts.path if parts.path.startswith(prefix) else prefix + parts.path
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def page(text: str, rewrite: Callable[[str], str]) -> str:
    """A page with every URL of its elements rewritten; everything else, scripts and comments too, stays as it is."""
    done, position = [], 0
    while (found := _TAG.search(text, position)) is not None:
        done += [text[position : found.start()], _element(found, rewrite)]
        position = found.end()
        end = _RAW_END.get((found[1] or "").lower())
        if end is not None:
            closing = end.search(text, position)
            after = len(text) if closing is None else closing.start()
            done.append(text[position:after])
            position = after
    return "".join(done) + text[position:]


def _element(found: re.Match[str], rewrite: Callable[[str], str]) -> str:
    names = _ATTRIBUTES.get((found[1] or "").lower())
    if names is None:
        return found[0]

    def attribute(item: re.Match[str]) -> str:
        if item[2].lower() not in names:
            return item[0]
        value = rewrite(html.unescape(item[4].strip("\"'")))
        return f'{item[1]}{item[2]}{item[3]}"{html.escape(value)}"'

    return f"<{found[1]}{_ATTRIBUTE.sub(attribute, found[2])}>"
