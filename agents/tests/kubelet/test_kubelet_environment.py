"""What a container finds in its environment and its files."""

import base64
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.pods import env, expansion, fields, hosts

POD: dict[str, Any] = {
    "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web", "a": 'x"y'}},
    "spec": {"serviceAccountName": "default", "containers": [{"name": "c"}]},
}
CONTEXT = fields.Context(
    node_name="n1",
    host_addresses=("10.1.1.21",),
    pod_addresses=("10.101.0.2",),
    allocatable={"memory": "1Gi", "cpu": "1900m"},
)


def service(name: str, namespace: str, address: str, *ports: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": address, "ports": list(ports)}}


KUBERNETES = service("kubernetes", "default", "10.96.0.1", {"name": "https", "port": 443, "protocol": "TCP"})
DATABASE = service(
    "my-db", "shop", "10.96.3.4", {"name": "sql", "port": 5432}, {"name": "log-in", "port": 53, "protocol": "UDP"}
)


def test_variables_of_services_are_docker_links():
    found = env.service_variables([KUBERNETES, DATABASE], "shop", links=True)
    assert found["MY_DB_SERVICE_HOST"] == "10.96.3.4"
    assert found["MY_DB_SERVICE_PORT"] == "5432"
    assert found["MY_DB_SERVICE_PORT_LOG_IN"] == "53"
    assert found["MY_DB_PORT"] == "tcp://10.96.3.4:5432"
    assert found["MY_DB_PORT_53_UDP_ADDR"] == "10.96.3.4"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


def test_only_services_of_the_own_namespace_and_kubernetes_are_seen():
    assert "MY_DB_SERVICE_HOST" not in env.service_variables([KUBERNETES, DATABASE], "other", links=True)
    assert "MY_DB_SERVICE_HOST" not in env.service_variables([KUBERNETES, DATABASE], "shop", links=False)
    assert "KUBERNETES_PORT" in env.service_variables([KUBERNETES, DATABASE], "other", links=False)


def test_headless_services_have_no_variables():
    assert env.service_variables([service("x", "shop", "None", {"port": 1})], "shop", links=True) == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("$A $", "$A $"),
        ("$$$(A)", "$1"),
        ("$(A)$(A)", "11"),
    ],
)
def test_expansion(text: str, wanted: str):
    assert expansion.expand(text, {"A": "1"}) == wanted


async def lookup(kind: str, namespace: str, name: str) -> dict[str, Any] | None:
    assert namespace == "shop"
    objects = {
        ("ConfigMap", "cm"): {"data": {"color": "blue", "with=sign": "x"}},
        ("Secret", "sec"): {"data": {"password": base64.b64encode(b"s3").decode()}},
    }
    return objects.get((kind, name))


async def variables(*entries: dict[str, Any], **container: Any) -> dict[str, str]:
    return await env.container_variables(
        POD, {"name": "c", "env": list(entries), **container}, services={"S": "svc"}, lookup=lookup, context=CONTEXT
    )


async def test_values_refer_to_what_was_defined_before():
    found = await variables({"name": "A", "value": "$(S)-$(B)"}, {"name": "B", "value": "$(A)"})
    assert (found["A"], found["B"]) == ("svc-$(B)", "svc-$(B)")


async def test_values_from_objects_fields_and_resources():
    found = await variables(
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "color"}}},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "password"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "k", "optional": True}}},
        resources={"requests": {"cpu": "250m"}},
    )
    assert {name: found[name] for name in ("C", "P", "IP", "L", "M", "CPU")} == {
        "C": "blue", "P": "s3", "IP": "10.101.0.2", "L": "web", "M": "1024", "CPU": "1",
    }  # fmt: skip
    assert "NONE" not in found


async def test_env_from_takes_what_can_be_a_variable():
    found = await variables(envFrom=[{"prefix": "X_", "configMapRef": {"name": "cm"}}])
    assert found == {"S": "svc", "X_color": "blue"}


async def test_a_missing_object_keeps_the_container_from_starting():
    with pytest.raises(env.EnvError, match='configmap "no" not found'):
        await variables({"name": "C", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "color"}}})
    with pytest.raises(env.EnvError, match="couldn't find key size"):
        await variables({"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "size"}}})


def test_labels_as_a_file():
    assert fields.field(POD, "metadata.labels", CONTEXT) == 'a="x\\"y"\napp="web"'


def test_hosts_file():
    pod = {**POD, "spec": {"subdomain": "sub", "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]}}
    text = hosts.content(pod, ["10.101.0.2"], "web", "cluster.local", None)
    assert "10.101.0.2\tweb.sub.shop.svc.cluster.local\tweb\n" in text
    assert text.endswith("1.2.3.4\ta\tb\n")
    assert hosts.content(POD, [], "web", "cluster.local", "::1 me\n").endswith("::1 me\n")


async def test_bytes_of_a_secret_that_are_no_text_reach_the_container_as_upstream_writes_them():
    """Upstream's 1.33 passes the bytes on, and Go writes U+FFFD for each of them into the OCI bundle."""

    async def binary(*_: str) -> dict[str, Any]:
        return {"data": {"k": base64.b64encode("ä".encode() + b"\xff\xe2\x82!").decode()}}

    entry = {"name": "B", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "k"}}}
    found = await env.container_variables(
        POD, {"name": "c", "env": [entry]}, services={}, lookup=binary, context=CONTEXT
    )
    assert found == {"B": "ä\ufffd\ufffd\ufffd!"}
    assert cri.KeyValue(key="B", value=found["B"]).SerializeToString()
