"""Rules of security contexts and of the operating system of a pod (upstream pkg/apis/core/validation)."""

import re
from collections.abc import Iterable

from tricenter.apimachinery import fielderrors
from tricenter.apimachinery.validation import windows
from tricenter.apimachinery.validation.rules import Errors, Object, between, each, local_path, one_of, sub

_ID_MAX = 2**31 - 1
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PATH_MAX = 4095
_SYSCTL_MAX = 253
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = re.compile(rf"({_SEGMENT}[\./])*{_SEGMENT}")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
_NOT_FOR_WINDOWS_POD = ("hostUsers", "hostPID", "hostIPC", "shareProcessNamespace")
_NOT_FOR_WINDOWS_CONTEXT = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "fsGroup", "fsGroupChangePolicy", "sysctls", "runAsUser",
    "runAsGroup", "supplementalGroups", "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
_NOT_FOR_WINDOWS_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip
Containers = Iterable[tuple[str, Object]]


def container_context(context: Object, path: str, *, host_users: bool) -> Errors:
    """The security context of a container."""
    for key in ("runAsUser", "runAsGroup"):
        yield from between(context, key, path, 0, _ID_MAX)
    yield from one_of(context, "procMount", path, ("Default", "Unmasked"))
    if host_users and context.get("procMount") == "Unmasked":
        detail = "`hostUsers` must be false to use `Unmasked`"
        yield fielderrors.invalid(f"{path}.procMount", context["procMount"], detail)
    if context.get("allowPrivilegeEscalation") is False:
        yield from _escalation(context, path)
    yield from _profiles(context, path)
    yield from windows.options(context, path)


def _escalation(context: Object, path: str) -> Errors:
    head = "cannot set `allowPrivilegeEscalation` to false and"
    if context.get("privileged"):
        yield fielderrors.invalid(path, context, f"{head} `privileged` to true")
    if "CAP_SYS_ADMIN" in (sub(context, "capabilities").get("add") or ()):
        yield fielderrors.invalid(path, context, f"{head} `capabilities.Add` CAP_SYS_ADMIN")


def pod_context(spec: Object, path: str) -> Errors:
    """The security context of a pod, and what it shares with its node."""
    context, where = sub(spec, "securityContext"), f"{path}.securityContext"
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        yield from between(context, key, where, 0, _ID_MAX)
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= _ID_MAX:
            detail = f"must be between 0 and {_ID_MAX}, inclusive"
            yield fielderrors.invalid(f"{where}.supplementalGroups[{index}]", group, detail)
    yield from one_of(context, "fsGroupChangePolicy", where, ("Always", "OnRootMismatch"))
    yield from one_of(context, "supplementalGroupsPolicy", where, ("Merge", "Strict"))
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        yield fielderrors.invalid(
            f"{where}.shareProcessNamespace", True, "ShareProcessNamespace and HostPID cannot both be enabled"
        )
    yield from _sysctls(context, where)
    yield from _profiles(context, where)
    yield from windows.options(context, where)
    if spec.get("hostUsers") is False:
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(key):
                yield fielderrors.forbidden(f"{path}.{key}", "when `pod.Spec.HostUsers` is false")


def _sysctls(context: Object, path: str) -> Errors:
    seen: set[str] = set()
    for where, found in each(context, "sysctls", path):
        name = str(found.get("name") or "")
        if not name:
            yield fielderrors.required(f"{where}.name")
        elif len(name) > _SYSCTL_MAX or not _SYSCTL.fullmatch(name):
            detail = f"must have at most {_SYSCTL_MAX} characters and match regex ^{_SYSCTL.pattern}$"
            yield fielderrors.invalid(f"{where}.name", name, detail)
        elif name in seen:
            yield fielderrors.duplicate(f"{where}.name", name)
        seen.add(name)


def _profiles(context: Object, path: str) -> Errors:
    """Which profiles of seccomp and AppArmor confine it."""
    for key, called in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        profile, where = context.get(key), f"{path}.{key}"
        if profile is None:
            continue
        kind, local = profile.get("type"), profile.get("localhostProfile")
        if not kind:
            yield fielderrors.required(f"{where}.type", f"type is required when {key} is set")
        elif kind not in _PROFILES:
            yield fielderrors.not_supported(f"{where}.type", kind, _PROFILES)
        if kind == "Localhost":
            yield from _localhost(local, f"{where}.localhostProfile", called)
        elif local is not None:
            detail = f"can only be set when {called} type is Localhost"
            yield fielderrors.invalid(f"{where}.localhostProfile", local, detail)


def _localhost(profile: str | None, path: str, called: str) -> Errors:
    if profile is None or (called == "AppArmor" and not profile):
        yield fielderrors.required(path, f"must be set when {called} type is Localhost")
    elif called == "seccomp":
        yield from local_path(profile, path)
    elif profile != profile.strip():
        yield fielderrors.invalid(path, profile, "must not be padded with whitespace")
    elif len(profile) > _PATH_MAX:
        yield fielderrors.too_long(path, _PATH_MAX)


def operating_system(spec: Object, path: str, containers: Containers) -> Errors:
    """What the operating system that a pod names does not know may not be set."""
    name = sub(spec, "os").get("name")
    if not name:
        if spec.get("os") is not None:
            yield fielderrors.required(f"{path}.os.name", "cannot be empty")
        return
    if name not in {"linux", "windows"}:
        yield fielderrors.not_supported(f"{path}.os", name, ("linux", "windows"))
        return
    contexts = [(sub(found, "securityContext"), f"{where}.securityContext") for where, found in containers]
    whole = (sub(spec, "securityContext"), f"{path}.securityContext")
    if name == "linux":
        yield from _refused((whole, *contexts), ("windowsOptions",), "windows options cannot be set for a linux pod")
        return
    detail = "cannot be set for a windows pod"
    yield from _refused(((spec, path),), _NOT_FOR_WINDOWS_POD, detail)
    yield from _refused((whole,), _NOT_FOR_WINDOWS_CONTEXT, detail)
    yield from _refused(contexts, _NOT_FOR_WINDOWS_CONTAINER, detail)


def _refused(places: Iterable[tuple[Object, str]], keys: tuple[str, ...], detail: str) -> Errors:
    for found, path in places:
        for key in keys:
            # false is how a switch of the pod itself says that it is not set
            if found.get(key) is not None and (found[key] is not False or key not in {"hostPID", "hostIPC"}):
                yield fielderrors.forbidden(f"{path}.{key}", detail)


def apparmor_profiles(annotations: Object) -> Object:
    """The annotations that name profiles."""
    return {key: value for key, value in annotations.items() if key.startswith(_APPARMOR)}


def apparmor_annotations(annotations: Object, containers: Containers) -> Errors:
    """The old way to name profiles: by annotations that name containers."""
    marked = apparmor_profiles(annotations)
    known = {str(found.get("name")) for _, found in containers} if marked else set()
    for key in marked:
        name, profile, where = key.removeprefix(_APPARMOR), str(annotations[key]), f"metadata.annotations[{key}]"
        if name not in known:
            yield fielderrors.invalid(where, name, "container not found")
        if profile not in {"", "runtime/default", "unconfined"} and not profile.startswith("localhost/"):
            yield fielderrors.invalid(where, profile, f'invalid AppArmor profile name: "{profile}"')
