"""HorizontalPodAutoscaler: sizes workloads by what their pods use (decisions in `autoscaling`)."""

from __future__ import annotations

import time
from typing import Any

from tricenter.apimachinery import quantity, selectors, times
from tricenter.client import errors
from tricenter.client.events import NORMAL, WARNING
from tricenter.client.resources import HORIZONTALPODAUTOSCALERS, PODS
from tricenter.controllers import autoscaling, autoscaling_limits, conditions
from tricenter.controllers.autoscaling import NoMetric, Proposal
from tricenter.controllers.context import Context, Controller
from tricenter.controllers.scales import NoScale, Scales

Object = dict[str, Any]

PERIOD_SECONDS = 15.0
_BY_NAMESPACE = "namespace"
_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods"
_ABLE, _ACTIVE, _LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"
_NO_CUSTOM = "unable to fetch metrics from custom metrics API: no known available metric versions found"


class Autoscalers(Controller):
    """Reconciles HorizontalPodAutoscalers."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._scalers = self.informer(HORIZONTALPODAUTOSCALERS)
        self._pods = self.informer(PODS)
        self._pods.add_index(_BY_NAMESPACE, lambda obj: (obj["metadata"]["namespace"],))
        self._scales = Scales(context.api)
        self._memories: dict[str, autoscaling_limits.Memory] = {}
        self._scalers.add_handler(self._changed)

    def _changed(self, _event: str, old: Object | None, new: Object) -> None:
        """Our own writes of the status are no reason to look again before the period is over."""
        if old is None or old["spec"] != new["spec"]:
            self.queue.add(f"{new['metadata']['namespace']}/{new['metadata']['name']}")

    async def reconcile(self, key: str) -> float | None:
        scaler = self._scalers.store.get(key)
        if scaler is None:
            self._memories.pop(key, None)
            return None
        if "deletionTimestamp" in scaler["metadata"]:
            return None
        status = {"currentReplicas": 0, "desiredReplicas": 0, **(scaler.get("status") or {})}
        status["observedGeneration"] = scaler["metadata"].get("generation", 0)
        await self._scale(key, scaler, status)
        await self.put_status(HORIZONTALPODAUTOSCALERS, scaler, status)
        return PERIOD_SECONDS

    async def _scale(self, key: str, scaler: Object, status: Object) -> None:
        spec = scaler["spec"]
        target = spec["scaleTargetRef"]
        try:
            scale = await self._scales.get(target, scaler["metadata"]["namespace"])
        except (NoScale, errors.ApiError) as error:
            self._tell(scaler, WARNING, "FailedGetScale", str(error))
            text = f"the HPA controller was unable to get the target's current scale: {error}"
            _set(status, _ABLE, "False", "FailedGetScale", text)
            return
        current = int((scale.get("spec") or {}).get("replicas") or 0)
        status["currentReplicas"] = int((scale.get("status") or {}).get("replicas") or 0)
        _set(status, _ABLE, "True", "SucceededGetScale",
             "the HPA controller was able to get the target's current scale")  # fmt: skip
        wanted, why = await self._wanted(key, scaler, status, scale, current)
        if wanted == current:
            status["desiredReplicas"] = wanted
            return
        try:
            await self._scales.resize(target, scale, wanted)
        except (NoScale, errors.ApiError) as error:
            self._tell(scaler, WARNING, "FailedRescale", f"New size: {wanted}; reason: {why}; error: {error}")
            text = f"the HPA controller was unable to update the target scale: {error}"
            _set(status, _ABLE, "False", "FailedUpdateScale", text)
            return
        status["desiredReplicas"] = wanted
        self._memories.setdefault(key, autoscaling_limits.Memory()).note(current, wanted, time.time())
        self._tell(scaler, NORMAL, "SuccessfulRescale", f"New size: {wanted}; reason: {why}")
        text = f"the HPA controller was able to update the target scale to {wanted}"
        _set(status, _ABLE, "True", "SucceededRescale", text)
        status["lastScaleTime"] = times.now_rfc3339()

    async def _wanted(self, key: str, scaler: Object, status: Object, scale: Object, current: int) -> tuple[int, str]:
        """The size there should be, and the reason if it is another one."""
        spec = scaler["spec"]
        low, high = spec.get("minReplicas", 1), spec["maxReplicas"]
        if current == 0 and low != 0:
            text = "scaling is disabled since the replica count of the target is zero"
            _set(status, _ACTIVE, "False", "ScalingDisabled", text)
            return 0, ""
        if current > high:
            return high, "Current number of replicas above Spec.MaxReplicas"
        if current < low:
            return low, "Current number of replicas below Spec.MinReplicas"
        best = await self._best(scaler, status, scale, current)
        if best is None:
            return current, ""
        memory = self._memories.setdefault(key, autoscaling_limits.Memory())
        bounded = autoscaling_limits.bound(spec, memory, current, best.replicas, time.time())
        _set(status, _ABLE, *bounded.able)
        _set(status, _LIMITED, *bounded.limited)
        above = best.replicas > current
        return bounded.replicas, f"{best.description} above target" if above else "All metrics below target"

    async def _best(self, scaler: Object, status: Object, scale: Object, current: int) -> Proposal | None:
        """The largest size that a metric asks for; None where too little is known."""
        found: list[Proposal] = []
        failures: list[tuple[str, str]] = []
        status["currentMetrics"] = []
        for metric in scaler["spec"].get("metrics") or ():
            try:
                proposal = await self._propose(scaler, scale, current, metric)
            except (NoMetric, errors.ApiError) as error:
                reason = f"FailedGet{metric['type']}Metric"
                failures.append((reason, _failed_words(metric, error)))
                self._tell(scaler, WARNING, reason, failures[-1][1])
                continue
            found.append(proposal)
            section = _section(metric)
            named = {key: value for key, value in metric[section].items() if key != "target"}
            status["currentMetrics"].append({"type": metric["type"], section: named | {"current": proposal.current}})
        best = max(found, key=lambda item: item.replicas, default=None)
        if best is None or (failures and best.replicas < current):
            reason, text = failures[0] if failures else ("InvalidMetric", "no metrics")
            _set(status, _ACTIVE, "False", reason, f"the HPA was unable to compute the replica count: {text}")
            count = f"{len(failures)} invalid out of {len(scaler['spec'].get('metrics') or ())}"
            text = f"invalid metrics ({count}), first error is: {text}"
            self._tell(scaler, WARNING, "FailedComputeMetricsReplicas", text)
            return None
        text = f"the HPA was able to successfully calculate a replica count from {best.description}"
        _set(status, _ACTIVE, "True", "ValidMetricFound", text)
        return best

    async def _propose(self, scaler: Object, scale: Object, current: int, metric: Object) -> Proposal:
        if metric["type"] not in ("Resource", "ContainerResource"):
            raise NoMetric(_NO_CUSTOM)
        source = metric[_section(metric)]
        name, container, target = source["name"], source.get("container", ""), source["target"]
        namespace, selector = scaler["metadata"]["namespace"], (scale.get("status") or {}).get("selector", "")
        if not selector:
            raise NoMetric("selector is required")
        path = _METRICS.format(namespace)
        answer = await self.api.wire.request("GET", path, params={"labelSelector": selector})
        use = autoscaling.use_of(answer.get("items") or [], name, container)
        if not use:
            raise NoMetric(f"unable to get metrics for resource {name}: no metrics returned from resource metrics API")
        matches = selectors.parse_labels(selector)
        pods = [
            pod
            for pod in self._pods.by_index(_BY_NAMESPACE, namespace)
            if matches.matches(pod["metadata"].get("labels"))
        ]
        question = autoscaling.Question(current, name, pods, use, times.now())
        if target.get("averageValue") is not None:
            replicas, now = autoscaling.for_average(question, quantity.parse(target["averageValue"]))
            return Proposal(replicas, now, f"{name} {'container ' if container else ''}resource")
        percent = target.get("averageUtilization")
        if percent is None:
            neither = "neither an average utilization target nor an average value target was set"
            raise NoMetric(f"invalid resource metric source: {neither}")
        requests = autoscaling.requests_of(pods, name, container)
        replicas, now = autoscaling.for_utilization(question, percent, requests)
        what = f"{name} {'container ' if container else ''}resource utilization (percentage of request)"
        return Proposal(replicas, now, what)

    def _tell(self, scaler: Object, kind: str, reason: str, message: str) -> None:
        self.context.recorder.event(scaler, kind, reason, message)


def _section(metric: Object) -> str:
    """`ContainerResource` metrics are described under `containerResource`."""
    kind = str(metric["type"])
    return kind[0].lower() + kind[1:]


def _failed_words(metric: Object, error: Exception) -> str:
    source = metric.get(_section(metric)) or {}
    what = source.get("name") or (source.get("metric") or {}).get("name", "")
    kind = "utilization" if (source.get("target") or {}).get("averageUtilization") is not None else "metric"
    return f"failed to get {what} {kind}: {error}"


def _set(status: Object, kind: str, value: str, reason: str, message: str) -> None:
    status["conditions"] = conditions.updated(status.get("conditions") or [], kind, value, reason, message)
