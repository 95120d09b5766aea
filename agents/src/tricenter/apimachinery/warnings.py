"""What a client is told of a pod or template that is accepted and hardly meant so (upstream pkg/api/pod/warnings)."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tricenter.apimachinery import alike, fielderrors, quantity

Object = dict[str, Any]

_LABELS = {
    "beta.kubernetes.io/arch": ("v1.14", "kubernetes.io/arch"),
    "beta.kubernetes.io/os": ("v1.14", "kubernetes.io/os"),
    "failure-domain.beta.kubernetes.io/region": ("v1.17", "topology.kubernetes.io/region"),
    "failure-domain.beta.kubernetes.io/zone": ("v1.17", "topology.kubernetes.io/zone"),
    "beta.kubernetes.io/instance-type": ("v1.17", "node.kubernetes.io/instance-type"),
}
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_TEMPLATE = ("spec", "template")
_PLACES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (),
    ("", "podtemplates"): ("template",),
    ("", "replicationcontrollers"): _TEMPLATE,
    ("apps", "daemonsets"): _TEMPLATE,
    ("apps", "deployments"): _TEMPLATE,
    ("apps", "replicasets"): _TEMPLATE,
    ("apps", "statefulsets"): _TEMPLATE,
    ("batch", "jobs"): _TEMPLATE,
    ("batch", "cronjobs"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where kinds keep the pod that they are, or make."""


def place(group: str, plural: str) -> Callable[[Object], list[str]] | None:
    """What to say of objects of a kind; None for kinds without pods."""
    path = _PLACES.get((group, plural))
    return None if path is None else lambda obj: list(_of_template(_at(obj, path), ".".join(path)))


def _at(obj: Any, path: tuple[str, ...]) -> Object:
    for key in path:
        obj = (obj or {}).get(key)
    return obj if isinstance(obj, dict) else {}


def _of_template(found: Object, path: str) -> Iterator[str]:
    """All that is to be said of a pod, or of a template at the path."""
    spec, head = found.get("spec") or {}, f"{path}.spec" if path else "spec"
    meta = f"{path}.metadata" if path else "metadata"
    for key in (found.get("metadata") or {}).get("annotations") or ():
        if key in _ANNOTATIONS:
            yield f"{meta}.annotations[{key}]: {_ANNOTATIONS[key]}"
    yield from _remembered(spec, head)


_known: alike.Memory[tuple[str, ...]] = alike.Memory()


def _remembered(spec: Object, head: str) -> tuple[str, ...]:
    """What is to be said of a spec; the pods of a workload have the same."""
    key = (head, alike.content(spec))
    found = _known.get(key)
    if found is None:
        found = tuple(_of_spec(spec, head))
        if not alike.has_made_name(found):
            _known.learn(key, found)
    return found


def _of_spec(spec: Object, head: str) -> Iterator[str]:
    yield from _placing(spec, head)
    for index, volume in enumerate(spec.get("volumes") or ()):
        for kind in volume.keys() & _VOLUMES.keys():
            yield f"{head}.volumes[{index}].{kind}: {_VOLUMES[kind]}"
    yield from _repeated(spec, head, "hostAliases", "ip")
    yield from _repeated(spec, head, "imagePullSecrets", "name")
    for index, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if not secret.get("name"):
            yield f'{head}.imagePullSecrets[{index}].name: invalid empty name ""'
    yield from _containers(spec, head)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        detail = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{head}.terminationGracePeriodSeconds: {detail}"


def _placing(spec: Object, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in _LABELS:
            yield f"{path}.nodeSelector[{key}]: {_deprecated(key)}"
    for index, item in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, key = f"{path}.topologySpreadConstraints[{index}]", item.get("topologyKey", "")
        if key in _LABELS:
            yield f"{where}.topologyKey: {key} is {_deprecated(key)}"
        if item.get("labelSelector") is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"


def _deprecated(label: str) -> str:
    since, instead = _LABELS[label]
    return f'deprecated since {since}; use "{instead}" instead'


def _repeated(spec: Object, path: str, name: str, key: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(spec.get(name) or ()):
        value = str(item.get(key, ""))
        if value in seen:
            yield f"{path}.{name}[{index}].{key}: duplicate {key} {fielderrors.show(value)}"
        seen.add(value)


def _containers(spec: Object, path: str) -> Iterator[str]:
    ports: dict[tuple[Any, str], list[tuple[str, Object]]] = {}
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            where = f"{path}.{name}[{index}]"
            yield from _fractions(container.get("resources") or {}, f"{where}.resources")
            yield from _hidden(container.get("env") or (), f"{where}.env")
            yield from _overlapping(container.get("ports") or (), f"{where}.ports", ports)


def _fractions(resources: Object, path: str) -> Iterator[str]:
    for part in ("limits", "requests"):
        for name in ("memory", "ephemeral-storage"):
            value = (resources.get(part) or {}).get(name)
            if isinstance(value, str) and value.endswith(("m", "u", "n")) and _fractional(value):
                yield f'{path}.{part}[{name}]: fractional byte value "{value}" is invalid, must be an integer'


def _fractional(value: str) -> bool:
    try:
        return quantity.parse(value).denominator != 1
    except quantity.QuantityError:
        return False


def _hidden(env: Any, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(env):
        name, value = str(item.get("name", "")), str(item.get("value") or "")
        reference = f"$({name})"
        # a value that is built on the one before does not hide it
        if name in seen and (item.get("valueFrom") or value == reference or reference not in value):
            shown = fielderrors.show(name)
            yield f"{path}[{index}]: hides previous definition of {shown}, which may be dropped when using apply"
        seen.add(name)


def _overlapping(found: Any, path: str, ports: dict[tuple[Any, str], list[tuple[str, Object]]]) -> Iterator[str]:
    for index, port in enumerate(found):
        others = ports.setdefault((port.get("containerPort"), port.get("protocol", "TCP")), [])
        for where, other in others:
            host, beside = port.get("hostPort") or 0, other.get("hostPort") or 0
            address, next_address = port.get("hostIP") or "", other.get("hostIP") or ""
            if (host, address) == (beside, next_address):
                yield f"{path}[{index}]: duplicate port definition with {where}"
            elif not host or not beside:
                yield f"{path}[{index}]: overlapping port definition with {where}"
            elif host == beside and bool(address) != bool(next_address):
                yield f"{path}[{index}]: dangerously ambiguous port definition with {where}"
        others.append((f"{path}[{index}]", port))
