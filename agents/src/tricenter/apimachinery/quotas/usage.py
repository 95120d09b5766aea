"""What one object of a resource uses, by the names that quotas have for it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tricenter.apimachinery import amounts, podresources, times
from tricenter.apimachinery.amounts import ONE, Amount, Amounts

Object = Mapping[str, Any]

_STORAGE_CLASS = ".storageclass.storage.k8s.io/"
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_POD_NAMES = {"pods", *_COMPUTE, *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _COMPUTE)}
_REQUIRED = {f"{kind}{name}" for kind in ("", "requests.", "limits.") for name in ("cpu", "memory")}
_SERVICE_NAMES = {"services", "services.nodeports", "services.loadbalancers"}
_CLAIM_NAMES = ("persistentvolumeclaims", "requests.storage")
_ALIASES = ("configmaps", "resourcequotas", "replicationcontrollers", "secrets")
"""Core resources that are counted under their plain name too."""


@dataclass(frozen=True)
class Usage:
    """How objects of one resource are counted."""

    group: str
    plural: str

    @property
    def count(self) -> str:
        """`count/deployments.apps`."""
        return f"count/{self.plural}.{self.group}" if self.group else f"count/{self.plural}"

    def names(self, hard: Iterable[str]) -> set[str]:
        """Which of a quota's names this resource uses."""
        return {name for name in hard if name == self.count or self.has(name)}

    def has(self, name: str) -> bool:
        """Whether the resource uses this name besides its count."""
        return not self.group and name == self.plural and name in _ALIASES

    def of(self, obj: Object, now: dt.datetime) -> Amounts:  # noqa: ARG002 - time matters to pods
        """What an object uses at a time."""
        found = {self.count: ONE}
        if self.has(self.plural):
            found[self.plural] = ONE
        return found

    def missing(self, obj: Object, names: Iterable[str]) -> str:  # noqa: ARG002 - only pods must say something
        """What an object must say and does not, for a quota with these names; empty for nothing."""
        return ""


class _Pods(Usage):
    """Pods count until they have ended, and by what they ask for."""

    def has(self, name: str) -> bool:
        extended = name.startswith("requests.") and "/" in name and not _native(name.removeprefix("requests."))
        return name in _POD_NAMES or extended or name.startswith(("hugepages-", "requests.hugepages-"))

    def of(self, obj: Object, now: dt.datetime) -> Amounts:
        if _ended(obj, now):
            return {self.count: ONE}
        spec = obj.get("spec") or {}
        return {self.count: ONE, **_compute(podresources.requests(spec), podresources.limits(spec))}

    def missing(self, obj: Object, names: Iterable[str]) -> str:
        lacking: dict[str, set[str]] = {}
        for container in podresources.all_containers(obj.get("spec") or {}):
            asked = (podresources.of_container(container, section) for section in ("requests", "limits"))
            for name in (_REQUIRED & set(names)) - _compute(*asked).keys():
                lacking.setdefault(name, set()).add(container["name"])
        parts = (f"{name} for: {','.join(sorted(lacking[name]))}" for name in sorted(lacking))
        return f"must specify {'; '.join(parts)}" if lacking else ""


def _compute(requests: Mapping[str, Amount], limits: Mapping[str, Amount]) -> Amounts:
    found = {"pods": ONE}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = found[f"requests.{name}"] = amount
        elif not _native(name):
            found[f"requests.{name}"] = amount
    return found | {f"limits.{name}": amount for name, amount in limits.items() if name in _COMPUTE}


def _native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


def _ended(pod: Object, now: dt.datetime) -> bool:
    """Whether it has ended, or should have: its grace is over (QuotaV1Pod)."""
    metadata = pod.get("metadata") or {}
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return True
    since = times.since(metadata.get("deletionTimestamp"), now)
    grace = metadata.get("deletionGracePeriodSeconds")
    return since is not None and grace is not None and since.total_seconds() > grace


class _Services(Usage):
    """Services count by their ports on nodes and their balancers."""

    def has(self, name: str) -> bool:
        return name in _SERVICE_NAMES

    def of(self, obj: Object, now: dt.datetime) -> Amounts:  # noqa: ARG002
        spec = obj.get("spec") or {}
        ports, balancers = 0, int(spec.get("type") == "LoadBalancer")
        if spec.get("type") == "NodePort" or (balancers and spec.get("allocateLoadBalancerNodePorts") is not False):
            ports = len(spec.get("ports") or ())
        elif balancers:
            ports = sum(bool(port.get("nodePort")) for port in spec.get("ports") or ())
        return {
            self.count: ONE,
            "services": ONE,
            "services.nodeports": Amount(Fraction(ports)),
            "services.loadbalancers": Amount(Fraction(balancers)),
        }


class _Claims(Usage):
    """Claims count by the storage they ask for, in all and of their class."""

    def has(self, name: str) -> bool:
        return name in _CLAIM_NAMES or name.endswith(tuple(_STORAGE_CLASS + item for item in _CLAIM_NAMES))

    def of(self, obj: Object, now: dt.datetime) -> Amounts:  # noqa: ARG002
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        found = {"persistentvolumeclaims": ONE}
        asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        if asked is not None:
            allocated = (status.get("allocatedResources") or {}).get("storage", asked)
            found["requests.storage"] = max(amounts.parse(asked), amounts.parse(allocated))
        chosen = ((obj.get("metadata") or {}).get("annotations") or {}).get(_CLASS_ANNOTATION)
        chosen = chosen or spec.get("storageClassName")
        of_class = {f"{chosen}{_STORAGE_CLASS}{name}": amount for name, amount in found.items()} if chosen else {}
        return {self.count: ONE, **found, **of_class}


_OWN: dict[tuple[str, str], type[Usage]] = {
    ("", "pods"): _Pods,
    ("", "services"): _Services,
    ("", "persistentvolumeclaims"): _Claims,
}


def usage_of(group: str, plural: str) -> Usage:
    """How objects of a resource are counted; every resource has its `count/…`."""
    return _OWN.get((group, plural), Usage)(group, plural)


def counted_resources(hard: Iterable[str]) -> set[tuple[str, str]]:
    """Group and plural of the resources that a quota with these names has to do with."""
    found: set[tuple[str, str]] = set()
    for name in hard:
        if name.startswith("count/"):
            plural, _, group = name.removeprefix("count/").partition(".")
            found.add((group, plural))
        elif name in _ALIASES:
            found.add(("", name))
        else:
            found |= {resource for resource in _OWN if usage_of(*resource).has(name)}
    return found
