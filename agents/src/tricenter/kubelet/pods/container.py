"""The configuration of one container."""

from collections.abc import Mapping, Sequence
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.cri import labels
from tricenter.kubelet.pods import expansion, resources, security, spec

Object = dict[str, Any]

_PROPAGATION = {
    "None": cri.PROPAGATION_PRIVATE,
    "HostToContainer": cri.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": cri.PROPAGATION_BIDIRECTIONAL,
}
TERMINATION_LOG = "/dev/termination-log"


def config(
    pod: Object,
    container: Object,
    *,
    image: cri.Image,
    attempt: int,
    variables: Mapping[str, str],
    mounts: Sequence[cri.Mount],
    machine_memory: int,
    target: str = "",
) -> cri.ContainerConfig:
    """What the runtime is asked for; `target` is the container whose processes it sees. Raises SecurityError."""
    name = str(container["name"])
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=name, attempt=attempt),
        image=cri.ImageSpec(image=image.id, user_specified_image=container["image"]),
        command=[expansion.expand(item, variables) for item in container.get("command") or []],
        args=[expansion.expand(item, variables) for item in container.get("args") or []],
        working_dir=container.get("workingDir", ""),
        envs=[cri.KeyValue(key=key, value=value) for key, value in variables.items()],
        mounts=mounts,
        labels={
            labels.CONTAINER_NAME: name,
            labels.POD_NAME: spec.name(pod),
            labels.POD_NAMESPACE: spec.namespace(pod),
            labels.POD_UID: spec.uid(pod),
        },
        annotations=_annotations(pod, container, attempt),
        log_path=log_path(name, attempt),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        linux=cri.LinuxContainerConfig(
            resources=resources.container_resources(pod, container, machine_memory),
            security_context=security.container_security(pod, container, image, target),
        ),
    )


def log_path(name: str, attempt: int) -> str:
    """A container's log file below its pod's folder."""
    return f"{name}/{attempt}.log"


def mount(entry: Object, source: str) -> cri.Mount:
    """A volume's folder or file at a container's path."""
    path = str(entry["mountPath"])
    return cri.Mount(
        container_path=path if path.startswith("/") else f"/{path}",
        host_path=source,
        readonly=bool(entry.get("readOnly")),
        propagation=_PROPAGATION[entry.get("mountPropagation") or "None"],
    )


def sub_path(entry: Object, variables: Mapping[str, str]) -> str:
    """The part of the volume that is mounted; empty for all of it."""
    if entry.get("subPathExpr"):
        return expansion.expand(entry["subPathExpr"], variables)
    return str(entry.get("subPath") or "")


def _annotations(pod: Object, container: Object, attempt: int) -> dict[str, str]:
    return {
        labels.CONTAINER_HASH: spec.container_hash(container),
        labels.RESTART_COUNT: str(attempt),
        labels.TERMINATION_PATH: container.get("terminationMessagePath") or TERMINATION_LOG,
        labels.TERMINATION_POLICY: container.get("terminationMessagePolicy") or "File",
        labels.GRACE_PERIOD: str(pod["spec"].get("terminationGracePeriodSeconds", 30)),
    }
