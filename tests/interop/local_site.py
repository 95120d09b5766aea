"""A site of nothing but etcd, an API server and the controllers, on loopback: for cases that need no machine."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from apiserver_harness import Authority, EtcdProcess, free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 300.0
_USERS = {"admin": ("kubernetes-admin", "system:masters"), "controllers": ("system:kube-controller-manager", "")}


class LocalSite:
    """Starts the processes; `stop` ends them."""

    def __init__(self, etcd: str, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._etcd = EtcdProcess(etcd, folder / "etcd", free_port(), free_port())
        self._agents: dict[str, subprocess.Popen[bytes]] = {}
        self._keepers: list[threading.Thread] = []
        self._stopping = threading.Event()
        authority = Authority(folder)
        for file, (name, group) in {"server": ("kube-apiserver", ""), "sa": ("unused", ""), **_USERS}.items():
            authority.issue(file, name, group)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "admin.kubeconfig"

    def start(self) -> None:
        """Start everything and wait until the API is served."""
        self._etcd.start()
        server = f"https://127.0.0.1:{self.port}"
        files = {"cert": str(self.folder / "server.crt"), "key": str(self.folder / "server.key")}
        self._agent(
            "apiserver",
            etcd={"endpoints": [f"127.0.0.1:{self._etcd.port}"]},
            client_ca=str(self.folder / "ca.crt"),
            service_account_key=str(self.folder / "sa.key"),
            listen="127.0.0.1",
            port=self.port,
            **files,
        )
        self._write_kubeconfig(server)
        api = {"server": server, "ca": str(self.folder / "ca.crt")}
        api |= {name: str(self.folder / f"controllers.{end}") for name, end in (("cert", "crt"), ("key", "key"))}
        self._agent("controllers", api=api, center_pod_cidrs={}, root_ca=str(self.folder / "ca.crt"), metrics_port=0)
        self._wait(server)

    def stop(self) -> None:
        """End everything."""
        self._stopping.set()
        while any(keeper.is_alive() for keeper in self._keepers):
            for agent in list(self._agents.values()):
                agent.kill()
            time.sleep(0.05)
        self._etcd.remove()

    def _agent(self, name: str, **settings: Any) -> None:
        config = self.folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(settings))
        self._keepers.append(threading.Thread(target=self._keep, args=(name, config), daemon=True))
        self._keepers[-1].start()

    def _keep(self, name: str, config: Path) -> None:
        """Start the agent, and again when it ends, as systemd does: one that lost its lease does so on purpose."""
        command = [sys.executable, "-m", "tricenter.runtime.cli", name, "--config", str(config)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "agents/src")}
        with (self.folder / f"{name}.log").open("ab") as log:
            while not self._stopping.is_set():
                self._agents[name] = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
                self._agents[name].wait()
                self._stopping.wait(1.0)

    def _write_kubeconfig(self, server: str) -> None:
        user = {"client-certificate": str(self.folder / "admin.crt"), "client-key": str(self.folder / "admin.key")}
        cluster = {"server": server, "certificate-authority": str(self.folder / "ca.crt")}
        context = {"cluster": "local", "user": "admin"}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "local", "context": context}],
            "current-context": "local",
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    def _wait(self, server: str) -> None:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{server}/readyz", context=context, timeout=60):  # noqa: S310  # https
                    return
            except (urllib.error.URLError, OSError):
                log = (self.folder / "apiserver.log").read_text()[-2000:]
                assert time.monotonic() < deadline, f"the API server does not get ready\n{log}"
                time.sleep(0.2)
