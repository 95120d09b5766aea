"""Objects that scheduler tests are written with: a site and pods."""

from __future__ import annotations

import itertools
from typing import Any

from tricenter.apimachinery import selectors
from tricenter.scheduler import pods
from tricenter.scheduler.decide import Decider, Refusal
from tricenter.scheduler.pods import PodInfo
from tricenter.scheduler.state import State

_numbers = itertools.count()


class Site:
    """A State and a Decider over it."""

    def __init__(self) -> None:
        self.state = State()
        self.decider = Decider(self.state)

    def node(
        self, name: str, zone: str = "", cpu: str = "4", memory: str = "8Gi", pods: int = 110, **more: Any
    ) -> None:
        labels = {"kubernetes.io/hostname": name} | more.pop("labels", {})
        if zone:
            labels["topology.kubernetes.io/zone"] = zone
        allocatable = {"cpu": cpu, "memory": memory, "pods": str(pods)} | more.pop("extended", {})
        self.state.set_node(
            {"metadata": {"name": name, "labels": labels}, "spec": more, "status": {"allocatable": allocatable}}
        )

    def three_centers(self) -> None:
        """The replica's six nodes."""
        for zone, count in (("east1", 3), ("east2", 2), ("west1", 1)):
            for number in range(1, count + 1):
                self.node(f"{zone}-node{number}", zone)

    def decide(self, pod: PodInfo, siblings: selectors.LabelSelector = selectors.NOTHING) -> str | Refusal:
        return self.decider.decide(pod, siblings)

    def schedule(self, pod: PodInfo, siblings: selectors.LabelSelector = selectors.NOTHING) -> str | Refusal:
        outcome = self.decide(pod, siblings)
        if isinstance(outcome, str):
            self.state.place(pod, outcome)
        return outcome

    def zone(self, node: str | Refusal) -> str:
        assert isinstance(node, str), node
        return self.state.nodes[node].labels["topology.kubernetes.io/zone"]


def make_pod(
    name: str = "", *, cpu: str = "", memory: str = "", labels: dict[str, str] | None = None, **spec: Any
) -> PodInfo:
    number = next(_numbers)
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    spec.setdefault("containers", [{"name": "c", "resources": {"requests": requests}}])
    metadata = {"uid": f"u{number}", "name": name or f"p{number}", "namespace": "default", "labels": labels or {}}
    return pods.read({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
