"""Which strategy a kind has."""

from __future__ import annotations

from functools import lru_cache

from tricenter.apimachinery.kinds import Kind
from tricenter.apiserver.registry.customresources import CustomStrategy, DefinitionStrategy
from tricenter.apiserver.registry.namespaces import NamespaceStrategy
from tricenter.apiserver.registry.pods import PodStrategy
from tricenter.apiserver.registry.services import ServiceStrategy
from tricenter.apiserver.registry.strategy import Strategy
from tricenter.apiserver.registry.workloads import (
    BeginsPending,
    CertificateRequestStrategy,
    EndpointSliceStrategy,
    JobStrategy,
    KeepsStatus,
    ReturnsDeleted,
)

_OWN: dict[tuple[str, str], type[Strategy]] = {
    ("", "pods"): PodStrategy,
    ("", "namespaces"): NamespaceStrategy,
    ("", "nodes"): KeepsStatus,
    ("", "persistentvolumes"): BeginsPending,
    ("", "persistentvolumeclaims"): BeginsPending,
    ("", "podtemplates"): ReturnsDeleted,
    ("", "resourcequotas"): ReturnsDeleted,
    ("", "serviceaccounts"): ReturnsDeleted,
    ("", "services"): ServiceStrategy,
    ("apiextensions.k8s.io", "customresourcedefinitions"): DefinitionStrategy,
    ("batch", "jobs"): JobStrategy,
    ("certificates.k8s.io", "certificatesigningrequests"): CertificateRequestStrategy,
    ("discovery.k8s.io", "endpointslices"): EndpointSliceStrategy,
    ("networking.k8s.io", "servicecidrs"): KeepsStatus,
}


@lru_cache(maxsize=1024)
def of(kind: Kind) -> Strategy:
    """The strategy of a kind."""
    default = CustomStrategy if kind.structural is not None else Strategy
    cls = _OWN.get((kind.group, kind.plural), default)
    return cls(kind.group, kind.plural, has_status=kind.subresource("status") is not None)
