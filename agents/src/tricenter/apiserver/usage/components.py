"""v1 ComponentStatus, deprecated and still asked for by `kubectl get componentstatuses`.

Upstream's server asks the parts on its own machine; ours may be elsewhere and say by their lease that they are there.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tricenter.apimachinery import times
from tricenter.apiserver.health import Health
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.rest.call import Call
from tricenter.apiserver.rest.router import Handler, Special
from tricenter.apiserver.usage import serving

Object = dict[str, Any]

_LEADERS = {"controller-manager": "kube-controller-manager", "scheduler": "kube-scheduler"}
"""Components by the name of the lease that the one of them that works holds."""
_ETCD = "etcd-0"


class Components:
    """Answers get and list of component statuses."""

    def __init__(self, resources: Resources, health: Health) -> None:
        self._leases = resources["coordination.k8s.io", "leases"]
        self._health = health

    def special(self) -> dict[Special, Handler]:
        """Handlers of both verbs."""
        return {("", "componentstatuses", "get", ""): self.get, ("", "componentstatuses", "list", ""): self.all}

    async def get(self, call: Call) -> web.StreamResponse:
        """One component."""
        return serving.one(
            call, [item for item in await self._statuses() if item["metadata"]["name"] == call.info.name]
        )

    async def all(self, call: Call) -> web.StreamResponse:
        """All components."""
        return serving.many(call, await self._statuses())

    async def _statuses(self) -> list[Object]:
        problems = {name: self._leader(lease) for name, lease in _LEADERS.items()}
        problems[_ETCD] = await self._health.etcd()
        return [_status(name, problem) for name, problem in sorted(problems.items())]

    def _leader(self, lease: str) -> str:
        entry = self._leases.objects.get("kube-system", lease)
        spec = entry.load().get("spec") or {} if entry is not None else {}
        if not spec.get("holderIdentity"):
            return f"nobody holds the lease {lease}"
        age = times.since(spec.get("renewTime"), times.now())
        if age is None or age.total_seconds() > int(spec.get("leaseDurationSeconds") or 0):
            return f"{spec['holderIdentity']} does not renew the lease {lease}"
        return ""


def _status(name: str, problem: str) -> Object:
    condition = {"type": "Healthy", "status": "False" if problem else "True", "message": problem or "ok"}
    metadata = {"name": name, "creationTimestamp": None}
    return {"kind": "ComponentStatus", "apiVersion": "v1", "metadata": metadata, "conditions": [condition]}
