"""Rows of volumes, claims and storage kinds."""

from datetime import datetime
from typing import Any

from tricenter.apimachinery.tables import text
from tricenter.apimachinery.tables.text import NONE, UNSET, Object, Printer

_MODES = {
    "ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP",
}  # fmt: skip
_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")


def _access_modes(modes: list[str] | None) -> str:
    found = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in found)


def _phase(obj: Object) -> str:
    return "Terminating" if obj["metadata"].get("deletionTimestamp") else text.status(obj).get("phase", "")


def _class(obj: Object) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    return str(annotations.get(_CLASS) or text.spec(obj).get("storageClassName") or "")


def _volume(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    claim = spec.get("claimRef")
    return [
        (spec.get("capacity") or {}).get("storage", "0"),
        _access_modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", ""),
        _phase(obj),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else "",
        _class(obj),
        spec.get("volumeAttributesClassName", UNSET),
        text.status(obj).get("reason", ""),
        text.age(obj, now),
        spec.get("volumeMode", UNSET),
    ]


def _claim(obj: Object, now: datetime) -> list[Any]:
    spec, status = text.spec(obj), text.status(obj)
    bound = bool(spec.get("volumeName"))
    return [
        _phase(obj),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "0") if bound else "",
        _access_modes(status.get("accessModes")) if bound else "",
        _class(obj),
        spec.get("volumeAttributesClassName", UNSET),
        text.age(obj, now),
        spec.get("volumeMode", UNSET),
    ]


def display_name(obj: Object) -> str:
    """The name of a storage class, marked when it is the default one."""
    annotations = obj["metadata"].get("annotations") or {}
    default = any(annotations.get(key) == "true" for key in _DEFAULT)
    return f"{obj['metadata'].get('name', '')}{' (default)' if default else ''}"


def _storage_class(obj: Object, now: datetime) -> list[Any]:
    return [
        obj.get("provisioner", ""),
        obj.get("reclaimPolicy", "Delete"),
        obj.get("volumeBindingMode", "Immediate"),
        bool(obj.get("allowVolumeExpansion")),
        text.age(obj, now),
    ]


def _attachment(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    return [
        spec.get("attacher", ""),
        (spec.get("source") or {}).get("persistentVolumeName", ""),
        spec.get("nodeName", ""),
        bool(text.status(obj).get("attached")),
        text.age(obj, now),
    ]


def _csi_node(obj: Object, now: datetime) -> list[Any]:
    return [len(text.spec(obj).get("drivers") or ()), text.age(obj, now)]


def _csi_driver(obj: Object, now: datetime) -> list[Any]:
    spec = text.spec(obj)
    tokens = spec.get("tokenRequests")
    return [
        spec.get("attachRequired", True),
        spec.get("podInfoOnMount", False),
        spec.get("storageCapacity", False),
        UNSET if tokens is None else ",".join(item.get("audience", "") for item in tokens),
        spec.get("requiresRepublish", False),
        ",".join(spec.get("volumeLifecycleModes") or ()) or NONE,
        text.age(obj, now),
    ]


def _csi_capacity(obj: Object, now: datetime) -> list[Any]:  # noqa: ARG001 - a printer's signature
    return [obj.get("storageClassName", ""), obj.get("capacity", UNSET)]


_STORAGE = "storage.k8s.io"
PRINTERS = {
    ("", "PersistentVolume"): Printer(
        "Capacity Access_Modes Reclaim_Policy Status Claim StorageClass VolumeAttributesClass Reason Age VolumeMode*",
        _volume,
    ),
    ("", "PersistentVolumeClaim"): Printer(
        "Status Volume Capacity Access_Modes StorageClass VolumeAttributesClass Age VolumeMode*", _claim
    ),
    (_STORAGE, "StorageClass"): Printer(
        "Provisioner ReclaimPolicy VolumeBindingMode AllowVolumeExpansion Age", _storage_class
    ),
    (_STORAGE, "VolumeAttachment"): Printer("Attacher PV Node Attached? Age", _attachment),
    (_STORAGE, "CSINode"): Printer("Drivers# Age", _csi_node),
    (_STORAGE, "CSIDriver"): Printer(
        "AttachRequired? PodInfoOnMount? StorageCapacity? TokenRequests RequiresRepublish? Modes Age", _csi_driver
    ),
    (_STORAGE, "CSIStorageCapacity"): Printer("StorageClassName Capacity", _csi_capacity),
}
