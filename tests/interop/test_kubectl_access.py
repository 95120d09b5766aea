"""kubectl auth, create token, certificate: who somebody is and what he may."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def test_who_am_i(k: Any) -> None:
    found = json.loads(k("auth", "whoami", "-o", "json"))
    assert "system:masters" in found["status"]["userInfo"]["groups"]
    lines = k("auth", "whoami", "--as=jane", "--as-group=dev").splitlines()
    assert lines[0].split() == ["ATTRIBUTE", "VALUE"]
    assert lines[1].split() == ["Username", "jane"]


def test_whom_i_act_as(k: Any) -> None:
    whole = ("--as=jane", "--as-uid=u1", "--as-group=dev", "--as-group=ops")
    found = json.loads(k("auth", "whoami", *whole, "-o", "json"))["status"]["userInfo"]
    assert found == {"username": "jane", "uid": "u1", "groups": ["dev", "ops", "system:authenticated"]}
    assert k("auth", "can-i", "get", "nodes", *whole, "--as-group=system:masters").strip() == "yes"


def test_what_may_i(k: Any) -> None:
    assert k("auth", "can-i", "delete", "nodes").strip() == "yes"
    assert k("auth", "can-i", "get", "/metrics") == "yes\n"
    nobody = ("--as=nobody", "--as-group=system:authenticated")
    done = k.start("auth", "can-i", "get", "secrets", *nobody)
    out, _ = done.communicate(timeout=400)
    assert (done.returncode, out.splitlines()[-1]) == (1, "no")
    assert k("auth", "can-i", "create", "selfsubjectaccessreviews.authorization.k8s.io", *nobody).endswith("yes\n")
    said = k.refused("get", "secrets", *nobody)
    assert 'Error from server (Forbidden): secrets is forbidden: User "nobody" cannot list resource "secrets"' in said


def test_the_list_of_what_i_may(k: Any, eventually: Any) -> None:
    k("create", "role", "listed", "--verb=get,list", "--resource=configmaps", "--resource-name=one")
    k("create", "rolebinding", "listed", "--role=listed", "--user=lister")
    row = ["configmaps", "[]", "[one]", "[get", "list]"]
    ask = ("auth", "can-i", "--list", "--as=lister")
    eventually(lambda: row in [line.split() for line in k(*ask).splitlines()])
    lines = k(*ask).splitlines()
    assert lines[0].split() == ["Resources", "Non-Resource", "URLs", "Resource", "Names", "Verbs"]
    assert k("auth", "can-i", "--list").splitlines()[1].split() == ["*.*", "[]", "[]", "[*]"]


def test_reconcile_adds_what_is_missing(k: Any) -> None:
    k("create", "role", "reconciled", "--verb=get", "--resource=pods")
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    metadata = k.json("get", "role", "reconciled")["metadata"]
    named = {"name": "reconciled", "namespace": metadata["namespace"]}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": named}
    k("auth", "reconcile", "-f", "-", stdin=json.dumps({**role, "rules": rules}))
    found = k.json("get", "role", "reconciled")["rules"]
    assert {rule["resources"][0] for rule in found} == {"pods", "secrets"}


def test_nobody_grants_more_than_he_has(k: Any, eventually: Any) -> None:
    k("create", "role", "granter", "--verb=create,get", "--resource=roles.rbac.authorization.k8s.io")
    k("create", "rolebinding", "granter", "--role=granter", "--user=granter")
    more = ("create", "role", "more", "--verb=get", "--resource=secrets", "--as=granter")
    said = "attempting to grant RBAC permissions not currently held"
    eventually(lambda: said in k.tried(*more)[1])


@pytest.fixture
def without_certificate(kubectl: Any, tmp_path: Path) -> Any:
    """kubectl whose kubeconfig holds the site and nobody's credentials: a token given with it is all there is."""
    found = yaml.safe_load(kubectl("config", "view", "--raw", "--flatten"))
    found["users"] = [{"name": item["name"], "user": {}} for item in found["users"]]
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(found))
    return kubectl.towards(kubeconfig)


def test_a_role_gives_a_service_account_what_it_says(k: Any, without_certificate: Any, eventually: Any) -> None:
    k("create", "serviceaccount", "reader")
    k("create", "role", "reads", "--verb=get,list", "--resource=configmaps")
    namespace = k.json("get", "serviceaccount", "reader")["metadata"]["namespace"]
    k("create", "rolebinding", "reads", "--role=reads", f"--serviceaccount={namespace}:reader")
    token = k("create", "token", "reader", "--duration=10m").strip()
    bearer = without_certificate.within(namespace)
    eventually(lambda: bearer.tried("get", "configmaps", f"--token={token}")[0])
    said = bearer.refused("delete", "configmaps", "--all", f"--token={token}")
    assert f'User "system:serviceaccount:{namespace}:reader" cannot delete resource "configmaps"' in said
    who = json.loads(bearer("auth", "whoami", f"--token={token}", "-o", "json"))["status"]["userInfo"]
    assert who["username"] == f"system:serviceaccount:{namespace}:reader"
    assert f"system:serviceaccounts:{namespace}" in who["groups"]
    k("delete", "serviceaccount", "reader")
    eventually(lambda: "must be logged in" in bearer.tried("get", "configmaps", f"--token={token}")[1])


def test_each_part_of_an_identity_needs_leave(k: Any, without_certificate: Any, eventually: Any) -> None:
    """A service account may act as itself, and as nothing more than that."""
    k("create", "serviceaccount", "actor")
    namespace = k.json("get", "serviceaccount", "actor")["metadata"]["namespace"]
    k("create", "role", "acts", "--verb=impersonate", "--resource=serviceaccounts", "--resource-name=actor")
    k("create", "rolebinding", "acts", "--role=acts", f"--serviceaccount={namespace}:actor")
    token = f"--token={k('create', 'token', 'actor', '--duration=10m').strip()}"
    bearer, own = without_certificate.within(namespace), f"--as=system:serviceaccount:{namespace}:actor"
    groups = f"system:serviceaccounts:{namespace}"
    eventually(lambda: groups in bearer.tried("auth", "whoami", token, own)[1])
    for resource, more in (("groups", "--as-group=system:masters"), ("uids", "--as-uid=u1"), ("users", "--as=admin")):
        said = bearer.refused("get", "configmaps", token, own, more)
        assert f'cannot impersonate resource "{resource}"' in said


def test_a_token_for_an_audience_and_an_object(k: Any) -> None:
    k("create", "secret", "generic", "bound")
    token = k(
        "create", "token", "default", "--audience=vault", "--bound-object-kind=Secret", "--bound-object-name=bound"
    )
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == ["vault"]
    assert claims["kubernetes.io"]["secret"]["name"] == "bound"
    assert "may not specify a duration less than 10 minutes" in k.refused("create", "token", "default", "--duration=9m")


def test_certificates_are_approved_and_denied(whole: Any, token: str) -> None:
    for verb, condition in (("approve", "Approved"), ("deny", "Denied")):
        name = f"interop-{verb}-{token}"
        spec = {
            "request": base64.b64encode(_request("interop")).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        }
        kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
        whole("create", "-f", "-", stdin=json.dumps({**kind, "metadata": {"name": name}, "spec": spec}))
        try:
            assert whole("get", "csr", name, "--no-headers").split()[-1] == "Pending"
            said = whole("certificate", verb, name)
            assert said == f"certificatesigningrequest.certificates.k8s.io/{name} {condition.lower()}\n"
            found = whole.json("get", "csr", name)["status"]["conditions"]
            assert [(item["type"], item["status"]) for item in found] == [(condition, "True")]
        finally:
            whole("delete", "csr", name)


def _request(name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
