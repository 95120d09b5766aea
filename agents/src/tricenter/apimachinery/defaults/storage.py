"""Defaults of volumes, claims and storage classes."""

from tricenter.apimachinery.defaults.fields import Object, optional, put, put_all, section


def volume(obj: Object) -> None:
    """v1 PersistentVolume."""
    spec = section(obj, "spec")
    put_all(spec, {"persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"})
    if (host_path := optional(spec, "hostPath")) is not None:
        host_path.setdefault("type", "")
    put(section(obj, "status"), "phase", "Pending")


def claim(obj: Object) -> None:
    """v1 PersistentVolumeClaim."""
    spec = section(obj, "spec")
    put(spec, "volumeMode", "Filesystem")
    put(section(obj, "status"), "phase", "Pending")
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source and not reference:
        spec["dataSourceRef"] = dict(source)
    elif reference and not source and not reference.get("namespace"):
        spec["dataSource"] = dict(reference)


def storage_class(obj: Object) -> None:
    """storage.k8s.io/v1 StorageClass."""
    put_all(obj, {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"})


def csi_driver(obj: Object) -> None:
    """storage.k8s.io/v1 CSIDriver."""
    spec = section(obj, "spec")
    put_all(spec, {
        "attachRequired": True, "podInfoOnMount": False, "storageCapacity": False, "requiresRepublish": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType", "seLinuxMount": False,
    })  # fmt: skip
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]
