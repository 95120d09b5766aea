"""Removes the control groups of pods that are gone; the runtime removes those of containers only."""

import contextlib
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_PLACES = ("kubepods", "kubepods/burstable", "kubepods/besteffort")


def uses_systemd(setting: str, root: Path = ROOT) -> bool:
    """Whether systemd manages control groups: as configured, else on cgroup v2."""
    if setting == "auto":
        return (root / "cgroup.controllers").exists()
    return setting == "systemd"


def folders(uid: str) -> list[str]:
    """Where below a hierarchy's root a pod's own group may be: as we name it, or as systemd does."""
    slice_ = f"-pod{uid.replace('-', '_')}.slice"
    systemd = [f"kubepods.slice/kubepods{slice_}"]
    systemd += [f"kubepods.slice/kubepods-{qos}.slice/kubepods-{qos}{slice_}" for qos in ("burstable", "besteffort")]
    return [*(f"{place}/pod{uid}" for place in _PLACES), *systemd]


def remove(uid: str, root: Path = ROOT) -> None:
    """Remove the pod's own group in every hierarchy; one that is in use stays."""
    controllers = [root, *(entry for entry in root.iterdir() if entry.is_dir())] if root.is_dir() else []
    for controller in controllers:
        for place in _PLACES:
            folder = controller / place / f"pod{uid}"
            with contextlib.suppress(OSError):
                _remove_tree(folder)


def _remove_tree(folder: Path) -> None:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            _remove_tree(entry)
    folder.rmdir()
