"""PodSecurity: pods keep to the level that their namespace asks for (k8s.io/pod-security-admission/admission).

Pods are refused; templates of workloads are only warned about and noted in the audit log. A namespace that asks for
more than before is told which of its pods would not be allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from tricenter.apimachinery import podsecurity
from tricenter.apimachinery.podsecurity import LevelVersion, Policy
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import CREATE, UPDATE, Attributes, Plugin
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

_AUDIT = "pod-security.kubernetes.io/"
_IGNORED = {"exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"}
_TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "replicationcontrollers"): ("spec", "template"),
    ("", "podtemplates"): ("template",),
    ("apps", "replicasets"): ("spec", "template"),
    ("apps", "deployments"): ("spec", "template"),
    ("apps", "statefulsets"): ("spec", "template"),
    ("apps", "daemonsets"): ("spec", "template"),
    ("batch", "jobs"): ("spec", "template"),
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where workloads keep the pods they will make."""
_MOST_PODS = 3000
"""Pods of a namespace that are looked at when its level changes (upstream's default)."""


class PodSecurity(Plugin):
    """Enforces, warns and notes."""

    def __init__(self, resources: Resources, fresh: Freshness) -> None:
        self._namespaces = resources["", "namespaces"].objects
        self._pods = resources["", "pods"].objects
        self._fresh = fresh

    async def validate(self, attributes: Attributes) -> None:
        """Look at what is to be created or changed. Raises Forbidden, Invalid."""
        if attributes.operation not in (CREATE, UPDATE):
            return
        if attributes.resource == ("", "namespaces"):
            if not attributes.subresource:
                await self._namespace(attributes)
        elif attributes.resource == ("", "pods"):
            await self._pod(attributes)
        elif attributes.resource in _TEMPLATES and not attributes.subresource:
            await self._template(attributes)

    # --- pods and templates ---

    async def _pod(self, attributes: Attributes) -> None:
        if attributes.subresource in _IGNORED:
            return
        policy, error = await self._policy(attributes.call.info.namespace)
        if policy.privileged and not error:
            attributes.call.annotate(f"{_AUDIT}enforce-policy", str(podsecurity.PRIVILEGED))
            return
        if attributes.operation == UPDATE and not significant(attributes.obj, attributes.old or {}):
            return
        _evaluate(attributes, policy, error, attributes.obj, enforce=True)

    async def _template(self, attributes: Attributes) -> None:
        policy, error = await self._policy(attributes.call.info.namespace)
        template: Any = attributes.obj
        for part in _TEMPLATES[attributes.resource]:
            template = (template or {}).get(part)
        if template and (error or policy.warn.level or policy.audit.level):
            _evaluate(attributes, policy, error, template, enforce=False)

    async def _policy(self, namespace: str) -> tuple[Policy, str]:
        """The policy of a namespace, and what is wrong with its labels."""
        entry = self._namespaces.get("", namespace)
        if entry is None:
            await self._fresh.wait()
            entry = self._namespaces.get("", namespace)
        return _policy(frozenset(entry.labels.items() if entry is not None else ()))

    # --- namespaces ---

    async def _namespace(self, attributes: Attributes) -> None:
        obj, old = attributes.obj, attributes.old
        policy, problems = podsecurity.from_labels(obj["metadata"].get("labels"))
        before, known = podsecurity.from_labels((old or {}).get("metadata", {}).get("labels"))
        if problems and (old is None or problems != known):
            raise errors.invalid(errors.Target(kind="Namespace", name=obj["metadata"].get("name", "")), problems)
        wanted, had = policy.enforce, before.enforce
        if old is None or wanted == had or not wanted.level:
            return
        if wanted.minor == had.minor and wanted.level <= had.level:
            return
        await self._fresh.wait()  # the pods that were there when the level was asked for
        for text in self._violations(obj["metadata"]["name"], wanted):
            attributes.call.warn(text)

    def _violations(self, namespace: str, wanted: LevelVersion) -> list[str]:
        """What a new level would refuse of a namespace's pods, as warnings."""
        pods = _one_of_each_owner(self._pods.entries[key].load() for key in self._pods.keys(namespace))
        found: dict[str, list[str]] = {}
        for pod in pods[:_MOST_PODS]:
            verdict = podsecurity.evaluate(wanted, pod["metadata"], pod.get("spec"))
            if not verdict.allowed:
                found.setdefault(verdict.reasons, []).append(pod["metadata"]["name"])
        texts = []
        if len(pods) > _MOST_PODS:
            first = f"the first {_MOST_PODS} of {len(pods)} existing pods"
            texts.append(f"new PodSecurity enforce level only checked against {first}")
        if found:
            level = f'the new PodSecurity enforce level "{wanted}"'
            texts.append(f'existing pods in namespace "{namespace}" violate {level}')
        return texts + sorted(f"{_names(names)}: {reasons}" for reasons, names in found.items())


@lru_cache(maxsize=1024)
def _policy(labels: frozenset[tuple[str, str]]) -> tuple[Policy, str]:
    """The policy that labels of a namespace ask for, and what is wrong with them."""
    policy, problems = podsecurity.from_labels(dict(labels))
    return policy, ", ".join(map(str, problems))


def _evaluate(attributes: Attributes, policy: Policy, error: str, pod: Object, *, enforce: bool) -> None:
    call, metadata, spec = attributes.call, pod.get("metadata"), pod.get("spec")
    if error:
        call.annotate(f"{_AUDIT}error", f"Failed to parse policy: {error}")
    audited = podsecurity.evaluate(policy.audit, metadata, spec)
    if not audited.allowed:
        text = f'would violate PodSecurity "{policy.audit}": {audited}'
        call.annotate(f"{_AUDIT}audit-violations", text)
    if enforce:
        call.annotate(f"{_AUDIT}enforce-policy", str(policy.enforce))
        verdict = podsecurity.evaluate(policy.enforce, metadata, spec)
        if not verdict.allowed:
            raise errors.forbidden(attributes.target, f'violates PodSecurity "{policy.enforce}": {verdict}')
    warned = podsecurity.evaluate(policy.warn, metadata, spec)
    if not warned.allowed:
        call.warn(f'would violate PodSecurity "{policy.warn}": {warned}')


def significant(pod: Object, old: Object) -> bool:
    """Whether an update changes what checks look at: which containers there are, their images, seccomp annotations."""
    after, before = pod.get("spec") or {}, old.get("spec") or {}
    for key in ("containers", "initContainers"):
        if [item.get("image") for item in after.get(key) or ()] != [
            item.get("image") for item in before.get(key) or ()
        ]:
            return True
    known = {item.get("name"): item.get("image") for item in before.get("ephemeralContainers") or ()}
    if any(known.get(item["name"]) != item.get("image") for item in after.get("ephemeralContainers") or ()):
        return True
    return _seccomp(pod) != _seccomp(old)


def _seccomp(pod: Object) -> Object:
    """The annotations that pods of before 1.19 name their profiles by: levels of that time look at them."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    return {key: value for key, value in annotations.items() if key.startswith(podsecurity.SECCOMP_ANNOTATIONS)}


def _one_of_each_owner(pods: Iterable[Object]) -> list[Object]:
    """All pods, but first one of each owner: the others are most likely the same."""
    seen: set[str] = set()
    first: list[Object] = []
    rest: list[Object] = []
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or ()
        owner = next((item["uid"] for item in owners if item.get("controller")), None)
        (rest if owner in seen else first).append(pod)
        if owner is not None:
            seen.add(owner)
    return [*first, *rest]


def _names(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other pod{'s' if others > 1 else ''})"
