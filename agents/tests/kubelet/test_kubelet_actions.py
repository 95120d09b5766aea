"""What the kubelet does next with a pod."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricenter.kubelet.cri.records import ContainerRecord, PodRecord, SandboxRecord
from tricenter.kubelet.pods import actions, spec


class Verdicts:
    def __init__(self, dying: dict[str, str] | None = None, unstarted: tuple[str, ...] = ()) -> None:
        self.dying, self.unstarted = dying or {}, unstarted

    def started(self, container: str) -> bool:
        return container not in self.unstarted

    def must_die(self, container: str) -> str | None:
        return self.dying.get(container)


FINE = Verdicts()


def a_pod(policy: str = "Always", init: list[dict[str, Any]] | None = None, names: str = "a") -> dict[str, Any]:
    containers = [{"name": name, "image": "nginx:1"} for name in names]
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "spec": {"restartPolicy": policy, "initContainers": init or [], "containers": containers},
    }


def sandbox(ready: bool = True, attempt: int = 0) -> SandboxRecord:
    return SandboxRecord(id=f"s{attempt}", attempt=attempt, ready=ready, created=attempt, addresses=("10.0.0.1",))


def container(name: str, state: str = "running", code: int = 0, attempt: int = 0, **more: Any) -> ContainerRecord:
    values: dict[str, Any] = {"id": f"{name}{attempt}", "sandbox": "s0", "created": attempt, "attempt": attempt, **more}
    return ContainerRecord(name=name, state=state, exit_code=code, **values)  # type: ignore[arg-type]


def record(*containers: ContainerRecord, box: SandboxRecord | None = None) -> PodRecord:
    return PodRecord(uid="u", sandboxes=(box or sandbox(),), containers=containers)


def started(found: actions.Actions) -> list[str]:
    return [item["name"] for item in found.start]


def test_a_new_pod_gets_a_sandbox_first():
    found = actions.compute(a_pod(), PodRecord(uid="u"), FINE)
    assert (found.create_sandbox, found.attempt, found.stop_pod) == (True, 0, False)


def test_main_containers_start_together():
    assert started(actions.compute(a_pod(names="ab"), record(), FINE)) == ["a", "b"]


def test_a_lost_sandbox_is_replaced_and_what_ran_in_it_stopped():
    found = actions.compute(a_pod(), record(container("a"), box=sandbox(ready=False)), FINE)
    assert (found.stop_pod, found.create_sandbox, found.attempt) == (True, True, 1)


def test_in_a_new_sandbox_containers_of_the_old_one_do_not_count():
    old = container("a", "exited", 137)
    new = PodRecord(uid="u", sandboxes=(sandbox(attempt=1), sandbox(ready=False)), containers=(old,))
    assert started(actions.compute(a_pod(), new, FINE)) == ["a"]


INIT = [{"name": "i", "image": "x"}, {"name": "j", "image": "x"}]


def test_init_containers_run_one_after_the_other():
    pod = a_pod(init=INIT)
    assert started(actions.compute(pod, record(), FINE)) == ["i"]
    assert started(actions.compute(pod, record(container("i")), FINE)) == []
    assert started(actions.compute(pod, record(container("i", "exited")), FINE)) == ["j"]
    assert started(actions.compute(pod, record(container("i", "exited"), container("j", "exited")), FINE)) == ["a"]


def test_a_failed_init_container_runs_again_unless_the_pod_never_restarts():
    failed = record(container("i", "exited", 1))
    assert started(actions.compute(a_pod(init=INIT), failed, FINE)) == ["i"]
    assert actions.compute(a_pod("Never", init=INIT), failed, FINE).finished


def test_a_sidecar_must_have_started_before_what_follows():
    pod = a_pod(init=[{"name": "s", "image": "x", "restartPolicy": "Always"}])
    assert started(actions.compute(pod, record(), FINE)) == ["s"]
    assert started(actions.compute(pod, record(container("s")), Verdicts(unstarted=("s0",)))) == []
    assert started(actions.compute(pod, record(container("s")), FINE)) == ["a"]


def test_a_dead_sidecar_is_started_again_beside_the_main_containers():
    pod = a_pod("Never", init=[{"name": "s", "image": "x", "restartPolicy": "Always"}])
    assert started(actions.compute(pod, record(container("s", "exited"), container("a")), FINE)) == ["s"]


def test_a_pod_whose_main_containers_are_done_stops_its_sidecars():
    pod = a_pod("OnFailure", init=[{"name": "s", "image": "x", "restartPolicy": "Always"}])
    found = actions.compute(pod, record(container("s"), container("a", "exited")), FINE)
    assert (found.finished, found.stop_pod) == (True, True)


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False)],
)
def test_restart_policy(policy: str, code: int, again: bool):
    found = actions.compute(a_pod(policy), record(container("a", "exited", code)), FINE)
    assert (started(found) == ["a"], found.finished) == (again, not again)


def test_a_container_that_fails_its_liveness_probe_is_stopped():
    found = actions.compute(a_pod(), record(container("a")), Verdicts(dying={"a0": "liveness"}))
    assert [kill.reason for kill in found.kill] == ["liveness"]


def test_a_changed_image_restarts_its_container_only():
    pod = a_pod(names="ab")
    same = spec.container_hash(pod["spec"]["containers"][1])
    found = actions.compute(pod, record(container("a", hash="other"), container("b", hash=same)), FINE)
    assert [kill.record.name for kill in found.kill] == ["a"]


STATES = st.sampled_from(["created", "running", "exited", "unknown"])


@given(
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    states=st.lists(st.tuples(st.sampled_from("ab"), STATES, st.integers(0, 2)), max_size=4),
    ready=st.booleans(),
)
def test_nothing_running_is_started_and_a_finished_pod_starts_nothing(policy, states, ready):
    containers = [container(name, state, code, attempt) for attempt, (name, state, code) in enumerate(states)]
    now = record(*reversed(containers), box=sandbox(ready=ready))
    found = actions.compute(a_pod(policy, names="ab"), now, FINE)
    for name in started(found):
        current = now.current(name)
        assert current is None or not current.running
    if found.finished:
        assert not found.start
        assert not found.create_sandbox


def test_an_ephemeral_container_starts_beside_the_others_and_only_once():
    pod = a_pod()
    pod["spec"]["ephemeralContainers"] = [{"name": "look", "image": "busybox:1"}]
    assert started(actions.compute(pod, record(container("a")), FINE)) == ["look"]
    for state in ("running", "exited", "created"):
        assert not actions.compute(pod, record(container("a"), container("look", state)), FINE).start
    over = record(container("a", "exited"), container("look"))
    pod["spec"]["restartPolicy"] = "Never"
    assert actions.compute(pod, over, FINE).finished


def test_an_ephemeral_container_does_not_wait_for_initialisation():
    pod = a_pod(init=[{"name": "i", "image": "x"}])
    pod["spec"]["ephemeralContainers"] = [{"name": "look", "image": "busybox:1"}]
    assert started(actions.compute(pod, record(container("i")), FINE)) == ["look"]
