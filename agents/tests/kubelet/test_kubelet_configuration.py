"""What CRI and CNI are asked for."""

from pathlib import Path
from typing import Any

import pytest
from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.config import CniConfig
from tricenter.kubelet.node import cni
from tricenter.kubelet.pods import container, images, resources, sandbox, security, spec

NODE = sandbox.Node(
    name="n1",
    cluster_dns=("10.96.0.10",),
    cluster_domain="cluster.local",
    resolver=sandbox.Resolver(servers=("9.9.9.9",), searches=("example.org",), options=("rotate",)),
    logs=Path("/var/log/pods"),
    systemd_cgroups=False,
)


def a_pod(*containers: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = list(containers) or [{"name": "c", "image": "nginx"}]
    metadata = {"name": "web", "namespace": "shop", "uid": "u-1", "labels": {"app": "web"}}
    return {"metadata": metadata, "spec": {"containers": found, **more}}


def resourced(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> dict[str, Any]:
    return {"name": "c", "image": "x", "resources": {"requests": requests or {}, "limits": limits or {}}}


def test_sandbox():
    pod = a_pod({"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]})
    found = sandbox.config(pod, NODE, 2)
    assert found.hostname == "web"
    assert found.log_directory == "/var/log/pods/shop_web_u-1"
    assert found.labels["io.kubernetes.pod.uid"] == "u-1"
    assert found.labels["app"] == "web"
    assert [item.host_port for item in found.port_mappings] == [8080]
    assert found.linux.cgroup_parent == "/kubepods/besteffort/podu-1"
    assert found.metadata.attempt == 2


def test_namespaces_of_the_machine():
    options = security.namespaces(a_pod(hostNetwork=True, hostPID=True, hostIPC=True))
    assert (options.network, options.pid, options.ipc) == (cri.NODE, cri.NODE, cri.NODE)
    assert security.namespaces(a_pod(shareProcessNamespace=True)).pid == cri.POD
    assert security.namespaces(a_pod()).pid == cri.CONTAINER


CLUSTER = ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local")


@pytest.mark.parametrize(
    ("more", "servers", "searches", "options"),
    [
        ({}, ("10.96.0.10",), (*CLUSTER, "example.org"), ("ndots:5",)),
        ({"dnsPolicy": "Default"}, ("9.9.9.9",), ("example.org",), ("rotate",)),
        ({"hostNetwork": True}, ("9.9.9.9",), ("example.org",), ("rotate",)),
        (
            {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"},
            ("10.96.0.10",), (*CLUSTER, "example.org"), ("ndots:5",),
        ),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}, ("1.1.1.1",), (), ()),
        (
            {"dnsConfig": {"options": [{"name": "ndots", "value": "2"}], "searches": ["x"]}},
            ("10.96.0.10",), (*CLUSTER, "example.org", "x"), ("ndots:2",),
        ),
    ],
)  # fmt: skip
def test_dns(more: dict[str, Any], servers: tuple[str, ...], searches: tuple[str, ...], options: tuple[str, ...]):
    found = sandbox.dns(a_pod(**more), NODE)
    assert (found.servers, found.searches, found.options) == (servers, searches, options)


def test_resolv_conf():
    text = "# x\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch a b\noptions ndots:2 edns0\n"
    wanted = sandbox.Resolver(servers=("1.1.1.1", "2.2.2.2"), searches=("a", "b"), options=("ndots:2", "edns0"))
    assert sandbox.read_resolver(text) == wanted


@pytest.mark.parametrize(
    ("requests", "limits", "wanted"),
    [
        ({}, {}, "BestEffort"),
        ({"cpu": "1"}, {}, "Burstable"),
        ({"cpu": "1", "memory": "1Gi"}, {"cpu": "1000m", "memory": "1024Mi"}, "Guaranteed"),
        ({}, {"cpu": "1", "memory": "1Gi"}, "Guaranteed"),
        ({"memory": "1Gi"}, {"memory": "1Gi"}, "Burstable"),
    ],
)
def test_quality_of_service(requests: dict[str, str], limits: dict[str, str], wanted: str):
    assert resources.qos_class(a_pod(resourced(requests, limits))) == wanted


def test_kernel_numbers():
    item = resourced({"cpu": "250m", "memory": "1Gi"}, {"cpu": "500m", "memory": "2Gi"})
    found = resources.container_resources(a_pod(item), item, 4 * 1024**3)
    assert (found.cpu_shares, found.cpu_quota, found.cpu_period) == (256, 50_000, 100_000)
    assert found.memory_limit_in_bytes == 2 * 1024**3
    assert found.oom_score_adj == 750
    assert resources.shares(None) == 2


def test_control_group_of_systemd():
    pod = a_pod(resourced({"cpu": "1"}))
    assert resources.cgroup_parent(pod, systemd=True) == "kubepods-burstable-podu_1.slice"
    assert resources.cgroup_parent(pod, systemd=False) == "/kubepods/burstable/podu-1"


IMAGE = cri.Image(id="sha256:1", uid=cri.Int64Value(value=0))


def test_container():
    item = {"name": "c", "image": "nginx", "command": ["run", "$(A)"], "securityContext": {"runAsUser": 5}}
    found = container.config(
        a_pod(item), item, image=IMAGE, attempt=1, variables={"A": "1"}, mounts=[], machine_memory=1024**3
    )
    assert list(found.command) == ["run", "1"]
    assert found.log_path == "c/1.log"
    assert found.linux.security_context.run_as_user.value == 5
    assert found.annotations["io.kubernetes.container.hash"] == spec.container_hash(item)
    assert "/proc/kcore" in found.linux.security_context.masked_paths


def test_security_of_a_container_wins_over_the_pods():
    item = {
        "name": "c",
        "securityContext": {
            "capabilities": {"add": ["CAP_NET_ADMIN"], "drop": ["all"]},
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    pod = a_pod(item, securityContext={"runAsUser": 7, "fsGroup": 9, "supplementalGroups": [8]})
    found = security.container_security(pod, item, IMAGE)
    assert found.run_as_user.value == 7
    assert list(found.supplemental_groups) == [8, 9]
    assert (list(found.capabilities.add_capabilities), list(found.capabilities.drop_capabilities)) == (
        ["NET_ADMIN"],
        ["ALL"],
    )
    assert found.no_new_privs
    assert found.seccomp.profile_type == cri.SecurityProfile.RuntimeDefault


@pytest.mark.parametrize("image", [IMAGE, cri.Image(username="app")])
def test_run_as_non_root_is_kept(image: cri.Image):
    item = {"name": "c", "securityContext": {"runAsNonRoot": True}}
    with pytest.raises(security.SecurityError):
        security.container_security(a_pod(item), item, image)
    item["securityContext"]["runAsUser"] = 1000  # type: ignore[index]
    assert security.container_security(a_pod(item), item, image).run_as_user.value == 1000


@pytest.mark.parametrize(
    ("name", "policy"),
    [("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1", "IfNotPresent"), ("h:5000/nginx", "Always"),
     ("nginx@sha256:00", "IfNotPresent")],
)  # fmt: skip
def test_pull_policy(name: str, policy: str):
    assert images.pull_policy({"image": name}) == policy


@pytest.mark.parametrize("plugin", ["bridge", "ptp", "macvlan", "ipvlan", "vlan"])
def test_cni(plugin: str):
    found = cni.conflist(CniConfig(plugin=plugin), "10.101.4.0/24", 1500)
    main, portmap = found["plugins"]
    assert (main["type"], portmap["type"]) == (plugin, "portmap")
    assert main["ipam"]["ranges"] == [[{"subnet": "10.101.4.0/24"}]]
    assert not main.get("ipMasq")
    assert main["mtu"] == 1500
