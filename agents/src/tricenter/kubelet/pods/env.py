"""The environment of a container (core/v1 EnvVar, EnvFromSource; Docker-link variables of Services).

Later sources win: Services, then envFrom in order, then env in order.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from tricenter.kubelet.pods import expansion, fields

Object = dict[str, Any]

# The master Service is visible in every namespace.
MASTER = ("default", "kubernetes")

Lookup = Callable[[str, str, str], Awaitable[Object | None]]
"""(ConfigMap or Secret, namespace, name) -> object, None where it does not exist."""


class EnvError(Exception):
    """A container cannot be made: something it names does not exist (CreateContainerConfigError)."""


def service_variables(services: Iterable[Object], namespace: str, *, links: bool) -> dict[str, str]:
    """Variables of all Services of `namespace` (if `links`) and of kubernetes, upstream's envvars.FromServices."""
    found: dict[str, str] = {}
    for service in services:
        place = (service["metadata"].get("namespace"), service["metadata"]["name"])
        address = service["spec"].get("clusterIP")
        if not address or address == "None" or not service["spec"].get("ports"):
            continue
        if place == MASTER or (links and place[0] == namespace):
            found.update(_one_service(place[1], address, service["spec"]["ports"]))
    return found


def _one_service(name: str, address: str, ports: list[Object]) -> dict[str, str]:
    prefix = variable_name(name)
    found = {f"{prefix}_SERVICE_HOST": address, f"{prefix}_SERVICE_PORT": str(ports[0]["port"])}
    for port in ports:
        if port.get("name"):
            found[f"{prefix}_SERVICE_PORT_{variable_name(port['name'])}"] = str(port["port"])
    host = f"[{address}]" if ":" in address else address
    for index, port in enumerate(ports):
        protocol = port.get("protocol", "TCP")
        url = f"{protocol.lower()}://{host}:{port['port']}"
        if index == 0:
            found[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{port['port']}_{protocol}"
        found |= {
            stem: url,
            f"{stem}_PROTO": protocol.lower(),
            f"{stem}_PORT": str(port["port"]),
            f"{stem}_ADDR": address,
        }
    return found


def variable_name(name: str) -> str:
    """A Service's or port's name as a variable: `my-db` is MY_DB."""
    return name.upper().replace("-", "_")


async def container_variables(
    pod: Object, container: Object, *, services: dict[str, str], lookup: Lookup, context: fields.Context
) -> dict[str, str]:
    """All variables of a container. Raises EnvError."""
    found = dict(services)
    for source in container.get("envFrom") or []:
        found |= await _env_from(pod, source, lookup)
    for entry in container.get("env") or []:
        if "valueFrom" in entry:
            value = await _value_from(pod, container, entry["valueFrom"], lookup, context)
            if value is None:
                continue
        else:
            value = expansion.expand(entry.get("value") or "", found)
        found[entry["name"]] = value
    return found


async def _env_from(pod: Object, source: Object, lookup: Lookup) -> dict[str, str]:
    kind, reference = (
        ("ConfigMap", source["configMapRef"]) if "configMapRef" in source else ("Secret", source["secretRef"])
    )
    data = await _data(pod, kind, reference, lookup)
    if data is None:
        return {}
    prefix = source.get("prefix", "")
    return {prefix + key: value for key, value in data.items() if _is_variable(prefix + key)}


async def _value_from(
    pod: Object, container: Object, source: Object, lookup: Lookup, context: fields.Context
) -> str | None:
    if "fieldRef" in source:
        return fields.field(pod, source["fieldRef"]["fieldPath"], context)
    if "resourceFieldRef" in source:
        return fields.resource(pod, container, source["resourceFieldRef"], context)
    kind = "ConfigMap" if "configMapKeyRef" in source else "Secret"
    reference = source["configMapKeyRef" if kind == "ConfigMap" else "secretKeyRef"]
    data = await _data(pod, kind, reference, lookup)
    if data is None:
        return None
    if reference["key"] not in data:
        if reference.get("optional"):
            return None
        raise EnvError(
            f"couldn't find key {reference['key']} in {kind} {pod['metadata']['namespace']}/{reference['name']}"
        )
    return data[reference["key"]]


async def _data(pod: Object, kind: str, reference: Object, lookup: Lookup) -> dict[str, str] | None:
    found = await lookup(kind, pod["metadata"]["namespace"], reference["name"])
    if found is None:
        if reference.get("optional"):
            return None
        raise EnvError(f'{kind.lower()} "{reference["name"]}" not found')
    if kind == "Secret":
        return {key: _text(value) for key, value in fields.secret_bytes(found).items()}
    return dict(found.get("data") or {})


def _text(value: bytes) -> str:
    """Bytes as the container sees them where they are no UTF-8: Go's JSON of the OCI bundle has U+FFFD for each one."""
    return re.sub("[\udc80-\udcff]", "\N{REPLACEMENT CHARACTER}", value.decode(errors="surrogateescape"))


def _is_variable(name: str) -> bool:
    """Whether a key may become a variable: anything printable without = (KEP-4369)."""
    return bool(name) and re.fullmatch(r"[ -<>-~]+", name) is not None
