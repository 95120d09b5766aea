"""Field names that are no CEL identifiers are written escaped (KEP-2876; k8s.io/apiserver/pkg/cel/escaping.go)."""

from __future__ import annotations

import re

_RESERVED = frozenset(
    re.findall(
        "[a-z]+",
        """true false null in as break const continue else for function if import let loop package namespace return var
        void while""",
    )
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_SPECIAL = re.compile(r"__|[.\-/]")
_ACCESSIBLE = re.compile(r"[a-zA-Z_.\-/][a-zA-Z0-9_.\-/]*")


def escape(name: str) -> str | None:
    """The identifier that stands for a field in expressions, or None for a field that none can name."""
    if name in _RESERVED:
        return f"__{name}__"
    if not _ACCESSIBLE.fullmatch(name):
        return None
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], name)
