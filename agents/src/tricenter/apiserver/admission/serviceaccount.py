"""ServiceAccount: every pod runs as an account and finds its token in a projected volume.

After plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from typing import Any

from tricenter.apimachinery import mirrorpods, names
from tricenter.apiserver import errors
from tricenter.apiserver.admission.chain import Attributes, Plugin
from tricenter.apiserver.auth import references
from tricenter.apiserver.auth.tokens import POD_SECONDS
from tricenter.apiserver.cache.freshness import Freshness
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


class ServiceAccount(Plugin):
    """Sets the account of new pods and mounts its token."""

    def __init__(self, resources: Resources, fresh: Freshness) -> None:
        self._accounts = resources["", "serviceaccounts"].objects
        self._fresh = fresh

    async def mutate(self, attributes: Attributes) -> None:
        """Choose the account and mount its token."""
        pod = attributes.obj
        if not attributes.creates("", "pods") or mirrorpods.is_mirror(pod):
            return
        spec = pod.setdefault("spec", {})
        name = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(attributes, name)
        if _automounts(spec, account):
            mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = account["imagePullSecrets"]

    async def validate(self, attributes: Attributes) -> None:
        """A mirror pod refers to nothing by which its node would get at it. Raises Forbidden."""
        if attributes.creates("", "pods") and mirrorpods.is_mirror(attributes.obj):
            refusal = _not_for_mirrors(attributes.obj)
            if refusal:
                raise errors.forbidden(attributes.target, refusal)

    async def _account(self, attributes: Attributes, name: str) -> Object:
        namespace = attributes.call.info.namespace
        entry = self._accounts.get(namespace, name)
        if entry is None:
            await self._fresh.wait()
            entry = self._accounts.get(namespace, name)
        if entry is None:
            target = attributes.target
            text = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise errors.forbidden(target, text)
        return entry.load()


def _not_for_mirrors(pod: Object) -> str:
    spec = pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if any(plural == "secrets" for plural, _, _ in references.of_pod(pod)):
        return "a mirror pod may not reference secrets"
    projected = [(volume.get("projected") or {}).get("sources") or () for volume in spec.get("volumes") or ()]
    if any(source.get("serviceAccountToken") is not None for sources in projected for source in sources):
        return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def _automounts(spec: Object, account: Object) -> bool:
    """The pod's word counts before the account's; the default is yes."""
    for holder in (spec, account):
        if holder.get("automountServiceAccountToken") is not None:
            return bool(holder["automountServiceAccountToken"])
    return True


def mount_token(spec: Object) -> None:
    """Mount a token in every container that has nothing at its place."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    without = [item for item in containers if not _has_mount(item)]
    if not without:
        return
    name = names.generate("kube-api-access-")
    spec.setdefault("volumes", []).append(_volume(name))
    for container in without:
        mounts = container.setdefault("volumeMounts", [])
        mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})


def _has_mount(container: Object) -> bool:
    return any(mount.get("mountPath") == MOUNT_PATH for mount in container.get("volumeMounts") or ())


def _volume(name: str) -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": POD_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}
