"""Which checks a level makes in which version, and what they say together (policy/registry.go)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tricenter.apimachinery.podsecurity import baseline, restricted
from tricenter.apimachinery.podsecurity.policy import Level, LevelVersion
from tricenter.apimachinery.podsecurity.subject import Finding, Subject

_Check = Callable[[Subject], Finding | None]
_Versions = tuple[tuple[int, _Check], ...]
"""A check by the minor version of Kubernetes since which it is as it is."""

_BASELINE: Mapping[str, _Versions] = {  # in the order of their names, which is the order of messages
    "appArmorProfile": ((0, baseline.app_armor),),
    "capabilities_baseline": ((0, baseline.capabilities),),
    "hostNamespaces": ((0, baseline.host_namespaces),),
    "hostPathVolumes": ((0, baseline.host_path_volumes),),
    "hostPorts": ((0, baseline.host_ports),),
    "privileged": ((0, baseline.privileged),),
    "procMount": ((0, baseline.proc_mount),),
    "seLinuxOptions": ((0, baseline.selinux), (31, baseline.selinux_31)),
    "seccompProfile_baseline": ((0, baseline.seccomp_annotations), (19, baseline.seccomp)),
    "sysctls": ((0, baseline.sysctls), (27, baseline.sysctls_27), (29, baseline.sysctls_29), (32, baseline.sysctls_32)),
    "windowsHostProcess": ((0, baseline.windows_host_process),),
}
_RESTRICTED: Mapping[str, _Versions] = {
    "allowPrivilegeEscalation": (
        (8, restricted.allow_privilege_escalation),
        (25, restricted.allow_privilege_escalation_25),
    ),
    "capabilities_restricted": ((22, restricted.capabilities), (25, restricted.capabilities_25)),
    "restrictedVolumes": ((0, restricted.volumes),),
    "runAsNonRoot": ((0, restricted.run_as_non_root),),
    "runAsUser": ((23, restricted.run_as_user),),
    "seccompProfile_restricted": ((19, restricted.seccomp_profile), (25, restricted.seccomp_profile_25)),
}
_OVERRIDDEN = {
    "capabilities_baseline": "capabilities_restricted",
    "hostPathVolumes": "restrictedVolumes",
    "seccompProfile_baseline": "seccompProfile_restricted",
}
"""Checks of baseline that a stricter one replaces, from the version on in which that exists."""


@dataclass(frozen=True)
class Verdict:
    """What a level says of a pod."""

    findings: Sequence[Finding]

    @property
    def allowed(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def reasons(self) -> str:
        """What was found, in short."""
        return ", ".join(finding.reason for finding in self.findings)

    def __str__(self) -> str:
        return ", ".join(map(str, self.findings))


def evaluate(wanted: LevelVersion, metadata: Mapping[str, Any] | None, spec: Mapping[str, Any] | None) -> Verdict:
    """Look at a pod or pod template."""
    pod = Subject(metadata or {}, spec or {})
    return Verdict([finding for check in _checks(wanted) if (finding := check(pod)) is not None])


def _checks(wanted: LevelVersion) -> list[_Check]:
    if wanted.level is Level.PRIVILEGED:
        return []
    low = {name: check for name, versions in _BASELINE.items() if (check := _at(versions, wanted.order))}
    if wanted.level is Level.BASELINE:
        return list(low.values())
    high = {name: check for name, versions in _RESTRICTED.items() if (check := _at(versions, wanted.order))}
    kept = [check for name, check in low.items() if _OVERRIDDEN.get(name) not in high]
    return [*kept, *high.values()]


def _at(versions: _Versions, minor: int) -> _Check | None:
    return next((check for since, check in reversed(versions) if since <= minor), None)
