"""The table of built-in kinds at level 1.33.

Facts of upstream's discovery: plurals, short names, categories, verbs, subresources, and the etcd prefixes of
pkg/kubeapiserver/default_storage_factory_builder.go. Group order is that of `GET /apis`.
"""

from collections.abc import Iterator

from tricenter.apimachinery.records import Kind, Subresource

_ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_SINGLE = ("create", "delete", "get", "list", "patch", "update", "watch")
_CREATE = ("create",)
_EDIT = ("get", "patch", "update")
_STREAM = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")
_SCALE = "scale=autoscaling/v1/Scale"
_API_EXT = "api-extensions"

# Subresources whose verbs are not get, patch, update.
_SUB_VERBS = {
    "attach": _STREAM, "exec": _STREAM, "portforward": _STREAM, "proxy": _PROXY, "log": ("get",), "binding": _CREATE,
    "eviction": _CREATE, "token": _CREATE, "finalize": ("update",),
}  # fmt: skip

# Resources that upstream keeps under a prefix that is not their plural.
_PREFIX = {
    ("", "replicationcontrollers"): "controllers",
    ("", "endpoints"): "services/endpoints",
    ("", "services"): "services/specs",
    ("", "nodes"): "minions",
    ("networking.k8s.io", "ingresses"): "ingress",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "apiextensions.k8s.io/customresourcedefinitions",
    ("apiregistration.k8s.io", "apiservices"): "apiregistration.k8s.io/apiservices",
}

_DEPRECATED = {
    ("", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
    ("", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
}
"""What clients of a resource are told (APILifecycleDeprecated)."""

_DEFINITION_ROOT = {
    "metrics.k8s.io": "io.k8s.metrics.pkg.apis.metrics",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    "": "io.k8s.api.core",
}

# One line a kind: kind, plural, then words: `ns` namespaced, `=x` short name, `+x` category, `/x` subresource
# (`/x=group/version/Kind` or `/x=version/Kind` where its kind differs), `!verbs` a verb set other than all.
_TABLE = {
    "v1": f"""
        Binding bindings ns !create
        ComponentStatus componentstatuses =cs !read
        ConfigMap configmaps ns =cm
        Endpoints endpoints ns =ep
        Event events ns =ev
        LimitRange limitranges ns =limits
        Namespace namespaces =ns /finalize /status !single
        Node nodes =no /proxy=v1/NodeProxyOptions /status
        PersistentVolumeClaim persistentvolumeclaims ns =pvc /status
        PersistentVolume persistentvolumes =pv /status
        Pod pods ns =po +all /attach=v1/PodAttachOptions /binding=v1/Binding /ephemeralcontainers
          /eviction=policy/v1/Eviction /exec=v1/PodExecOptions /log /portforward=v1/PodPortForwardOptions
          /proxy=v1/PodProxyOptions /resize /status
        PodTemplate podtemplates ns
        ReplicationController replicationcontrollers ns =rc +all /{_SCALE} /status
        ResourceQuota resourcequotas ns =quota /status
        Secret secrets ns
        ServiceAccount serviceaccounts ns =sa /token=authentication.k8s.io/v1/TokenRequest
        Service services ns =svc +all /proxy=v1/ServiceProxyOptions /status""",
    "apiregistration.k8s.io/v1": f"""
        APIService apiservices +{_API_EXT} /status""",
    "apps/v1": f"""
        ControllerRevision controllerrevisions ns
        DaemonSet daemonsets ns =ds +all /status
        Deployment deployments ns =deploy +all /{_SCALE} /status
        ReplicaSet replicasets ns =rs +all /{_SCALE} /status
        StatefulSet statefulsets ns =sts +all /{_SCALE} /status""",
    "events.k8s.io/v1": """
        Event events ns =ev""",
    "authentication.k8s.io/v1": """
        SelfSubjectReview selfsubjectreviews !create
        TokenReview tokenreviews !create""",
    "authorization.k8s.io/v1": """
        LocalSubjectAccessReview localsubjectaccessreviews ns !create
        SelfSubjectAccessReview selfsubjectaccessreviews !create
        SelfSubjectRulesReview selfsubjectrulesreviews !create
        SubjectAccessReview subjectaccessreviews !create""",
    "autoscaling/v2": """
        HorizontalPodAutoscaler horizontalpodautoscalers ns =hpa +all /status""",
    "autoscaling/v1": """
        HorizontalPodAutoscaler horizontalpodautoscalers ns =hpa +all /status""",
    "batch/v1": """
        CronJob cronjobs ns =cj +all /status
        Job jobs ns +all /status""",
    "certificates.k8s.io/v1": """
        CertificateSigningRequest certificatesigningrequests =csr /approval /status""",
    "networking.k8s.io/v1": """
        IngressClass ingressclasses
        Ingress ingresses ns =ing /status
        IPAddress ipaddresses =ip
        NetworkPolicy networkpolicies ns =netpol
        ServiceCIDR servicecidrs /status""",
    "policy/v1": """
        PodDisruptionBudget poddisruptionbudgets ns =pdb /status""",
    "rbac.authorization.k8s.io/v1": """
        ClusterRoleBinding clusterrolebindings
        ClusterRole clusterroles
        RoleBinding rolebindings ns
        Role roles ns""",
    "storage.k8s.io/v1": """
        CSIDriver csidrivers
        CSINode csinodes
        CSIStorageCapacity csistoragecapacities ns
        StorageClass storageclasses =sc
        VolumeAttachment volumeattachments /status""",
    "admissionregistration.k8s.io/v1": f"""
        MutatingWebhookConfiguration mutatingwebhookconfigurations +{_API_EXT}
        ValidatingAdmissionPolicy validatingadmissionpolicies +{_API_EXT} /status
        ValidatingAdmissionPolicyBinding validatingadmissionpolicybindings +{_API_EXT}
        ValidatingWebhookConfiguration validatingwebhookconfigurations +{_API_EXT}""",
    "apiextensions.k8s.io/v1": f"""
        CustomResourceDefinition customresourcedefinitions =crd =crds +{_API_EXT} /status""",
    "scheduling.k8s.io/v1": """
        PriorityClass priorityclasses =pc""",
    "coordination.k8s.io/v1": """
        Lease leases ns""",
    "node.k8s.io/v1": """
        RuntimeClass runtimeclasses""",
    "discovery.k8s.io/v1": """
        EndpointSlice endpointslices ns""",
    "metrics.k8s.io/v1beta1": """
        NodeMetrics nodes !read
        PodMetrics pods ns !read""",
    "flowcontrol.apiserver.k8s.io/v1": """
        FlowSchema flowschemas /status
        PriorityLevelConfiguration prioritylevelconfigurations /status""",
}

_VERB_SETS = {"create": _CREATE, "read": ("get", "list"), "single": _SINGLE}


def definition_name(group: str, version: str, kind: str) -> str:
    """Key of a built-in type in the OpenAPI definitions."""
    root = _DEFINITION_ROOT.get(group) or f"io.k8s.api.{group.partition('.')[0]}"
    return f"{root}.{version}.{kind}"


def kinds() -> tuple[Kind, ...]:
    """Every built-in kind, in the order of discovery."""
    return tuple(_kind(group_version, words) for group_version, table in _TABLE.items() for words in _rows(table))


def _rows(table: str) -> Iterator[list[str]]:
    """Rows of a table; a line that starts with a marker continues the row above."""
    row: list[str] = []
    for line in table.strip().splitlines():
        words = line.split()
        if row and words[0][0] != "/":
            yield row
            row = []
        row += words
    yield row


def _kind(group_version: str, words: list[str]) -> Kind:
    group, _, version = group_version.rpartition("/")
    kind, plural, *rest = words
    marked: dict[str, list[str]] = {}
    for word in rest:
        marked.setdefault(word[0], []).append(word[1:])
    verbs = _VERB_SETS[marked["!"][0]] if "!" in marked else _ALL
    stored = verbs in (_ALL, _SINGLE)
    return Kind(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        namespaced="ns" in rest,
        verbs=verbs,
        short_names=tuple(marked.get("=", ())),
        categories=tuple(marked.get("+", ())),
        subresources=tuple(_subresource(group, version, kind, text) for text in marked.get("/", ())),
        definition=definition_name(group, version, kind),
        storage_prefix=f"/registry/{_PREFIX.get((group, plural), plural)}/" if stored else None,
        warning=_DEPRECATED.get((group, plural), ""),
    )


def _subresource(group: str, version: str, parent: str, text: str) -> Subresource:
    name, _, target = text.partition("=")
    kind = parent
    if target:
        group_version, _, kind = target.rpartition("/")
        group, _, version = group_version.rpartition("/")
    return Subresource(name=name, group=group, version=version, kind=kind, verbs=_SUB_VERBS.get(name, _EDIT))
