"""Security contexts of pods and containers as the runtime understands them (core/v1 SecurityContext)."""

from collections.abc import Callable
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.pods import spec

Object = dict[str, Any]

# Hidden from unprivileged containers; containerd takes the list from us (upstream's defaults of procMount Default).
MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class SecurityError(Exception):
    """The image contradicts what the pod allows (CreateContainerConfigError)."""


def namespaces(pod: Object, target: str = "") -> cri.NamespaceOption:
    """Which namespaces the containers of a pod share with each other, with the machine or with one container."""
    body = pod["spec"]
    pid = cri.NODE if body.get("hostPID") else cri.POD if body.get("shareProcessNamespace") else cri.CONTAINER
    if target and pid == cri.CONTAINER:
        pid = cri.TARGET
    return cri.NamespaceOption(
        target_id=target if pid == cri.TARGET else "",
        network=cri.NODE if body.get("hostNetwork") else cri.POD,
        pid=pid,
        ipc=cri.NODE if body.get("hostIPC") else cri.POD,
    )


def sandbox_security(pod: Object) -> cri.LinuxSandboxSecurityContext:
    """The sandbox runs as the pod's context says; it is privileged when a container of it is."""
    context = pod["spec"].get("securityContext") or {}
    return cri.LinuxSandboxSecurityContext(
        namespace_options=namespaces(pod),
        run_as_user=_int64(context.get("runAsUser")),
        run_as_group=_int64(context.get("runAsGroup")) if context.get("runAsUser") is not None else None,
        supplemental_groups=supplemental_groups(pod),
        privileged=any((item.get("securityContext") or {}).get("privileged") for item in spec.all_containers(pod)),
        seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
    )


def supplemental_groups(pod: Object) -> list[int]:
    """Groups of every process of the pod: those asked for and the owner of its volumes."""
    context = pod["spec"].get("securityContext") or {}
    groups = list(context.get("supplementalGroups") or [])
    if context.get("fsGroup") is not None:
        groups.append(context["fsGroup"])
    return groups


def container_security(
    pod: Object, container: Object, image: cri.Image, target: str = ""
) -> cri.LinuxContainerSecurityContext:
    """The context of one container: its own settings, else the pod's, else the image's user. Raises SecurityError."""
    own, shared = container.get("securityContext") or {}, pod["spec"].get("securityContext") or {}

    def setting(name: str) -> Any:
        return own.get(name) if own.get(name) is not None else shared.get(name)

    user, username = _user(setting, image)
    _check_non_root(container, bool(setting("runAsNonRoot")), user, username)
    privileged = bool(own.get("privileged"))
    caps = own.get("capabilities") or {}
    unmasked = privileged or own.get("procMount") == "Unmasked"
    return cri.LinuxContainerSecurityContext(
        privileged=privileged,
        namespace_options=namespaces(pod, target),
        run_as_user=_int64(user),
        run_as_username=username if user is None else "",
        run_as_group=_int64(setting("runAsGroup")),
        supplemental_groups=supplemental_groups(pod),
        readonly_rootfs=bool(own.get("readOnlyRootFilesystem")),
        no_new_privs=own.get("allowPrivilegeEscalation") is False,
        capabilities=cri.Capability(
            add_capabilities=[_capability(item) for item in caps.get("add") or []],
            drop_capabilities=[_capability(item) for item in caps.get("drop") or []],
        ),
        masked_paths=() if unmasked else MASKED_PATHS,
        readonly_paths=() if unmasked else READONLY_PATHS,
        seccomp=_seccomp(setting("seccompProfile")),
    )


def _user(setting: Callable[[str], Any], image: cri.Image) -> tuple[int | None, str]:
    if setting("runAsUser") is not None:
        return int(setting("runAsUser")), ""
    if image.HasField("uid"):
        return image.uid.value, ""
    return None, image.username


def _check_non_root(container: Object, required: bool, user: int | None, username: str) -> None:
    if not required:
        return
    if user == 0 or (user is None and not username):
        raise SecurityError(f"container has runAsNonRoot and image will run as root (container: {container['name']})")
    if user is None:
        raise SecurityError(
            f"container has runAsNonRoot and image has non-numeric user ({username}), cannot verify user is non-root"
        )


def _seccomp(profile: Object | None) -> cri.SecurityProfile:
    match (profile or {}).get("type", "Unconfined"):
        case "RuntimeDefault":
            return cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
        case "Localhost":
            reference = f"/var/lib/kubelet/seccomp/{(profile or {})['localhostProfile']}"
            return cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref=reference)
    return cri.SecurityProfile(profile_type=cri.SecurityProfile.Unconfined)


def _capability(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _int64(value: int | None) -> cri.Int64Value | None:
    return None if value is None else cri.Int64Value(value=int(value))
