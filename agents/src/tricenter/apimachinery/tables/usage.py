"""Rows of metrics.k8s.io, as metrics-server prints them: usage and the interval it was measured in."""

from datetime import datetime
from typing import Any

from tricenter.apimachinery import quantity
from tricenter.apimachinery.tables.text import Object, Printer


def _node(obj: Object, _now: datetime) -> list[Any]:
    used = obj.get("usage") or {}
    return [used.get("cpu", "0"), used.get("memory", "0"), obj.get("window", "")]


def _pod(obj: Object, _now: datetime) -> list[Any]:
    used = [item["usage"] for item in obj.get("containers") or ()]
    cpu = sum(quantity.parse(item["cpu"]) for item in used)
    memory = sum(quantity.parse(item["memory"]) for item in used)
    return [f"{int(cpu * 10**9)}n", f"{int(memory / 1024)}Ki", obj.get("window", "")]


PRINTERS = {
    ("metrics.k8s.io", "NodeMetrics"): Printer("cpu memory Window", _node),
    ("metrics.k8s.io", "PodMetrics"): Printer("cpu memory Window", _pod),
}
