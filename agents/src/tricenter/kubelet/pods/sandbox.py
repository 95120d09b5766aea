"""The configuration of a pod's sandbox: names, DNS, ports, namespaces, control group."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cri_api.v1 import api_pb2 as cri

from tricenter.kubelet.cri import labels
from tricenter.kubelet.pods import resources, security, spec

Object = dict[str, Any]

HOSTNAME_LENGTH = 63
_PROTOCOLS = {"TCP": cri.TCP, "UDP": cri.UDP, "SCTP": cri.SCTP}


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """A resolver configuration: resolv.conf(5)."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a sandbox takes from its node."""

    name: str
    cluster_dns: tuple[str, ...]
    cluster_domain: str
    resolver: Resolver
    logs: Path
    systemd_cgroups: bool


def config(pod: Object, node: Node, attempt: int) -> cri.PodSandboxConfig:
    """What the runtime is asked for; the same for every container of the sandbox."""
    uid, namespace, name = spec.uid(pod), spec.namespace(pod), spec.name(pod)
    own = dict(pod["metadata"].get("labels") or {})
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=name, uid=uid, namespace=namespace, attempt=attempt),
        hostname="" if spec.host_network(pod) else hostname(pod),
        log_directory=str(log_directory(node.logs, pod)),
        dns_config=_dns_message(dns(pod, node)),
        port_mappings=[] if spec.host_network(pod) else port_mappings(pod),
        labels={**own, labels.POD_NAME: name, labels.POD_NAMESPACE: namespace, labels.POD_UID: uid},
        annotations=dict(pod["metadata"].get("annotations") or {}),
        linux=cri.LinuxPodSandboxConfig(
            cgroup_parent=resources.cgroup_parent(pod, systemd=node.systemd_cgroups),
            security_context=security.sandbox_security(pod),
            sysctls=_sysctls(pod),
        ),
    )


def hostname(pod: Object) -> str:
    """The pod's host name: spec.hostname or its name, cut to what a host name may have."""
    return str(pod["spec"].get("hostname") or spec.name(pod))[:HOSTNAME_LENGTH].rstrip("-.")


def log_directory(logs: Path, pod: Object) -> Path:
    """Upstream's folder of a pod's logs."""
    return logs / f"{spec.namespace(pod)}_{spec.name(pod)}_{spec.uid(pod)}"


def port_mappings(pod: Object) -> list[cri.PortMapping]:
    """Host ports of all containers."""
    return [
        cri.PortMapping(
            protocol=_PROTOCOLS[port.get("protocol", "TCP")],
            container_port=port["containerPort"],
            host_port=port["hostPort"],
            host_ip=port.get("hostIP", ""),
        )
        for container in spec.all_containers(pod)
        for port in container.get("ports") or []
        if port.get("hostPort")
    ]


def dns(pod: Object, node: Node) -> Resolver:
    """The resolver of a pod by its dnsPolicy and dnsConfig (upstream's dns.Configurer)."""
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and spec.host_network(pod):
        policy = "Default"
    if policy == "None":
        base = Resolver()
    elif policy == "Default":
        base = node.resolver
    else:
        domain = node.cluster_domain
        cluster = (f"{spec.namespace(pod)}.svc.{domain}", f"svc.{domain}", domain)
        searches = (*cluster, *(item for item in node.resolver.searches if item not in cluster))
        base = Resolver(servers=node.cluster_dns, searches=searches, options=("ndots:5",))
    return _with_config(base, pod["spec"].get("dnsConfig") or {})


def _with_config(base: Resolver, extra: Object) -> Resolver:
    own = {item["name"]: item.get("value") for item in extra.get("options") or []}
    kept = [item for item in base.options if item.split(":")[0] not in own]
    options = [f"{name}:{value}" if value else name for name, value in own.items()]
    return Resolver(
        servers=tuple(dict.fromkeys((*base.servers, *(extra.get("nameservers") or [])))),
        searches=tuple(dict.fromkeys((*base.searches, *(extra.get("searches") or [])))),
        options=(*kept, *options),
    )


def read_resolver(text: str) -> Resolver:
    """The resolver configuration in the text of a resolv.conf."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *names]:
                searches = tuple(name for name in names if name != ".")
            case ["options", *names]:
                options += names
    return Resolver(servers=tuple(servers), searches=searches, options=tuple(options))


def _dns_message(resolver: Resolver) -> cri.DNSConfig:
    return cri.DNSConfig(servers=resolver.servers, searches=resolver.searches, options=resolver.options)


def _sysctls(pod: Object) -> dict[str, str]:
    context = pod["spec"].get("securityContext") or {}
    return {item["name"]: item["value"] for item in context.get("sysctls") or []}
