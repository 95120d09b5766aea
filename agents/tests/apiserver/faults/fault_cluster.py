"""Three etcd members and some API servers, each a process of its own on loopback, and what can be done to them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from apiserver_harness import EtcdProcess, free_port

import tricenter

_ETCD_START, _SERVER_START = 30.0, 60.0


@dataclass
class ServerProcess:
    """One API server."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def base(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        arguments = [
            sys.executable,
            "-m",
            "tricenter.runtime.cli",
            "apiserver",
            "--config",
            str(self.folder / "config.yaml"),
        ]
        path = str(Path(tricenter.__path__[0]).parent)
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": path}
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, env=environment)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@dataclass
class Cluster:
    """The processes."""

    folder: Path
    pki: Path
    members: list[EtcdProcess] = field(default_factory=list)
    servers: list[ServerProcess] = field(default_factory=list)

    @classmethod
    def make(cls, binary: str, folder: Path, pki: Path, servers: int) -> Cluster:
        cluster = cls(folder, pki)
        ports = [(free_port(), free_port()) for _ in range(3)]
        initial = ",".join(f"m{number}=http://127.0.0.1:{peer}" for number, (_, peer) in enumerate(ports))
        for number, (port, peer) in enumerate(ports):
            member = EtcdProcess(binary, folder / f"m{number}", port, peer, name=f"m{number}", cluster=initial)
            cluster.members.append(member)
        for number in range(servers):
            cluster.servers.append(cluster._server(number))
        return cluster

    def _server(self, number: int) -> ServerProcess:
        """A server that prefers a member of its own."""
        folder = self.folder / f"s{number}"
        folder.mkdir(parents=True)
        members = [self.members[(number + step) % 3] for step in range(3)]
        server = ServerProcess(folder, free_port())
        settings = {
            "etcd": {"endpoints": [f"127.0.0.1:{member.port}" for member in members]},
            "cert": str(self.pki / "server.crt"),
            "key": str(self.pki / "server.key"),
            "client_ca": str(self.pki / "ca.crt"),
            "service_account_key": str(self.pki / "sa.key"),
            "listen": "127.0.0.1",
            "port": server.port,
            "shutdown_seconds": 1.0,
        }
        (folder / "config.yaml").write_bytes(orjson.dumps(settings))
        return server

    def start(self) -> None:
        for member in self.members:
            member.start()
        deadline = time.monotonic() + _ETCD_START
        while self.leader() is None:
            assert time.monotonic() < deadline, "etcd has no leader"
            time.sleep(0.1)
        for server in self.servers:
            server.start()
        for server in self.servers:
            self.wait(server)

    @staticmethod
    def wait(server: ServerProcess) -> None:
        """Until it listens."""
        deadline = time.monotonic() + _SERVER_START
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", server.port)) == 0:
                    return
            assert server.process is not None
            assert server.process.poll() is None, server.log
            assert time.monotonic() < deadline, "a server does not start"
            time.sleep(0.1)

    def leader(self, among: Sequence[EtcdProcess] = ()) -> EtcdProcess | None:
        """The member that leads."""
        for member in among or self.members:
            arguments = [str(Path(member.binary).with_name("etcdctl")), "--endpoints", f"127.0.0.1:{member.port}"]
            asked = [*arguments, "--command-timeout", "1s", "endpoint", "status", "-w", "json"]
            answer = subprocess.run(asked, capture_output=True, check=False)
            if answer.returncode == 0:
                (status,) = orjson.loads(answer.stdout)
                if status["Status"].get("leader") == status["Status"]["header"]["member_id"]:
                    return member
        return None

    def stop(self) -> None:
        for server in self.servers:
            if server.process is not None:
                server.kill()
        for member in self.members:
            member.thaw()
            member.remove()


async def ready(session: aiohttp.ClientSession, server: ServerProcess) -> bool:
    """Whether it would announce itself."""
    try:
        async with session.get(f"{server.base}/readyz", timeout=aiohttp.ClientTimeout(3)) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
