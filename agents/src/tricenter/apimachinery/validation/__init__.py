"""Upstream's rules for objects: what a client may create and how it may change what exists.

Types are checked first (`schema.validate`); rules run on objects whose types are right. Call it on defaulted objects.
"""

from collections.abc import Callable, Iterable
from typing import Any

from tricenter.apimachinery import alike, fielderrors, kinds, schema
from tricenter.apimachinery.fielderrors import FieldError
from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.validation import (
    access,
    admission,
    autoscaling,
    certificates,
    cluster,
    csi,
    custom,
    definitions,
    extensions,
    flowcontrol,
    jobs,
    limits,
    metadata,
    networking,
    pods,
    security,
    services,
    storage,
    workloads,
)  # fmt: skip

__all__ = ["FieldError", "validate_create", "validate_update"]

Object = dict[str, Any]
_Create = Callable[[Object], Iterable[FieldError]]
_Update = Callable[[Object, Object], Iterable[FieldError]]
_POD = next(kind for kind in kinds.BUILTIN if (kind.group, kind.kind) == ("", "Pod"))
_RBAC, _STORAGE, _NETWORK = "rbac.authorization.k8s.io", "storage.k8s.io", "networking.k8s.io"
_ADMISSION, _FLOW = "admissionregistration.k8s.io", "flowcontrol.apiserver.k8s.io"

_CREATE: dict[tuple[str, str], _Create] = {
    ("", "Pod"): pods.pod,
    ("", "PodTemplate"): lambda obj: pods.template(obj.get("template"), "template"),
    ("", "Service"): services.service,
    ("", "Endpoints"): networking.endpoints,
    ("", "ReplicationController"): workloads.replication_controller,
    ("", "Namespace"): cluster.namespace,
    ("", "Node"): cluster.node,
    ("", "ConfigMap"): cluster.config_map,
    ("", "Secret"): cluster.secret,
    ("", "ResourceQuota"): limits.quota,
    ("", "LimitRange"): limits.limit_range,
    ("", "Event"): cluster.event,
    ("", "PersistentVolume"): storage.volume,
    ("", "PersistentVolumeClaim"): storage.claim,
    ("events.k8s.io", "Event"): cluster.new_event,
    ("coordination.k8s.io", "Lease"): cluster.lease,
    ("apps", "Deployment"): workloads.deployment,
    ("apps", "ReplicaSet"): workloads.replica_set,
    ("apps", "StatefulSet"): workloads.stateful_set,
    ("apps", "DaemonSet"): workloads.daemon_set,
    ("apps", "ControllerRevision"): workloads.revision,
    ("batch", "Job"): jobs.job,
    ("batch", "CronJob"): jobs.cron_job,
    ("policy", "PodDisruptionBudget"): workloads.budget,
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaling.autoscaler,
    (_NETWORK, "Ingress"): networking.ingress,
    (_NETWORK, "IngressClass"): networking.ingress_class,
    (_NETWORK, "NetworkPolicy"): networking.network_policy,
    (_NETWORK, "ServiceCIDR"): networking.service_cidr,
    (_NETWORK, "IPAddress"): networking.ip_address,
    ("discovery.k8s.io", "EndpointSlice"): networking.endpoint_slice,
    (_RBAC, "Role"): access.role,
    (_RBAC, "ClusterRole"): access.cluster_role,
    (_RBAC, "RoleBinding"): access.role_binding,
    (_RBAC, "ClusterRoleBinding"): access.cluster_role_binding,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.signing_request,
    ("scheduling.k8s.io", "PriorityClass"): access.priority_class,
    ("node.k8s.io", "RuntimeClass"): access.runtime_class,
    ("authentication.k8s.io", "TokenRequest"): access.token_request,
    (_STORAGE, "StorageClass"): storage.storage_class,
    (_STORAGE, "VolumeAttachment"): storage.attachment,
    (_STORAGE, "CSIDriver"): csi.driver,
    (_STORAGE, "CSINode"): csi.node,
    (_STORAGE, "CSIStorageCapacity"): csi.capacity,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions.custom_resource_definition,
    ("apiregistration.k8s.io", "APIService"): extensions.api_service,
    (_ADMISSION, "MutatingWebhookConfiguration"): admission.webhooks,
    (_ADMISSION, "ValidatingWebhookConfiguration"): admission.webhooks,
    (_ADMISSION, "ValidatingAdmissionPolicy"): admission.policy,
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): admission.binding,
    (_FLOW, "FlowSchema"): flowcontrol.flow_schema,
    (_FLOW, "PriorityLevelConfiguration"): flowcontrol.priority_level,
}

# Kinds whose updates have rules of their own; those of all others are the rules for creation.
_UPDATE: dict[tuple[str, str], _Update] = {
    ("", "Pod"): pods.pod_update,
    ("", "Service"): services.service_update,
    ("", "Endpoints"): networking.endpoints_update,
    ("", "Node"): cluster.node_update,
    ("", "ConfigMap"): cluster.config_map_update,
    ("", "Secret"): cluster.secret_update,
    ("", "ResourceQuota"): limits.quota_update,
    ("", "PersistentVolume"): storage.volume_update,
    ("", "PersistentVolumeClaim"): storage.claim_update,
    ("apps", "Deployment"): workloads.deployment_update,
    ("apps", "ReplicaSet"): workloads.replica_set_update,
    ("apps", "StatefulSet"): workloads.stateful_set_update,
    ("apps", "DaemonSet"): workloads.daemon_set_update,
    ("apps", "ControllerRevision"): workloads.revision_update,
    ("batch", "Job"): jobs.job_update,
    (_NETWORK, "IngressClass"): networking.ingress_class_update,
    ("discovery.k8s.io", "EndpointSlice"): networking.endpoint_slice_update,
    (_RBAC, "RoleBinding"): access.role_binding_update,
    (_RBAC, "ClusterRoleBinding"): access.cluster_role_binding_update,
    ("certificates.k8s.io", "CertificateSigningRequest"): certificates.update,
    ("scheduling.k8s.io", "PriorityClass"): access.priority_class_update,
    ("node.k8s.io", "RuntimeClass"): access.runtime_class_update,
    (_STORAGE, "StorageClass"): storage.storage_class_update,
    (_STORAGE, "VolumeAttachment"): storage.attachment_update,
    (_STORAGE, "CSIDriver"): csi.driver_update,
    (_STORAGE, "CSINode"): csi.node_update,
    (_STORAGE, "CSIStorageCapacity"): csi.capacity_update,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definitions.custom_resource_definition_update,
    (_FLOW, "FlowSchema"): flowcontrol.flow_schema_update,
    (_FLOW, "PriorityLevelConfiguration"): flowcontrol.priority_level_update,
}

# Updates through subresources that change the spec in a way the main resource does not allow.
_SUBRESOURCE: dict[tuple[str, str, str], _Update] = {
    ("certificates.k8s.io", "CertificateSigningRequest", "approval"): certificates.approval,
    ("certificates.k8s.io", "CertificateSigningRequest", "status"): certificates.status,
    ("", "Pod", "resize"): pods.resize,
    ("", "Pod", "ephemeralcontainers"): pods.ephemeral_containers,
}


def validate_create(kind: Kind, obj: Object) -> list[FieldError]:
    """What is wrong with a new object; empty when nothing is."""
    if kind.structural is not None:
        return custom.create(kind, obj)
    if kind is _POD:
        return _create_pod(obj)
    return _create(kind, obj)


def _create(kind: Kind, obj: Object) -> list[FieldError]:
    typed = schema.validate(kind, obj)
    if _misshapen(typed):
        return typed
    rule = _CREATE.get((kind.group, kind.kind))
    found = [*metadata.check(kind, obj), *(rule(obj) if rule else ())]
    return _distinct([*typed, *found])


_pods: alike.Memory[bool] = alike.Memory()
"""Specs of pods that nothing was wrong with: those of a workload come again and again."""


def _create_pod(obj: Object) -> list[FieldError]:
    """A new pod; of one like another only what is its own is looked at: its metadata and its status."""
    profiles = security.apparmor_profiles((obj.get("metadata") or {}).get("annotations") or {})
    key = (alike.content([obj.get("spec"), profiles]),)
    if _pods.get(key):
        own = {name: value for name, value in obj.items() if name != "spec"}
        if not schema.validate(_POD, own) and not any(metadata.check(_POD, own)):
            return []
    found = _create(_POD, obj)
    if not found:
        _pods.learn(key, value=True)
    return found


def validate_update(kind: Kind, old: Object, new: Object, *, subresource: str = "") -> list[FieldError]:
    """What is wrong with `new` in the place of `old`; through `status` and its like only metadata and types count."""
    if kind.structural is not None:
        return custom.update(kind, old, new, subresource=subresource)
    typed = _types_of_update(kind, old, new)
    if _misshapen(typed):
        return typed
    found = list(metadata.check_update(kind, old, new))
    key = (kind.group, kind.kind)
    if subresource:
        if special := _SUBRESOURCE.get((*key, subresource)):
            found += special(old, new)
    elif update := _UPDATE.get(key):
        found += update(old, new)
    elif create := _CREATE.get(key):
        found += create(new)
    return _distinct([*typed, *found])


def _types_of_update(kind: Kind, old: Object, new: Object) -> list[FieldError]:
    """Wrong types and missing fields; the spec of a pod hardly ever changes, and stays valid as it is."""
    if kind is _POD and new.get("spec") == old.get("spec"):
        return schema.validate(kind, {key: value for key, value in new.items() if key != "spec"})
    return schema.validate(kind, new)


def _misshapen(errors: Iterable[FieldError]) -> bool:
    """Whether rules cannot run: something is of another type than they expect."""
    return any(error.reason != fielderrors.REASON_REQUIRED for error in errors)


def _distinct(errors: list[FieldError]) -> list[FieldError]:
    """Each problem once: the schema and the rules both know required fields; the rules say it better."""
    last: dict[tuple[str, str, str], FieldError] = {}
    for error in errors:
        required = error.reason == fielderrors.REASON_REQUIRED
        last[error.path, error.reason, "" if required else error.message] = error
    return list(last.values())
