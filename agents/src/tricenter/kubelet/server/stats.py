"""/stats/summary and /metrics/resource: what the node, pods and containers use, as metrics servers read it.

The shapes are those of upstream's pkg/kubelet/apis/stats/v1alpha1 and of KEP-1206 (resource metrics endpoint).
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from tricenter.apimachinery import times
from tricenter.kubelet.server.usage import Reference, Sample, Usage, rate

Object = dict[str, Any]

_METRICS = (
    ("cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed by the {} in core-seconds", "cpu"),
    ("memory_working_set_bytes", "gauge", "Current working set of the {} in bytes", "working_set"),
)


def summary(node: str, before: Sample, now: Sample) -> Object:
    """Usage of the node, and by pod and container."""
    pods: dict[str, Object] = {}
    for reference, usage in now.parts.items():
        named = {"name": reference.pod, "namespace": reference.namespace, "uid": reference.uid}
        pod = pods.setdefault(reference.uid, {"podRef": named, "containers": []})
        figures = _figures(before.parts.get(reference), usage)
        if reference.container:
            pod["containers"].append({"name": reference.container, **figures})
        else:
            pod |= figures
    own = _figures(before.node, now.node) if now.node else {}
    return {"node": {"nodeName": node, **own}, "pods": list(pods.values())}


def _figures(before: Usage | None, now: Usage) -> Object:
    at = times.rfc3339(datetime.fromtimestamp(now.at, UTC))
    cpu: Object = {"time": at, "usageCoreNanoSeconds": now.cpu}
    if (spent := rate(before, now)) is not None:
        cpu["usageNanoCores"] = spent
    return {"cpu": cpu, "memory": {"time": at, "workingSetBytes": now.working_set, "usageBytes": now.memory}}


def resource_metrics(now: Sample) -> str:
    """The counters in Prometheus' text format, each with the time of its sample."""
    lines: list[str] = []
    if now.node is not None:
        lines += _family("node", [("", now.node)])
    for what, wanted in (("pod", False), ("container", True)):
        chosen = ((_labels(item), usage) for item, usage in now.parts.items() if bool(item.container) is wanted)
        lines += _family(what, list(chosen))
    lines += [
        "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
        "# TYPE resource_scrape_error gauge",
        f"resource_scrape_error {int(now.failed)}",
    ]
    return "\n".join(lines) + "\n"


def _family(what: str, found: Iterable[tuple[str, Usage]]) -> list[str]:
    lines: list[str] = []
    for name, kind, text, attribute in _METRICS:
        lines += [f"# HELP {what}_{name} [STABLE] {text.format(what)}", f"# TYPE {what}_{name} {kind}"]
        show: Callable[[int], str] = (lambda value: f"{value / 1e9:.9f}") if attribute == "cpu" else str
        lines += [
            f"{what}_{name}{labels} {show(getattr(usage, attribute))} {round(usage.at * 1000)}"
            for labels, usage in found
        ]
    return lines


def _labels(item: Reference) -> str:
    container = f'container="{item.container}",' if item.container else ""
    return f'{{{container}namespace="{item.namespace}",pod="{item.pod}"}}'
