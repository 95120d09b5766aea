"""What the columns of Tables say of themselves (upstream pkg/printers/internalversion/printers.go).

Most columns show a field and are described as its definition describes it; the others have words of their own.
"""

from collections.abc import Mapping
from typing import Any

from tricenter.apimachinery.records import Kind
from tricenter.apimachinery.schema import definitions

_METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SPOKESMEN = {
    "Event": "io.k8s.api.core.v1.Event",
    "HorizontalPodAutoscaler": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
}
"""Kinds of several versions that are printed as one of them."""
_COMMON = {
    "Name": "metadata.name",
    "Age": "metadata.creationTimestamp",
    "Created At": "metadata.creationTimestamp",
    "Containers": "Names of each container in the template.",
    "Images": "Images referenced by each container in the template.",
}
_READY_PODS = "Number of the pod with ready state"
_WEBHOOKS = {"Webhooks": "Webhooks indicates the number of webhooks registered in this configuration"}
_REPLICAS = {
    "Desired": "spec.replicas", "Current": "status.replicas", "Ready": "status.readyReplicas",
    "Selector": "spec.selector",
}  # fmt: skip
_QUEUING = "spec.limited.limitResponse.queuing"


def _subjects(what: str) -> Mapping[str, str]:
    return {"Role": "roleRef", **{word: f"{word} in the {what}" for word in ("Users", "Groups", "ServiceAccounts")}}


_OWN: Mapping[str, Mapping[str, str]] = {
    "Pod": {
        "Ready": "The aggregate readiness state of this pod for accepting traffic.",
        "Status": "The aggregate status of the containers in this pod.",
        "Restarts": "The number of times the containers in this pod have been restarted and when the last container in "
        "this pod has restarted.",
        "IP": "status.podIP",
        "Node": "spec.nodeName",
        "Nominated Node": "status.nominatedNodeName",
        "Readiness Gates": "spec.readinessGates",
    },
    "PodTemplate": {"Pod Labels": "The labels for the pod template."},
    "PodDisruptionBudget": {
        "Min Available": "The minimum number of pods that must be available.",
        "Max Unavailable": "The maximum number of pods that may be unavailable.",
        "Allowed Disruptions": "Calculated number of pods that may be disrupted at this time.",
    },
    "ReplicationController": _REPLICAS,
    "ReplicaSet": _REPLICAS,
    "DaemonSet": {
        "Desired": "status.desiredNumberScheduled",
        "Current": "status.currentNumberScheduled",
        "Ready": "status.numberReady",
        "Up-to-date": "status.updatedNumberScheduled",
        "Available": "status.numberAvailable",
        "Node Selector": "spec.template.spec.nodeSelector",
        "Selector": "spec.selector",
    },
    "Job": {
        "Status": "Status of the job.",
        "Completions": "status.succeeded",
        "Duration": "Time required to complete the job.",
        "Selector": "spec.selector",
    },
    "CronJob": {
        "Schedule": "spec.schedule",
        "Timezone": "spec.timeZone",
        "Suspend": "spec.suspend",
        "Active": "status.active",
        "Last Schedule": "status.lastScheduleTime",
        "Selector": "spec.jobTemplate.spec.selector",
    },
    "Service": {
        "Type": "spec.type",
        "Cluster-IP": "spec.clusterIP",
        "External-IP": "spec.externalIPs",
        "Port(s)": "spec.ports",
        "Selector": "spec.selector",
    },
    "Ingress": {
        "Class": "The name of the IngressClass resource that should be used for additional configuration",
        "Hosts": "Hosts that incoming requests are matched against before the ingress rule",
        "Address": "Address is a list containing ingress points for the load-balancer",
        "Ports": "Ports of TLS configurations that open",
    },
    "IngressClass": {
        "Controller": "Controller that is responsible for handling this class",
        "Parameters": "A reference to a resource with additional parameters",
    },
    "StatefulSet": {"Ready": _READY_PODS},
    "Deployment": {
        "Ready": _READY_PODS,
        "Up-to-date": "status.updatedReplicas",
        "Available": "status.availableReplicas",
        "Selector": "spec.selector",
    },
    "Endpoints": {"Endpoints": "subsets"},
    "EndpointSlice": {"AddressType": "addressType", "Ports": "ports", "Endpoints": "endpoints"},
    "Node": {
        "Status": "The status of the node",
        "Roles": "The roles of the node",
        "Version": "status.nodeInfo.kubeletVersion",
        "Internal-IP": "status.addresses",
        "External-IP": "status.addresses",
        "OS-Image": "status.nodeInfo.osImage",
        "Kernel-Version": "status.nodeInfo.kernelVersion",
        "Container-Runtime": "status.nodeInfo.containerRuntimeVersion",
    },
    "Event": {
        "Last Seen": "lastTimestamp",
        "Type": "type",
        "Reason": "reason",
        "Object": "involvedObject",
        "Subobject": "involvedObject.fieldPath",
        "Source": "source",
        "Message": "message",
        "First Seen": "firstTimestamp",
        "Count": "count",
    },
    "Namespace": {"Status": "The status of the namespace"},
    "Secret": {"Type": "type", "Data": "data"},
    "ConfigMap": {"Data": "data"},
    "ServiceAccount": {"Secrets": "secrets"},
    "ComponentStatus": {
        "Status": "Status of the component conditions",
        "Message": "Message of the component conditions",
        "Error": "Error of the component conditions",
    },
    "ResourceQuota": {
        "Request": "Request represents a minimum amount of cpu/memory that a container may consume.",
        "Limit": "Limits control the maximum amount of cpu/memory that a container may use independent of contention "
        "on the node.",
    },
    "PersistentVolume": {
        "Capacity": "spec.capacity",
        "Access Modes": "spec.accessModes",
        "Reclaim Policy": "spec.persistentVolumeReclaimPolicy",
        "Status": "status.phase",
        "Claim": "spec.claimRef",
        "StorageClass": "StorageClass of the pv",
        "VolumeAttributesClass": "VolumeAttributesClass of the pv",
        "Reason": "status.reason",
        "VolumeMode": "spec.volumeMode",
    },
    "PersistentVolumeClaim": {
        "Status": "status.phase",
        "Volume": "spec.volumeName",
        "Capacity": "status.capacity",
        "Access Modes": "status.accessModes",
        "StorageClass": "StorageClass of the pvc",
        "VolumeAttributesClass": "VolumeAttributesClass of the pvc",
        "VolumeMode": "spec.volumeMode",
    },
    "StorageClass": {
        "Provisioner": "provisioner",
        "ReclaimPolicy": "reclaimPolicy",
        "VolumeBindingMode": "volumeBindingMode",
        "AllowVolumeExpansion": "allowVolumeExpansion",
    },
    "VolumeAttachment": {
        "Attacher": "spec.attacher",
        "PV": "spec.source.persistentVolumeName",
        "Node": "spec.nodeName",
        "Attached": "status.attached",
    },
    "CSINode": {"Drivers": "Drivers indicates the number of CSI drivers registered on the node"},
    "CSIDriver": {
        "AttachRequired": "spec.attachRequired",
        "PodInfoOnMount": "spec.podInfoOnMount",
        "StorageCapacity": "spec.storageCapacity",
        "TokenRequests": "spec.tokenRequests",
        "RequiresRepublish": "spec.requiresRepublish",
        "Modes": "spec.volumeLifecycleModes",
    },
    "CSIStorageCapacity": {"StorageClassName": "storageClassName", "Capacity": "capacity"},
    "HorizontalPodAutoscaler": {
        "Reference": "spec.scaleTargetRef",
        "Targets": "spec.metrics",
        "MinPods": "spec.minReplicas",
        "MaxPods": "spec.maxReplicas",
        "Replicas": "status.currentReplicas",
    },
    "Scale": {"Desired": "spec.replicas", "Available": "status.replicas"},
    "NetworkPolicy": {"Pod-Selector": "spec.podSelector"},
    "ServiceCIDR": {"CIDRs": "spec.cidrs"},
    "IPAddress": {"ParentRef": "spec.parentRef"},
    "RoleBinding": _subjects("roleBinding"),
    "ClusterRoleBinding": _subjects("clusterRoleBinding"),
    "CertificateSigningRequest": {
        "SignerName": "spec.signerName",
        "Requestor": "spec.request",
        "RequestedDuration": "spec.expirationSeconds",
        "Condition": "status.conditions",
    },
    "Lease": {"Holder": "spec.holderIdentity"},
    "ControllerRevision": {"Controller": "Controller of the object", "Revision": "revision"},
    "PriorityClass": {"Value": "value", "Global-Default": "globalDefault", "PreemptionPolicy": "preemptionPolicy"},
    "MutatingWebhookConfiguration": _WEBHOOKS,
    "ValidatingWebhookConfiguration": _WEBHOOKS,
    "ValidatingAdmissionPolicy": {
        "Validations": "Validations indicates the number of validation rules defined in this configuration",
        "ParamKind": "ParamKind specifies the kind of resources used to parameterize this policy",
    },
    "ValidatingAdmissionPolicyBinding": {
        "PolicyName": "PolicyName indicates the policy definition which the policy binding binded to",
        "ParamRef": "ParamRef indicates the param resource which sets the configration param",
    },
    "FlowSchema": {
        "PriorityLevel": "spec.priorityLevelConfiguration.name",
        "MatchingPrecedence": "spec.matchingPrecedence",
        "DistinguisherMethod": "spec.distinguisherMethod",
        "MissingPL": "references a broken or non-existent PriorityLevelConfiguration",
    },
    "PriorityLevelConfiguration": {
        "Type": "spec.type",
        "NominalConcurrencyShares": "spec.limited.nominalConcurrencyShares",
        "Queues": f"{_QUEUING}.queues",
        "HandSize": f"{_QUEUING}.handSize",
        "QueueLengthLimit": f"{_QUEUING}.queueLengthLimit",
    },
    "APIService": {
        "Service": "The reference to the service that hosts this API endpoint.",
        "Available": "Whether this service is available.",
    },
}


def of(kind: Kind, column: str) -> str:
    """What a column of a built-in kind says of itself; nothing where upstream says nothing."""
    said = _OWN.get(kind.kind, {}).get(column) or _COMMON.get(column, "")
    if not said or " " in said:
        return said
    first, _, rest = said.partition(".")
    if first == "metadata":
        return metadata(rest)
    return _at(_SPOKESMEN.get(kind.kind, kind.definition), said)


def metadata(name: str) -> str:
    """The description of a field of every object's metadata."""
    return _at(_METADATA, name)


def _at(definition: str, path: str) -> str:
    """The description of a field, by its path from a definition."""
    node: Mapping[str, Any] = definitions.load().get(definition, {})
    for name in path.split("."):
        node = _resolved(node).get("properties", {}).get(name, {})
    return str(node.get("description", ""))


def _resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """A node, or what it refers to."""
    parts = [node, *node.get("anyOf", ()), *node.get("allOf", ()), *node.get("oneOf", ())]
    name = next((part["$ref"] for part in parts if "$ref" in part), "")
    return definitions.load()[name.rpartition("/")[2]] if name else node
