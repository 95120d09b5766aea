"""The rules of the default roles, one rule a line: verbs | API groups | resources | names."""

from __future__ import annotations

_VERBS = {
    "READ": ["get", "list", "watch"],
    "WRITE": ["create", "delete", "deletecollection", "patch", "update"],
    "ALL": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    "EVENTS": ["create", "patch", "update"],
}


def verbs(text: str) -> list[str]:
    """Verbs of a rule; a word in capitals stands for several."""
    found: list[str] = []
    for word in text.split():
        found.extend(_VERBS.get(word, [word]))
    return found


_CORE = (
    "configmaps endpoints persistentvolumeclaims pods replicationcontrollers replicationcontrollers/scale "
    "serviceaccounts services"
)
_CORE_STATUS = (
    "bindings events limitranges namespaces namespaces/status persistentvolumeclaims/status pods/log pods/status "
    "replicationcontrollers/status resourcequotas resourcequotas/status services/status"
)
_APPS = "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
_APPS_STATUS = "controllerrevisions daemonsets/status deployments/status replicasets/status statefulsets/status"

_VIEW = f"""
    READ | core | {_CORE} {_CORE_STATUS}
    READ | discovery.k8s.io | endpointslices
    READ | apps | {_APPS} {_APPS_STATUS}
    READ | autoscaling | horizontalpodautoscalers horizontalpodautoscalers/status
    READ | batch | cronjobs cronjobs/status jobs jobs/status
    READ | policy | poddisruptionbudgets poddisruptionbudgets/status
    READ | networking.k8s.io | ingresses ingresses/status networkpolicies
    get list | metrics.k8s.io | nodes pods
"""
_EDIT = f"""
    READ | core | pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
    impersonate | core | serviceaccounts
    WRITE | core | pods pods/attach pods/exec pods/portforward pods/proxy
    create | core | pods/eviction
    WRITE | core | {_CORE} secrets services/proxy
    EVENTS | core | events
    create | core | serviceaccounts/token
    WRITE | apps | {_APPS} deployments/rollback
    WRITE | autoscaling | horizontalpodautoscalers
    WRITE | batch | cronjobs jobs
    WRITE | policy | poddisruptionbudgets
    WRITE | networking.k8s.io | ingresses networkpolicies
    ALL | coordination.k8s.io | leases
"""
_ADMIN = """
    ALL | rbac.authorization.k8s.io | rolebindings roles
    create | authorization.k8s.io | localsubjectaccessreviews
"""
_EVENTS_AND_LEASES = """
    EVENTS | core events.k8s.io | events
    create get list update patch watch | coordination.k8s.io | leases
"""
_SITE = """
    READ | core | services nodes namespaces pods endpoints
    READ | discovery.k8s.io | endpointslices
    READ | networking.k8s.io | ingresses ingressclasses
"""

CLUSTER_ROLES: dict[str, str] = {
    "cluster-admin": """
        * | * | *
        * | *
    """,
    "admin": _ADMIN + _EDIT + _VIEW,
    "edit": _EDIT + _VIEW,
    "view": _VIEW,
    "system:discovery": """
        get | /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
    """,
    "system:public-info-viewer": "get | /healthz /livez /readyz /version /version/",
    "system:monitoring": "get | /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",
    "system:basic-user": """
        create | authorization.k8s.io | selfsubjectaccessreviews selfsubjectrulesreviews
        create | authentication.k8s.io | selfsubjectreviews
    """,
    "system:service-account-issuer-discovery": """
        get | /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/
    """,
    "system:auth-delegator": """
        create | authentication.k8s.io | tokenreviews
        create | authorization.k8s.io | subjectaccessreviews
    """,
    "system:kube-scheduler": _EVENTS_AND_LEASES
    + """
        READ | core | nodes namespaces persistentvolumeclaims persistentvolumes replicationcontrollers services
        delete READ | core | pods
        create | core | bindings pods/binding
        patch update | core | pods/status
        READ | apps | replicasets statefulsets
        READ | policy | poddisruptionbudgets
        READ | storage.k8s.io | csidrivers csinodes csistoragecapacities storageclasses volumeattachments
        READ | scheduling.k8s.io | priorityclasses
        READ | resource.k8s.io | deviceclasses resourceclaims resourceslices
        create | authentication.k8s.io | tokenreviews
        create | authorization.k8s.io | subjectaccessreviews
    """,
    "system:kube-controller-manager": """
        * | * | *
        * | *
    """,
    "system:kube-proxy": _EVENTS_AND_LEASES
    + """
        READ | core | endpoints namespaces nodes pods services
        READ | discovery.k8s.io | endpointslices
        READ | networking.k8s.io | networkpolicies servicecidrs
    """,
    "system:node-proxier": """
        READ | core | endpoints nodes services
        READ | discovery.k8s.io | endpointslices
        READ | networking.k8s.io | servicecidrs
        EVENTS | core events.k8s.io | events
    """,
    "system:node": """
        create | authentication.k8s.io | tokenreviews
        create | authorization.k8s.io | subjectaccessreviews localsubjectaccessreviews
        READ | core | services
        create get list watch | core | nodes
        patch update | core | nodes nodes/status
        EVENTS | core | events
        READ | core | pods
        create delete | core | pods
        patch update | core | pods/status
        create | core | pods/eviction
        get list watch | core | configmaps secrets
        get | core | persistentvolumeclaims persistentvolumes
        create | core | serviceaccounts/token
        create delete get patch update | coordination.k8s.io | leases
        READ | node.k8s.io | runtimeclasses
        READ | storage.k8s.io | csidrivers
        create delete get patch update | storage.k8s.io | csinodes
    """,
    "system:node-bootstrapper": "create get list watch | certificates.k8s.io | certificatesigningrequests",
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/nodeclient"
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        "create | certificates.k8s.io | certificatesigningrequests/selfnodeclient"
    ),
    **{
        f"system:certificates.k8s.io:{signer}-approver": (
            f"approve | certificates.k8s.io | signers | kubernetes.io/{signer}"
        )
        for signer in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown")
    },
    "system:persistent-volume-provisioner": """
        create delete READ | core | persistentvolumes
        get list update watch | core | persistentvolumeclaims
        READ | storage.k8s.io | storageclasses
        EVENTS READ | core | events
    """,
    "system:aggregate-to-admin": _ADMIN,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:tricenter:dns": _EVENTS_AND_LEASES + _SITE,
    "system:tricenter:ingress": _EVENTS_AND_LEASES
    + _SITE
    + """
        READ | core | secrets
        patch update | networking.k8s.io | ingresses/status
        create | networking.k8s.io | ingressclasses
    """,
    "system:tricenter:balancer": _EVENTS_AND_LEASES
    + _SITE
    + """
        patch update | core | services services/status
    """,
}

AGGREGATES = ("admin", "edit", "view")
"""Roles that are put together of all those with the label `aggregate-to-ROLE`."""

_AGGREGATE_TO = "rbac.authorization.k8s.io/aggregate-to-"


def aggregation(name: str) -> dict[str, str]:
    """The label that makes a role a part of the aggregate `name`."""
    return {f"{_AGGREGATE_TO}{name}": "true"}


AGGREGATED: dict[str, dict[str, str]] = {
    **{f"system:aggregate-to-{name}": aggregation(name) for name in AGGREGATES},
    "edit": aggregation("admin"),
    "view": aggregation("edit"),
}
"""Labels by which the aggregation of cluster roles finds these."""

CLUSTER_BINDINGS: dict[str, tuple[str, ...]] = {
    "cluster-admin": ("Group system:masters",),
    "system:monitoring": ("Group system:monitoring",),
    "system:discovery": ("Group system:authenticated",),
    "system:basic-user": ("Group system:authenticated",),
    "system:public-info-viewer": ("Group system:authenticated", "Group system:unauthenticated"),
    "system:service-account-issuer-discovery": ("Group system:serviceaccounts",),
    "system:kube-scheduler": ("User system:kube-scheduler",),
    "system:kube-controller-manager": ("User system:kube-controller-manager",),
    "system:kube-proxy": ("User system:kube-proxy",),
    "system:node-proxier": ("User system:kube-proxy",),
    "system:tricenter:dns": ("User system:tricenter:dns",),
    "system:tricenter:ingress": ("User system:tricenter:ingress",),
    "system:tricenter:balancer": ("User system:tricenter:balancer",),
}

ROLES: dict[tuple[str, str], str] = {
    ("kube-system", "extension-apiserver-authentication-reader"): (
        "READ | core | configmaps | extension-apiserver-authentication"
    ),
    ("kube-public", "system:controller:bootstrap-signer"): "READ | core | configmaps",
    ("kube-system", "system:tricenter:dns"): """
        create patch | core | services
        create patch | discovery.k8s.io | endpointslices
    """,
}

BINDINGS: dict[tuple[str, str], tuple[str, ...]] = {
    ("kube-system", "extension-apiserver-authentication-reader"): (
        "User system:kube-controller-manager",
        "User system:kube-scheduler",
    ),
    ("kube-public", "system:controller:bootstrap-signer"): ("ServiceAccount kube-system/bootstrap-signer",),
    ("kube-system", "system:tricenter:dns"): ("User system:tricenter:dns",),
}
