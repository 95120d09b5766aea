"""What the scheduler needs to know of a pod, worked out once when the pod is first seen."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tricenter.apimachinery import podresources, quantity, selectors, times
from tricenter.apimachinery.selectors import LabelSelector

CPU, MEMORY, PODS = "cpu", "memory", "pods"

# A container that asks for nothing still uses something: what scoring (never fitting) assumes, as upstream.
_UNREQUESTED = {CPU: 100, MEMORY: 200 * 1024 * 1024}

Requests = dict[str, int]
"""Resource name to amount; cpu in thousandths, all others in whole units."""


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """A pod (anti-)affinity term: which pods, counted per value of which node label."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector

    def matches(self, namespace: str, labels: Mapping[str, str], namespaces: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether a pod with `labels` in `namespace` is meant; `namespaces` are the labels of all namespaces."""
        return self.covers(namespace, namespaces) and self.selector.matches(labels)

    def covers(self, namespace: str, namespaces: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether pods in `namespace` are meant."""
        return namespace in self.namespaces or self.namespace_selector.matches(namespaces.get(namespace) or {})


@dataclasses.dataclass(frozen=True, slots=True)
class Constraint:
    """A topology spread constraint (KEP-895)."""

    max_skew: int
    topology_key: str
    selector: LabelSelector
    hard: bool
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclasses.dataclass(slots=True, eq=False)
class PodInfo:
    """A pod as the scheduler sees it."""

    uid: str
    name: str
    namespace: str
    labels: Mapping[str, str]
    obj: dict[str, Any]
    priority: int
    created: float
    requests: Requests
    assumed_use: Requests
    """Like `requests`, with defaults for containers that ask for nothing; for scoring only."""
    ports: frozenset[tuple[str, str, int]]
    """Host ports: address, protocol, number."""
    tolerations: tuple[dict[str, Any], ...]
    node_selector: Mapping[str, str]
    node_affinity: Mapping[str, Any]
    affinity: tuple[Term, ...]
    anti_affinity: tuple[Term, ...]
    preferred: tuple[tuple[int, Term], ...]
    """Weighted terms; anti-affinity has negative weights."""
    constraints: tuple[Constraint, ...]
    placement_key: str
    """Equal for pods that a node treats alike, whatever is on the other nodes."""

    @property
    def key(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


def read(pod: dict[str, Any]) -> PodInfo:
    """Read a pod object; raises selectors.SelectorError or quantity.QuantityError for one the API should refuse."""
    metadata, spec = pod["metadata"], pod["spec"]
    namespace = metadata.get("namespace") or "default"
    labels = metadata.get("labels") or {}
    affinity = spec.get("affinity") or {}
    near, apart = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    node_affinity = affinity.get("nodeAffinity") or {}
    required, preferred = "requiredDuringSchedulingIgnoredDuringExecution", _PREFERRED
    weighted = [(entry["weight"], entry["podAffinityTerm"]) for entry in near.get(preferred) or ()]
    weighted += [(-entry["weight"], entry["podAffinityTerm"]) for entry in apart.get(preferred) or ()]
    needs, use, ports = requests(spec), requests(spec, _UNREQUESTED), frozenset(_host_ports(spec))
    placement = [spec.get("nodeSelector"), node_affinity, spec.get("tolerations"), needs, use, sorted(ports)]
    return PodInfo(
        uid=metadata["uid"],
        name=metadata["name"],
        namespace=namespace,
        labels=labels,
        obj=pod,
        priority=spec.get("priority") or 0,
        created=_seconds(metadata.get("creationTimestamp")),
        requests=needs,
        assumed_use=use,
        ports=ports,
        tolerations=tuple(spec.get("tolerations") or ()),
        node_selector=spec.get("nodeSelector") or {},
        node_affinity=node_affinity,
        affinity=tuple(_term(term, namespace) for term in near.get(required) or ()),
        anti_affinity=tuple(_term(term, namespace) for term in apart.get(required) or ()),
        preferred=tuple((weight, _term(term, namespace)) for weight, term in weighted),
        constraints=tuple(_constraint(item, labels) for item in spec.get("topologySpreadConstraints") or ()),
        placement_key=sys.intern(orjson.dumps(placement, option=orjson.OPT_SORT_KEYS).decode()),
    )


_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def requests(spec: Mapping[str, Any], unrequested: Mapping[str, int] | None = None) -> Requests:
    """What a pod needs of a node (KEP-753): the larger of its running and of its initialising containers, and overhead.

    `unrequested` gives amounts for containers that do not ask.
    """
    needed = podresources.total(spec, lambda container: _asked(container, unrequested))
    for name, amount in amounts(spec.get("overhead")).items():
        needed[name] = needed.get(name, 0) + amount
    return needed


def amounts(resources: Mapping[str, Any] | None) -> Requests:
    """A ResourceList as integers."""
    return {
        name: quantity.milli(value) if name == CPU else quantity.to_int(value)
        for name, value in (resources or {}).items()
    }


def _asked(container: Mapping[str, Any], unrequested: Mapping[str, int] | None) -> Requests:
    asked = amounts((container.get("resources") or {}).get("requests"))
    return {**unrequested, **asked} if unrequested else asked


def _host_ports(spec: Mapping[str, Any]) -> Iterable[tuple[str, str, int]]:
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol") or "TCP", port["hostPort"]  # noqa: S104


def _term(term: Mapping[str, Any], namespace: str) -> Term:
    names = frozenset(term.get("namespaces") or ())
    among = term.get("namespaceSelector")
    if not names and among is None:
        names = frozenset((namespace,))
    return Term(
        topology_key=term["topologyKey"],
        selector=_selector(term.get("labelSelector")),
        namespaces=names,
        namespace_selector=_selector(among),
    )


def _constraint(item: Mapping[str, Any], labels: Mapping[str, str]) -> Constraint:
    selector = _selector(item.get("labelSelector"))
    same = {key: labels[key] for key in item.get("matchLabelKeys") or () if key in labels}
    if same and not selector.nothing:  # KEP-3243: for example only pods of the same ReplicaSet
        selector = LabelSelector(selector.requirements + selectors.from_map(same).requirements)
    return Constraint(
        max_skew=item["maxSkew"],
        topology_key=item["topologyKey"],
        selector=selector,
        hard=item.get("whenUnsatisfiable") != "ScheduleAnyway",
        min_domains=item.get("minDomains") or 1,
        honor_affinity=item.get("nodeAffinityPolicy") != "Ignore",
        honor_taints=item.get("nodeTaintsPolicy") == "Honor",
    )


def _selector(obj: Mapping[str, Any] | None) -> LabelSelector:
    return selectors.NOTHING if obj is None else _parsed(orjson.dumps(obj, option=orjson.OPT_SORT_KEYS))


@functools.lru_cache(maxsize=4096)
def _parsed(encoded: bytes) -> LabelSelector:
    return selectors.from_object(orjson.loads(encoded))


def _seconds(timestamp: str | None) -> float:
    return times.parse(timestamp).timestamp() if timestamp else 0.0
