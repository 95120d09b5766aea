"""The last good configuration stays; one bad object does not stop the others."""

import base64
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from test_ingress_decide import Objects, ingress, path, rule

from tricenter.ingress import certificates, nginx, render
from tricenter.ingress.config import Config
from tricenter.ingress.model import Problem
from tricenter.ingress.publisher import Publisher
from tricenter.runtime.config import ApiConfig

CLASS = {
    "metadata": {"name": "tricenter", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
    "spec": {"controller": "tricenter.io/ingress"},
}


class Cluster(Objects):
    def __init__(self, *ingresses: dict[str, Any]) -> None:
        super().__init__()
        self.items = list(ingresses)

    def ingresses(self) -> list[dict[str, Any]]:
        return self.items

    def classes(self) -> list[dict[str, Any]]:
        return [CLASS]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    api = ApiConfig(server="", ca=tmp_path, cert=tmp_path, key=tmp_path)
    return Config(
        api=api,
        host="east1-node1",
        machine_address="127.0.0.1",
        addresses=("203.0.113.10",),
        zone="east1",
        state_dir=tmp_path,
        site_file=tmp_path / "site.conf",
        pid_file=tmp_path / "none.pid",
    )


class Run:
    """A publisher with what it told."""

    def __init__(self, config: Config, cluster: Cluster) -> None:
        self.problems: list[Problem] = []
        self.served: list[str] = []
        self.publisher = Publisher(
            config,
            cluster,
            lambda _ingress, problem: self.problems.append(problem),
            lambda items: setattr(self, "served", [item["metadata"]["name"] for item in items]),
        )


async def accept(_config: Config, _text: str) -> None:
    return


async def test_a_change_reaches_nginx_and_the_status(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "test", accept)
    run = Run(config, Cluster(ingress(rules=[rule(path("/"))])))
    await run.publisher.publish()
    assert "server_name shop.example;" in config.site_file.read_text()
    assert run.served == ["shop"]


async def test_one_refused_ingress_does_not_stop_the_others(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    async def judge(_config: Config, text: str) -> None:
        if "bad.example" in text:
            raise nginx.NginxError("bad.example is not to my taste")

    monkeypatch.setattr(nginx, "test", judge)
    bad = ingress("bad", rules=[rule(path("/"), host="bad.example")])
    run = Run(config, Cluster(bad, ingress(rules=[rule(path("/"))])))
    await run.publisher.publish()
    assert "shop.example" in config.site_file.read_text()
    assert [(problem.ingress, problem.reason) for problem in run.problems] == [("default/bad", "Refused")]
    assert run.served == ["shop"]
    await run.publisher.publish()
    assert len(run.problems) == 1


async def test_a_refused_ingress_among_many_is_found_by_halves(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question starts nginx on the whole configuration, and no other change is served meanwhile."""
    asked = 0

    async def judge(_config: Config, text: str) -> None:
        nonlocal asked
        asked += 1
        if "bad.example" in text:
            raise nginx.NginxError("bad.example is not to my taste")

    monkeypatch.setattr(nginx, "test", judge)
    items = [ingress(f"i{number}", rules=[rule(path("/"), host=f"h{number}.example")]) for number in range(64)]
    items[41] = ingress("bad", rules=[rule(path("/"), host="bad.example")])
    run = Run(config, Cluster(*items))
    await run.publisher.publish()
    assert [problem.ingress for problem in run.problems] == ["default/bad"]
    assert len(run.served) == 63
    site = config.site_file.read_text()
    assert all(f"server_name h{number}.example;" in site for number in range(64) if number != 41)
    assert asked <= 16


async def test_the_last_good_configuration_stays(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_config: Config, _text: str) -> None:
        raise nginx.NginxError("no")

    config.site_file.write_text("good")
    monkeypatch.setattr(nginx, "test", refuse)
    with pytest.raises(nginx.NginxError):
        await Run(config, Cluster(ingress(rules=[rule(path("/"))]))).publisher.publish()
    assert config.site_file.read_text() == "good"


async def test_a_problem_is_told_once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "test", accept)
    tls = [{"hosts": ["shop.example"], "secretName": "cert"}]  # its content is no key pair
    run = Run(config, Cluster(ingress(rules=[rule(path("/"))], tls=tls)))
    await run.publisher.publish()
    await run.publisher.publish()
    assert [problem.reason for problem in run.problems] == ["CertificateUnavailable"]


def test_the_own_certificate_is_private_and_kept(tmp_path: Path) -> None:
    own = tmp_path / "tls" / f"{render.OWN_CERTIFICATE}.pem"
    certificates.ensure_own(own)
    first = own.read_bytes()
    assert own.stat().st_mode & 0o777 == 0o600
    assert certificates.fault(own.parent, first) == ""
    certificates.ensure_own(own)
    assert own.read_bytes() == first


def key_pair(*, password: bytes | None = None) -> tuple[bytes, bytes]:
    """A certificate and its key, encrypted where there is a password."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), pem


def secret(certificate: bytes, key: bytes) -> dict[str, Any]:
    return {"data": {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}}


def test_an_encrypted_key_is_refused_without_a_question(tmp_path: Path) -> None:
    """OpenSSL's own answer is to ask the agent's terminal for the passphrase."""
    assert "encrypted" in certificates.fault(tmp_path, b"".join(key_pair(password=b"secret")))


async def test_only_the_host_of_a_bad_secret_suffers(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "test", accept)
    good, other = key_pair(), key_pair()
    cluster = Cluster(
        *(
            ingress(name, rules=[rule(path("/"), host=f"{name}.example")], tls=[{"secretName": name}])
            for name in ("encrypted", "foreign", "good")
        )
    )
    cluster.secrets = {
        "default/encrypted": secret(*key_pair(password=b"secret")),
        "default/foreign": secret(good[0], other[1]),
        "default/good": secret(*good),
    }
    run = Run(config, cluster)
    await run.publisher.publish()
    assert sorted((one.ingress, one.reason) for one in run.problems) == [
        ("default/encrypted", "CertificateUnavailable"),
        ("default/foreign", "CertificateUnavailable"),
    ]
    shown = [line for line in config.site_file.read_text().splitlines() if "ssl_certificate " in line]
    assert [render.OWN_CERTIFICATE in line for line in shown] == [True, True, True, False]


async def test_a_refused_ingress_is_served_once_what_it_leads_to_is_mended(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Ingress itself was not at fault, and so nobody changes it."""

    async def judge(_config: Config, text: str) -> None:
        if "server 10.101.0.5" in text:
            raise nginx.NginxError("not there")

    monkeypatch.setattr(nginx, "test", judge)
    cluster = Cluster(ingress(rules=[rule(path("/"))]))
    run = Run(config, cluster)
    await run.publisher.publish()
    await run.publisher.publish()
    assert [problem.reason for problem in run.problems] == ["Refused"]
    assert "shop.example" not in config.site_file.read_text()
    cluster.endpoints["default/shop"] = [{"addresses": ["10.101.0.9"], "zone": "east1", "conditions": {}}]
    await run.publisher.publish()
    assert "shop.example" in config.site_file.read_text()
    assert run.served == ["shop"]
