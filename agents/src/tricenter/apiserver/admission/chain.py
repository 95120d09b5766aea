"""The order in which admission plugins look at a request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tricenter.apiserver import errors
from tricenter.apiserver.admission.instruments import ADMIT, VALIDATE, AdmissionMetrics
from tricenter.apiserver.rest.call import Call
from tricenter.runtime.metrics import Histogram

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

    title = ""
    """What metrics call it; the name of the class where that is upstream's."""

    async def mutate(self, attributes: Attributes) -> None:
        """Change the object."""

    async def validate(self, attributes: Attributes) -> None:
        """Look at the final object."""


class Admission:
    """All plugins, in upstream's order."""

    def __init__(self, plugins: Sequence[Plugin], metrics: AdmissionMetrics) -> None:
        mutating = [plugin for plugin in plugins if type(plugin).mutate is not Plugin.mutate]
        validating = [plugin for plugin in plugins if type(plugin).validate is not Plugin.validate]
        self._mutating = _Steps(ADMIT, [(_title(plugin), plugin.mutate) for plugin in mutating], metrics)
        self._validating = _Steps(VALIDATE, [(_title(plugin), plugin.validate) for plugin in validating], metrics)

    async def mutate(self, attributes: Attributes) -> None:
        """Let every plugin change the object; once more where a webhook has changed what others had seen."""
        await self._mutating.take(attributes)
        if attributes.round.wanted:
            attributes.round.second = True
            await self._mutating.take(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let every plugin look at it."""
        await self._validating.take(attributes)


class _Steps:
    """Plugins one after the other, with the time that each took."""

    def __init__(
        self, kind: str, steps: list[tuple[str, Callable[[Attributes], Awaitable[None]]]], metrics: AdmissionMetrics
    ) -> None:
        self._kind = kind
        self._steps = steps
        self._metrics = metrics
        self._seconds: dict[str, tuple[Histogram, list[Histogram]]] = {}

    async def take(self, attributes: Attributes) -> None:
        """All of them. Raises what the first one that refuses raises."""
        operation = attributes.operation
        whole, each = self._seconds.get(operation) or self._learn(operation)
        began = last = time.perf_counter()
        for (name, step), seconds in zip(self._steps, each, strict=True):
            try:
                await step(attributes)
            except errors.StatusError:
                self._refused(name, operation, began, last)
                raise
            now = time.perf_counter()
            seconds.observe(now - last)
            last = now
        whole.observe(last - began)

    def _learn(self, operation: str) -> tuple[Histogram, list[Histogram]]:
        """Where the times of an operation go."""
        kind, metrics = self._kind, self._metrics
        each = [metrics.controller(name, kind, operation, rejected=False) for name, _ in self._steps]
        found = self._seconds[operation] = metrics.step(kind, operation, rejected=False), each
        return found

    def _refused(self, name: str, operation: str, began: float, last: float) -> None:
        now = time.perf_counter()
        self._metrics.controller(name, self._kind, operation, rejected=True).observe(now - last)
        self._metrics.step(self._kind, operation, rejected=True).observe(now - began)


def _title(plugin: Plugin) -> str:
    return plugin.title or type(plugin).__name__
