"""From the backend of an Ingress to pod addresses, the own center's first."""

from collections.abc import Iterable
from typing import Any, Protocol

from tricenter.apimachinery import reachable
from tricenter.ingress.model import Backend, Upstream

Object = dict[str, Any]


class Objects(Protocol):
    """The API objects as the informers know them; keys are `namespace/name`."""

    def service(self, key: str) -> Object | None:
        """A Service."""

    def slices(self, key: str) -> Iterable[Object]:
        """The EndpointSlices of a Service."""

    def secret(self, key: str) -> Object | None:
        """A Secret of type kubernetes.io/tls."""


class BackendError(Exception):
    """The backend cannot be served; the message is for the owner of the Ingress."""


def upstream(objects: Objects, namespace: str, backend: Object, zone: str) -> Upstream:
    """The upstream that a `spec…backend` means; raises BackendError."""
    reference = backend.get("service")
    if not reference:
        raise BackendError("only backends of kind Service are served")
    service = objects.service(f"{namespace}/{reference['name']}")
    if service is None:
        raise BackendError(f"Service {reference['name']} does not exist")
    if service["spec"].get("type") == "ExternalName":
        raise BackendError(f"Service {reference['name']} is an ExternalName, which has no pods")
    port = _port(service, reference.get("port") or {})
    name = f"{namespace}.{reference['name']}.{port.get('name') or port['port']}"
    return Upstream(name=name, backends=_backends(objects.slices(f"{namespace}/{reference['name']}"), port, zone))


def _port(service: Object, wanted: Object) -> Object:
    ports: list[Object] = service["spec"].get("ports") or []
    for port in ports:
        if wanted.get("name") and port.get("name") == wanted["name"]:
            return port
        if wanted.get("number") and port.get("port") == wanted["number"]:
            return port
    raise BackendError(
        f"Service {service['metadata']['name']} has no port {wanted.get('name') or wanted.get('number')}"
    )


def _backends(slices: Iterable[Object], port: Object, zone: str) -> tuple[Backend, ...]:
    ready: dict[str, bool] = {}
    draining: dict[str, bool] = {}
    for item in slices:
        for entry in item.get("ports") or []:
            if (entry.get("name") or "") != (port.get("name") or "") or not reachable.is_port(entry.get("port")):
                continue
            for endpoint in item.get("endpoints") or []:
                _sort_in(endpoint, int(entry["port"]), zone, ready, draining)
    # As a Service does: pods that end still serve when there is nobody else (KEP-1669).
    chosen = ready or draining
    nearby = any(chosen.values())
    return tuple(sorted(Backend(address=address, backup=nearby and not near) for address, near in chosen.items()))


def _sort_in(endpoint: Object, port: int, zone: str, ready: dict[str, bool], draining: dict[str, bool]) -> None:
    conditions = endpoint.get("conditions") or {}
    is_ready = conditions.get("ready") is not False
    if not is_ready and not (conditions.get("terminating") and conditions.get("serving")):
        return
    for address in endpoint.get("addresses") or []:
        if reachable.is_ipv4(address):
            (ready if is_ready else draining)[f"{address}:{port}"] = bool(zone) and endpoint.get("zone") == zone
