"""How a function of a library is described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAP = "map(string, dyn)"
LIST = "list(dyn)"
KINDS = ("bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration", LIST, "map(dyn, dyn)")
"""The types of values; a parameter of type dyn takes none of them when it comes to the call."""


@dataclass(frozen=True)
class Function:
    """One overload: `implementation` gets Python values, an error it raises is the expression's."""

    name: str
    parameters: tuple[str, ...]
    returns: str
    implementation: Callable[..., Any]
    member: bool = True

    @property
    def overload(self) -> str:
        """Its identifier, which nothing else has."""
        style = "member" if self.member else "global"
        return f"{style}_{self.name}_{'_'.join(self.parameters)}"


def opaque(kind: str, value: Any) -> dict[str, Any]:
    """A value of a type of ours."""
    return {kind: value}


def unwrap(kind: str, value: dict[str, Any]) -> Any:
    """What `opaque` wrapped. Raises ValueError where the value is of another type."""
    if len(value) != 1 or kind not in value:
        raise ValueError("no such overload")
    return value[kind]
