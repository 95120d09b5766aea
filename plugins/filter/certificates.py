"""Which certificate each machine needs: the table of the site's PKI as a pure function of the inventory.

Four authorities, so that a stolen certificate of one world opens no door of another: `api` (the Kubernetes API and
the kubelets), `etcd`, `front-proxy` (aggregated API servers) and `registry`. Subjects are upstream's, see "PKI
certificates and requirements" in the Kubernetes documentation; `system:tricenter:*` are our own agents.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Certificate = dict[str, Any]

# What a certificate is good for (extended key usage).
SERVER, CLIENT = ["server"], ["client"]
BOTH = ["server", "client"]

# The words that follow the service's name in the names under which pods reach the API.
API_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")

AUTHORITIES = ("api", "etcd", "front-proxy", "registry")


def leaf(
    name: str, authority: str, common_name: str, organization: str = "", *, usages: list[str], sans: Iterable[str] = ()
) -> Certificate:
    """One row: file name, issuing authority, subject, usages and subject alternative names."""
    return {
        "name": name,
        "authority": authority,
        "common_name": common_name,
        "organization": organization,
        "usages": list(usages),
        "sans": list(dict.fromkeys(sans)),
    }


def own_names(host: str, variables: Mapping[str, Any]) -> list[str]:
    """The names and addresses under which others reach a machine."""
    return [host, str(variables["machine_address"])]


def etcd(host: str, variables: Mapping[str, Any]) -> list[Certificate]:
    """Voters: one certificate for clients, one among the members (both sides), one for the agent."""
    sans = [*own_names(host, variables), "127.0.0.1", "localhost"]
    return [
        leaf("etcd-server", "etcd", host, usages=BOTH, sans=sans),
        leaf("etcd-peer", "etcd", host, usages=BOTH, sans=sans),
        leaf("etcd-agent", "etcd", "tricenter-etcd-agent", usages=BOTH, sans=sans),
    ]


def control_plane(host: str, variables: Mapping[str, Any]) -> list[Certificate]:
    """The API server with its clients' certificates, and the agents beside it."""
    service = next(ipaddress.ip_network(variables["site_service_cidr"]).hosts())
    sans = [
        *API_NAMES,
        f"kubernetes.default.svc.{variables['site_cluster_domain']}",
        "localhost",
        "127.0.0.1",
        *own_names(host, variables),
        str(variables.get("ansible_host", host)),
        str(variables["site_api_address"]),
        str(service),
    ]
    return [
        leaf("apiserver", "api", "kube-apiserver", usages=SERVER, sans=sans),
        leaf("apiserver-etcd-client", "etcd", "kube-apiserver", usages=CLIENT),
        leaf("apiserver-kubelet-client", "api", "kube-apiserver-kubelet-client", "system:masters", usages=CLIENT),
        leaf("front-proxy-client", "front-proxy", "front-proxy-client", usages=CLIENT),
        leaf("controllers", "api", "system:kube-controller-manager", usages=CLIENT),
        leaf("scheduler", "api", "system:kube-scheduler", usages=CLIENT),
        leaf("dns", "api", "system:tricenter:dns", usages=CLIENT),
    ]


def node(host: str, variables: Mapping[str, Any]) -> list[Certificate]:
    """The kubelet on both sides, the proxy, and containerd as a client of the registry."""
    sans = own_names(host, variables)
    return [
        leaf("kubelet", "api", f"system:node:{host}", "system:nodes", usages=CLIENT),
        leaf("kubelet-server", "api", f"system:node:{host}", "system:nodes", usages=SERVER, sans=sans),
        leaf("proxy", "api", "system:kube-proxy", usages=CLIENT),
        leaf("containerd", "registry", host, usages=CLIENT),
    ]


def ingress(_host: str, _variables: Mapping[str, Any]) -> list[Certificate]:
    """The ingress agent as a client of the API."""
    return [leaf("ingress", "api", "system:tricenter:ingress", usages=CLIENT)]


def director(_host: str, _variables: Mapping[str, Any]) -> list[Certificate]:
    """The balancer agent as a client of the API."""
    return [leaf("balancer", "api", "system:tricenter:balancer", usages=CLIENT)]


def registry(host: str, variables: Mapping[str, Any]) -> list[Certificate]:
    """The registry as a server."""
    sans = [*own_names(host, variables), "127.0.0.1", "localhost"]
    return [leaf("registry", "registry", host, usages=SERVER, sans=sans)]


FUNCTIONS: dict[str, Callable[[str, Mapping[str, Any]], list[Certificate]]] = {
    "etcd": etcd,
    "control_plane": control_plane,
    "node": node,
    "ingress": ingress,
    "director": director,
    "registry": registry,
}

# The operator's own, kept on the control host.
OPERATOR = (
    leaf("admin", "api", "kubernetes-admin", "system:masters", usages=CLIENT),
    leaf("etcd-admin", "etcd", "tricenter-admin", usages=CLIENT),
    leaf("registry-admin", "registry", "tricenter-admin", usages=CLIENT),
)


def certificate_plan(hostvars: Mapping[str, Mapping[str, Any]], **functions: Iterable[str]) -> list[Certificate]:
    """Every certificate of the site, each with `path` (below the PKI folder, without suffix).

    The keyword arguments name the machines of each function: `certificate_plan(etcd=groups.etcd, node=groups.node)`.
    """
    unknown = set(functions) - set(FUNCTIONS)
    if unknown:
        message = f"certificate_plan: no function {min(unknown)}; there are {', '.join(FUNCTIONS)}"
        raise ValueError(message)
    plan = [{**row, "path": f"local/{row['name']}"} for row in OPERATOR]
    for function, hosts in functions.items():
        for host in hosts:
            rows = FUNCTIONS[function](host, hostvars[host])
            plan += [{**row, "path": f"hosts/{host}/{row['name']}"} for row in rows]
    return plan


def certificate_entries(
    names: Iterable[str],
    source: str,
    host: str,
    folder: str,
    *,
    private: bool = False,
    public: bool = False,
    owner: str = "root",
    group: str = "root",
) -> list[dict[str, Any]]:
    """Entries of a `converge` task for the trusted authorities and the named certificates of one machine."""
    trust = {"api": "ca.crt", "etcd": "etcd-ca.crt", "front-proxy": "front-proxy-ca.crt", "registry": "registry-ca.crt"}
    entries: list[dict[str, Any]] = [{"dest": folder, "state": "directory"}]
    entries += [{"dest": f"{folder}/{trust[name]}", "src": f"{source}/ca/{name}.crt"} for name in AUTHORITIES]
    entries.append({"dest": f"{folder}/ca-bundle.crt", "src": f"{source}/ca/api-bundle.crt"})
    keys = [(f"{source}/hosts/{host}/{name}", f"{folder}/{name}") for name in names]
    for origin, dest in keys:
        entries.append(
            {
                "dest": f"{dest}.key",
                "src": f"{origin}.key",
                "mode": "0600",
                "secret": True,
                "owner": owner,
                "group": group,
            }
        )
        entries.append({"dest": f"{dest}.crt", "src": f"{origin}.crt"})
    if private:
        entries.append({"dest": f"{folder}/sa.key", "src": f"{source}/sa.key", "mode": "0600", "secret": True})
    if public:
        entries.append({"dest": f"{folder}/sa.pub", "src": f"{source}/sa.pub"})
    return entries


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters of this file by name."""
        return {"certificate_plan": certificate_plan, "certificate_entries": certificate_entries}
