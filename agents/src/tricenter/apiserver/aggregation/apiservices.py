"""The APIService objects (apiregistration.k8s.io/v1): which group versions are whose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.resources import Resources

Object = dict[str, Any]

AVAILABLE = "Available"


@dataclass(frozen=True)
class ApiService:
    """A group version that a Service stands for."""

    name: str
    group: str
    version: str
    namespace: str
    service: str
    port: int
    bundle: str
    insecure: bool
    available: bool
    group_priority: int
    version_priority: int

    @property
    def host(self) -> str:
        """The name in the certificate of the server."""
        return f"{self.service}.{self.namespace}.svc"

    @property
    def path(self) -> str:
        """Where its resources are listed."""
        return f"/apis/{self.group}/{self.version}"


def parse(obj: Mapping[str, Any]) -> ApiService | None:
    """The APIService of an object; None for one that this server serves itself."""
    spec = obj["spec"]
    service = spec.get("service")
    if not service:
        return None
    return ApiService(
        name=obj["metadata"]["name"],
        group=str(spec.get("group", "")),
        version=str(spec.get("version", "")),
        namespace=str(service.get("namespace", "")),
        service=str(service.get("name", "")),
        port=int(service.get("port") or 443),
        bundle=str(spec.get("caBundle") or ""),
        insecure=bool(spec.get("insecureSkipTLSVerify")),
        available=(condition(obj) or {}).get("status") == "True",
        group_priority=int(spec.get("groupPriorityMinimum") or 0),
        version_priority=int(spec.get("versionPriority") or 0),
    )


def condition(obj: Mapping[str, Any]) -> Object | None:
    """The condition Available of an APIService."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item.get("type") == AVAILABLE), None)


class ApiServices:
    """The group versions of other servers, as the cache has them."""

    def __init__(self, resources: Resources) -> None:
        self._cache = resources["apiregistration.k8s.io", "apiservices"].objects
        self._cache.listeners.append(self._changed)
        self._found: dict[tuple[str, str], ApiService] | None = None

    def reset(self) -> None:
        """Forget everything: the cache was read anew."""
        self._found = None

    def _changed(self, _: Change) -> None:
        self._found = None

    def remote(self) -> Mapping[tuple[str, str], ApiService]:
        """All of them by group and version, in the order of discovery (apiregistration/v1/helper)."""
        if self._found is None:
            parsed = [parse(entry.load()) for entry in self._cache.entries.values()]
            found = [item for item in parsed if item is not None]
            found.sort(key=lambda item: (-item.group_priority, item.group, -item.version_priority, item.version))
            self._found = {(item.group, item.version): item for item in found}
        return self._found

    def at(self, path: str) -> ApiService | None:
        """Whose a path is: `/apis/GROUP/VERSION` and everything below it, and its OpenAPI document."""
        remote = self.remote()
        if not remote:
            return None
        parts = path.removeprefix("/openapi/v3").split("/", 4)
        return remote.get((parts[2], parts[3])) if len(parts) > 3 and parts[1] == "apis" else None
