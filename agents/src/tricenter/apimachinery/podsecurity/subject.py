"""The pod that is looked at, and the phrases that all checks are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """Why a pod is not allowed."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


@dataclass(frozen=True)
class Subject:
    """A pod or a pod template."""

    metadata: Object
    spec: Object

    @property
    def containers(self) -> list[Object]:
        """All containers: initialising, running, ephemeral."""
        spec = self.spec
        lists = (spec.get("initContainers"), spec.get("containers"), spec.get("ephemeralContainers"))
        return [container for found in lists for container in found or ()]

    @property
    def context(self) -> Object:
        """The security context of the whole pod."""
        return self.spec.get("securityContext") or {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The pod's annotations."""
        return self.metadata.get("annotations") or {}

    @property
    def windows(self) -> bool:
        """Whether the pod says that it runs on Windows."""
        return (self.spec.get("os") or {}).get("name") == "windows"

    def bad(self, wrong: Callable[[Object], bool]) -> list[str]:
        """Names of the containers whose security context is wrong."""
        return [str(item.get("name")) for item in self.containers if wrong(item.get("securityContext") or {})]

    def setters(self, wrong: Callable[[Object], bool]) -> str:
        """`pod and containers "a", "b"`: who has a security context that is wrong; empty for nobody."""
        containers = self.bad(wrong)
        found = ["pod"] if wrong(self.context) else []
        if containers:
            found.append(named_containers(containers))
        return " and ".join(found)

    def contexts(self) -> Iterable[Object]:
        """The security contexts of the pod and of all containers."""
        yield self.context
        for container in self.containers:
            yield container.get("securityContext") or {}


def named_containers(names: Sequence[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{plural('container', len(names))} {quoted(names)}"


def plural(word: str, count: int) -> str:
    """The word, with an s unless there is exactly one."""
    return word if count == 1 else f"{word}s"


def quoted(items: Iterable[str]) -> str:
    """`"a", "b"`."""
    return ", ".join(f'"{item}"' for item in items)
