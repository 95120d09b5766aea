"""Checks that only the level restricted makes (pod-security-admission/policy/check_*.go)."""

from __future__ import annotations

from tricenter.apimachinery.podsecurity.baseline import added, profile_type, seccomp
from tricenter.apimachinery.podsecurity.subject import Finding, Object, Subject, named_containers, plural, quoted

_VOLUMES = (
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
)  # fmt: skip


def allow_privilege_escalation(pod: Subject) -> Finding | None:
    """Containers must say that they do not gain privileges."""
    names = pod.bad(lambda context: context.get("allowPrivilegeEscalation") is not False)
    detail = f"{named_containers(names)} must set securityContext.allowPrivilegeEscalation=false"
    return Finding("allowPrivilegeEscalation != false", detail) if names else None


def allow_privilege_escalation_25(pod: Subject) -> Finding | None:
    """The same since 1.25, which knows Windows."""
    return None if pod.windows else allow_privilege_escalation(pod)


def capabilities(pod: Subject) -> Finding | None:
    """Containers must drop all capabilities and may add only NET_BIND_SERVICE."""

    def extra(context: Object) -> set[str]:
        return {str(item) for item in added(context)} - {"NET_BIND_SERVICE"}

    keeping = pod.bad(lambda context: "ALL" not in ((context.get("capabilities") or {}).get("drop") or ()))
    adding = pod.bad(lambda context: bool(extra(context)))
    details = []
    if keeping:
        details.append(f'{named_containers(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        found = sorted(set().union(*map(extra, pod.contexts())))
        text = f"{named_containers(adding)} must not include {quoted(found)} in securityContext.capabilities.add"
        details.append(text)
    return Finding("unrestricted capabilities", "; ".join(details)) if details else None


def capabilities_25(pod: Subject) -> Finding | None:
    """The same since 1.25, which knows Windows."""
    return None if pod.windows else capabilities(pod)


def volumes(pod: Subject) -> Finding | None:
    """Volumes of other than the kinds that no node's data comes through."""
    bad = [item for item in pod.spec.get("volumes") or () if not any(item.get(kind) is not None for kind in _VOLUMES)]
    if not bad:
        return None
    names = [str(item.get("name")) for item in bad]
    kinds = sorted({next((key for key in item if key != "name" and item[key] is not None), "unknown") for item in bad})
    verb = "uses" if len(names) == 1 else "use"
    which = f"{plural('restricted volume type', len(kinds))} {quoted(kinds)}"
    return Finding("restricted volume types", f"{plural('volume', len(names))} {quoted(names)} {verb} {which}")


def run_as_non_root(pod: Subject) -> Finding | None:
    """The pod or each container must say that it does not run as root."""
    setters = pod.setters(lambda context: context.get("runAsNonRoot") is False)
    if setters:
        return Finding("runAsNonRoot != true", f"{setters} must not set securityContext.runAsNonRoot=false")
    if pod.context.get("runAsNonRoot"):
        return None
    names = pod.bad(lambda context: context.get("runAsNonRoot") is None)
    detail = f"pod or {named_containers(names)} must set securityContext.runAsNonRoot=true"
    return Finding("runAsNonRoot != true", detail) if names else None


def run_as_user(pod: Subject) -> Finding | None:
    """Nobody may ask to run as root."""
    setters = pod.setters(lambda context: context.get("runAsUser") == 0 and context.get("runAsUser") is not None)
    return Finding("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def seccomp_profile(pod: Subject) -> Finding | None:
    """The pod or each container must have a seccomp profile."""
    wrong = seccomp(pod)
    if wrong is not None or profile_type(pod.context, "seccompProfile"):
        return wrong
    names = pod.bad(lambda context: profile_type(context, "seccompProfile") is None)
    wanted = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Finding("seccompProfile", f"pod or {named_containers(names)} must set {wanted}") if names else None


def seccomp_profile_25(pod: Subject) -> Finding | None:
    """The same since 1.25, which knows Windows."""
    return None if pod.windows else seccomp_profile(pod)
