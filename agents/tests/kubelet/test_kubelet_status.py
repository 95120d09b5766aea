"""The status that users see."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tricenter.kubelet.cri.records import ContainerRecord, PodRecord, SandboxRecord
from tricenter.kubelet.pods import status, statuses, worker
from tricenter.kubelet.pods.backoff import Backoff
from tricenter.kubelet.pods.state import PodState
from tricenter.kubelet.pods.worker import surplus
from tricenter.kubelet.probes import prober, results

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Verdicts:
    def __init__(self, *, ready: bool = True) -> None:
        self._ready = ready

    def started(self, container: str) -> bool:
        return True

    def ready(self, container: str) -> bool:
        return self._ready


def a_pod(policy: str = "Always", **more: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "nginx"}]
    metadata = {"name": "web", "namespace": "shop", "uid": "u"}
    return {"metadata": metadata, "spec": {"restartPolicy": policy, "containers": containers}, **more}


def one(state: str, code: int = 0, attempt: int = 0) -> ContainerRecord:
    ended = 20 if state == "exited" else 0
    return ContainerRecord(
        id=f"c{attempt}", name="c", sandbox="s", attempt=attempt, state=state, created=attempt, started=10 * 10**9,
        finished=ended * 10**9, exit_code=code,
    )  # type: ignore[arg-type]  # fmt: skip


def generate(pod: dict[str, Any], *containers: ContainerRecord, **view: Any) -> dict[str, Any]:
    box = SandboxRecord(id="s", attempt=0, ready=True, created=0, addresses=("10.101.0.2",))
    record = PodRecord(uid="u", sandboxes=(box,), containers=containers)
    values: dict[str, Any] = {
        "verdicts": Verdicts(),
        "started": NOW,
        "now": NOW,
        "host_addresses": ("10.1.1.21",),
        **view,
    }
    return status.generate(pod, status.View(record=record, **values))


def condition(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in found["conditions"] if item["type"] == name)


def test_running_and_ready():
    found = generate(a_pod(), one("running"))
    assert (found["phase"], found["podIP"], found["hostIP"]) == ("Running", "10.101.0.2", "10.1.1.21")
    assert condition(found, "Ready")["status"] == "True"
    container = found["containerStatuses"][0]
    assert container["state"] == {"running": {"startedAt": "1970-01-01T00:00:10Z"}}
    assert (container["ready"], container["started"], container["containerID"]) == (True, True, "containerd://c0")


def test_running_but_not_ready():
    found = generate(a_pod(), one("running"), verdicts=Verdicts(ready=False))
    assert condition(found, "Ready")["reason"] == "ContainersNotReady"
    assert condition(found, "Ready")["message"] == "containers with unready status: [c]"


def test_waiting_for_an_image():
    found = generate(a_pod(), waiting={"c": ("ErrImagePull", "no such image")})
    assert found["phase"] == "Pending"
    assert found["containerStatuses"][0]["state"] == {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}


def test_crash_loop_keeps_the_last_end():
    found = generate(a_pod(), one("exited", 3, 4), waiting={"c": ("CrashLoopBackOff", "wait")}, messages={"c4": "oops"})
    container = found["containerStatuses"][0]
    assert (found["phase"], container["restartCount"]) == ("Running", 4)
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert container["lastState"]["terminated"]["message"] == "oops"


@pytest.mark.parametrize(
    ("policy", "code", "wanted"),
    [("Never", 0, "Succeeded"), ("Never", 1, "Failed"), ("OnFailure", 1, "Running"), ("Always", 0, "Running")],
)
def test_phase_after_the_end(policy: str, code: int, wanted: str):
    assert generate(a_pod(policy), one("exited", code))["phase"] == wanted


def test_an_end_is_final():
    pod = a_pod("Never", status={"phase": "Failed"})
    assert generate(pod, one("exited", 0))["phase"] == "Failed"


def test_a_deleted_pod_that_stopped_is_over():
    assert generate(a_pod(), one("exited", 0), terminated=True)["phase"] == "Succeeded"
    assert generate(a_pod(), one("exited", 143), terminated=True)["phase"] == "Failed"


def test_transition_times_move_only_with_the_status():
    first = generate(a_pod(), one("running"))
    later = NOW + timedelta(minutes=1)
    same = generate(a_pod(status=first), one("running"), now=later)
    assert condition(same, "Ready")["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    changed = generate(a_pod(status=first), one("running"), now=later, verdicts=Verdicts(ready=False))
    assert condition(changed, "Ready")["lastTransitionTime"] == "2026-01-02T03:05:05Z"


def test_conditions_of_others_stay():
    pod = a_pod(status={"conditions": [{"type": "example.org/gate", "status": "True"}]})
    assert condition(generate(pod, one("running")), "example.org/gate")["status"] == "True"


def test_readiness_gates_are_waited_for():
    pod = a_pod()
    pod["spec"]["readinessGates"] = [{"conditionType": "example.org/gate"}]
    found = condition(generate(pod, one("running")), "Ready")
    assert (found["status"], found["reason"]) == ("False", "ReadinessGatesNotReady")


def test_initialized_needs_all_init_containers():
    pod = a_pod()
    pod["spec"]["initContainers"] = [{"name": "i", "image": "x"}]
    found = generate(pod)
    assert condition(found, "Initialized")["message"] == "containers with incomplete status: [i]"
    assert found["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


def test_a_patch_removes_what_is_gone():
    assert statuses.difference({"phase": "Pending", "message": "x"}, {"phase": "Running"}) == {
        "message": None,
        "phase": "Running",
    }


def test_back_off_doubles_and_is_forgotten():
    pauses = Backoff()
    assert pauses.remaining("k", since=100, now=100) == 0
    pauses.advance("k", since=100)
    assert pauses.remaining("k", since=101, now=103) == 8
    pauses.advance("k", since=111)
    assert pauses.remaining("k", since=112, now=112) == 20
    for moment in range(120, 220, 10):
        pauses.advance("k", since=moment)
    assert pauses.remaining("k", since=220, now=220) == 300
    assert pauses.remaining("k", since=2000, now=2000) == 0


def test_verdicts_need_answers_in_a_row():
    verdict = results.initial({"failureThreshold": 2}, "liveness")
    assert [verdict.answer(good) for good in (False, True, False, False)] == [False, False, False, True]
    assert not verdict.ok
    readiness = results.initial({"successThreshold": 2}, "readiness")
    assert [readiness.answer(True) for _ in range(3)] == [False, True, False]


def test_a_restarted_kubelet_believes_what_was_found_before():
    statuses_then = [{"name": "c", "containerID": "containerd://c1", "ready": True, "started": True}]
    pod = a_pod(status={"containerStatuses": statuses_then})
    assert prober.known_before(pod, "c1") == ["startup", "readiness"]
    assert prober.known_before(pod, "c2") == []


def test_two_containers_of_a_name_are_kept():
    containers = tuple(one("exited", attempt=attempt) for attempt in (3, 2, 1, 0))
    assert [item.attempt for item in surplus(PodRecord(uid="u", containers=containers))] == [1, 0]


async def test_last_words_are_kept_as_long_as_the_runtime_knows_the_container() -> None:
    """A pod that crashes for weeks has thousands of containers, one after the other."""
    records = [
        PodRecord(uid="u", containers=(one("exited", attempt=n + 1), one("exited", attempt=n))) for n in range(9)
    ]
    read: list[int] = []

    async def observe(_uid: str) -> PodRecord:
        return records[len(set(read)) // 2]

    def last_words(_pod: object, record: ContainerRecord) -> str:
        read.append(record.attempt)
        return ""

    parts: dict[str, Any] = dict.fromkeys(("stopper", "statuses", "node", "record"))
    known = worker.Worker(
        observer=SimpleNamespace(pod=observe),  # type: ignore[arg-type]
        starter=SimpleNamespace(last_words=last_words),  # type: ignore[arg-type]
        prober=SimpleNamespace(update=lambda _pod, _record: None),  # type: ignore[arg-type]
        **parts,
    )
    state = PodState(pod=a_pod())
    for _ in range(2 * len(records)):
        await known._observe(state)
        assert len(state.messages) == 2
    assert len(read) == len(set(read))
