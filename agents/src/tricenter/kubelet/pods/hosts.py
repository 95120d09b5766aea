"""The managed /etc/hosts of a pod (upstream's ensureHostsFile)."""

from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]

HEADER = "# Kubernetes-managed hosts file.\n"
HOST_HEADER = "# Kubernetes-managed hosts file (host network).\n"
_LOCAL = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""


def content(pod: Object, addresses: Sequence[str], hostname: str, domain: str, machine_hosts: str | None) -> str:
    """The file's text; `machine_hosts` is the machine's own file for a pod in the host network, else None."""
    if machine_hosts is not None:
        return HOST_HEADER + machine_hosts + _aliases(pod)
    names = f"{_full_name(pod, hostname, domain)}\t{hostname}" if pod["spec"].get("subdomain") else hostname
    own = "".join(f"{address}\t{names}\n" for address in addresses)
    return HEADER + _LOCAL + own + _aliases(pod)


def _full_name(pod: Object, hostname: str, domain: str) -> str:
    return f"{hostname}.{pod['spec']['subdomain']}.{pod['metadata'].get('namespace', 'default')}.svc.{domain}"


def _aliases(pod: Object) -> str:
    aliases = pod["spec"].get("hostAliases") or []
    if not aliases:
        return ""
    lines = "".join(f"{item['ip']}\t{_names(item)}\n" for item in aliases)
    return f"\n# Entries added by HostAliases.\n{lines}"


def _names(alias: Object) -> str:
    return "\t".join(alias.get("hostnames") or [])
