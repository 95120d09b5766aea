"""Pod Security Standards: what each level refuses, in upstream's words, and how labels ask for it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tricenter.apimachinery import podsecurity
from tricenter.apimachinery.podsecurity import Level, LevelVersion

GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "a", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


def verdict(level: Level, spec: Any, minor: int | None = None, annotations: Any = None) -> str:
    return str(podsecurity.evaluate(LevelVersion(level, minor), {"annotations": annotations or {}}, spec))


def spec(pod: Any = None, container: Any = None, **more: Any) -> Any:
    made: Any = copy.deepcopy(GOOD)
    made["securityContext"] |= pod or {}
    made["containers"][0]["securityContext"] |= container or {}
    return made | more


def test_a_pod_that_says_nothing_is_baseline_and_not_restricted() -> None:
    plain = {"containers": [{"name": "x"}]}
    assert verdict(Level.PRIVILEGED, plain) == verdict(Level.BASELINE, plain) == ""
    assert verdict(Level.RESTRICTED, plain) == (
        'allowPrivilegeEscalation != false (container "x" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "x" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "x" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "x" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
        '"Localhost")'
    )
    assert verdict(Level.RESTRICTED, GOOD) == ""


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (
            spec(container={"privileged": True}),
            'privileged (container "a" must not set securityContext.privileged=true)',
        ),
        (spec(hostNetwork=True, hostIPC=True), "host namespaces (hostNetwork=true, hostIPC=true)"),
        (spec(volumes=[{"name": "v", "hostPath": {}}]), 'hostPath volumes (volume "v")'),
        (
            spec(container={"capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "CHOWN"]}}),
            'non-default capabilities (container "a" must not include "NET_RAW" in securityContext.capabilities.add)',
        ),
        (
            spec(container={"procMount": "Unmasked"}),
            'procMount (container "a" must not set securityContext.procMount to "Unmasked")',
        ),
        (
            spec(pod={"seLinuxOptions": {"type": "bar", "user": "u"}}),
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "bar"; user may not be set)',
        ),
        (
            spec(container={"seccompProfile": {"type": "Unconfined"}}),
            'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
        ),
        (
            spec(pod={"appArmorProfile": {"type": "Unconfined"}}),
            'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
        ),
        (spec(pod={"sysctls": [{"name": "kernel.sem"}]}), "forbidden sysctls (kernel.sem)"),
        (
            spec(pod={"windowsOptions": {"hostProcess": True}}),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
    ],
)
def test_what_baseline_refuses(bad: Any, words: str) -> None:
    assert verdict(Level.BASELINE, bad) == words
    assert verdict(Level.RESTRICTED, bad) != ""


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (
            spec(volumes=[{"name": "v", "nfs": {}}, {"name": "w", "hostPath": {}}, {"name": "ok", "secret": {}}]),
            'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
        ),
        (
            spec(pod={"runAsNonRoot": False}, container={"runAsNonRoot": False}),
            'runAsNonRoot != true (pod and container "a" must not set securityContext.runAsNonRoot=false)',
        ),
        (spec(container={"runAsUser": 0}), 'runAsUser=0 (container "a" must not set runAsUser=0)'),
        (
            spec(container={"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}),
            'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)',
        ),
    ],
)
def test_what_only_restricted_refuses(bad: Any, words: str) -> None:
    assert verdict(Level.RESTRICTED, bad) == words


def test_a_port_of_the_node_and_containers_of_all_kinds() -> None:
    port = {"ports": [{"containerPort": 80, "hostPort": 80}]}
    pod = {"containers": [{"name": "a", **port}], "ephemeralContainers": [{"name": "e", **port}]}
    assert verdict(Level.BASELINE, pod) == 'hostPort (containers "a", "e" use hostPort 80)'


def test_versions_decide_which_checks_there_are() -> None:
    idle = spec(pod={"sysctls": [{"name": "net.ipv4.tcp_rmem"}]})
    assert verdict(Level.BASELINE, idle, 31) == "forbidden sysctls (net.ipv4.tcp_rmem)"
    assert verdict(Level.BASELINE, idle, 32) == verdict(Level.BASELINE, idle) == ""
    old = {"containers": [{"name": "a", "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False}}]}
    assert verdict(Level.RESTRICTED, old, 18) == ""
    key = "seccomp.security.alpha.kubernetes.io/pod"
    assert (
        verdict(Level.RESTRICTED, old, 18, {key: "unconfined"})
        == f'seccompProfile (forbidden annotation {key}="unconfined")'
    )
    windows = {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": True}, "containers": [{"name": "a"}]}
    assert verdict(Level.RESTRICTED, windows, 24) != ""
    assert verdict(Level.RESTRICTED, windows, 25) == ""


def labels(**found: str) -> dict[str, str]:
    return {f"pod-security.kubernetes.io/{key.replace('_', '-')}": value for key, value in found.items()}


def test_labels_become_a_policy() -> None:
    policy, errors = podsecurity.from_labels(labels(enforce="baseline", enforce_version="v1.24", audit="restricted"))
    assert (str(policy.enforce), str(policy.audit), errors) == ("baseline:v1.24", "restricted:latest", [])
    assert str(policy.warn) == "baseline:v1.24", "warn follows a stricter enforce"
    policy, _ = podsecurity.from_labels(labels(enforce="restricted", warn="privileged"))
    assert policy.warn.level is Level.PRIVILEGED
    assert podsecurity.from_labels({"a": "b"})[0].privileged


def test_wrong_labels_close_what_is_enforced_only() -> None:
    policy, errors = podsecurity.from_labels(labels(enforce="strict", audit="strict", warn_version="1.2"))
    assert (policy.enforce.level, policy.audit.level, policy.warn.level) == (Level.RESTRICTED, Level.PRIVILEGED, 0)
    assert [str(error) for error in errors] == [
        (
            'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": '
            "must be one of privileged, baseline, restricted"
        ),
        (
            'metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "strict": '
            "must be one of privileged, baseline, restricted"
        ),
        'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.2": must be "latest" or "v1.x"',
    ]
