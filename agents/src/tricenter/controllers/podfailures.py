"""What a Job does about a pod that failed: its podFailurePolicy (KEP-3329)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]

COUNT, IGNORE, FAIL_JOB, FAIL_INDEX = "Count", "Ignore", "FailJob", "FailIndex"


def action(job: Object, pod: Object) -> tuple[str, str]:
    """What the first rule that matches asks for, and the words for it; Count where none does."""
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        found = _exit_code(rule.get("onExitCodes"), pod) or _condition(rule.get("onPodConditions"), pod)
        if found:
            return rule["action"], f"{found} matching {rule['action']} rule at index {number}"
    return COUNT, ""


def _exit_code(requirement: Object | None, pod: Object) -> str:
    if not requirement:
        return ""
    wanted, values = requirement.get("containerName"), requirement.get("values") or ()
    for status in _statuses(pod):
        terminated = (status.get("state") or {}).get("terminated")
        if terminated is None or (wanted and status["name"] != wanted):
            continue
        code = terminated.get("exitCode") or 0
        if code and (code in values) == (requirement["operator"] == "In"):
            return f"Container {status['name']} for pod {_name(pod)} failed with exit code {code}"
    return ""


def _condition(patterns: Iterable[Object] | None, pod: Object) -> str:
    for pattern in patterns or ():
        for item in (pod.get("status") or {}).get("conditions") or ():
            if item["type"] == pattern["type"] and item["status"] == pattern.get("status", "True"):
                return f"Pod {_name(pod)} has condition {item['type']}"
    return ""


def _statuses(pod: Object) -> Iterable[Object]:
    status = pod.get("status") or {}
    return (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))


def _name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
