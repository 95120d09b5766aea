"""Mitogen's linear strategy, wherever Mitogen is installed.

ansible.cfg needs a folder for `strategy_plugins`; Mitogen's own lies inside a virtual environment whose path
differs with each Python release. Importing it from the running interpreter needs no path.
"""

from __future__ import annotations

import ctypes
import logging
import signal
import time
from typing import Any

from ansible.executor.process.worker import WorkerProcess
from ansible.plugins.strategy import linear
from ansible_mitogen import process, strategy
from mitogen import core

DOCUMENTATION = """
name: mitogen_linear
short_description: The linear strategy over Mitogen's connections
description:
  - Works like C(linear); modules run in a long-lived interpreter on each machine.
  - The arguments of a role are validated on one machine of a play. All machines get them from the same lines of the
    playbook, and a third of all tasks would be this one.
"""

VALIDATION = "ansible.builtin.validate_argument_spec"
"""The task that Ansible puts in front of a role with argument_specs."""

_PATIENCE = 5.0
"""Seconds that connections have to end when a run is over."""


def _end(mux: Any) -> None:
    """Wait for the threads that connect, as Mitogen does, but not for ever.

    One that was waiting for a machine's ssh when the run was interrupted is never told that nothing will come, and
    `ansible-playbook` did not end.
    """
    ends = time.monotonic() + _PATIENCE
    threads = mux.pool._threads  # Mitogen offers no other way, and its version is pinned
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    if not any(thread.is_alive() for thread in threads):
        mux.pool.join()


process.MuxProcess._on_broker_exit = _end


def _unexpected(record: logging.LogRecord) -> bool:
    """Not what a call meets whose run was interrupted: pages of it hid the one line that says so."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, core.Error) and str(error) == core.Waker.broker_shutdown_msg)


logging.getLogger("mitogen.service").addFilter(_unexpected)

_PR_SET_PDEATHSIG = 1
_detach = WorkerProcess._detach


def _detach_alive(worker: Any) -> None:
    """Leave the terminal, as Ansible does, and end with the run.

    A worker has a session of its own: when a run was killed, it waited for ever for answers over a connection that had
    gone with it (prctl(2)).
    """
    _detach(worker)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


WorkerProcess._detach = _detach_alive


class StrategyModule(strategy.StrategyMixin, linear.StrategyModule):  # type: ignore[misc]
    """The linear strategy with Mitogen's connections and module runner mixed in."""

    def _get_next_task_lockstep(self, hosts: list[Any], iterator: Any) -> list[tuple[Any, Any]]:
        """Leave out the validation on all machines but the first that comes to it."""
        todo = super()._get_next_task_lockstep(hosts, iterator)
        validations = [pair for pair in todo if pair[1] and pair[1].action == VALIDATION]
        return [pair for pair in todo if pair not in validations[1:]]
