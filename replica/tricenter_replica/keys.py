"""ssh keys: one that opens every machine, and a host key for each machine."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .plan import Site
from .state import State, write_text

SSH_CONFIG = """\
# Written by the replica: ssh -F {path} MACHINE
{hosts}
Host *
  User root
  IdentityFile {key}
  IdentitiesOnly yes
  UserKnownHostsFile {known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  LogLevel ERROR
  ConnectTimeout 10
"""


def public(path: Path) -> str:
    """Return the public key of `path` in OpenSSH's format; the private key is made if there is none."""
    if not path.is_file():
        key = Ed25519PrivateKey.generate()
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        ).decode()
        write_text(path, text, mode=0o600)
    private = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    openssh = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return openssh.decode()


def host_key(state: State, machine: str) -> tuple[str, str]:
    """Return a machine's private and public host key."""
    path = state.host_keys / machine
    text = public(path)
    return path.read_text(), text


def write_client_files(state: State, site: Site) -> bool:
    """Write ssh_config and known_hosts; return whether either differed."""
    known = [f"{machine.name},{machine.management} {host_key(state, machine.name)[1]}\n" for machine in site.machines]
    hosts = "".join(f"Host {machine.name}\n  HostName {machine.management}\n" for machine in site.machines)
    config = SSH_CONFIG.format(path=state.ssh_config, hosts=hosts, key=state.ssh_key, known_hosts=state.known_hosts)
    changed = [write_text(state.known_hosts, "".join(known)), write_text(state.ssh_config, config)]
    return any(changed)


def remove_client_files(state: State) -> None:
    """Remove ssh_config and known_hosts: without machines they mean nothing."""
    for path in (state.known_hosts, state.ssh_config):
        path.unlink(missing_ok=True)
