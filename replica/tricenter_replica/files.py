"""Files that make a machine out of the golden image: name, addresses, keys. Pure.

Addresses are systemd-networkd's (systemd.network(5)), as they would be on a user's own servers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from .plan import Interface, Machine

METRIC = 1024
"""Metric of the default route of the rack, behind everything that BIRD learns."""

REMOUNT = """\
[Unit]
Description=Make this machine's control groups writable
DefaultDependencies=no
Before=sysinit.target systemd-journald.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -euc 'for group in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$group"; done'
"""
"""systemd-nspawn mounts the controllers of cgroup v1 read-only; the container engine writes them."""


GENERATORS = (
    *("systemd-debug-generator", "systemd-getty-generator", "systemd-gpt-auto-generator"),
    *("systemd-hibernate-resume-generator", "systemd-rc-local-generator", "systemd-run-generator"),
    *("systemd-ssh-generator", "systemd-system-update-generator", "systemd-sysv-generator", "systemd-tpm2-generator"),
)
"""Generators (systemd.generator(7)) that find nothing in a machine of the replica; an empty file masks one. With all of
them an emulated machine takes longer to boot and to read its units again."""


@dataclass(frozen=True)
class File:
    """A file of a machine."""

    content: str
    mode: int = 0o644


def machine_files(
    machine: Machine, *, virtual: bool, cgroup_v1: bool, authorized_key: str, host_key: str
) -> dict[str, File]:
    """Return the files of `machine`, by path."""
    own_name = machine.address or machine.management
    files = {
        "etc/hostname": File(f"{machine.name}\n"),
        "etc/hosts": File(f"127.0.0.1 localhost\n::1 localhost\n{own_name} {machine.name}\n"),
        "etc/machine-id": File(hashlib.sha256(host_key.encode()).hexdigest()[:32] + "\n", 0o444),
        "etc/resolv.conf": File("# Written by the replica: nothing outside the site is resolved.\n"),
        "root/.ssh/authorized_keys": File(f"{authorized_key}\n", 0o600),
        "etc/ssh/ssh_host_ed25519_key": File(host_key, 0o600),
        "etc/fstab": File(""),
    }
    files.update(_network(machine, rename=virtual))
    if virtual:
        files.update({f"etc/systemd/system-generators/{name}": File("") for name in GENERATORS})
    if cgroup_v1 and not virtual:
        unit = "etc/systemd/system/tricenter-replica-cgroups.service"
        files[unit] = File(REMOUNT)
        files["etc/systemd/system/sysinit.target.d/10-tricenter-replica.conf"] = File(
            "[Unit]\nRequires=tricenter-replica-cgroups.service\n"
        )
    return files


def links_init(delays_ms: Mapping[tuple[str, str], float]) -> str:
    """Return the first process of the machine that adds delay: `delays_ms` by the addresses of a cable's two ports."""
    lines = [
        "#!/bin/sh",
        "# Joins the two ports of each cable and delays what leaves them.",
        "mount -t proc proc /proc; mount -t sysfs sys /sys",
        "modprobe bridge; modprobe sch_netem",
        'port() { grep -lx "$1" /sys/bus/virtio/devices/*/net/*/address | cut -d/ -f8; }',
    ]
    for index, ((a, b), delay) in enumerate(delays_ms.items()):
        lines.append(f"ip link add br{index} type bridge mcast_snooping 0 && ip link set br{index} up")
        lines += [
            f'p=$(port {mac}); ip link set "$p" master br{index} up; '
            f'tc qdisc add dev "$p" root netem delay {round(delay * 1000)}us limit 100000'
            for mac in (a, b)
        ]
    return "\n".join([*lines, "echo tricenter: links are ready > /dev/console", "exec sleep infinity", ""])


def _network(machine: Machine, *, rename: bool) -> dict[str, File]:
    folder = "etc/systemd/network"
    files = {}
    for interface in machine.interfaces:
        files[f"{folder}/10-{interface.name}.network"] = File(_interface(interface))
        if rename:
            link = f"[Match]\nMACAddress={interface.mac}\n\n[Link]\nName={interface.name}\nMACAddressPolicy=none\n"
            files[f"{folder}/10-{interface.name}.link"] = File(link)
    for name, address in machine.bridges:
        files[f"{folder}/05-{name}.netdev"] = File(
            f"[NetDev]\nName={name}\nKind=bridge\n\n[Bridge]\nSTP=no\nForwardDelaySec=0\nMulticastSnooping=no\n"
        )
        files[f"{folder}/05-{name}.network"] = File(
            f"[Match]\nName={name}\n\n[Network]\nAddress={address}\n{_QUIET}ConfigureWithoutCarrier=yes\n"
        )
    return files


_QUIET = "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"


def _interface(interface: Interface) -> str:
    lines = [f"[Match]\nName={interface.name}\n\n[Network]"]
    lines += [f"Address={address}" for address in interface.addresses]
    if interface.bridge:
        lines.append(f"Bridge={interface.bridge}")
    text = "\n".join(lines) + f"\n{_QUIET}"
    if interface.gateway:
        text += f"\n[Route]\nGateway={interface.gateway}\nMetric={METRIC}\n"
    return text
