"""The webhooks of all configurations, in the order they are called: by name of the configuration, then as listed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apiserver.admission import matching
from tricenter.apiserver.admission.matching import Criteria
from tricenter.apiserver.cache.entry import Entry
from tricenter.apiserver.cache.resource import ResourceCache

log = logging.getLogger(__name__)

VERSIONS = ("v1", "v1beta1")
"""Versions of AdmissionReview that this server speaks."""


@dataclass(frozen=True)
class Hook:
    """One webhook of a configuration."""

    uid: str
    name: str
    configuration: str
    criteria: Criteria
    conditions: tuple[Mapping[str, str], ...]
    client: Mapping[str, Any]
    versions: tuple[str, ...]
    ignores_failure: bool
    timeout: float
    has_side_effects: bool
    reinvoked: bool

    @property
    def version(self) -> str:
        """The first version of AdmissionReview that both speak; empty if there is none."""
        return next((item for item in self.versions if item in VERSIONS), "")


def hook(configuration: str, index: int, webhook: Mapping[str, Any]) -> Hook:
    """A webhook as a configuration has it. Raises ValueError for a selector that is none."""
    name = str(webhook.get("name", ""))
    return Hook(
        uid=f"{configuration}/{name}/{index}",
        name=name,
        configuration=configuration,
        criteria=matching.criteria(webhook),
        conditions=tuple(webhook.get("matchConditions") or ()),
        client=webhook.get("clientConfig") or {},
        versions=tuple(webhook.get("admissionReviewVersions") or ()),
        ignores_failure=webhook.get("failurePolicy", "Fail") == "Ignore",
        timeout=float(webhook.get("timeoutSeconds") or 10),
        has_side_effects=webhook.get("sideEffects") not in ("None", "NoneOnDryRun"),
        reinvoked=webhook.get("reinvocationPolicy") == "IfNeeded",
    )


class Hooks:
    """Reads the configurations of one kind from their cache, each again only when it has changed."""

    def __init__(self, configurations: ResourceCache) -> None:
        self._configurations = configurations
        self._parsed: dict[str, tuple[int, list[Hook]]] = {}

    def all(self) -> list[Hook]:
        """Every webhook."""
        keys = self._configurations.keys()
        if len(self._parsed) > len(keys):
            self._parsed = {key: self._parsed[key] for key in keys if key in self._parsed}
        return [hook for key in keys for hook in self._of(self._configurations.entries[key])]

    def _of(self, entry: Entry) -> list[Hook]:
        known = self._parsed.get(entry.key)
        if known is not None and known[0] == entry.revision:
            return known[1]
        found = []
        for index, webhook in enumerate(entry.load().get("webhooks") or ()):
            try:
                found.append(hook(entry.name, index, webhook))
            except (ValueError, KeyError, TypeError):
                log.exception("webhook %d of configuration %s cannot be used", index, entry.name)
        self._parsed[entry.key] = (entry.revision, found)
        return found
