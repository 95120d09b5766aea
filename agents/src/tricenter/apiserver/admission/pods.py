"""Small plugins for pods: Priority and DefaultTolerationSeconds."""

from __future__ import annotations

from typing import Any

from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Attributes, Plugin
from tricenter.apiserver.config import Config
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_NOT_READY, _UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"


class Priority(Plugin):
    """Resolves `priorityClassName` to a number (plugin/pkg/admission/priority)."""

    def __init__(self, resources: Resources) -> None:
        self._classes = resources["scheduling.k8s.io", "priorityclasses"].objects

    async def mutate(self, attributes: Attributes) -> None:
        """Fill in the priority and the preemption policy; an update that does not name them leaves them as they are."""
        if attributes.old is not None and attributes.resource == ("", "pods") and not attributes.subresource:
            _keep(attributes.old.get("spec") or {}, attributes.obj.get("spec") or {})
        if not attributes.creates("", "pods"):
            return
        spec = attributes.obj.setdefault("spec", {})
        target = attributes.target
        found = self._class(spec.get("priorityClassName", ""), target)
        value = int(found.get("value", 0))
        if spec.get("priority") not in (None, value):
            raise errors.forbidden(
                target, f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {value} from the given PriorityClass name"
            )  # fmt: skip
        spec["priority"] = value
        if found:
            spec["priorityClassName"] = found["metadata"]["name"]
        policy = found.get("preemptionPolicy") or "PreemptLowerPriority"
        if spec.setdefault("preemptionPolicy", policy) != policy:
            raise errors.forbidden(
                target, f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in "
                f"pod spec; priority admission controller computed {policy} from the given PriorityClass name"
            )  # fmt: skip

    def _class(self, name: str, target: errors.Target) -> Object:
        if name:
            entry = self._classes.get("", name)
            if entry is None:
                raise errors.forbidden(target, f"no PriorityClass with name {name} was found")
            return entry.load()
        return self._default()

    def _default(self) -> Object:
        """The class of pods that name none: of several, which only a race can make, the lowest."""
        # Nearly no class says anything of the kind, and not every pod is to cost a look into all of them.
        candidates = [entry for entry in self._classes.entries.values() if b'"globalDefault"' in entry.body]
        marked = [obj for obj in (entry.load() for entry in candidates) if obj.get("globalDefault")]
        return min(marked, key=lambda obj: int(obj.get("value", 0)), default={})

    async def validate(self, attributes: Attributes) -> None:
        """Only one class may be the default. Raises Forbidden."""
        obj = attributes.obj
        if attributes.resource != ("scheduling.k8s.io", "priorityclasses") or not obj.get("globalDefault"):
            return
        other = self._default()
        if attributes.operation in (CREATE, UPDATE) and other and other["metadata"]["name"] != attributes.name:
            text = f"PriorityClass {other['metadata']['name']} is already marked as default. Only one default can exist"
            raise errors.forbidden(attributes.target, text)


def _keep(old: Object, new: Object) -> None:
    for field in ("priority", "preemptionPolicy"):
        if new.get(field) is None and old.get(field) is not None:
            new[field] = old[field]


class DefaultTolerationSeconds(Plugin):
    """Pods stay a while on a node that is not ready or unreachable, unless they say otherwise."""

    def __init__(self, config: Config) -> None:
        self._seconds = {
            _NOT_READY: config.default_not_ready_toleration_seconds,
            _UNREACHABLE: config.default_unreachable_toleration_seconds,
        }

    async def mutate(self, attributes: Attributes) -> None:
        """Add the two tolerations where they are missing."""
        if (
            attributes.resource != ("", "pods")
            or attributes.subresource
            or attributes.operation not in (CREATE, UPDATE)
        ):
            return
        tolerations = attributes.obj.setdefault("spec", {}).get("tolerations") or []
        for taint, seconds in self._seconds.items():
            if not any(_covers(item, taint) for item in tolerations):
                extra = {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
                tolerations.append(extra)
        attributes.obj["spec"]["tolerations"] = tolerations


def _covers(toleration: Object, taint: str) -> bool:
    return toleration.get("key") in (taint, "", None) and toleration.get("effect") in ("NoExecute", "", None)
