"""What the tests of the API server start: etcd, certificates, a server."""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import datetime as dt
import io
import ipaddress
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tricenter.apiserver.assembly import Parts
from tricenter.apiserver.config import Config, EtcdConfig

START_SECONDS = 120.0
_SHARES = 8
_chosen = random.SystemRandom()  # not the common one, which hypothesis gives the same seed everywhere
_given: collections.deque[int] = collections.deque(maxlen=100)
"""Ports that may not be listened on yet."""


def free_port() -> int:
    """A port that nobody listens on, below those that the kernel gives to connections.

    Of these any would do until the moment at which somebody's connection has it: what is to listen comes later, or
    comes back after a while, in which who asks for it might even be connected with himself. Each of the processes that
    share the tests has ports of its own, for the same reason.
    """
    first, _, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().partition("\t")
    least, beyond = min(12_000, int(first) // 2), min(30_000, int(first))
    share = (beyond - least) // _SHARES
    least += share * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SHARES)
    while True:
        port = _chosen.randrange(least, least + share)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.append(port)
            return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class EtcdProcess:
    """One etcd on loopback with its own data."""

    binary: str
    folder: Path
    port: int
    peer: int
    process: subprocess.Popen[bytes] | None = None
    pki: Path | None = None
    """Certificates of the server and the authority of its clients; without them connections are plain."""
    name: str = "default"
    cluster: str = ""
    """`--initial-cluster` of a member that is not alone."""

    def start(self) -> None:
        client, peer = f"http{'s' if self.pki else ''}://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.peer}"
        arguments = [
            self.binary,
            "--name",
            self.name,
            "--data-dir",
            str(self.folder),
            "--listen-client-urls",
            client,
            "--advertise-client-urls",
            client,
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            self.cluster or f"{self.name}={peer}",
            "--unsafe-no-fsync",
            "--log-level",
            "error",
        ]
        if self.pki is not None:
            pair = ["--cert-file", str(self.pki / "server.crt"), "--key-file", str(self.pki / "server.key")]
            arguments += [*pair, "--client-cert-auth", "--trusted-ca-file", str(self.pki / "ca.crt")]
        log = self.folder.with_suffix(".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(arguments, stdout=output, stderr=output)
        deadline = time.monotonic() + START_SECONDS
        while not _listens(self.port):
            assert self.process.poll() is None, f"etcd has ended at its start: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, "etcd does not start"
            time.sleep(0.01)
        assert self.process.poll() is None, f"somebody else listens on port {self.port}"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Have it stand still with its connections open; on a busy machine it may answer until the signal is there."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop, and give back the disk: each data folder takes 128 MB however little is in it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


# --- certificates ---


class Authority:
    """A CA that signs client and server certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.write("ca", _name("ca"), self.key, ca=True)

    def write(
        self, file: str, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool = False, host: str = ""
    ) -> None:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(_name("ca"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            names: list[x509.GeneralName] = [address, *([x509.DNSName(host)] if host else [])]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        (self.folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{file}.key").write_bytes(key.private_bytes(*form))

    def issue(self, file: str, name: str, group: str = "", host: str = "") -> None:
        self.write(file, _name(name, group), ec.generate_private_key(ec.SECP256R1()), host=host)


def _name(name: str, group: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


# --- servers ---


def make_config(etcd: EtcdProcess, pki: Path, **changes: Any) -> Config:
    settings: dict[str, Any] = {
        "etcd": EtcdConfig(endpoints=(f"127.0.0.1:{etcd.port}",), timeout=60.0),
        "cert": pki / "server.crt",
        "key": pki / "server.key",
        "client_ca": pki / "ca.crt",
        "service_account_key": pki / "sa.key",
        "listen": "127.0.0.1",
        "port": free_port(),
        "shutdown_seconds": 1.0,
    }
    return Config(**{**settings, **changes})


@contextlib.asynccontextmanager
async def loops(made: Parts) -> AsyncIterator[None]:
    """What runs beside a server's requests."""
    running = {asyncio.create_task(work) for work in (made.mirror.run(), made.extensions.run(), made.definitions.run())}
    await asyncio.wait_for(made.mirror.synced.wait(), START_SECONDS)
    yield
    for task in running:
        task.cancel()
    await asyncio.wait(running)
    await made.services.close()
    await made.etcd.close()


class Running:
    """A server in this process, and a client of it."""

    def __init__(self, parts: Parts, session: aiohttp.ClientSession) -> None:
        self.parts = parts
        self.base = f"https://127.0.0.1:{parts.config.port}"
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status code and decoded body."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        async with self.session.request(method, self.base + path, headers=named, **data) as answer:
            return answer.status, await answer.json(content_type=None)

    @contextlib.asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator[Events]:
        """The events of a watch that is open while the context is."""
        async with self.session.get(self.base + path, read_bufsize=4 << 20) as answer:
            assert answer.status == 200, await answer.text()
            yield Events(answer)


@dataclass
class Events:
    """What a watch says."""

    answer: aiohttp.ClientResponse

    async def next(self, seconds: float = 60.0) -> dict[str, Any] | None:
        """The next event; None when the watch has ended. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            line = await self.answer.content.readline()
        event: dict[str, Any] | None = orjson.loads(line) if line else None
        return event

    async def short(self, count: int) -> list[tuple[str, str, int]]:
        """Type, name and resource version of the next events."""
        found = []
        for _ in range(count):
            event = await self.next()
            assert event is not None, "the watch has ended"
            metadata = event["object"]["metadata"]
            found.append((event["type"], metadata.get("name", ""), int(metadata.get("resourceVersion", "0"))))
        return found

    async def silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing more comes; the watch is of no use after that."""
        try:
            return await self.next(seconds) is None
        except TimeoutError:
            return True


# --- what the server calls ---


class Peer:
    """An HTTPS server on loopback that a Service `name` in a namespace stands for, with a CA of its own."""

    def __init__(self, folder: Path, name: str, namespace: str = "default") -> None:
        folder.mkdir()
        self.name, self.namespace, self.folder = name, namespace, folder
        Authority(folder).issue("serving", name, host=f"{name}.{namespace}.svc")
        self.port = free_port()
        self.bundle = base64.b64encode((folder / "ca.crt").read_bytes()).decode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "serving.crt", folder / "serving.key")

    @contextlib.asynccontextmanager
    async def serving(self, handler: Any) -> AsyncIterator[None]:
        """Answer with `handler` while the context is open."""
        server = web.Server(handler, access_log=None)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(server, "127.0.0.1", self.port, ssl=self.context)
        try:
            yield
        finally:
            listener.close()
            await server.shutdown(1.0)

    async def join(self, server: Running) -> None:
        """Make the Service and its EndpointSlice; the latter in etcd, for the API takes no address of loopback."""
        metadata = {"name": self.name, "namespace": self.namespace}
        service = {"metadata": metadata, "spec": {"clusterIP": "None", "ports": [{"name": "https", "port": 443}]}}
        code, answer = await server.call("POST", f"/api/v1/namespaces/{self.namespace}/services", service)
        assert code == 201, answer
        labels = {"kubernetes.io/service-name": self.name}
        endpoints = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**metadata, "labels": labels, "uid": self.name, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}],
        }
        await server.parts.store.create(f"/registry/endpointslices/{self.namespace}/{self.name}", endpoints)
        await server.parts.fresh.wait()


def client_session(pki: Path, user: str = "") -> aiohttp.ClientSession:
    """A session that presents a user's certificate."""
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if user:
        context.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
