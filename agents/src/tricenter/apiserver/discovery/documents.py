"""Discovery documents: /api, /apis and their groups and versions, plain and aggregated (KEP-3352)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery import names
from tricenter.apimachinery.kinds import Kind
from tricenter.apiserver.aggregation.apiservices import ApiService, ApiServices
from tricenter.apiserver.resources import Resource, Resources

Document = dict[str, Any]


class Documents:
    """Builds the documents from the served resources."""

    def __init__(self, resources: Resources, services: ApiServices, listed: Mapping[str, list[Document]]) -> None:
        self._resources = resources
        self._services = services
        self._listed = listed
        """What extension servers list, by the name of their APIService."""

    def _versions(self) -> dict[str, list[str]]:
        """Versions by group, in the order in which they are served."""
        found: dict[str, list[str]] = {}
        for resource in self._resources:
            versions = found.setdefault(resource.kind.group, [])
            if resource.kind.version not in versions:
                versions.append(resource.kind.version)
        for group in {kind.group for kind in self._resources.custom()}:
            found[group].sort(key=names.version_priority)
        for group, version in self._services.remote():
            versions = found.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return found

    def _within(self, group: str, version: str) -> list[Resource]:
        found = [item for item in self._resources if (item.kind.group, item.kind.version) == (group, version)]
        return sorted(found, key=lambda item: item.kind.plural)

    def core(self, address: str) -> Document:
        """/api."""
        servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
        return {"kind": "APIVersions", "versions": self._versions()[""], "serverAddressByClientCIDRs": servers}

    def groups(self) -> Document:
        """/apis."""
        groups = [self.group(name) for name in self._versions() if name]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, name: str) -> Document | None:
        """/apis/GROUP, or None."""
        versions = self._versions().get(name)
        if not versions or not name:
            return None
        listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
        return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": listed, "preferredVersion": listed[0]}

    def version(self, group: str, version: str) -> Document | None:
        """/api/v1 or /apis/GROUP/VERSION, or None."""
        served = self._within(group, version)
        if not served:
            return None
        resources: list[Document] = []
        for resource in served:
            resources.append(_resource(resource))
            resources.extend(_subresources(resource.kind))
        name = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}

    def aggregated(self, *, core: bool, version: str) -> Document:
        """/api (`core`) or /apis as APIGroupDiscoveryList."""
        items = [
            {
                "metadata": {"name": group, "creationTimestamp": None} if group else {"creationTimestamp": None},
                "versions": [self._aggregated_version(group, name) for name in versions],
            }
            for group, versions in self._versions().items()
            if core == (group == "")
        ]
        api = f"apidiscovery.k8s.io/{version}"
        return {"kind": "APIGroupDiscoveryList", "apiVersion": api, "metadata": {}, "items": items}

    def _aggregated_version(self, group: str, version: str) -> Document:
        service = self._services.remote().get((group, version))
        if service is not None:
            freshness = "Current" if service.available else "Stale"
            listed = _of_list(service, self._listed.get(service.name, []))
            return {"version": version, "resources": listed, "freshness": freshness}
        resources = [_aggregated_resource(item.kind) for item in self._within(group, version)]
        return {"version": version, "resources": resources, "freshness": "Current"}


def _of_list(service: ApiService, listed: list[Document]) -> list[Document]:
    """What an APIResourceList has, as aggregated discovery shows it (discovery/aggregated ConvertAPIResources)."""
    found: dict[str, Document] = {}
    for item in sorted(listed, key=lambda item: str(item.get("name", ""))):
        name, _, sub = str(item.get("name", "")).partition("/")
        group, version = item.get("group") or service.group, item.get("version") or service.version
        kind = {"group": group, "version": version, "kind": item.get("kind", "")}
        verbs = item.get("verbs") or []
        if sub and name in found:
            below = found[name].setdefault("subresources", [])
            below.append({"subresource": sub, "responseKind": kind, "verbs": verbs})
        elif not sub:
            body = {"resource": name, "responseKind": kind, "singularResource": item.get("singularName", "")}
            body |= {"scope": "Namespaced" if item.get("namespaced") else "Cluster", "verbs": verbs}
            found[name] = body | {key: item[key] for key in ("shortNames", "categories") if item.get(key)}
    return list(found.values())


def _resource(resource: Resource) -> Document:
    kind = resource.kind
    body: Document = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        body["shortNames"] = list(kind.short_names)
    if kind.categories:
        body["categories"] = list(kind.categories)
    if resource.cache is not None:
        body["storageVersionHash"] = _hash(resource.storage)
    return body


def _hash(stored: Kind) -> str:
    """By which clients see that a kind is stored in another version now (endpoints/discovery/storageversionhash.go)."""
    name = f"{stored.group}/{stored.version}/{stored.kind}"
    return base64.b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()


def _subresources(kind: Kind) -> list[Document]:
    found = []
    for sub in sorted(kind.subresources, key=lambda item: item.name):
        body: Document = {"name": f"{kind.plural}/{sub.name}", "singularName": "", "namespaced": kind.namespaced}
        if (sub.group, sub.version) != (kind.group, kind.version):
            body |= {"group": sub.group, "version": sub.version}
        found.append({**body, "kind": sub.kind, "verbs": list(sub.verbs)})
    return found


def _aggregated_resource(kind: Kind) -> Document:
    body: Document = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        body["shortNames"] = list(kind.short_names)
    if kind.categories:
        body["categories"] = list(kind.categories)
    if kind.subresources:
        body["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {"group": sub.group, "version": sub.version, "kind": sub.kind},
                "verbs": list(sub.verbs),
            }
            for sub in sorted(kind.subresources, key=lambda item: item.name)
        ]
    return body
