"""Who a request comes from and what it may do."""

import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tricenter.apimachinery import mirrorpods
from tricenter.apiserver import errors
from tricenter.apiserver.auth import authenticate, references
from tricenter.apiserver.auth.authorize import Authorizer, denied
from tricenter.apiserver.auth.node import NodeAuthorizer
from tricenter.apiserver.auth.rbac import Index, Request, Rule
from tricenter.apiserver.auth.tokens import Signer, TokenError, Verifier
from tricenter.apiserver.auth.user import User
from tricenter.apiserver.bootstrap import policy
from tricenter.apiserver.cache.history import Change
from tricenter.apiserver.resources import Resources
from tricenter.apiserver.storage import encoding

ISSUER = "https://issuer"


def put(resources: Resources, group: str, plural: str, obj: dict[str, Any], revision: int = 1) -> None:
    resource = resources[group, plural]
    cache, metadata = resource.objects, obj["metadata"]
    key = resource.key(metadata.get("namespace", ""), metadata["name"])
    obj = {"apiVersion": resource.kind.api_version, "kind": resource.kind.kind, **obj}
    cache.apply(Change(revision, cache.entries.get(key), cache.entry(key, encoding.dump(obj), revision)))


@pytest.fixture(scope="module")
def authorizer() -> Authorizer:
    resources = Resources(10)
    for group, plural, obj in policy.all_objects():
        put(resources, group, plural, obj)
    binding = {
        "kind": "RoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "edit", "namespace": "shop"},
        "roleRef": {"kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "User", "name": "alice"}, {"kind": "ServiceAccount", "name": "bot"}],
    }
    put(resources, "rbac.authorization.k8s.io", "rolebindings", binding)
    pod = {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {
            "nodeName": "n1",
            "serviceAccountName": "bot",
            "volumes": [{"secret": {"secretName": "s"}}, {"persistentVolumeClaim": {"claimName": "data"}}],
        },
    }
    put(resources, "", "pods", pod)
    mirror = {
        **pod,
        "metadata": {"name": "m", "namespace": "shop", "annotations": {mirrorpods.MIRROR: "x"}},
        "spec": {"nodeName": "n1", "volumes": [{"secret": {"secretName": "wanted"}}]},
    }
    put(resources, "", "pods", mirror)
    for claim, volume in (("data", "pv"), ("other", "foreign")):
        bound = {"metadata": {"name": claim, "namespace": "shop"}, "spec": {"volumeName": volume}}
        put(resources, "", "persistentvolumeclaims", bound)
        csi = {
            "nodeStageSecretRef": {"namespace": "storage", "name": f"{volume}-stage"},
            "controllerExpandSecretRef": {"namespace": "storage", "name": f"{volume}-expand"},
        }
        spec = {"claimRef": {"namespace": "shop", "name": claim}, "csi": csi}
        put(resources, "", "persistentvolumes", {"metadata": {"name": volume}, "spec": spec})
    for node in ("n1", "n2"):
        attachment = {"metadata": {"name": f"to-{node}"}, "spec": {"nodeName": node}}
        put(resources, "storage.k8s.io", "volumeattachments", attachment)
    return Authorizer(Index(resources), NodeAuthorizer(resources))


ALICE = User("alice", groups=("system:authenticated",))
BOT = User("system:serviceaccount:shop:bot")
NODE = User("system:node:n1", groups=("system:nodes", "system:authenticated"))


@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        (Request(user=ALICE, verb="create", resource="pods", namespace="shop"), True),
        (Request(user=BOT, verb="delete", group="apps", resource="deployments", namespace="shop", name="x"), True),
        (Request(user=ALICE, verb="create", resource="pods", namespace="other"), False),
        (Request(user=ALICE, verb="list", resource="pods"), False),
        (
            Request(user=ALICE, verb="create", group="rbac.authorization.k8s.io", resource="roles", namespace="shop"),
            False,
        ),
        (Request(user=ALICE, verb="update", resource="pods", subresource="status", namespace="shop", name="x"), False),
        (Request(user=ALICE, verb="get", path="/apis/apps"), True),
        (Request(user=ALICE, verb="get", path="/metrics"), False),
        (Request(user=User("x", groups=("system:masters",)), verb="delete", resource="nodes", name="n"), True),
        (Request(user=User("system:anonymous", groups=("system:unauthenticated",)), verb="get", path="/version"), True),
        (Request(user=User("system:anonymous", groups=("system:unauthenticated",)), verb="get", path="/api"), False),
        (
            Request(
                user=User("system:kube-scheduler"),
                verb="create",
                resource="pods",
                subresource="binding",
                namespace="a",
                name="p",
            ),
            True,
        ),
        (Request(user=User("system:kube-scheduler"), verb="get", resource="secrets", namespace="a", name="s"), False),
        (Request(user=User("system:tricenter:ingress"), verb="list", resource="secrets"), True),
        (Request(user=User("system:tricenter:dns"), verb="list", resource="secrets"), False),
        (Request(user=NODE, verb="get", resource="secrets", namespace="shop", name="s"), True),
        (Request(user=NODE, verb="get", resource="secrets", namespace="shop", name="other"), False),
        (Request(user=NODE, verb="list", resource="secrets", namespace="shop"), False),
        (Request(user=NODE, verb="get", resource="nodes", name="n1"), True),
        (Request(user=NODE, verb="get", resource="nodes", name="n2"), False),
        (Request(user=NODE, verb="list", resource="nodes"), False),
        (Request(user=NODE, verb="watch", resource="pods"), False),
        (Request(user=NODE, verb="watch", resource="pods", selected=(("spec.nodeName", "n1"),)), True),
        (Request(user=NODE, verb="watch", resource="pods", selected=(("spec.nodeName", "n2"),)), False),
        (Request(user=NODE, verb="watch", resource="secrets", namespace="shop", name="s"), True),
        (Request(user=NODE, verb="delete", resource="nodes", name="n1"), False),
        (
            Request(user=NODE, verb="get", group="coordination.k8s.io", resource="leases", namespace="shop", name="n1"),
            False,
        ),
        (Request(user=NODE, verb="get", resource="secrets", namespace="shop", name="wanted"), False),
        (Request(user=NODE, verb="get", resource="secrets", namespace="storage", name="pv-stage"), True),
        (Request(user=NODE, verb="get", resource="secrets", namespace="storage", name="pv-expand"), False),
        (Request(user=NODE, verb="get", resource="secrets", namespace="storage", name="foreign-stage"), False),
        (Request(user=NODE, verb="get", resource="persistentvolumes", name="pv"), True),
        (Request(user=NODE, verb="get", resource="persistentvolumes", name="foreign"), False),
        (Request(user=NODE, verb="get", resource="persistentvolumeclaims", namespace="shop", name="data"), True),
        (Request(user=NODE, verb="list", resource="persistentvolumeclaims", namespace="shop", name="data"), False),
        (
            Request(
                user=NODE,
                verb="patch",
                resource="persistentvolumeclaims",
                subresource="status",
                namespace="shop",
                name="data",
            ),
            True,
        ),
        (Request(user=NODE, verb="get", group="storage.k8s.io", resource="volumeattachments", name="to-n1"), True),
        (Request(user=NODE, verb="get", group="storage.k8s.io", resource="volumeattachments", name="to-n2"), False),
        (Request(user=NODE, verb="patch", resource="nodes", subresource="status", name="n1"), True),
        (Request(user=NODE, verb="patch", resource="nodes", subresource="status", name="n2"), False),
        (Request(user=NODE, verb="patch", resource="pods", subresource="status", namespace="shop", name="p"), True),
        (
            Request(
                user=NODE, verb="create", resource="serviceaccounts", subresource="token", namespace="shop", name="bot"
            ),
            True,
        ),
        (
            Request(
                user=NODE, verb="create", resource="serviceaccounts", subresource="token", namespace="shop", name="boss"
            ),
            False,
        ),
        (Request(user=NODE, verb="delete", group="apps", resource="deployments", namespace="shop", name="d"), False),
    ],
)
def test_default_policy(authorizer: Authorizer, request_: Request, allowed: bool) -> None:
    assert authorizer.decide(request_).allowed is allowed


def test_a_changed_binding_counts_at_once(authorizer: Authorizer) -> None:
    resources = Resources(10)
    for group, plural, obj in policy.all_objects():
        put(resources, group, plural, obj)
    index = Index(resources)
    request = Request(user=ALICE, verb="list", resource="pods")
    assert not index.reason(request)
    binding = {
        "kind": "ClusterRoleBinding",
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "metadata": {"name": "view"},
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "alice"}],
    }
    put(resources, "rbac.authorization.k8s.io", "clusterrolebindings", binding, 2)
    assert index.reason(request)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]}, True),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["b"]}, False),
        ({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*"]}, True),
        ({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]}, False),
    ],
)
def test_rules(rule: dict[str, Any], fits: bool) -> None:
    assert Rule.of(rule).allows(Request(user=ALICE, verb="get", resource="pods", name="a")) is fits


def test_refusals_are_worded_as_upstream() -> None:
    error = denied(Request(user=ALICE, verb="list", resource="pods", namespace="b"))
    text = 'pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "b"'
    assert error.status()["message"] == text
    assert error.status()["reason"] == "Forbidden"


def test_a_certificate_names_user_and_groups() -> None:
    subject = ((("organizationName", "dev"),), (("organizationName", "ops"),), (("commonName", "alice"),))
    user = authenticate.of_certificate({"subject": subject})
    assert (user.name, user.groups) == ("alice", ("dev", "ops", "system:authenticated"))
    with pytest.raises(errors.Unauthorized):
        authenticate.of_certificate({"subject": ()})


# --- tokens ---


@pytest.fixture(params=["ec", "rsa"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    key: Any = (
        ec.generate_private_key(ec.SECP256R1()) if request.param == "ec" else rsa.generate_private_key(65537, 2048)
    )
    path = tmp_path / "sa.key"
    encoding_ = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*encoding_))
    return Signer(path, ISSUER)


def test_a_token_holds_for_its_audience_and_time(signer: Signer) -> None:
    verifier = Verifier([signer.public], ISSUER, [])
    account = {"metadata": {"name": "bot", "namespace": "shop", "uid": "u"}}
    token, _ = signer.issue(account, audiences=[], seconds=600, bound={})
    claims = verifier.verify(token)
    assert claims["sub"] == "system:serviceaccount:shop:bot"
    assert claims["kubernetes.io"]["serviceaccount"] == {"name": "bot", "uid": "u"}
    with pytest.raises(TokenError, match="audience"):
        verifier.verify(token, ["vault"])
    expired = signer.sign({**claims, "exp": time.time() - 1})
    with pytest.raises(TokenError, match="expired"):
        verifier.verify(expired)


def test_a_changed_token_is_refused(signer: Signer) -> None:
    verifier = Verifier([signer.public], ISSUER, [])
    token = signer.sign({"iss": ISSUER, "aud": [ISSUER], "exp": time.time() + 60})
    header, _, signature = token.split(".")
    other = signer.sign({"iss": ISSUER, "aud": [ISSUER], "exp": time.time() + 6000}).split(".")[1]
    for broken in (f"{header}.{other}.{signature}", "a.b", "", "..", f"{header}.{other}.", token[:-4] + "AAAA"):
        with pytest.raises(TokenError):
            verifier.verify(broken)


def test_what_a_pod_refers_to() -> None:
    pod = {
        "metadata": {"namespace": "n"},
        "spec": {
            "serviceAccountName": "sa",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"configMap": {"name": "c"}},
                {"projected": {"sources": [{"secret": {"name": "ps"}}, {"configMap": {"name": "pc"}}]}},
                {"persistentVolumeClaim": {"claimName": "v"}},
            ],
            "containers": [
                {"env": [{"valueFrom": {"secretKeyRef": {"name": "e"}}}], "envFrom": [{"configMapRef": {"name": "f"}}]}
            ],
        },
    }
    found = {(resource, name) for resource, _, name in references.of_pod(pod)}
    assert found == {
        ("serviceaccounts", "sa"),
        ("secrets", "pull"),
        ("configmaps", "c"),
        ("secrets", "ps"),
        ("configmaps", "pc"),
        ("persistentvolumeclaims", "v"),
        ("secrets", "e"),
        ("configmaps", "f"),
    }


@pytest.mark.parametrize(
    ("source", "secrets"),
    [
        ({"cephfs": {"secretRef": {"name": "s"}}}, {("shop", "s")}),
        ({"rbd": {"secretRef": {"name": "s", "namespace": "storage"}}}, {("storage", "s")}),
        ({"azureFile": {"secretName": "s"}}, {("shop", "s")}),
        ({"azureFile": {"secretName": "s", "secretNamespace": "storage"}}, {("storage", "s")}),
        ({"csi": {key: {"name": key, "namespace": "n"} for key in (
            "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef", "controllerPublishSecretRef",
        )}}, {("n", "nodePublishSecretRef"), ("n", "nodeStageSecretRef"), ("n", "nodeExpandSecretRef")}),
        ({"local": {"path": "/x"}}, set()),
    ],
)  # fmt: skip
def test_what_mounting_a_volume_takes(source: dict[str, Any], secrets: set[tuple[str, str]]) -> None:
    volume = {"spec": {"claimRef": {"namespace": "shop", "name": "c"}, **source}}
    assert {found[1:] for found in references.of_persistent_volume(volume)} == secrets
