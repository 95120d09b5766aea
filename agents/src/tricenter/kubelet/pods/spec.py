"""Reads of a pod's object that many modules need."""

import hashlib
from typing import Any

import orjson

Object = dict[str, Any]

CONFIG_SOURCE = "kubernetes.io/config.source"
CONFIG_HASH = "kubernetes.io/config.hash"


def uid(pod: Object) -> str:
    """The pod's uid; a static pod's is made from its manifest."""
    return str(pod["metadata"]["uid"])


def namespace(pod: Object) -> str:
    """The pod's namespace."""
    return str(pod["metadata"].get("namespace") or "default")


def name(pod: Object) -> str:
    """The pod's name."""
    return str(pod["metadata"]["name"])


def key(pod: Object) -> str:
    """`namespace/name`."""
    return f"{namespace(pod)}/{name(pod)}"


def init_containers(pod: Object) -> list[Object]:
    """Containers that run before the others, sidecars among them."""
    return pod["spec"].get("initContainers") or []


def containers(pod: Object) -> list[Object]:
    """The pod's main containers."""
    return pod["spec"].get("containers") or []


def ephemeral_containers(pod: Object) -> list[Object]:
    """Containers that were added to a running pod to look into it (KEP-277); each runs once."""
    return pod["spec"].get("ephemeralContainers") or []


def all_containers(pod: Object) -> list[Object]:
    """Init containers, main containers and ephemeral ones."""
    return [*init_containers(pod), *containers(pod), *ephemeral_containers(pod)]


def is_sidecar(container: Object) -> bool:
    """Whether an init container keeps running beside the main ones (KEP-753)."""
    return container.get("restartPolicy") == "Always"


def sidecars(pod: Object) -> list[Object]:
    """The init containers that keep running."""
    return [item for item in init_containers(pod) if is_sidecar(item)]


def restart_policy(pod: Object) -> str:
    """Always, OnFailure or Never."""
    return str(pod["spec"].get("restartPolicy") or "Always")


def host_network(pod: Object) -> bool:
    """Whether the pod lives in the machine's network namespace."""
    return bool(pod["spec"].get("hostNetwork"))


def deleting(pod: Object) -> bool:
    """Whether somebody asked for the pod's end."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_static(pod: Object) -> bool:
    """Whether the pod comes from a manifest of this machine."""
    return (pod["metadata"].get("annotations") or {}).get(CONFIG_SOURCE) == "file"


def from_api(pod: Object) -> Object:
    """A pod of the API is none of the machine's, whatever its annotations say (upstream writes over them, too)."""
    if not is_static(pod):
        return pod
    metadata = pod["metadata"]
    return {**pod, "metadata": {**metadata, "annotations": {**metadata["annotations"], CONFIG_SOURCE: "api"}}}


def grace_seconds(pod: Object) -> int:
    """How long containers get to stop: what the deletion said, else the pod."""
    asked = pod["metadata"].get("deletionGracePeriodSeconds")
    if asked is None:
        asked = pod["spec"].get("terminationGracePeriodSeconds", 30)
    return int(asked)


def container_hash(container: Object) -> str:
    """Changes when a running container no longer is what its pod asks for: only the image may change."""
    identity = {"name": container["name"], "image": container.get("image", "")}
    return hashlib.sha256(orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)).hexdigest()[:8]
