"""The CNI configuration of a node (pure): https://www.cni.dev/docs/spec, version 1.0.0."""

import ipaddress
from typing import Any

from tricenter.kubelet.config import CniConfig

Object = dict[str, Any]

FILE = "10-tricenter.conflist"
VERSION = "1.0.0"


def conflist(config: CniConfig, pod_cidr: str, mtu: int) -> Object:
    """The list of plugins that connect a pod; no plugin translates addresses, the fabric routes them."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": pod_cidr}]], "routes": [{"dst": "0.0.0.0/0"}]}
    makers = {"bridge": _bridge, "ptp": _ptp, "macvlan": _macvlan, "ipvlan": _ipvlan, "vlan": _vlan}
    main = {**makers[config.plugin](config), "ipam": ipam}
    if mtu:
        main["mtu"] = mtu
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": VERSION, "name": "tricenter", "plugins": [main, portmap]}


def gateway(pod_cidr: str) -> str:
    """The address of the bridge: the first of the range, host-local's own choice."""
    return str(next(ipaddress.ip_network(pod_cidr).hosts()))


def _bridge(config: CniConfig) -> Object:
    return {
        "type": "bridge",
        "bridge": config.bridge,
        "isGateway": True,
        # a node that was registered anew may have another range than its bridge
        "forceAddress": True,
        "ipMasq": False,
        "hairpinMode": True,
    }


def _ptp(_config: CniConfig) -> Object:
    return {"type": "ptp", "ipMasq": False}


def _macvlan(config: CniConfig) -> Object:
    return {"type": "macvlan", "master": config.interface, "mode": "bridge"}


def _ipvlan(config: CniConfig) -> Object:
    # mode l3: the machine routes for its pods, as a range of their own needs
    return {"type": "ipvlan", "master": config.interface, "mode": "l3"}


def _vlan(config: CniConfig) -> Object:
    return {"type": "vlan", "master": config.interface, "vlanId": config.vlan_id}
