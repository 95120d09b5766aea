"""kubectl on what controllers do: roll-outs of daemon and stateful sets, jobs, quotas, limits, pod security."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

IMAGE = "busybox:1"
READY = "--timeout=300s"
_POD = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": IMAGE, "command": ["sleep", "3600"]}]}


def workload(kind: str, name: str, **spec: Any) -> dict[str, Any]:
    """A workload of sleeping pods."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": _POD}
    spec = {"selector": {"matchLabels": labels}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module", params=["daemonset", "statefulset"])
def workload_of_two(request: pytest.FixtureRequest, k: Any, nodes: list[str]) -> Iterator[str]:  # its pods run
    """A DaemonSet or a StatefulSet that has been rolled out."""
    if request.param == "daemonset":
        name, made = "daemonset/agent", workload("DaemonSet", "agent")
    else:
        name, made = "statefulset/store", workload("StatefulSet", "store", replicas=2, serviceName="store")
    k.apply(made)
    k("rollout", "status", name, READY)
    yield name
    k("delete", name, "--wait=false")


def test_rollout_history_undo_and_restart(k: Any, workload_of_two: str) -> None:
    k("set", "env", workload_of_two, "STEP=2")
    k("rollout", "status", workload_of_two, READY)
    history = k("rollout", "history", workload_of_two)
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]
    assert "STEP" in k("rollout", "history", workload_of_two, "--revision=2")
    k("rollout", "undo", workload_of_two)
    k("rollout", "status", workload_of_two, READY)
    assert "STEP" not in str(k.json("get", workload_of_two)["spec"]["template"])
    k("rollout", "restart", workload_of_two)
    k("rollout", "status", workload_of_two, READY)


@pytest.mark.usefixtures("nodes")
def test_a_job_completes_and_one_that_fails_says_why(k: Any) -> None:
    k("create", "job", "good", f"--image={IMAGE}", "--", "true")
    k("wait", "job/good", "--for=condition=Complete", READY)
    template = {
        "spec": {**_POD, "restartPolicy": "Never", "containers": [{**_POD["containers"][0], "command": ["false"]}]}
    }
    metadata = {"name": "bad"}
    k.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata,
             "spec": {"backoffLimit": 0, "template": template}})  # fmt: skip
    k("wait", "job/bad", "--for=condition=Failed", READY)
    assert "BackoffLimitExceeded" in k("describe", "job", "bad")


def test_a_schedule_whose_time_never_comes_is_told(k: Any, eventually: Any) -> None:
    k("create", "cronjob", "leap", f"--image={IMAGE}", "--schedule=59 23 31 2 *", "--", "true")
    text = "invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second"
    columns = "jsonpath={range .items[*]}{.type} {.reason} {.message}{end}"
    about = ("get", "events", "--field-selector=involvedObject.name=leap", "-o", columns)
    eventually(lambda: k(*about) == f"Warning InvalidSchedule {text}")


@pytest.mark.usefixtures("nodes")
def test_a_job_from_a_cron_job(k: Any) -> None:
    k("create", "cronjob", "nightly", f"--image={IMAGE}", "--schedule=0 3 * * *", "--", "true")
    k("create", "job", "now", "--from=cronjob/nightly")
    k("wait", "job/now", "--for=condition=Complete", READY)
    assert "expected exactly 5 fields" in k.refused(
        "create", "cronjob", "never", f"--image={IMAGE}", "--schedule=0 3 * *", "--", "true"
    )


def test_a_quota_counts_and_refuses(k: Any, eventually: Any) -> None:
    k("create", "quota", "few", "--hard=count/secrets=1")
    eventually(lambda: k.json("get", "quota", "few").get("status", {}).get("used") == {"count/secrets": "0"})
    k("create", "secret", "generic", "one")
    said = k.refused("create", "secret", "generic", "two")
    assert "exceeded quota: few, requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1" in said
    k("delete", "secret", "one")
    eventually(lambda: k.json("get", "quota", "few")["status"]["used"] == {"count/secrets": "0"})
    k("delete", "quota", "few")


def test_a_limit_range_fills_in_what_a_pod_does_not_say(k: Any, eventually: Any) -> None:
    limits = [{"type": "Container", "default": {"memory": "64Mi"}, "max": {"memory": "128Mi"}}]
    k.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": limits}})
    run = ("run", "limited", f"--image={IMAGE}", "--dry-run=server", "-o", "jsonpath={.spec.containers[0].resources}")
    eventually(lambda: '"limits":{"memory":"64Mi"}' in k(*run))
    override = (
        '{"spec": {"containers": [{"name": "limited", "image": "i", "resources": {"limits": {"memory": "1Gi"}}}]}}'
    )
    said = k.refused("run", "limited", "--image=i", f"--overrides={override}")
    assert "maximum memory usage per Container is 128Mi, but limit is 1Gi" in said
    k("delete", "limitrange", "small")


def test_a_namespace_keeps_to_its_level(k: Any, whole: Any, eventually: Any) -> None:
    eventually(lambda: k("get", "serviceaccount", "default", "--ignore-not-found"))
    name = k.json("get", "serviceaccount", "default")["metadata"]["namespace"]
    whole("label", "namespace", name, "pod-security.kubernetes.io/enforce=baseline")
    override = '{"spec": {"hostNetwork": true}}'
    run = ("run", "host", "--image=i", "--dry-run=server", f"--overrides={override}")
    said = 'violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
    eventually(lambda: said in k.tried(*run)[1])
    whole("label", "namespace", name, "pod-security.kubernetes.io/enforce-")
