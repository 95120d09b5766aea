"""Upstream's defaulting, in place: what a client left out and the API fills in.

Call it on pruned objects whose types are right (`schema.prune`, `schema.validate`); fields may be missing.
"""

from collections.abc import Callable
from typing import Any

from tricenter.apimachinery.defaults import network, pods, policies, statuses, storage, workloads
from tricenter.apimachinery.defaults.workloads import job_selector
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.structural import defaulting

__all__ = ["apply", "fill_status", "job_selector"]


def _pod_template(obj: dict[str, Any]) -> None:
    pods.template(obj.get("template"))


_BY_KIND: dict[tuple[str, str], Callable[[dict[str, Any]], None]] = {
    ("v1", "Pod"): pods.pod,
    ("v1", "PodTemplate"): _pod_template,
    ("v1", "ReplicationController"): workloads.replication_controller,
    ("v1", "Service"): network.service,
    ("v1", "Endpoints"): network.endpoints,
    ("v1", "PersistentVolume"): storage.volume,
    ("v1", "PersistentVolumeClaim"): storage.claim,
    ("v1", "Namespace"): policies.namespace,
    ("v1", "Node"): policies.node,
    ("v1", "Secret"): policies.secret,
    ("v1", "LimitRange"): policies.limit_range,
    ("apps/v1", "Deployment"): workloads.deployment,
    ("apps/v1", "ReplicaSet"): workloads.replica_set,
    ("apps/v1", "StatefulSet"): workloads.stateful_set,
    ("apps/v1", "DaemonSet"): workloads.daemon_set,
    ("batch/v1", "Job"): workloads.job,
    ("batch/v1", "CronJob"): workloads.cron_job,
    ("autoscaling/v1", "HorizontalPodAutoscaler"): workloads.autoscaler_v1,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): workloads.autoscaler_v2,
    ("discovery.k8s.io/v1", "EndpointSlice"): network.endpoint_slice,
    ("networking.k8s.io/v1", "NetworkPolicy"): network.network_policy,
    ("networking.k8s.io/v1", "IngressClass"): network.ingress_class,
    ("storage.k8s.io/v1", "StorageClass"): storage.storage_class,
    ("storage.k8s.io/v1", "CSIDriver"): storage.csi_driver,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): policies.binding,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): policies.binding,
    ("scheduling.k8s.io/v1", "PriorityClass"): policies.priority_class,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): policies.webhooks,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): policies.webhooks,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): policies.admission_policy,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"): policies.admission_binding,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): policies.custom_resource_definition,
    ("apiregistration.k8s.io/v1", "APIService"): policies.api_service,
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): policies.flow_schema,
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): policies.priority_level,
    ("authentication.k8s.io/v1", "TokenRequest"): policies.token_request,
}


def apply(kind: Kind, obj: dict[str, Any]) -> None:
    """Fill in what upstream would fill in for this kind, in place."""
    if kind.structural is not None:
        defaulting.apply(obj, kind.structural)
        return
    if rule := _BY_KIND.get((kind.api_version, kind.kind)):
        rule(obj)
    statuses.fill(kind, obj)


def fill_status(kind: Kind, obj: dict[str, Any]) -> None:
    """Fill in what every status shows, in place."""
    if kind.structural is None:
        statuses.fill(kind, obj)
