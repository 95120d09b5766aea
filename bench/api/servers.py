"""The real etcd and the real API server on loopback, as processes of their own, and what they cost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import client
from apiserver_harness import Authority, EtcdProcess, free_port

from tricenter.apimachinery.schema import definitions

USER = "bench"
ADMIN = "admin"
_READY_SECONDS = 60.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Servers:
    """etcd and one API server of several processes; certificates that end with the folder."""

    def __init__(self, folder: Path, workers: int, etcd: str, image: Path | None = None) -> None:
        self.pki = folder / "pki"
        self.pki.mkdir()
        authority = Authority(self.pki)
        authority.issue("server", "kube-apiserver")
        authority.issue(ADMIN, "admin", "system:masters")
        authority.issue(USER, USER)
        authority.issue("sa", "unused")
        self.etcd = EtcdProcess(etcd, folder / "etcd", free_port(), free_port())
        self.port = free_port()
        self._log = folder / "apiserver.log"
        self._config = folder / "apiserver.yaml"
        self._config.write_text(json.dumps(self._settings(workers)))
        self._python = [sys.executable] if image is None else _python_of(image, folder)
        self._process: subprocess.Popen[bytes] | None = None

    def _settings(self, workers: int) -> dict[str, object]:
        return {
            "etcd": {"endpoints": [f"127.0.0.1:{self.etcd.port}"]},
            "cert": str(self.pki / "server.crt"),
            "key": str(self.pki / "server.key"),
            "client_ca": str(self.pki / "ca.crt"),
            "service_account_key": str(self.pki / "sa.key"),
            "listen": client.HOST,
            "port": self.port,
            "workers": workers,
        }

    def start(self) -> float:
        """Start the API server; seconds until every process of it answers that it is ready."""
        began = time.perf_counter()
        command = [*self._python, "-m", "tricenter.runtime.cli", "apiserver", "--config", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wanted = json.loads(self._config.read_text())["workers"]
        while not self._ready(wanted):
            if self._process.poll() is not None or time.perf_counter() - began > _READY_SECONDS:
                sys.exit(f"the API server does not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)
        return time.perf_counter() - began

    def _ready(self, wanted: int) -> bool:
        """Whether as many processes as wanted say so; the log is a line of JSON an event."""
        return self._log.read_text().count('"ready"') >= wanted

    def stop(self) -> None:
        """End the API server and forget its log."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
            self._process = None
            self._log.unlink()

    def processes(self) -> dict[str, int]:
        """The process ids by name: server-0 is the one that started the others."""
        assert self._process is not None  # noqa: S101  # asked only while it runs
        assert self.etcd.process is not None  # noqa: S101
        first = self._process.pid
        children = [int(pid) for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split()]
        workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return {"etcd": self.etcd.process.pid, **{f"server-{i}": pid for i, pid in enumerate([first, *workers])}}


_IN_IMAGE = """
set -e
image=$1 folder=$2 source=$3
shift 3
mount -t tmpfs tmpfs "$folder/image"
mkdir "$folder/image/upper" "$folder/image/work" "$folder/image/root"
cd "$folder/image"
mount -t overlay overlay -o "lowerdir=$image,upperdir=upper,workdir=work" root
mkdir -p "root/$folder" "root/$source"
mount --bind "$folder" "root/$folder"
mount --bind "$source" "root/$source"
mount --rbind /dev root/dev
mount --rbind /proc root/proc
exec chroot root "$@"
"""
"""In mounts of its own, so that nothing is left behind; each exec keeps the process id."""


def _python_of(image: Path, folder: Path) -> list[str]:
    """The command of the Python that the machines run, with our sources and the definitions that the wheel carries."""
    (folder / "image").mkdir()
    found = Path(f"kubernetes_validate/kubernetes-json-schema/v{definitions.LEVEL}.0-local/_definitions.json")
    carried = folder / found
    carried.parent.mkdir(parents=True)
    (folder / "kubernetes_validate/__init__.py").touch()
    shutil.copy(resources.files("kubernetes_validate").joinpath(*found.parts[1:]), carried)
    source = Path(__file__).parents[2] / "agents/src"
    inside = ["env", f"PYTHONPATH={source}:{folder}", "/opt/tricenter/venv/bin/python"]
    return ["unshare", "-m", "sh", "-c", _IN_IMAGE, "sh", str(image), str(folder), str(source), *inside]


def memory(pid: int) -> dict[str, float]:
    """Resident and proportional set size in MB."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in {"Rss", "Pss"}:
            sizes[name.lower()] = int(rest.split()[0]) / 1024
    return sizes


class Used:
    """The processor's time that a stretch took, and who took it."""

    def __init__(self, servers: Servers) -> None:
        self._pids = {**servers.processes(), "client": os.getpid()}
        self._began = {name: _seconds(pid) for name, pid in self._pids.items()}

    def notes(self, requests: int) -> dict[str, float]:
        """Each process's share of the time of all of them, and the servers' microseconds for one request."""
        used = {name: _seconds(pid) - self._began[name] for name, pid in self._pids.items()}
        total = sum(used.values()) or 1.0
        server = sum(seconds for name, seconds in used.items() if name.startswith("server"))
        shares = {f"{name} %": 100 * seconds / total for name, seconds in used.items()}
        return {**shares, "server us each": 1e6 * server / requests}


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def etcd_binary() -> str:
    """etcd where the tests look for it, too."""
    image = Path(os.environ.get("TRICENTER_STATE", "/var/lib/tricenter")) / "image/rootfs/usr/bin"
    found = os.environ.get("TRICENTER_ETCD") or shutil.which("etcd") or shutil.which("etcd", path=image)
    return found or sys.exit("no etcd on PATH nor in the replica's image, and TRICENTER_ETCD is not set")
