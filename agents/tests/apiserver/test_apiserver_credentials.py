"""Bootstrap tokens, tokens bound to objects, what a kubelet may write, and who approves certificate requests."""

from __future__ import annotations

import base64
import datetime as dt
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from apiserver_harness import Running, client_session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tricenter.apimachinery import times
from tricenter.apiserver.auth import bootstraptokens
from tricenter.apiserver.auth.tokens import TokenError

_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_ID, _SECRET = "abcdef", "0123456789abcdef"
_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


def secret(**changes: str) -> dict[str, Any]:
    data = {"token-id": _ID, "token-secret": _SECRET, "usage-bootstrap-authentication": "true", **changes}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items() if text}
    return {"metadata": {"name": f"bootstrap-token-{_ID}"}, "type": bootstraptokens.TYPE, "data": encoded}


def test_a_bootstrap_token_names_its_user_and_groups() -> None:
    later = times.rfc3339(_NOW + dt.timedelta(seconds=1))
    wanted = secret(**{"auth-extra-groups": "system:bootstrappers:east1", "expiration": later})
    user = bootstraptokens.identified(wanted, _ID, _SECRET, _NOW)
    assert user.name == "system:bootstrap:abcdef"
    assert user.groups == ("system:bootstrappers", "system:bootstrappers:east1", "system:authenticated")


@pytest.mark.parametrize(
    "changes",
    [
        {"token-secret": "0123456789abcdee"},
        {"token-id": "abcdee"},
        {"expiration": times.rfc3339(_NOW)},
        {"expiration": "whenever"},
        {"usage-bootstrap-authentication": "false"},
        {"usage-bootstrap-authentication": ""},
        {"auth-extra-groups": "system:masters"},
    ],
)
def test_other_bootstrap_tokens_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(TokenError):
        bootstraptokens.identified(secret(**changes), _ID, _SECRET, _NOW)
    with pytest.raises(TokenError):
        bootstraptokens.identified({**secret(), "type": "Opaque"}, _ID, _SECRET, _NOW)


async def who(server: Running, pki: Path, token: str) -> tuple[int, Any]:
    async with client_session(pki) as session:
        bearer = {"Authorization": f"Bearer {token}"}
        code, body = await Running(server.parts, session).call("POST", _REVIEWS, {}, **bearer)
        return code, body.get("status", {}).get("userInfo", {}) if code == 201 else body


async def test_a_bootstrap_token_authenticates_until_it_is_deleted(server: Running, pki: Path) -> None:
    path = "/api/v1/namespaces/kube-system/secrets"
    assert (await server.call("POST", path, secret()))[0] == 201
    await server.parts.fresh.wait()
    code, user = await who(server, pki, f"{_ID}.{_SECRET}")
    assert (code, user["username"]) == (201, "system:bootstrap:abcdef")
    assert (await who(server, pki, f"{_ID}.{_SECRET[:-1]}0"))[0] == 401
    await server.call("DELETE", f"{path}/bootstrap-token-{_ID}")
    await server.parts.fresh.wait()
    assert (await who(server, pki, f"{_ID}.{_SECRET}"))[0] == 401


async def account(server: Running) -> None:
    body = {"metadata": {"name": "default"}}
    assert (await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", body))[0] == 201


async def test_a_browser_gives_its_token_as_a_subprotocol(server: Running, pki: Path) -> None:
    path = "/api/v1/namespaces/kube-system/secrets"
    assert (await server.call("POST", path, secret()))[0] == 201
    await server.parts.fresh.wait()
    url = f"{server.base}/api/v1/nodes?watch=1"
    bearer = "base64url.bearer.authorization.k8s.io."
    mine = bearer + base64.urlsafe_b64encode(f"{_ID}.{_SECRET}".encode()).decode().rstrip("=")
    offers = {
        (mine, "base64.binary.k8s.io"): 403,  # it is known who that is, and nodes are not for him
        (bearer + "eA", "base64.binary.k8s.io"): 401,
        (mine, mine, "base64.binary.k8s.io"): 401,
        (bearer + "!", "base64.binary.k8s.io"): 401,
        (mine,): 401,
    }
    async with client_session(pki) as session:
        for offer, code in offers.items():
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, protocols=offer)
            assert refused.value.status == code, offer
        binding = {
            "metadata": {"name": "browser"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:bootstrappers"}],
        }
        await server.call("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
        await server.parts.fresh.wait()
        async with session.ws_connect(url, protocols=(mine, "base64.binary.k8s.io")) as socket:
            assert socket.protocol == "base64.binary.k8s.io", "the token is not sent back"


async def pod(server: Running, name: str, node: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": node}
    code, made = await server.call(
        "POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": name}, "spec": spec}
    )
    assert code == 201, made
    found: dict[str, Any] = made
    return found


async def token(server: Running, reference: dict[str, Any] | None) -> tuple[int, Any]:
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    code, body = await server.call("POST", path, {"spec": {"boundObjectRef": reference} if reference else {}})
    return code, body["status"]["token"] if code == 201 else body


@pytest.mark.parametrize("kind", ["Pod", "Secret", "Node"])
async def test_a_bound_token_goes_with_its_object(server: Running, pki: Path, kind: str) -> None:
    await account(server)
    if kind == "Pod":
        made, path = await pod(server, "x", ""), "/api/v1/namespaces/default/pods/x"
    elif kind == "Secret":
        path = "/api/v1/namespaces/default/secrets/x"
        _, made = await server.call("POST", path.rpartition("/")[0], {"metadata": {"name": "x"}})
    else:
        path = "/api/v1/nodes/x"
        _, made = await server.call("POST", path.rpartition("/")[0], {"metadata": {"name": "x"}})
    reference = {"apiVersion": "v1", "kind": kind, "name": "x", "uid": made["metadata"]["uid"]}
    code, text = await token(server, reference)
    assert code == 201, text
    code, user = await who(server, pki, text)
    assert (code, user["username"]) == (201, "system:serviceaccount:default:default")
    await server.call("DELETE", f"{path}?gracePeriodSeconds=0")
    await server.parts.fresh.wait()
    assert (await who(server, pki, text))[0] == 401


def bound(to: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "name": to["metadata"]["name"], "uid": to["metadata"]["uid"]}


async def test_a_kubelet_gets_tokens_of_its_own_pods_only(server: Running, pki: Path) -> None:
    await account(server)
    mine, other = await pod(server, "mine", "n1"), await pod(server, "other", "n2")
    await server.parts.fresh.wait()
    async with client_session(pki, "node") as session:
        kubelet = Running(server.parts, session)
        assert (await token(kubelet, bound(mine)))[0] == 201
        code, status = await token(kubelet, bound(other))
        assert code == 403
        assert "node requested token bound to a pod scheduled on a different node" in status["message"]
        assert (await token(kubelet, None))[0] == 403


async def test_a_kubelet_gets_tokens_for_whom_its_pods_speak_to(server: Running, pki: Path) -> None:
    """Else a node could speak to everybody in the name of its pods (KEP-4412)."""
    await account(server)
    token_ = {"serviceAccountToken": {"path": "t", "audience": "vault"}}
    volumes = [
        {"name": "t", "projected": {"sources": [token_]}},
        {"name": "c", "csi": {"driver": "csi.example.com"}},
    ]
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1", "volumes": volumes}
    _, mine = await server.call("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": spec})
    drivers = "/apis/storage.k8s.io/v1/csidrivers"
    driver = {"metadata": {"name": "csi.example.com"}, "spec": {"tokenRequests": [{"audience": "store"}]}}
    assert (await server.call("POST", drivers, driver))[0] == 201
    await server.parts.fresh.wait()
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    async with client_session(pki, "node") as session:
        kubelet = Running(server.parts, session)

        async def ask(*audiences: str) -> tuple[int, Any]:
            return await kubelet.call("POST", path, {"spec": {"boundObjectRef": bound(mine), "audiences": audiences}})

        for known in ([], ["vault"], ["store"]):
            assert (await ask(*known))[0] == 201, known
        code, status = await ask("bank")
        assert code == 403
        assert status["message"] == (
            'serviceaccounts "default" is forbidden: audience "bank" not found in pod spec volume, '
            "system:node:n1 is not authorized to request tokens for this audience"
        )
        assert (await ask("vault", "store"))[1]["message"].endswith("node may only request 0 or 1 audiences")
        verbs = ["request-serviceaccounts-token-audience"]
        await bind(server, "nodes", [{"verbs": verbs, "apiGroups": [""], "resources": ["bank"]}], "system:node:n1")
        assert (await ask("bank"))[0] == 201


async def test_a_kubelet_sees_and_evicts_pods_of_its_own_node_only(server: Running, pki: Path) -> None:
    await account(server)
    for name, node in (("mine", "n1"), ("other", "n2")):
        await pod(server, name, node)
    pods = "/api/v1/namespaces/default/pods"
    async with client_session(pki, "node") as session:
        kubelet = Running(server.parts, session)
        assert (await kubelet.call("GET", f"{pods}?fieldSelector=spec.nodeName%3Dn1"))[0] == 200
        code, status = await kubelet.call("GET", pods)
        assert (code, "can only list/watch pods with spec.nodeName field selector" in status["message"]) == (403, True)
        assert (await kubelet.call("GET", f"{pods}/mine"))[0] == 200
        assert (await kubelet.call("GET", f"{pods}/other"))[0] == 403
        for name, expected in (("other", 403), ("mine", 201)):
            eviction = {"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": name}}
            code, status = await kubelet.call("POST", f"{pods}/{name}/eviction", eviction)
            assert code == expected, status


async def test_a_kubelet_writes_about_its_own_node_only(server: Running, pki: Path) -> None:
    await server.call("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    await server.call("POST", "/api/v1/nodes", {"metadata": {"name": "n2"}})
    merge = {"Content_Type": "application/merge-patch+json"}
    async with client_session(pki, "node") as session:
        kubelet = Running(server.parts, session)

        async def label(name: str, node: str = "n1") -> tuple[int, Any]:
            return await kubelet.call("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {name: "v"}}}, **merge)

        assert (await label("topology.kubernetes.io/zone"))[0] == 200
        assert (await label("example.com/rack"))[0] == 200
        for refused in ("node-restriction.kubernetes.io/x", "node-role.kubernetes.io/master", "a.k8s.io/x"):
            code, status = await label(refused)
            assert (code, refused in status["message"]) == (403, True)
        assert (await label("example.com/rack", "n2"))[0] == 403
        taint = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
        code, status = await kubelet.call("PATCH", "/api/v1/nodes/n1", taint, **merge)
        assert (code, status["message"]) == (
            403, 'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
        )  # fmt: skip
        leases = "/apis/coordination.k8s.io/v1/namespaces"
        assert (await kubelet.call("POST", f"{leases}/kube-node-lease/leases", {"metadata": {"name": "n1"}}))[0] == 201
        assert (await kubelet.call("POST", f"{leases}/kube-node-lease/leases", {"metadata": {"name": "n2"}}))[0] == 403
        assert (await kubelet.call("POST", f"{leases}/kube-system/leases", {"metadata": {"name": "n1"}}))[0] == 403

        def mirror(**more: Any) -> dict[str, Any]:
            annotations = {"kubernetes.io/config.mirror": "1"}
            spec = {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}], **more}
            return {"metadata": {"generateName": "m", "annotations": annotations}, "spec": spec}

        pods = "/api/v1/namespaces/default/pods"
        assert (await kubelet.call("POST", pods, mirror()))[0] == 201
        assert (await kubelet.call("POST", pods, mirror(nodeName="n2")))[0] == 403
        assert (await kubelet.call("POST", pods, mirror(serviceAccountName="default")))[0] == 403
        volume = {"name": "v", "secret": {"secretName": "s"}}
        token = {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
        resource = [{"name": "r", "resourceClaimName": "r"}]
        maps = {"name": "v", "configMap": {"name": "m"}}
        for more, why in (
            ({"volumes": [volume]}, "a mirror pod may not reference secrets"),
            ({"volumes": [token]}, "a mirror pod may not use ServiceAccountToken volume projections"),
            ({"serviceAccountName": "x"}, "a mirror pod may not reference service accounts"),
            ({"volumes": [maps]}, 'node "n1" can not create pods that reference configmaps'),
            ({"resourceClaims": resource}, 'node "n1" can not create pods that reference resourceclaims'),
        ):
            code, status = await kubelet.call("POST", pods, mirror(**more))
            assert (code, status["message"].partition(" is forbidden: ")[2]) == (403, why)
    assert (await server.call("POST", pods, mirror(serviceAccountName="x")))[0] == 403


async def test_a_kubelet_says_how_far_a_volume_has_grown_and_no_more(server: Running, pki: Path) -> None:
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    for name in ("mine", "other"):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await server.call("POST", claims, {"metadata": {"name": name}, "spec": spec})
    spec = {
        "nodeName": "n1",
        "containers": [{"name": "c", "image": "i"}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "mine"}}],
    }
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", body)
    code, made = await server.call("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": spec})
    assert code == 201, made
    await server.parts.fresh.wait()
    async with client_session(pki, "node") as session:
        kubelet = Running(server.parts, session)

        async def write(name: str, change: dict[str, Any], subresource: str = "/status") -> tuple[int, Any]:
            merge = {"Content_Type": "application/merge-patch+json"}
            return await kubelet.call("PATCH", f"{claims}/{name}{subresource}", change, **merge)

        grown = {"status": {"capacity": {"storage": "1Gi"}}}
        code, claim = await write("mine", grown)
        assert (code, claim["status"]["capacity"]) == (200, {"storage": "1Gi"})
        for change in ({"status": {"phase": "Lost"}}, {"metadata": {"labels": {"a": "b"}}}):
            code, said = await write("mine", change)
            why = 'node "n1" is not allowed to update fields other than status.quantity and status.conditions'
            assert (code, said["message"]) == (403, f'persistentvolumeclaims "mine" is forbidden: {why}')
        assert (await write("mine", {"metadata": {"labels": {"a": "b"}}}, ""))[0] == 403
        assert (await write("other", grown))[0] == 403


def csr(name: str, organization: str = "") -> str:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    made = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def request(name: str, encoded: str, signer: str = "kubernetes.io/kube-apiserver-client") -> dict[str, Any]:
    spec = {"request": encoded, "signerName": signer, "usages": ["client auth"], "username": "system:forged"}
    return {"metadata": {"name": name}, "spec": spec}


async def test_certificate_requests_are_approved_and_signed_by_whom_the_signer_trusts(
    server: Running, pki: Path
) -> None:
    plural = "certificatesigningrequests"
    covered = [plural, f"{plural}/approval", f"{plural}/status"]
    rules = [{"verbs": ["*"], "apiGroups": ["certificates.k8s.io"], "resources": covered}]
    await bind(server, "requests", rules)
    async with client_session(pki, "alice") as session:
        alice = Running(server.parts, session)
        code, made = await alice.call("POST", _REQUESTS, request("a", csr("alice")))
        assert (code, made["spec"]["username"]) == (201, "alice")
        code, status = await alice.call("POST", _REQUESTS, request("m", csr("alice", "system:masters")))
        assert code == 403
        assert "signer with system:masters group is not allowed" in status["message"]

        issued = base64.b64encode((pki / "ca.crt").read_bytes()).decode()
        approved = {"type": "Approved", "status": "True", "reason": "Mine", "message": ""}
        made["status"] = {"conditions": [approved], "certificate": issued}
        code, status = await alice.call("PUT", f"{_REQUESTS}/a/approval", made)
        text = 'user not permitted to approve requests with signerName "kubernetes.io/kube-apiserver-client"'
        assert (code, text in status["message"]) == (403, True)
        code, status = await alice.call("PUT", f"{_REQUESTS}/a/status", made)
        assert (code, "not permitted to sign" in status["message"]) == (403, True)

        signers = {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["approve"]}
        await bind(server, "signers", [{**signers, "resourceNames": ["kubernetes.io/*"]}])
        code, after = await alice.call("PUT", f"{_REQUESTS}/a/approval", made)
        assert code == 200, after
        assert [item["type"] for item in after["status"]["conditions"]] == ["Approved"]
        assert after["status"]["conditions"][0]["lastUpdateTime"]
        assert "certificate" not in after["status"], "an approval is no signature"
        code, status = await server.call("PUT", f"{_REQUESTS}/a/status", {**after, "status": {"certificate": issued}})
        assert code == 200
        assert [item["type"] for item in status["status"]["conditions"]] == ["Approved"], "a signer takes no approval"


async def bind(server: Running, name: str, rules: list[Any], user: str = "alice") -> None:
    await server.call("POST", f"{_RBAC}/clusterroles", {"metadata": {"name": name}, "rules": rules})
    group = "rbac.authorization.k8s.io"
    body = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    assert (await server.call("POST", f"{_RBAC}/clusterrolebindings", body))[0] == 201
    await server.parts.fresh.wait()


async def test_impersonation_needs_leave_for_each_part(server: Running, pki: Path) -> None:
    verbs = {"verbs": ["impersonate"]}
    rules = [
        {**verbs, "apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"]},
        {**verbs, "apiGroups": [""], "resources": ["groups"], "resourceNames": ["devs"]},
        {
            **verbs,
            "apiGroups": ["authentication.k8s.io"],
            "resources": ["userextras/scopes"],
            "resourceNames": ["view"],
        },
        {**verbs, "apiGroups": ["authentication.k8s.io"], "resources": ["uids"], "resourceNames": ["u1"]},
    ]
    await bind(server, "impersonator", rules)
    async with client_session(pki, "alice") as session:
        alice = Running(server.parts, session)

        async def ask(**headers: str) -> tuple[int, Any]:
            return await alice.call("POST", _REVIEWS, {}, **headers)

        whole = {"Impersonate_User": "bob", "Impersonate_Group": "devs", "Impersonate_Extra_Scopes": "view"}
        code, body = await ask(**whole, Impersonate_Uid="u1")
        assert code == 201, body
        assert body["status"]["userInfo"] == {
            "username": "bob", "uid": "u1", "groups": ["devs", "system:authenticated"], "extra": {"scopes": ["view"]},
        }  # fmt: skip
        for part, other in (
            ("Impersonate_User", "eve"),
            ("Impersonate_Group", "system:masters"),
            ("Impersonate_Extra_Scopes", "edit"),
            ("Impersonate_Uid", "u2"),
        ):
            code, _ = await ask(**{**whole, part: other})
            assert code == 403, part
        assert (await ask(Impersonate_Group="devs"))[0] == 400


async def test_a_service_account_brings_its_own_groups_and_no_others(server: Running, pki: Path) -> None:
    """Else leave to act as one's own account would be leave to act as anybody."""
    own = {"verbs": ["impersonate"], "apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["robot"]}
    await bind(server, "impersonator", [own])
    name = "system:serviceaccount:default:robot"
    async with client_session(pki, "alice") as session:
        alice = Running(server.parts, session)
        code, body = await alice.call("POST", _REVIEWS, {}, Impersonate_User=name)
        assert code == 201, body
        accounts = ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"]
        assert body["status"]["userInfo"] == {"username": name, "groups": accounts}
        for group in ("system:masters", "system:authenticated"):
            code, body = await alice.call("POST", _REVIEWS, {}, Impersonate_User=name, Impersonate_Group=group)
            assert (code, body["details"]["name"]) == (403, group)
        # What is no name of an account is that of a user.
        code, body = await alice.call("POST", _REVIEWS, {}, Impersonate_User="system:serviceaccount:default")
        assert (code, body["details"]["kind"]) == (403, "users")


async def test_groups_say_whether_somebody_is_authenticated(server: Running) -> None:
    group = "system:unauthenticated"
    code, body = await server.call("POST", _REVIEWS, {}, Impersonate_User="bob", Impersonate_Group=group)
    assert (code, body["details"]["kind"]) == (403, "selfsubjectreviews"), "only the authenticated may ask"


async def test_reviews_say_what_is_wrong_with_them(server: Running) -> None:
    root = "/apis/authorization.k8s.io/v1"
    pods = {"resourceAttributes": {"verb": "get", "resource": "pods"}}
    code, status = await server.call("POST", f"{root}/subjectaccessreviews", {"spec": {"user": "a"}})
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.resourceAttributes")
    code, status = await server.call("POST", f"{root}/subjectaccessreviews", {"spec": pods})
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.user")
    code, _ = await server.call("POST", f"{root}/subjectaccessreviews", {"spec": {**pods, "groups": 5}})
    assert code in (400, 422)
    named = {"metadata": {"name": "x"}, "spec": {**pods, "user": "a"}}
    code, status = await server.call("POST", f"{root}/subjectaccessreviews", named)
    assert (code, status["details"]["causes"][0]["message"]) == (422, 'Invalid value: {"name":"x"}: must be empty')
    local = f"{root}/namespaces/default/localsubjectaccessreviews"
    code, status = await server.call("POST", local, {"spec": {**pods, "user": "a"}})
    assert (code, status["message"]) == (400, "spec.resourceAttributes.namespace must match namespace: default")
    code, status = await server.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}})
    assert (code, status["message"]) == (400, "token is required for TokenReview in authentication")


@pytest.mark.parametrize(
    ("selectors", "problems"),
    [
        (
            {"fieldSelector": {}},
            {"fieldSelector.requirements": "Required value: when spec.resourceAttributes.fieldSelector is specified"},
        ),
        (
            {"labelSelector": {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "Exists"}]}},
            {"labelSelector.rawSelector": 'Invalid value: "a=b": may not specified at the same time as requirements'},
        ),
        (
            {
                "fieldSelector": {"requirements": [{"key": "", "operator": "In"}]},
                "labelSelector": {"requirements": [{"key": "-", "operator": "Exists", "values": ["x"]}]},
            },
            {
                "fieldSelector.requirements[0].key": "Required value: must be specified",
                "fieldSelector.requirements[0].values": "Required value: must be specified when `operator` is 'In'",
                "labelSelector.requirements[0].values": "Forbidden: may not be specified when `operator` is 'Exists'",
                "labelSelector.requirements[0].key": 'Invalid value: "-": name part must consist of',
            },
        ),
        ({"fieldSelector": {"requirements": [{"key": "a", "operator": "OfTomorrow"}]}}, {}),
    ],
)
async def test_reviews_take_selectors(server: Running, selectors: dict[str, Any], problems: dict[str, str]) -> None:
    asked = {"user": "a", "resourceAttributes": {"verb": "list", "resource": "pods", **selectors}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    code, status = await server.call("POST", path, {"spec": asked})
    assert code == (422 if problems else 201), status
    causes = {cause["field"]: cause["message"] for cause in (status.get("details") or {}).get("causes", [])}
    assert set(causes) == {f"spec.resourceAttributes.{field}" for field in problems}
    for field, text in problems.items():
        assert causes[f"spec.resourceAttributes.{field}"].startswith(text)


async def test_a_token_is_bound_to_what_is_there_and_its_own(server: Running) -> None:
    await account(server)
    await server.call("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "other"}})
    await pod(server, "x", "")
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "x"}
    _, refused = await token(server, {**reference, "uid": "u"})
    why = "the UID in the bound object reference (u) does not match the UID in record. "
    why += "The object might have been deleted and then recreated"
    assert (refused["code"], refused["message"]) == (409, f'Operation cannot be fulfilled on Pod "x": {why}')
    _, refused = await token(server, {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"})
    assert (refused["code"], refused["message"]) == (
        400,
        "cannot bind token to object of type apps/v1, Kind=Deployment",
    )
    path = "/api/v1/namespaces/default/serviceaccounts/other/token"
    _, refused = await server.call("POST", path, {"spec": {"boundObjectRef": reference}})
    why = 'cannot bind token for serviceaccount "other" to pod running with different serviceaccount name.'
    assert (refused["code"], refused["message"]) == (400, why)


async def test_a_token_is_of_the_account_that_the_path_names_and_for_a_year_at_most(server: Running) -> None:
    await account(server)
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    code, status = await server.call("POST", path, {"metadata": {"name": "other"}})
    why = 'metadata.name: Invalid value: "other": must match the service account name if specified'
    assert (code, status["message"]) == (422, f'TokenRequest.authentication.k8s.io "default" is invalid: {why}')
    async with server.session.post(server.base + path, json={"spec": {"expirationSeconds": 1 << 32}}) as answer:
        made = await answer.json()
        assert (
            answer.headers["Warning"]
            == '299 - "requested expiration of 4294967296 seconds shortened to 31536000 seconds"'
        )
    assert made["spec"]["expirationSeconds"] == 31536000


@pytest.mark.parametrize(
    ("spec", "life"),
    [
        ({"expirationSeconds": 3607}, 365 * 24 * 3600),
        ({"expirationSeconds": 3600}, 3600),
        ({"expirationSeconds": 3607, "audiences": ["elsewhere"]}, 3607),
        ({"expirationSeconds": 3607, "boundObjectRef": None}, 3607),
    ],
)
async def test_the_token_of_a_pod_outlives_clients_that_read_it_once(
    server: Running, spec: dict[str, Any], life: int
) -> None:
    """The kubelet renews it by the hour all the same (pkg/registry/core/serviceaccount/storage/token.go)."""
    await account(server)
    made = await pod(server, "x", "")
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    code, body = await server.call("POST", path, {"spec": {"boundObjectRef": bound(made), **spec}})
    assert (code, body["spec"]["expirationSeconds"]) == (201, spec["expirationSeconds"])
    payload = body["status"]["token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["exp"] - claims["iat"] == life
    extended = life > spec["expirationSeconds"]
    assert claims["kubernetes.io"].get("warnafter", 0) == (claims["iat"] + spec["expirationSeconds"]) * extended
    expires = times.parse(body["status"]["expirationTimestamp"]).timestamp()
    assert expires == claims["iat"] + spec["expirationSeconds"]


async def test_a_token_review_heeds_audiences(server: Running) -> None:
    await account(server)
    await server.call("POST", "/api/v1/namespaces/kube-system/secrets", secret())
    await server.parts.fresh.wait()
    _, issued = await token(server, None)
    for text in (issued, f"{_ID}.{_SECRET}"):
        own = server.parts.config.service_account_issuer
        for audiences, good in (([], True), (["elsewhere"], False), (["elsewhere", own], True)):
            body = {"spec": {"token": text, "audiences": audiences}}
            _, review = await server.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
            assert review["status"].get("authenticated", False) is good, (text[:10], audiences)


async def test_anonymous_can_be_impersonated_as_what_it_is(server: Running) -> None:
    code, body = await server.call("POST", _REVIEWS, {}, Impersonate_User="system:anonymous")
    assert code == 403, body
    code, _ = await server.call("GET", "/version", Impersonate_User="system:anonymous")
    assert code == 200, "the public information is for system:unauthenticated too"
