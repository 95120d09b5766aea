"""Completion indexes of Indexed Jobs: sets written as `1,3-5`, and the pod of an index (KEP-2214)."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
_VARIABLE = "JOB_COMPLETION_INDEX"


def parse(text: str | None, completions: int) -> set[int]:
    """The indexes below `completions` that a status names; what cannot be read is left out."""
    return {index for piece in ranges(text, completions) for index in piece}


def ranges(text: str | None, completions: int) -> Iterator[range]:
    """The same in pieces: what users write may name milliards of indexes in a few characters."""
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            yield range(int(first), min(int(last or first), completions - 1) + 1)


def among(indexes: Iterable[int], pieces: Iterable[range]) -> int:
    """How many of `indexes` are in the pieces, of which no two overlap."""
    found = sorted(indexes)
    return sum(
        bisect.bisect_left(found, piece.stop) - bisect.bisect_left(found, piece.start) for piece in pieces if piece
    )


def show(indexes: Iterable[int]) -> str:
    """`1,3-5,7`."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _runs(indexes))


def _runs(indexes: Iterable[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for index in sorted(indexes):
        if first is None or last is None:
            first = last = index
        elif index == last + 1:
            last = index
        else:
            yield from _pieces(first, last)
            first = last = index
    if first is not None and last is not None:
        yield from _pieces(first, last)


def _pieces(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Upstream writes two neighbours as two numbers: `1,2`, and three as `1-3`."""
    if last == first + 1:
        yield first, first
        yield last, last
    else:
        yield first, last


def of(pod: Object, completions: int) -> int | None:
    """The index of a pod, None for one that has none or one beyond `completions`."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX, "")
    return int(text) if text.isdecimal() and int(text) < completions else None


def failures(pods: Iterable[Object], completions: int) -> dict[int, int]:
    """How often each index has failed, by what its pods say; `pods` are those that failed."""
    found: dict[int, int] = {}
    for pod in pods:
        index = of(pod, completions)
        if index is not None:
            before = (pod["metadata"].get("annotations") or {}).get(FAILURES, "0")
            found[index] = max(found.get(index, 0), (int(before) if before.isdecimal() else 0) + 1)
    return found


def pending(count: int, completions: int, taken: set[int]) -> list[int]:
    """The first `count` indexes that nobody has."""
    free = (index for index in range(completions) if index not in taken)
    return [index for index, _ in zip(free, range(count), strict=False)]


def give(pod: Object, job: Object, index: int, failed: int | None) -> Object:
    """The pod of an index: annotation, label, host name and environment say which it is."""
    metadata, name = pod["metadata"], job["metadata"]["name"]
    metadata["generateName"] = f"{name}-{index}-"
    metadata["annotations"] = {**(metadata.get("annotations") or {}), INDEX: str(index)}
    if failed is not None:
        metadata["annotations"][FAILURES] = str(failed)
    metadata["labels"] = {**(metadata.get("labels") or {}), INDEX: str(index)}
    pod["spec"]["hostname"] = f"{name}-{index}"
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}}
    for container in (*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]):
        variables = container.get("env") or []
        if not any(item["name"] == _VARIABLE for item in variables):
            container["env"] = [*variables, {"name": _VARIABLE, "valueFrom": source}]
    return pod
