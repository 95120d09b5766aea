"""Conflicts of server-side apply, worded as upstream words them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Conflict:
    """One field and the manager that owns it."""

    manager: str
    """As messages show it: `"kubectl" using apps/v1`."""
    path: str
    """`.spec.replicas`."""


class ApplyConflict(Exception):  # noqa: N818 - the API's name for it
    """Other managers own fields whose values would change; `str()` is the message of the 409 Status."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        self.conflicts = tuple(sorted(conflicts, key=lambda conflict: (conflict.manager, conflict.path)))
        super().__init__(_message(self.conflicts))

    @property
    def causes(self) -> list[dict[str, str]]:
        """`details.causes` of the Status."""
        return [
            {"reason": "FieldManagerConflict", "message": f"conflict with {found.manager}", "field": found.path}
            for found in self.conflicts
        ]


def _message(conflicts: Sequence[Conflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: conflict with {conflicts[0].manager}: {conflicts[0].path}"
    lines: list[str] = []
    manager = None
    for conflict in conflicts:
        if conflict.manager != manager:
            manager = conflict.manager
            lines.append(f"conflicts with {manager}:")
        lines.append(f"- {conflict.path}")
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
