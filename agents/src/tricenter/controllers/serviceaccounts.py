"""What every namespace has from the start: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`."""

from __future__ import annotations

import asyncio
from typing import Any

from tricenter.client import errors
from tricenter.client.resources import CONFIGMAPS, NAMESPACES, SERVICEACCOUNTS
from tricenter.controllers.context import Context, Controller

Object = dict[str, Any]

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_NOTE = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using "
    "internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed "
    "across distributions of Kubernetes clusters."
}


class NamespaceFurniture(Controller):
    """Reconciles namespaces."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._namespaces = self.informer(NAMESPACES)
        self._accounts = self.informer(SERVICEACCOUNTS)
        self._maps = self.informer(CONFIGMAPS)
        self.enqueue_on(self._namespaces)
        self.enqueue_on(self._accounts, lambda obj: _namespace_of(obj, ACCOUNT))
        self.enqueue_on(self._maps, lambda obj: _namespace_of(obj, ROOT_CA))

    async def reconcile(self, key: str) -> float | None:
        namespace = self._namespaces.store.get(key)
        if namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return None
        if f"{key}/{ACCOUNT}" not in self._accounts.store:
            await self._create(SERVICEACCOUNTS, {"metadata": {"name": ACCOUNT, "namespace": key}})
        authority = await asyncio.to_thread(self.context.config.root_ca.read_text)
        data = {"ca.crt": authority}
        current = self._maps.store.get(f"{key}/{ROOT_CA}")
        if current is None:
            metadata = {"name": ROOT_CA, "namespace": key, "annotations": _NOTE}
            await self._create(CONFIGMAPS, {"metadata": metadata, "data": data})
        elif current.get("data") != data:
            await self.api.update(CONFIGMAPS, current | {"data": data})
        return None

    async def _create(self, res: Any, obj: Object) -> None:
        try:
            await self.api.create(res, obj)
        except errors.AlreadyExists:
            return


def _namespace_of(obj: Object, name: str) -> list[str]:
    return [obj["metadata"]["namespace"]] if obj["metadata"]["name"] == name else []
