"""The Service `kubernetes` and the endpoints behind it: the address at which all servers answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from tricenter.apiserver.config import Config
from tricenter.apiserver.registry import addresses

Object = dict[str, Any]


def service_address(config: Config) -> str:
    """The first address of the service range."""
    return str(ipaddress.ip_network(config.service_cidr)[1])


def all_objects(config: Config) -> Iterator[tuple[str, str, Object]]:
    """Group, plural and object."""
    address = service_address(config)
    service = _service(address, config)
    yield (
        "networking.k8s.io",
        "servicecidrs",
        {
            "kind": "ServiceCIDR",
            "apiVersion": "networking.k8s.io/v1",
            "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": [config.service_cidr]},
        },
    )
    yield "networking.k8s.io", "ipaddresses", addresses.claim(address, service)
    yield "", "services", service
    yield "discovery.k8s.io", "endpointslices", _slice(config)
    yield "", "endpoints", _endpoints(config)


def _service(address: str, config: Config) -> Object:
    port = {"name": "https", "protocol": "TCP", "port": 443, "targetPort": config.port}
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "clusterIPs": [address],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "sessionAffinity": "None",
            "ports": [port],
        },
        "status": {"loadBalancer": {}},
    }


def _slice(config: Config) -> Object:
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "generation": 1,
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [config.advertise_address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
    }


def _endpoints(config: Config) -> Object:
    subset = {
        "addresses": [{"ip": config.advertise_address}],
        "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
    }
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
    return {"kind": "Endpoints", "apiVersion": "v1", "metadata": metadata, "subsets": [subset]}
