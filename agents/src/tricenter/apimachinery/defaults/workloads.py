"""Defaults of workload kinds (upstream pkg/apis/apps/v1, batch/v1, autoscaling)."""

from tricenter.apimachinery.defaults import pods, storage
from tricenter.apimachinery.defaults.fields import Object, each, optional, put, put_all, section

_MAX_INT32 = 2**31 - 1
JOB_LABELS = ("batch.kubernetes.io/controller-uid", "controller-uid", "batch.kubernetes.io/job-name", "job-name")


def deployment(obj: Object) -> None:
    """apps/v1 Deployment."""
    spec = section(obj, "spec")
    put_all(spec, {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = section(spec, "strategy")
    put(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        put_all(section(strategy, "rollingUpdate"), {"maxUnavailable": "25%", "maxSurge": "25%"})
    pods.template(optional(spec, "template"))


def replica_set(obj: Object) -> None:
    """apps/v1 ReplicaSet."""
    spec = section(obj, "spec")
    put(spec, "replicas", 1)
    pods.template(optional(spec, "template"))


def replication_controller(obj: Object) -> None:
    """v1 ReplicationController: selector and labels come from the template."""
    spec = section(obj, "spec")
    put(spec, "replicas", 1)
    labels = (optional(spec, "template", "metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not section(obj, "metadata").get("labels"):
            obj["metadata"]["labels"] = dict(labels)
    pods.template(optional(spec, "template"))


def stateful_set(obj: Object) -> None:
    """apps/v1 StatefulSet."""
    spec = section(obj, "spec")
    put_all(spec, {"replicas": 1, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady"})
    strategy = section(spec, "updateStrategy")
    put(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        put(section(strategy, "rollingUpdate"), "partition", 0)
    put_all(section(spec, "persistentVolumeClaimRetentionPolicy"), {"whenDeleted": "Retain", "whenScaled": "Retain"})
    for claim in each(spec, "volumeClaimTemplates"):
        put_all(claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim"})
        storage.claim(claim)
    pods.template(optional(spec, "template"))


def daemon_set(obj: Object) -> None:
    """apps/v1 DaemonSet."""
    spec = section(obj, "spec")
    put(spec, "revisionHistoryLimit", 10)
    strategy = section(spec, "updateStrategy")
    put(strategy, "type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        put_all(section(strategy, "rollingUpdate"), {"maxUnavailable": 1, "maxSurge": 0})
    pods.template(optional(spec, "template"))


def job(obj: Object) -> None:
    """batch/v1 Job. The generated selector needs the uid: see `job_selector`."""
    spec = section(obj, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    put(spec, "parallelism", 1)
    per_index = spec.get("backoffLimitPerIndex") is not None
    put_all(spec, {
        "backoffLimit": _MAX_INT32 if per_index else 6, "completionMode": "NonIndexed", "suspend": False,
        "podReplacementPolicy": "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed",
    })  # fmt: skip
    spec.setdefault("manualSelector", False)
    for rule in each(optional(spec, "podFailurePolicy"), "rules"):
        for pattern in each(rule, "onPodConditions"):
            put(pattern, "status", "True")
    labels = (optional(spec, "template", "metadata") or {}).get("labels")
    if labels and not section(obj, "metadata").get("labels"):
        obj["metadata"]["labels"] = dict(labels)
    pods.template(optional(spec, "template"))


def job_selector(obj: Object) -> None:
    """Give a Job with a uid and without `manualSelector` the selector and template labels that pick its own pods."""
    spec, metadata = section(obj, "spec"), obj["metadata"]
    if spec.get("manualSelector"):
        return
    uid, name = metadata["uid"], metadata["name"]
    labels = section(section(section(spec, "template"), "metadata"), "labels")
    for key, value in zip(JOB_LABELS, (uid, uid, name, name), strict=True):
        labels[key] = value
    section(section(spec, "selector"), "matchLabels")[JOB_LABELS[0]] = uid


def cron_job(obj: Object) -> None:
    """batch/v1 CronJob."""
    spec = section(obj, "spec")
    put_all(spec, {
        "concurrencyPolicy": "Allow", "suspend": False, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
    })  # fmt: skip
    pods.template(optional(spec, "jobTemplate", "spec", "template"))


def autoscaler_v1(obj: Object) -> None:
    """autoscaling/v1 HorizontalPodAutoscaler."""
    put_all(section(obj, "spec"), {"minReplicas": 1, "targetCPUUtilizationPercentage": 80})


def autoscaler_v2(obj: Object) -> None:
    """autoscaling/v2 HorizontalPodAutoscaler."""
    spec = section(obj, "spec")
    put(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = optional(spec, "behavior")
    if behavior is not None:
        up, down = section(behavior, "scaleUp"), section(behavior, "scaleDown")
        put_all(up, {"selectPolicy": "Max", "stabilizationWindowSeconds": 0})
        put(down, "selectPolicy", "Max")
        if not up.get("policies"):
            up["policies"] = [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ]
        if not down.get("policies"):
            down["policies"] = [{"type": "Percent", "value": 100, "periodSeconds": 15}]
