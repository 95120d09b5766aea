"""What the kubelet remembers of a pod between two looks at it; all of it can be lost and found again."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tricenter.apimachinery import times

Object = dict[str, Any]


@dataclass
class PodState:
    """One pod of this node."""

    pod: Object
    """The newest object."""
    removed: bool = False
    """The object is gone from its source; what runs of it has to go too."""
    successor: Object | None = None
    """The object that came back under the same uid meanwhile: it runs anew once this pod has gone."""
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Why a container does not run: reason and message, by container name."""
    messages: dict[str, str] = field(default_factory=dict)
    """Last words of ended containers that the runtime still has, by container id."""
    failures: dict[str, float] = field(default_factory=dict)
    """When a container last failed before it ran, by container name."""
    failure: tuple[str, str] | None = None
    """Reason and message where the node itself ended the pod."""
    terminated: bool = False
    """It was told to stop and nothing of it runs any more."""
    told_network: bool = False
    """Whether the pod's user knows that the node has no network yet."""
    started: datetime = field(default_factory=times.now)
    """When the kubelet saw it first."""
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the pod is to stop, or to stop sooner: whatever waits for it shall look again."""

    def update(self, pod: Object) -> None:
        """Take a newer object."""
        old, self.pod = self.pod, pod
        before, now = (item["metadata"].get("deletionGracePeriodSeconds") for item in (old, pod))
        if now is not None and (before is None or now < before):
            self.hurry.set()
