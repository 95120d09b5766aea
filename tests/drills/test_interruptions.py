"""`up` and `down` of the replica may be interrupted at any moment: the next one finishes the work.

Takes the replica of this host down and up several times, half an hour in all; run it by name: `pytest tests/drills`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import site_inventory
from tricenter_replica import cgroups, machines, network, process, state, wiring

SAMPLE = ("test_machines.py", "test_etcd.py", "test_fabric.py", "test_page.py")
"""Compliance tests that tell whether the site is whole."""
pytestmark = pytest.mark.timeout(0)  # each command has a limit of its own

UP_WITHIN = 1500.0
"""Seconds that an uninterrupted `up` may take on a busy machine."""


@pytest.fixture(scope="module")
def replica(site: site_inventory.Site) -> state.State:
    """The state folder of the replica."""
    return state.State(Path(site["tricenter_state_dir"]))


def tricenter(verb: str) -> subprocess.Popen[bytes]:
    """Start a verb in a process group of its own; its output goes to pytest's, shown where a test fails.

    SIGINT does what it does at a terminal, also where a shell that put pytest in the background had it ignored.
    """
    command = ["env", "--default-signal=INT", site_inventory.ROOT / "tricenter", verb]
    return subprocess.Popen(command, cwd=site_inventory.ROOT, start_new_session=True)


def finish(verb: str) -> None:
    """Run a verb to its end."""
    running = tricenter(verb)
    try:
        assert running.wait(timeout=UP_WITHIN) == 0, f"tricenter {verb}"
    finally:
        end(running, signal.SIGKILL)


def interrupt(verb: str, after: float, number: signal.Signals) -> bool:
    """Start a verb and send its whole process group a signal after some seconds; False if it was done by then."""
    running = tricenter(verb)
    try:
        assert running.wait(timeout=after) == 0, f"tricenter {verb}"
    except subprocess.TimeoutExpired:
        end(running, number)
        return True
    return False


def end(running: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a verb's process group, and wait for its leader and what holds the replica."""
    if running.poll() is None:
        os.killpg(running.pid, number)
        running.wait(timeout=60)


def sample() -> None:
    """The compliance tests that touch every machine and the whole way of a request."""
    tests = [str(site_inventory.ROOT / "tests/compliance" / name) for name in SAMPLE]
    subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=site_inventory.ROOT, check=True)


def crash(replica: state.State, names: Sequence[str] = ()) -> None:
    """End every process of the named machines, or of all, at once, as the records name them."""
    names = names or replica.existing()
    records = [process.load(replica.machine(name).process) for name in names]
    process.kill([record for record in records if record])
    for name in names:
        cgroups.remove(name)


def runs_a_machine(entry: Path, replica: state.State) -> bool:
    """Whether a folder of /proc is that of a machine's engine."""
    try:
        words = (entry / "cmdline").read_text().split("\0") if entry.name.isdigit() else [""]
    except OSError:
        return False
    return words[0].endswith(("systemd-nspawn", "qemu-system-x86_64")) and any(str(replica.path) in w for w in words)


def left(replica: state.State) -> Iterator[str]:
    """What of the replica is on the host."""
    yield from (f"namespace {name}" for name in network.ours())
    yield from (f"machine {name}" for name in replica.existing())
    yield from (f"link {name}" for name in network.names_in(wiring.HOST) if name.startswith(wiring.PREFIX))
    yield from (f"control group {group}" for group in cgroups.left())
    mounts = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    yield from (f"mount {target}" for target in mounts if target.startswith(f"{replica.path}/"))
    yield from (f"process {entry.name}" for entry in Path("/proc").iterdir() if runs_a_machine(entry, replica))


def test_up_interrupted_again_and_again_finishes(replica: state.State) -> None:
    """Machines are made in the first minute, the site is installed on them in those that follow.

    Each `up` goes on where the last one was ended, so that one of the later may be done before its time.
    """
    finish("down")
    moments = enumerate((5, 10, 20, 40, 50, 60, 70))
    interrupted = [interrupt("up", seconds, (signal.SIGINT, signal.SIGKILL)[index % 2]) for index, seconds in moments]
    assert all(interrupted[:4])
    finish("up")
    sample()


def test_up_after_every_process_was_killed(replica: state.State) -> None:
    crash(replica)
    finish("up")
    sample()


def test_up_after_a_reboot_of_the_host(replica: state.State) -> None:
    """A reboot leaves the disks: no process, mount, namespace, link, control group, nor anything in /run."""
    crash(replica)
    machines.stop(replica, replica.existing())
    for name in network.ours():
        network.delete(name)
    network.delete_host_link()
    cgroups.remove_parent()
    assert [what for what in left(replica) if not what.startswith("machine")] == []
    finish("up")
    sample()


def test_down_interrupted_and_run_again_leaves_nothing(replica: state.State) -> None:
    finish("up")
    moments = ((1.5, signal.SIGINT), (2, signal.SIGKILL), (3, signal.SIGINT))
    interrupted = [interrupt("down", seconds, number) for seconds, number in moments]
    assert interrupted[0]
    finish("down")
    assert list(left(replica)) == []


def test_up_from_another_checkout_changes_nothing(site: Any, replica: state.State, tmp_path: Path) -> None:
    finish("up")
    other = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(".venv", ".git", "*_cache", "__pycache__")
    shutil.copytree(site_inventory.ROOT, other, ignore=ignored)
    before = {name: process.load(replica.machine(name).process) for name in replica.existing()}
    command = [str(other / "tricenter"), "up"]
    done = subprocess.run(command, cwd=other, capture_output=True, text=True, timeout=UP_WITHIN, check=True)
    assert before == {name: process.load(replica.machine(name).process) for name in replica.existing()}
    changed = [line for line in done.stdout.splitlines() if " changed=" in line and " changed=0 " not in line]
    assert changed == []


def test_the_site_is_updated_while_a_center_is_down(site: Any, replica: state.State) -> None:
    finish("up")
    lost = [machine.name for machine in site.group("west1")]
    crash(replica, lost)
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "inventories/replica", "playbooks/site.yml"]
    done = subprocess.run(
        command, cwd=site_inventory.ROOT, capture_output=True, text=True, timeout=UP_WITHIN, check=False
    )
    recap = {line.split()[0]: line for line in done.stdout.splitlines() if " unreachable=" in line and " : " in line}
    assert done.returncode == 4, done.stdout[-4000:]  # Ansible's for: some hosts were unreachable
    assert {name for name, line in recap.items() if "unreachable=0" not in line} == set(lost)
    assert [line for line in recap.values() if "failed=0" not in line] == []
    finish("up")
    sample()
