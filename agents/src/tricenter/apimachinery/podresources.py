"""What a whole pod asks for and may take (KEP-753; k8s.io/component-helpers/resource), and its class of service.

The kubelet, the scheduler, limit ranges and quotas all count by these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from tricenter.apimachinery import amounts, quantity
from tricenter.apimachinery.amounts import Amounts

Object = Mapping[str, Any]


class _Number(Protocol):
    def __add__(self, other: Any, /) -> Any: ...

    def __lt__(self, other: Any, /) -> bool: ...


N = TypeVar("N", bound=_Number)

_COMPUTE = ("cpu", "memory")


def total(spec: Object, of: Callable[[Object], Mapping[str, N]]) -> dict[str, N]:
    """What the containers of a pod come to: the larger of the running and of any initialising moment.

    `of` gives the numbers of one container. Sidecars (initialising containers that restart) run beside all others.
    """
    running: dict[str, N] = {}
    for container in spec.get("containers") or ():
        _add(running, of(container))
    sidecars: dict[str, N] = {}
    peak: dict[str, N] = {}
    for container in spec.get("initContainers") or ():
        moment = dict(of(container))
        if container.get("restartPolicy") == "Always":
            _add(sidecars, moment)
            moment = {}
        _add(moment, sidecars)
        _raise_to(peak, moment)
    _add(running, sidecars)
    _raise_to(running, peak)
    return running


def _add(sums: dict[str, N], more: Mapping[str, N]) -> None:
    for name, number in more.items():
        sums[name] = sums[name] + number if name in sums else number


def _raise_to(sums: dict[str, N], floor: Mapping[str, N]) -> None:
    for name, number in floor.items():
        if name not in sums or sums[name] < number:
            sums[name] = number


def of_container(container: Object, section: str) -> Amounts:
    """The `requests` or `limits` of a container. Raises quantity.QuantityError."""
    return amounts.of((container.get("resources") or {}).get(section))


def requests(spec: Object) -> Amounts:
    """What a pod needs of a node, its overhead included."""
    found = total(spec, lambda container: of_container(container, "requests"))
    return amounts.added(found, amounts.of(spec.get("overhead")))


def limits(spec: Object) -> Amounts:
    """What a pod may take; overhead counts where there is a limit."""
    found = total(spec, lambda container: of_container(container, "limits"))
    overhead = amounts.of(spec.get("overhead"))
    return amounts.added(found, amounts.masked(overhead, [name for name, limit in found.items() if limit.value]))


def qos_class(spec: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from the resources of all containers (pkg/apis/core/v1/helper/qos)."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    wanted = [(_positive(item, "requests"), _positive(item, "limits")) for item in containers]
    if not any(asked or bound for asked, bound in wanted):
        return "BestEffort"
    if all(set(bound) == set(_COMPUTE) and {**bound, **asked} == bound for asked, bound in wanted):
        return "Guaranteed"
    return "Burstable"


def _positive(container: Object, section: str) -> dict[str, tuple[int, int]]:
    values = (container.get("resources") or {}).get(section) or {}
    # As pairs of integers: comparing Fractions costs ten times as much.
    parsed = {name: quantity.parse(values[name]).as_integer_ratio() for name in _COMPUTE if name in values}
    return {name: ratio for name, ratio in parsed.items() if ratio[0] > 0}


def all_containers(spec: Object) -> Iterable[Object]:
    """Initialising and running containers."""
    return (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
