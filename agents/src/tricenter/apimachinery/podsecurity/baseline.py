"""Checks of the level baseline, each worded as upstream's file of that name (pod-security-admission/policy/check_*.go).

A check looks at a pod and gives what it finds, None for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery.podsecurity.subject import Finding, Object, Subject, named_containers, plural, quoted

_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
}  # fmt: skip
_SYSCTLS_27 = _SYSCTLS | {"net.ipv4.ip_local_reserved_ports"}
_SYSCTLS_29 = _SYSCTLS_27 | {
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SYSCTLS_32 = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t"}
_SELINUX_TYPES_31 = _SELINUX_TYPES | {"container_engine_t"}
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
SECCOMP_ANNOTATIONS = (_SECCOMP_POD, _SECCOMP_CONTAINER)
"""What annotations about seccomp begin with."""
_PROFILES = ("RuntimeDefault", "Localhost")


def app_armor(pod: Subject) -> Finding | None:
    """AppArmor profiles other than the runtime's and local ones."""
    setters = [text] if (text := pod.setters(lambda context: profile_type(context, "appArmorProfile") is False)) else []
    values = sorted({str(type_of(context, "appArmorProfile")) for context in pod.contexts()
                     if profile_type(context, "appArmorProfile") is False})  # fmt: skip
    annotations = sorted(
        f'{key}="{value}"' for key, value in pod.annotations.items() if key.startswith(_APPARMOR)
        and value and value != "runtime/default" and not value.startswith("localhost/")
    )  # fmt: skip
    if annotations:
        values += annotations
        setters.append(plural("annotation", len(annotations)))
    if not setters:
        return None
    detail = f"{' and '.join(setters)} must not set AppArmor profile type to {quoted(values)}"
    return Finding(plural("forbidden AppArmor profile", len(values)), detail)


def type_of(context: Object, key: str) -> Any:
    """The type of a profile in a security context, None without one."""
    return (context.get(key) or {}).get("type")


def profile_type(context: Object, key: str) -> bool | None:
    """Whether the type of a profile is a confining one; None where there is no profile."""
    if not context.get(key):
        return None
    return type_of(context, key) in _PROFILES


def capabilities(pod: Subject) -> Finding | None:
    """Capabilities beyond the default set."""

    def extra(context: Object) -> set[str]:
        return {str(item) for item in added(context)} - _CAPABILITIES

    names = pod.bad(lambda context: bool(extra(context)))
    if not names:
        return None
    found = sorted(set().union(*map(extra, pod.contexts())))
    detail = f"{named_containers(names)} must not include {quoted(found)} in securityContext.capabilities.add"
    return Finding("non-default capabilities", detail)


def added(context: Object) -> list[str]:
    """Capabilities that a container adds."""
    return list((context.get("capabilities") or {}).get("add") or ())


def host_namespaces(pod: Subject) -> Finding | None:
    """Namespaces of the node."""
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(key)]
    return Finding("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(pod: Subject) -> Finding | None:
    """Folders of the node."""
    names = [str(item.get("name")) for item in pod.spec.get("volumes") or () if item.get("hostPath") is not None]
    return Finding("hostPath volumes", f"{plural('volume', len(names))} {quoted(names)}") if names else None


def host_ports(pod: Subject) -> Finding | None:
    """Ports of the node."""
    ports: set[str] = set()
    names = []
    for container in pod.containers:
        found = {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")}
        if found:
            names.append(str(container.get("name")))
            ports |= found
    if not names:
        return None
    verb = "uses" if len(names) == 1 else "use"
    return Finding(
        "hostPort", f"{named_containers(names)} {verb} {plural('hostPort', len(ports))} {', '.join(sorted(ports))}"
    )


def privileged(pod: Subject) -> Finding | None:
    """Containers that may do everything."""
    names = pod.bad(lambda context: bool(context.get("privileged")))
    detail = f"{named_containers(names)} must not set securityContext.privileged=true"
    return Finding("privileged", detail) if names else None


def proc_mount(pod: Subject) -> Finding | None:
    """An unmasked /proc."""

    def other(context: Object) -> bool:
        return context.get("procMount") not in (None, "Default")

    names = pod.bad(other)
    values = sorted({str(context["procMount"]) for context in pod.contexts() if other(context)})
    detail = f"{named_containers(names)} must not set securityContext.procMount to {quoted(values)}"
    return Finding("procMount", detail) if names else None


def selinux(pod: Subject) -> Finding | None:
    """SELinux options of before 1.31."""
    return _selinux(pod, _SELINUX_TYPES)


def selinux_31(pod: Subject) -> Finding | None:
    """SELinux options since 1.31."""
    return _selinux(pod, _SELINUX_TYPES_31)


def _selinux(pod: Subject, allowed: set[str]) -> Finding | None:
    def options(context: Object) -> Mapping[str, Any]:
        return context.get("seLinuxOptions") or {}

    def wrong(context: Object) -> bool:
        found = options(context)
        return found.get("type", "") not in allowed or bool(found.get("user")) or bool(found.get("role"))

    setters = pod.setters(wrong)
    if not setters:
        return None
    every = [options(context) for context in pod.contexts()]
    types = sorted({found.get("type", "") for found in every} - allowed)
    data = [f"{plural('type', len(types))} {quoted(types)}"] if types else []
    data += [f"{key} may not be set" for key in ("user", "role") if any(found.get(key) for found in every)]
    return Finding("seLinuxOptions", f"{setters} set forbidden securityContext.seLinuxOptions: {'; '.join(data)}")


def seccomp_annotations(pod: Subject) -> Finding | None:
    """Seccomp profiles of before 1.19: annotations."""
    keys = [_SECCOMP_POD, *(f"{_SECCOMP_CONTAINER}{item.get('name')}" for item in pod.containers)]
    found = sorted({f'{key}="{pod.annotations[key]}"' for key in keys if _bad_profile(pod.annotations.get(key))})
    return (
        Finding("seccompProfile", f"forbidden {plural('annotation', len(found))} {', '.join(found)}") if found else None
    )


def _bad_profile(value: str | None) -> bool:
    return (
        value is not None and value not in ("runtime/default", "docker/default") and not value.startswith("localhost/")
    )


def seccomp(pod: Subject) -> Finding | None:
    """Seccomp profiles other than the runtime's and local ones."""

    def wrong(context: Object) -> bool:
        return profile_type(context, "seccompProfile") is False

    setters = pod.setters(wrong)
    if not setters:
        return None
    values = sorted({str(type_of(context, "seccompProfile")) for context in pod.contexts() if wrong(context)})
    detail = f"{setters} must not set securityContext.seccompProfile.type to {quoted(values)}"
    return Finding("seccompProfile", detail)


def sysctls(pod: Subject) -> Finding | None:
    """Kernel settings that are not safe, as of before 1.27."""
    return _sysctls(pod, _SYSCTLS)


def sysctls_27(pod: Subject) -> Finding | None:
    """The same since 1.27."""
    return _sysctls(pod, _SYSCTLS_27)


def sysctls_29(pod: Subject) -> Finding | None:
    """The same since 1.29."""
    return _sysctls(pod, _SYSCTLS_29)


def sysctls_32(pod: Subject) -> Finding | None:
    """The same since 1.32."""
    return _sysctls(pod, _SYSCTLS_32)


def _sysctls(pod: Subject, allowed: set[str]) -> Finding | None:
    found = [str(item.get("name")) for item in pod.context.get("sysctls") or () if item.get("name") not in allowed]
    return Finding("forbidden sysctls", ", ".join(found)) if found else None


def windows_host_process(pod: Subject) -> Finding | None:
    """Processes of a Windows host."""
    setters = pod.setters(lambda context: bool((context.get("windowsOptions") or {}).get("hostProcess")))
    detail = f"{setters} must not set securityContext.windowsOptions.hostProcess=true"
    return Finding("hostProcess", detail) if setters else None
