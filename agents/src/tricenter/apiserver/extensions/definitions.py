"""From a CustomResourceDefinition to the kinds it defines, one a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery.kinds import Kind, Subresource
from tricenter.apimachinery.structural import coercing, naming
from tricenter.apiserver.cache import selectable

Object = dict[str, Any]

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SUB_VERBS = ("get", "patch", "update")


@dataclass(frozen=True)
class Definition:
    """What a definition makes the server serve."""

    name: str
    served: tuple[Kind, ...]
    storage: Kind
    """The version in etcd; one of `served` unless it is not served."""
    basis: Mapping[str, Any]
    """What the definition was made of: objects are read anew when it changes."""

    @property
    def prefix(self) -> str:
        """Where the objects live in etcd."""
        return str(self.storage.storage_prefix)

    def extractor(self) -> selectable.Extract:
        """The selectable values of an object, those of all versions."""
        paths = {path: tuple(path.split(".")) for kind in self.served for path in kind.selectable}
        return selectable.of_paths(paths)

    def coercer(self) -> Callable[[Object], Object]:
        """What makes an object of a stored one."""
        return lambda obj: coercing.coerced(self.storage, obj)


def of(crd: Mapping[str, Any]) -> Definition | None:
    """The kinds of a definition; None while its names are not accepted."""
    if not naming.served(crd):
        return None
    kinds = {version["name"]: (_kind(crd, version), version) for version in crd["spec"]["versions"]}
    storage = next(kind for kind, version in kinds.values() if version.get("storage"))
    served = tuple(kind for kind, version in kinds.values() if version.get("served") and _convertible(crd, version))
    basis = {"spec": crd["spec"], "names": crd["status"]["acceptedNames"], "uid": crd["metadata"].get("uid")}
    return Definition(crd["metadata"]["name"], served, storage, basis)


def _convertible(crd: Mapping[str, Any], version: Mapping[str, Any]) -> bool:
    """Without the webhook that a definition names for it, nothing is shown in another version than it is stored in."""
    strategy = (crd["spec"].get("conversion") or {}).get("strategy", "None")
    return strategy == "None" or bool(version.get("storage"))


def _kind(crd: Mapping[str, Any], version: Mapping[str, Any]) -> Kind:
    spec, names = crd["spec"], crd["status"]["acceptedNames"]
    group, plural, kind = spec["group"], names["plural"], names["kind"]
    subresources = version.get("subresources") or {}
    closing = naming.is_true(crd, naming.TERMINATING)
    return Kind(
        group=group,
        version=version["name"],
        kind=kind,
        plural=plural,
        singular=names.get("singular") or kind.lower(),
        namespaced=spec["scope"] == "Namespaced",
        verbs=_VERBS,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(_subresources(group, version["name"], kind, subresources)),
        storage_prefix=f"/registry/{group}/{plural}/",
        structural=(version.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"},
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        selectable=tuple(str(field["jsonPath"]).removeprefix(".") for field in version.get("selectableFields") or ()),
        scale=subresources.get("scale"),
        list_name=names.get("listKind") or "",
        warning=_warning(version, f"{group}/{version['name']} {kind}"),
        closing=closing,
    )


def _warning(version: Mapping[str, Any], name: str) -> str:
    return str(version.get("deprecationWarning") or f"{name} is deprecated") if version.get("deprecated") else ""


def _subresources(group: str, version: str, kind: str, wanted: Mapping[str, Any]) -> list[Subresource]:
    found = []
    if wanted.get("status") is not None:
        found.append(Subresource(name="status", group=group, version=version, kind=kind, verbs=_SUB_VERBS))
    if wanted.get("scale") is not None:
        found.append(Subresource(name="scale", group="autoscaling", version="v1", kind="Scale", verbs=_SUB_VERBS))
    return found
