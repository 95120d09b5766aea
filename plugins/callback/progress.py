"""Output of a run in few lines: elapsed time, play, and one line a task with what it did on how many machines.

Failures, differences and the recap are printed as Ansible's own callback prints them; `-v` prints every result too.
"""

from __future__ import annotations

import collections
import time
from typing import Any

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

DOCUMENTATION = """
name: progress
type: stdout
short_description: one line a task, with the time since the start
description: [Prints elapsed time, play, and one line a task.]
extends_documentation_fragment: [default_callback, result_format_callback]
"""

NAMED = 4
"""Changed machines are named up to this many."""


class CallbackModule(Default):  # type: ignore[misc] -- ansible-core is not typed
    """The callback `progress`."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "progress"

    def __init__(self) -> None:
        """Start the clock."""
        super().__init__()
        self._began = time.monotonic()
        self._task_name = ""
        self._task_began = 0.0
        self._done: dict[str, list[str]] = collections.defaultdict(list)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Print the play."""
        self._finish_task()
        name = play.get_name().strip() or "play"
        self._play = play
        self._display.display(f"{self._elapsed()}  {name}", color=constants.COLOR_HIGHLIGHT)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002 -- Ansible's
        """Remember the task; its line follows when it has ended."""
        self._begin(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Remember the handler."""
        self._begin(task)

    def v2_playbook_on_cleanup_task_start(self, task: Any) -> None:
        """Remember the cleanup."""
        self._begin(task)

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Print nothing: a task has one line."""

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count a machine."""
        host = result._host.get_name()
        self._done["changed" if result._result.get("changed") else "ok"].append(host)
        if self._display.verbosity:
            super().v2_runner_on_ok(result)
        elif result._result.get("_ansible_verbose_always"):
            self._say(result._result.get("msg", ""))

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Count a machine that had nothing to do."""
        self._done["skipped"].append(result._host.get_name())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Print the failure whole."""
        self._done["failed"].append(result._host.get_name())
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Print the failure whole."""
        self._done["unreachable"].append(result._host.get_name())
        super().v2_runner_on_unreachable(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Print items only when asked for more."""
        if self._display.verbosity:
            super().v2_runner_item_on_ok(result)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Print nothing: the included tasks have their own lines."""

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the last task and the recap."""
        self._finish_task()
        super().v2_playbook_on_stats(stats)
        self._display.display(f"{self._elapsed()}  end")

    def _say(self, message: Any) -> None:
        """Print what a task has to say (`debug`), a line for each item of a list."""
        for line in message if isinstance(message, (list, tuple)) else [message]:
            self._display.display(f"{self._elapsed()}      {line}")

    def _begin(self, task: Any) -> None:
        self._finish_task()
        self._task_name = task.get_name().strip()
        self._task_began = time.monotonic()

    def _finish_task(self) -> None:
        busy = {kind: hosts for kind, hosts in self._done.items() if kind != "skipped"}
        if self._task_name and busy:
            took = time.monotonic() - self._task_began
            words = ", ".join(_count(kind, hosts) for kind, hosts in sorted(busy.items()))
            color = constants.COLOR_CHANGED if "changed" in busy else constants.COLOR_OK
            line = f"{self._elapsed()}    {self._task_name}  {words}  {took:.1f} s"
            self._display.display(line, color=constants.COLOR_ERROR if busy.keys() - {"ok", "changed"} else color)
        self._task_name = ""
        self._done.clear()

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes:3d}:{seconds:02d}"


def _count(kind: str, hosts: list[str]) -> str:
    names = f" ({', '.join(sorted(hosts))})" if kind != "ok" and len(hosts) <= NAMED else ""
    return f"{kind} {len(hosts)}{names}"
