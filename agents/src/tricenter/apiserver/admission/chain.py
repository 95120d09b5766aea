"""The order in which admission plugins look at a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tricenter.apiserver import errors
from tricenter.apiserver.rest.call import Call

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"


@dataclass
class Round:
    """Which webhooks are called again because what they saw was changed after them (webhook reinvocationPolicy)."""

    second: bool = False
    """Whether this is the second time that all plugins look."""
    wanted: bool = False
    """Whether there has to be one."""
    called: set[str] = field(default_factory=set)
    """Webhooks that were called and would be again."""
    due: set[str] = field(default_factory=set)
    """Those of them that the second time is for."""
    seen: dict[str, Any] | None = None
    """The object as the last webhook left it."""

    def changed(self) -> None:
        """Somebody has changed the object: who saw it before has to see it again."""
        self.due |= self.called
        self.called = set()


@dataclass(frozen=True)
class Attributes:
    """What is to be done: the request, the operation, the object as it would be and as it was."""

    call: Call
    operation: str
    obj: dict[str, Any]
    old: dict[str, Any] | None
    round: Round = field(default_factory=Round)

    @property
    def name(self) -> str:
        """The object's name."""
        return self.call.info.name or str(self.obj["metadata"].get("name", ""))

    @property
    def namespace(self) -> str:
        """The namespace of the request; a Namespace is in the one it is."""
        return self.name if self.resource == ("", "namespaces") else self.call.info.namespace

    @cached_property
    def resource(self) -> tuple[str, str]:
        """Group and plural."""
        kind = self.call.resource.kind
        return (kind.group, kind.plural)

    @property
    def subresource(self) -> str:
        """The subresource, empty for the resource itself."""
        return self.call.info.subresource

    @property
    def target(self) -> errors.Target:
        """What a refusal names: the object, or what its name is to begin with."""
        metadata = self.obj["metadata"]
        return self.call.resource.target(metadata.get("name") or metadata.get("generateName", ""))

    def creates(self, group: str, plural: str) -> bool:
        """Whether an object of this resource is to be created."""
        return self.operation == CREATE and not self.subresource and self.resource == (group, plural)


class Plugin:
    """One rule. Both methods may refuse by raising a StatusError; only `mutate` may change the object.

    A plugin has one of them or both; the one that it does not have is not called.
    """

    async def mutate(self, attributes: Attributes) -> None:
        """Change the object."""

    async def validate(self, attributes: Attributes) -> None:
        """Look at the final object."""


class Admission:
    """All plugins, in upstream's order."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._mutating = [plugin for plugin in plugins if type(plugin).mutate is not Plugin.mutate]
        self._validating = [plugin for plugin in plugins if type(plugin).validate is not Plugin.validate]

    async def mutate(self, attributes: Attributes) -> None:
        """Let every plugin change the object; once more where a webhook has changed what others had seen."""
        for plugin in self._mutating:
            await plugin.mutate(attributes)
        if attributes.round.wanted:
            attributes.round.second = True
            for plugin in self._mutating:
                await plugin.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let every plugin look at it."""
        for plugin in self._validating:
            await plugin.validate(attributes)
