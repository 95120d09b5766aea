"""The Service kube-system/kube-dns, through which pods ask: a cluster address that leads to the anycast address.

It has no selector, so this agent writes its EndpointSlice. All DNS machines want the same objects; whoever comes
first makes them, the others find them as they should be.
"""

import asyncio
import logging
from typing import Any

from tricenter.client import Client, errors, resources
from tricenter.client.resources import Resource

Object = dict[str, Any]

NAMESPACE, NAME = "kube-system", "kube-dns"
KEY = f"{NAMESPACE}/{NAME}"

_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))
_RETRY_SECONDS = 5.0
_CHECK_SECONDS = 300.0

_log = logging.getLogger(__name__)


def service(cluster_dns: str) -> Object:
    """The Service, under the name and labels other software looks for."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {"k8s-app": NAME, "kubernetes.io/name": "CoreDNS", "kubernetes.io/cluster-service": "true"},
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_dns,
            "clusterIPs": [cluster_dns],
            "ports": [{"name": name, "port": 53, "protocol": protocol, "targetPort": 53} for name, protocol in _PORTS],
        },
    }


def endpoint_slice(dns_address: str) -> Object:
    """The EndpointSlice: one endpoint, the anycast address, wherever it is answered."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "labels": {
                "kubernetes.io/service-name": NAME,
                "endpointslice.kubernetes.io/managed-by": "dns.tricenter.io",
            },
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [dns_address], "conditions": {"ready": True}}],
        "ports": [{"name": name, "port": 53, "protocol": protocol} for name, protocol in _PORTS],
    }


def contains(present: Any, wanted: Any) -> bool:
    """Whether an object has everything that is wanted; what the server or a person added does not matter."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(contains(present.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(present, list) or len(present) != len(wanted):
            return False
        return all(contains(have, want) for have, want in zip(present, wanted, strict=True))
    return bool(present == wanted)


async def ensure(api: Client, res: Resource, wanted: Object) -> None:
    """Create the object, or bring it back to what is wanted."""
    try:
        present = await api.get(res, NAME, NAMESPACE)
    except errors.NotFound:
        await api.create(res, wanted)
        _log.info("%s made", res, extra={"object": KEY})
        return
    if not contains(present, wanted):
        await api.patch(res, NAME, wanted, NAMESPACE)
        _log.info("%s brought back to what it should be", res, extra={"object": KEY})


async def keep(api: Client, cluster_dns: str, dns_address: str, changed: asyncio.Event) -> None:
    """See to both objects now, whenever `changed` is set, and from time to time, until cancelled."""
    while True:
        changed.clear()
        pause = _CHECK_SECONDS
        try:
            await ensure(api, resources.SERVICES, service(cluster_dns))
            await ensure(api, resources.ENDPOINTSLICES, endpoint_slice(dns_address))
        except errors.AlreadyExists:
            continue  # another DNS machine was first: look at what it made
        except errors.ClientError as error:
            _log.warning("kube-dns: %s", error)
            pause = _RETRY_SECONDS
        try:
            async with asyncio.timeout(pause):
                await changed.wait()
        except TimeoutError:
            continue
