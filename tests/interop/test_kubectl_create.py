"""kubectl create with each generator, run, expose, autoscale: what is written is what upstream writes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from manifests import IMAGE, deployment, many

GENERATORS = {
    "configmap made --from-literal=a=b": ("configmap/made created", "{.data.a}", "b"),
    "secret generic made --from-literal=a=b": ("secret/made created", "{.data.a}", "Yg=="),
    "secret docker-registry reg --docker-server=r.example --docker-username=u --docker-password=p": (
        "secret/reg created", "{.type}", "kubernetes.io/dockerconfigjson",
    ),
    "serviceaccount made": ("serviceaccount/made created", "{.metadata.name}", "made"),
    "role made --verb=get,list --resource=pods,deployments.apps": (
        "role.rbac.authorization.k8s.io/made created", "{.rules[*].apiGroups[0]}", " apps",
    ),
    "rolebinding made --role=made --user=u --group=g": (
        "rolebinding.rbac.authorization.k8s.io/made created", "{.subjects[*].name}", "u g",
    ),
    "quota made --hard=pods=100,cpu=5": ("resourcequota/made created", "{.spec.hard.cpu}", "5"),
    "poddisruptionbudget made --selector=a=b --min-available=1": (
        "poddisruptionbudget.policy/made created", "{.spec.minAvailable}", "1",
    ),
    "ingress made --class=c --rule=made.example/x*=made:80,tls=t": (
        "ingress.networking.k8s.io/made created", "{.spec.rules[0].http.paths[0].pathType}", "Prefix",
    ),
    "service clusterip made --tcp=80:8080": ("service/made created", "{.spec.ports[0].targetPort}", "8080"),
    "service clusterip headless --clusterip=None": ("service/headless created", "{.spec.clusterIP}", "None"),
    "service nodeport np --tcp=80": ("service/np created", "{.spec.type}", "NodePort"),
    "service externalname en --external-name=x.example": ("service/en created", "{.spec.externalName}", "x.example"),
    "deployment made --image=busybox:1 --replicas=0": (
        "deployment.apps/made created", "{.spec.strategy.rollingUpdate.maxSurge}", "25%",
    ),
    "job made --image=busybox:1 -- true": ("job.batch/made created", "{.spec.backoffLimit}", "6"),
    "cronjob made --image=busybox:1 --schedule=@yearly": (
        "cronjob.batch/made created", "{.spec.concurrencyPolicy}", "Allow",
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", GENERATORS)
def test_create(k: Any, words: str) -> None:
    said, path, value = GENERATORS[words]
    assert k("create", *words.split()) == f"{said}\n"
    reference = said.split()[0]
    assert k("get", reference, "-o", f"jsonpath={path}") == value
    refused = k.refused("create", *words.split())
    assert refused.startswith(("Error from server (AlreadyExists)", "error: failed to create"))
    assert "already exists" in refused
    assert k("delete", reference, "--wait=false").endswith("deleted\n")


@pytest.mark.parametrize(
    "words",
    [
        "namespace {}",
        "clusterrole {} --verb=get --resource=nodes",
        "clusterrole {} --verb=get --non-resource-url=/logs/*",
        "clusterrole {} --aggregation-rule=aggregate=x{}",
        "clusterrolebinding {} --clusterrole=view --user=u",
        "priorityclass {} --value=1000 --preemption-policy=Never",
    ],
)
def test_create_what_has_no_namespace(whole: Any, token: str, words: str) -> None:
    name = f"interop-{token}-{abs(hash(words)) % 1000}"
    reference = whole("create", *words.format(name, token).split(), "-o", "name").strip()
    try:
        assert whole("get", reference, "-o", "name").strip() == reference
    finally:
        whole("delete", reference, "--wait=false")


def test_create_from_files(k: Any, tmp_path: Path) -> None:
    data = bytes(range(256))
    (tmp_path / "bytes").write_bytes(data)
    (tmp_path / "text").write_text("hello\n")
    k("create", "configmap", "files", f"--from-file={tmp_path}")
    made = k.json("get", "cm", "files")
    assert base64.b64decode(made["binaryData"]["bytes"]) == data
    assert made["data"] == {"text": "hello\n"}
    (tmp_path / "env").write_text("A=1\n# no\nB=two words\n")
    k("create", "secret", "generic", "env", f"--from-env-file={tmp_path / 'env'}")
    assert base64.b64decode(k.json("get", "secret", "env")["data"]["B"]) == b"two words"


def test_create_a_job_from_a_cron_job(k: Any) -> None:
    k("create", "cronjob", "source", f"--image={IMAGE}", "--schedule=@yearly")
    k("create", "job", "now", "--from=cronjob/source")
    assert k("get", "job", "now", "-o", "jsonpath={.metadata.ownerReferences[0].kind}") == "CronJob"


def test_create_with_a_generated_name(k: Any) -> None:
    text = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-"}}'
    names = {k("create", "-f", "-", "-o", "name", stdin=text) for _ in range(2)}
    assert len(names) == 2
    assert all(name.startswith("configmap/made-") for name in names)


def test_dry_run_stores_nothing(k: Any) -> None:
    assert k("create", "configmap", "dry", "--dry-run=server") == "configmap/dry created (server dry run)\n"
    assert k("create", "configmap", "dry", "--dry-run=client", "-o", "name") == "configmap/dry\n"
    defaulted = k(
        "create", "service", "clusterip", "dry", "--tcp=80", "--dry-run=server", "-o", "jsonpath={.spec.type}"
    )
    assert defaulted == "ClusterIP"
    assert k("get", "cm,service", "dry", "--ignore-not-found") == ""


def test_unknown_and_duplicate_fields(k: Any) -> None:
    wrong = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "unknown"}, "datas": {"a": "b"}}'
    said = k.refused("create", "-f", "-", "--validate=strict", stdin=wrong)
    assert 'strict decoding error: unknown field "datas"' in said
    twice = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "twice"}, "data": {"a": "1", "a": "2"}}'
    assert k("create", "-f", "-", "--validate=ignore", stdin=wrong) == "configmap/unknown created\n"
    assert k("create", "-f", "-", "--validate=ignore", stdin=twice) == "configmap/twice created\n"


def test_an_invalid_object_is_refused_field_by_field(k: Any) -> None:
    said = k.refused("create", "service", "clusterip", "Bad_Name", "--tcp=80")
    assert 'Service "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a DNS-1035 label' in said
    broken = deployment("broken")
    broken["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    said = k.refused("create", "-f", "-", stdin=many(broken))
    assert "`selector` does not match template `labels`" in said
    assert 'no matches for kind "None" in version "v1"' in k.refused(
        "create", "-f", "-", stdin='{"apiVersion":"v1","kind":"None"}'
    )


def test_run_makes_a_pod(k: Any) -> None:
    said = k("run", "ran", f"--image={IMAGE}", "--labels=a=b", "--env=X=1", "--port=80", "--expose")
    assert said == "service/ran created\npod/ran created\n"
    made = k.json("get", "pod", "ran")
    assert made["spec"]["containers"][0]["env"] == [{"name": "X", "value": "1"}]
    assert k("get", "service", "ran", "-o", "jsonpath={.spec.selector.a}") == "b"
    k("delete", "pod/ran", "service/ran", "--now")


def test_expose_and_autoscale(k: Any) -> None:
    k("create", "-f", "-", stdin=many(deployment("web", 0)))
    assert k("expose", "deployment/web", "--port=80", "--target-port=8080") == "service/web exposed\n"
    assert k.json("get", "service", "web")["spec"]["selector"] == {"app": "web"}
    assert k("expose", "service/web", "--port=443", "--name=again") == "service/again exposed\n"
    said = k("autoscale", "deployment", "web", "--min=1", "--max=3", "--cpu-percent=80")
    assert said == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    assert k.json("get", "hpa", "web")["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 80
    older = k.json("get", "horizontalpodautoscalers.v1.autoscaling", "web")
    assert older["spec"]["targetCPUUtilizationPercentage"] == 80
