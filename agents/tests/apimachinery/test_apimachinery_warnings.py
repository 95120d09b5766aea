"""What is accepted and hardly meant so is said (upstream pkg/api/pod/warnings_test.go)."""

from typing import Any

import pytest

from tricenter.apimachinery import warnings

Object = dict[str, Any]


def one(**fields: Any) -> Object:
    return {"containers": [{"name": "c", "image": "x", **fields}]}


def port(**fields: Any) -> Object:
    return {"containerPort": 80, "protocol": "TCP", **fields}


C = "spec.containers[0]."
SPREAD = {"maxSkew": 1, "topologyKey": "beta.kubernetes.io/os"}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (one(), []),
        ({"nodeSelector": {"beta.kubernetes.io/os": "linux"}},
         ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']),
        ({"topologySpreadConstraints": [SPREAD]}, [
            ("spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/os is deprecated since v1.14; use "
             '"kubernetes.io/os" instead'),
            "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod"]),
        ({"volumes": [{"name": "v", "gitRepo": {}}]}, ["spec.volumes[0].gitRepo: deprecated in v1.11"]),
        ({"imagePullSecrets": [{"name": "a"}, {"name": "a"}, {}]}, [
            'spec.imagePullSecrets[1].name: duplicate name "a"',
            'spec.imagePullSecrets[2].name: invalid empty name ""']),
        ({"hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}]}, ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']),
        ({"terminationGracePeriodSeconds": -1}, [
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"]),
        (one(resources={"requests": {"memory": "128m", "cpu": "100m"}, "limits": {"memory": "1000m"}}), [
            f'{C}resources.requests[memory]: fractional byte value "128m" is invalid, must be an integer']),
        (one(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]), [
            f'{C}env[1]: hides previous definition of "A", which may be dropped when using apply']),
        (one(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]), []),
        (one(ports=[port(), port()]), [f"{C}ports[1]: duplicate port definition with {C}ports[0]"]),
        (one(ports=[port(), port(hostPort=80)]), [f"{C}ports[1]: overlapping port definition with {C}ports[0]"]),
        (one(ports=[port(hostPort=80), port(hostPort=80, hostIP="10.0.0.1")]), [
            f"{C}ports[1]: dangerously ambiguous port definition with {C}ports[0]"]),
        (one(ports=[port(), port(protocol="UDP")]), []),
    ],
)  # fmt: skip
def test_of_a_pod(spec: Object, said: list[str]) -> None:
    of_pods = warnings.place("", "pods")
    assert of_pods is not None
    assert of_pods({"metadata": {}, "spec": spec}) == said


def test_of_a_template() -> None:
    annotations = {"security.alpha.kubernetes.io/sysctls": ""}
    template = {"metadata": {"annotations": annotations}, "spec": {"nodeSelector": {"beta.kubernetes.io/arch": "x"}}}
    of_cron_jobs = warnings.place("batch", "cronjobs")
    assert of_cron_jobs is not None
    path, instead = "spec.jobTemplate.spec.template", 'non-functional in v1.11+; use the "sysctls" field instead'
    assert of_cron_jobs({"spec": {"jobTemplate": {"spec": {"template": template}}}}) == [
        f"{path}.metadata.annotations[security.alpha.kubernetes.io/sysctls]: {instead}",
        f'{path}.spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use "kubernetes.io/arch" instead',
    ]
    assert warnings.place("", "configmaps") is None
