"""Jobs: every ended pod counts once, and a Job ends as it should."""

from __future__ import annotations

import copy
import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.client import errors
from tricenter.client.informer import Informer
from tricenter.client.resources import JOBS
from tricenter.controllers import jobindexes, jobs, jobstate, podfailures

NOW = dt.datetime(2026, 1, 1, 12, 0, tzinfo=dt.UTC)


def job(status: Any = None, **spec: Any) -> Any:
    base = {"parallelism": 2, "completions": 3, "backoffLimit": 2, "template": {"spec": {"restartPolicy": "Never"}}}
    metadata = {"name": "j", "namespace": "n", "uid": "u", "resourceVersion": "9"}
    return {"metadata": metadata, "spec": base | spec, "status": status or {}}


def pod(name: str, phase: str = "Running", *, index: int | None = None, tracked: bool = True, **status: Any) -> Any:
    metadata: Any = {"name": name, "namespace": "n", "uid": name}
    if tracked:
        metadata["finalizers"] = [jobstate.FINALIZER]
    if index is not None:
        metadata["annotations"] = {jobindexes.INDEX: str(index)}
    return {"metadata": metadata, "spec": {"containers": []}, "status": {"phase": phase, **status}}


def names(pods: Any) -> list[str]:
    return [item["metadata"]["name"] for item in pods]


@given(st.sets(st.integers(0, 60)))
def test_indexes_are_read_as_they_are_written(indexes: set[int]) -> None:
    assert jobindexes.parse(jobindexes.show(indexes), 61) == indexes


def test_indexes_are_written_as_upstream_does() -> None:
    assert jobindexes.show({1, 3, 4, 5, 7, 8}) == "1,3-5,7,8"
    assert jobindexes.parse("0-99,x,-3", 3) == {0, 1, 2}
    assert jobindexes.pending(2, 5, {0, 2}) == [1, 3]


@given(st.lists(st.sampled_from(["Succeeded", "Failed", "Running"]), max_size=8), st.data())
def test_every_ended_pod_counts_once_whenever_the_controller_crashes(phases: list[str], data: st.DataObject) -> None:
    """A step stores the notes, takes off some finalizers, and may stop before it stores the counts."""
    owner, pods = job(), [pod(f"p{number}", phase) for number, phase in enumerate(phases)]
    for _ in range(4):
        ledger = jobstate.noted(owner, pods)
        owner["status"] = ledger.status
        crash = data.draw(st.booleans())
        for found in ledger.release:
            if not (crash and data.draw(st.booleans())):
                found["metadata"]["finalizers"] = []
        if not crash:
            owner["status"] = jobstate.released(owner, ledger.status)
    for found in jobstate.noted(owner, pods).release:
        found["metadata"]["finalizers"] = []
    final = jobstate.noted(owner, pods).status
    assert not final["uncountedTerminatedPods"]
    assert (final["succeeded"], final["failed"]) == (phases.count("Succeeded"), phases.count("Failed"))


def test_an_index_is_done_once() -> None:
    owner = job({"completedIndexes": "0"}, completionMode="Indexed")
    pods = [pod("a", "Succeeded", index=1), pod("b", "Succeeded", index=1), pod("c", "Succeeded", index=9)]
    ledger = jobstate.noted(owner, pods)
    assert (ledger.status["completedIndexes"], ledger.status["succeeded"], len(ledger.release)) == ("0,1", 2, 3)
    assert jobstate.released(owner, ledger.status)["succeeded"] == 2


def end(owner: Any, pods: Any) -> Any:
    ledger = jobstate.noted(owner, pods)
    found = jobstate.outcome(owner, ledger, pods, NOW)
    return (found.kind, found.reason) if found else None


def test_how_a_job_ends() -> None:
    done = [pod(f"p{number}", "Succeeded") for number in range(3)]
    assert end(job(), done) == ("Complete", "CompletionsReached")
    assert end(job(), done[:2]) is None
    assert end(job(), [*done, pod("late")]) is None, "not while a pod is active"
    assert end(job(completions=None), [done[0]]) == ("Complete", "CompletionsReached")
    assert end(job(completions=None), [done[0], pod("working")]) is None
    bad = [pod(f"b{number}", "Failed") for number in range(3)]
    assert end(job(), bad[:2]) is None
    assert end(job(), bad) == ("Failed", "BackoffLimitExceeded")
    assert end(job({"failed": 2}), bad[:1]) == ("Failed", "BackoffLimitExceeded")
    late = job({"startTime": "2026-01-01T11:59:00Z"}, activeDeadlineSeconds=30)
    assert end(late, [pod("a")]) == ("Failed", "DeadlineExceeded")
    announced = {"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]}
    assert end(job(announced), done) == ("Failed", "DeadlineExceeded"), "what was announced stays"


def test_restarts_count_where_containers_restart_themselves() -> None:
    template = {"spec": {"restartPolicy": "OnFailure"}}
    restarted = pod("a", containerStatuses=[{"name": "c", "restartCount": 2}])
    assert end(job(template=template), [restarted]) == ("Failed", "BackoffLimitExceeded")
    assert end(job(template=template, backoffLimit=3), [restarted]) is None


def test_indexes_that_fail_too_often() -> None:
    owner = job(completionMode="Indexed", backoffLimitPerIndex=0, backoffLimit=99)
    pods = [pod("a", "Failed", index=0), pod("b", "Succeeded", index=1)]
    ledger = jobstate.noted(owner, pods)
    assert ledger.status["failedIndexes"] == "0"
    assert jobstate.wanted_pods(owner, ledger.status, 0) == 1
    assert end(owner, [*pods, pod("c", "Succeeded", index=2)]) == ("Failed", "FailedIndexes")
    assert end(job(completionMode="Indexed", backoffLimitPerIndex=1, backoffLimit=99), pods) is None
    assert end(owner["spec"] and job(**owner["spec"], maxFailedIndexes=0), pods) == (
        "Failed",
        "MaxFailedIndexesExceeded",
    )


def test_success_policy() -> None:
    rules = {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]}
    owner = job(completionMode="Indexed", successPolicy=rules)
    assert end(owner, [pod("a", "Succeeded", index=2)]) is None
    assert end(owner, [pod("a", "Succeeded", index=1), pod("b", index=0)]) == ("Complete", "SuccessPolicy")


def test_success_policy_of_milliards() -> None:
    """Nine characters of one Job must not take all the memory there is."""
    rules = {
        "rules": [{"succeededIndexes": "1,5-2147483646", "succeededCount": 2}, {"succeededIndexes": "0-2147483646"}]
    }
    owner = job(completionMode="Indexed", completions=2**31 - 1, successPolicy=rules)
    assert end(owner, [pod("a", "Succeeded", index=0), pod("b", "Succeeded", index=7)]) is None
    pods = [pod("a", "Succeeded", index=1), pod("b", "Succeeded", index=7)]
    assert end(owner, pods) == ("Complete", "SuccessPolicy")


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_indexes_among_others(indexes: set[int], others: set[int]) -> None:
    pieces = jobindexes.ranges(jobindexes.show(others), 25)
    assert jobindexes.among(indexes, pieces) == len(indexes & {index for index in others if index < 25})


def terminated(code: int) -> Any:
    return [{"name": "c", "state": {"terminated": {"exitCode": code}}}]


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}, "FailJob"),
        ({"action": "Ignore", "onExitCodes": {"operator": "NotIn", "values": [1]}}, "Ignore"),
        ({"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}, "Count"),
        ({"action": "Ignore", "onExitCodes": {"containerName": "d", "operator": "In", "values": [42]}}, "Count"),
        ({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}, "Ignore"),
    ],
)
def test_what_a_failed_pod_means(rule: Any, found: str) -> None:
    conditions = [{"type": "DisruptionTarget", "status": "True"}]
    failed = pod("a", "Failed", containerStatuses=terminated(42), conditions=conditions)
    owner = job(podFailurePolicy={"rules": [rule]}, backoffLimit=0)
    assert podfailures.action(owner, failed)[0] == found
    wanted = {"FailJob": ("Failed", "PodFailurePolicy"), "Ignore": None, "Count": ("Failed", "BackoffLimitExceeded")}
    assert end(owner, [failed]) == wanted[found]


def test_words_of_a_failure_policy() -> None:
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}
    failed = pod("a", "Failed", containerStatuses=terminated(42))
    assert podfailures.action(job(podFailurePolicy={"rules": [rule]}), failed)[1] == (
        "Container c for pod n/a failed with exit code 42 matching FailJob rule at index 0"
    )


def test_how_many_pods_there_should_be() -> None:
    status = {"succeeded": 2, "uncountedTerminatedPods": {}}
    assert jobstate.wanted_pods(job(), {"uncountedTerminatedPods": {}}, 0) == 2
    assert jobstate.wanted_pods(job(), status, 0) == 1
    assert jobstate.wanted_pods(job(suspend=True), status, 2) == 0
    assert jobstate.wanted_pods(job(completions=None), status, 1) == 1, "a work queue is being emptied"
    assert jobstate.wanted_pods(job(completions=None), {"uncountedTerminatedPods": {}}, 0) == 2


def test_suspension_stops_the_clock() -> None:
    running = jobstate.with_start(job(), {})
    assert "startTime" in running
    waiting = jobstate.with_start(job(suspend=True), running)
    assert "startTime" not in waiting
    assert waiting["conditions"][0]["reason"] == "JobSuspended"
    again = jobstate.with_start(job(), waiting)
    assert (again["conditions"][0]["status"], "startTime" in again) == ("False", True)


def test_pods_of_indexes_know_which_they_are() -> None:
    owner = job(completionMode="Indexed", template={"spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}})
    made = jobs.Jobs._new_pods(owner, {"uncountedTerminatedPods": {}}, [pod("a", index=0)], 2)
    assert [item["spec"]["hostname"] for item in made] == ["j-1", "j-2"]
    assert made[0]["metadata"]["annotations"] == {jobindexes.INDEX: "1"}
    assert made[0]["spec"]["containers"][0]["env"][0]["name"] == "JOB_COMPLETION_INDEX"
    assert jobstate.FINALIZER in made[0]["metadata"]["finalizers"]


def test_second_pods_of_an_index_go_first() -> None:
    owner = job(completionMode="Indexed")
    pods = [pod("b", index=0), pod("a", index=0), pod("c", index=1), pod("lost")]
    assert names(jobs._surplus(owner, copy.deepcopy(pods), 2, NOW)) == ["b", "lost"]
    assert len(jobs._surplus(job(), pods, 1, NOW)) == 3


class Late:
    """A server whose Jobs are seen at once, unless they lag, and whose pods are not: their watch broke a moment ago."""

    def __init__(self) -> None:
        self.informers: dict[Any, Informer] = {}
        self.conflicts = 0
        self.lags = False
        self.made: list[Any] = []

    def get(self, res: Any) -> Informer:
        return self.informers.setdefault(res, Informer(self, res))  # type: ignore[arg-type]

    async def patch(self, *_: Any, **__: Any) -> None:
        return

    async def create(self, _res: Any, obj: Any, **__: Any) -> Any:
        self.made.append(obj)
        return obj

    async def update_status(self, _res: Any, obj: Any) -> Any:
        if self.conflicts:
            self.conflicts -= 1
            raise errors.Conflict({}, 409)
        stored = obj | {
            "metadata": obj["metadata"] | {"resourceVersion": str(int(obj["metadata"]["resourceVersion"]) + 1)}
        }
        if not self.lags:
            self.get(JOBS)._put("n/j", stored)
        return stored


def late_jobs(phase: str, **spec: Any) -> tuple[Late, jobs.Jobs]:
    api = Late()
    recorder = SimpleNamespace(event=lambda *_: None)
    made = jobs.Jobs(SimpleNamespace(api=api, informers=api, recorder=recorder))  # type: ignore[arg-type]
    owner = job({}, **{"selector": {"matchLabels": {"job": "j"}}, "parallelism": 0, **spec})
    api.get(JOBS)._put("n/j", owner)
    ended = pod("p", phase)
    ended["metadata"] |= {
        "labels": {"job": "j"},
        "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": True}],
    }
    made._pods._put("n/p", ended)
    return api, made


@pytest.mark.parametrize(("phase", "field"), [("Succeeded", "succeeded"), ("Failed", "failed")])
async def test_a_pod_that_the_informer_still_shows_with_its_finalizer_counts_once(phase: str, field: str) -> None:
    api, made = late_jobs(phase)
    for _ in range(3):
        await made.reconcile("n/j")
    assert api.get(JOBS).store["n/j"]["status"][field] == 1
    gone = made._pods.store["n/p"]
    made._pods._put("n/p", gone | {"metadata": gone["metadata"] | {"finalizers": []}})
    assert not made._untracked


async def test_a_failure_makes_the_next_pod_wait_once_however_often_its_note_is_refused() -> None:
    api, made = late_jobs("Failed")
    api.conflicts = 3
    for _ in range(3):
        with pytest.raises(errors.Conflict):
            await made.reconcile("n/j")
    await made.reconcile("n/j")
    assert made._failures["n/j"].count == 1


async def test_a_job_that_the_informer_shows_too_late_gets_no_pod_for_what_is_done() -> None:
    api, made = late_jobs("Succeeded", parallelism=1, completions=1)
    api.lags = True
    await made.reconcile("n/j")
    ended = made._pods.store["n/p"]
    made._pods._put("n/p", ended | {"metadata": ended["metadata"] | {"finalizers": []}})
    await made.reconcile("n/j")
    assert api.made == []
    newest = made._newest.get("n/j")
    assert newest is not None
    assert newest["status"]["succeeded"] == 1
    api.get(JOBS)._put("n/j", newest)
    assert not made._newest._newer
