"""What pods and volumes refer to, and so what the kubelet that runs or mounts them needs.

After podutil.VisitPodSecretNames and pvutil.VisitPVSecretNames.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Reference = tuple[str, str, str]
"""Resource, namespace and name of an object that something refers to."""

_NAMED_SECRETS = ("cephfs", "flexVolume", "rbd", "scaleIO", "iscsi", "cinder", "storageos")
"""Sources of volumes with a `secretRef`; it is of the claim's namespace unless it says another."""
_OF_NODE = ("nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef")
"""What the node's side of a CSI driver is given; the other secrets are the controller's."""


def of_pod(pod: dict[str, Any]) -> Iterator[Reference]:
    """The secrets, config maps, claims and service account that a pod refers to."""
    namespace, spec = pod["metadata"].get("namespace", ""), pod.get("spec") or {}
    if spec.get("serviceAccountName"):
        yield ("serviceaccounts", namespace, spec["serviceAccountName"])
    for secret in spec.get("imagePullSecrets") or ():
        yield ("secrets", namespace, secret.get("name", ""))
    for volume in spec.get("volumes") or ():
        if "ephemeral" in volume:
            yield ("persistentvolumeclaims", namespace, f"{pod['metadata'].get('name', '')}-{volume.get('name', '')}")
        for resource, name in _of_volume(volume):
            yield (resource, namespace, name)
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            for resource, name in _of_container(container):
                yield (resource, namespace, name)


def _of_volume(volume: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if secret := volume.get("secret"):
        yield ("secrets", secret.get("secretName", ""))
    if config := volume.get("configMap"):
        yield ("configmaps", config.get("name", ""))
    if claim := volume.get("persistentVolumeClaim"):
        yield ("persistentvolumeclaims", claim.get("claimName", ""))
    for source in volume.values():
        for key in ("secretRef", "nodePublishSecretRef"):
            if isinstance(source, dict) and (reference := source.get(key)):
                yield ("secrets", reference.get("name", ""))
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield ("secrets", source["secret"].get("name", ""))
        if "configMap" in source:
            yield ("configmaps", source["configMap"].get("name", ""))


def _of_container(container: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        if "secretKeyRef" in source:
            yield ("secrets", source["secretKeyRef"].get("name", ""))
        if "configMapKeyRef" in source:
            yield ("configmaps", source["configMapKeyRef"].get("name", ""))
    for source in container.get("envFrom") or ():
        if "secretRef" in source:
            yield ("secrets", source["secretRef"].get("name", ""))
        if "configMapRef" in source:
            yield ("configmaps", source["configMapRef"].get("name", ""))


def of_persistent_volume(volume: dict[str, Any]) -> Iterator[Reference]:
    """The secrets that a kubelet needs to mount a volume."""
    spec = volume.get("spec") or {}
    namespace = (spec.get("claimRef") or {}).get("namespace", "")
    for source in _NAMED_SECRETS:
        if reference := (spec.get(source) or {}).get("secretRef"):
            yield ("secrets", reference.get("namespace") or namespace, reference.get("name", ""))
    if azure := spec.get("azureFile"):
        yield ("secrets", azure.get("secretNamespace") or namespace, azure.get("secretName", ""))
    for key in _OF_NODE:
        if reference := (spec.get("csi") or {}).get(key):
            yield ("secrets", reference.get("namespace", ""), reference.get("name", ""))
