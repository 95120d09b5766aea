#!/usr/bin/python
"""Makes and renews every key and certificate of the site in one folder of the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pki
short_description: The site's certificate authorities and certificates
description:
  - Makes a root, an intermediate authority for each name in I(authorities), every certificate in I(certificates),
    the key pair that signs service-account tokens, and an administrator's kubeconfig.
  - A certificate is renewed when less than a third of its life remains, when its subject, names, usages or issuer
    differ from what is asked, or when its key is missing. What is good stays, so a second run changes nothing.
  - Keys are ECDSA P-256 (the service-account key too), 0600, and appear in no result and no log.
options:
  dir:
    description: Folder of the control host.
    type: path
    required: true
  authorities:
    description: Names of the intermediate authorities.
    type: list
    elements: str
    required: true
  certificates:
    description: What to issue; see the filter C(certificate_plan).
    type: list
    elements: dict
    required: true
  days:
    description: Life of a certificate. An authority lives ten times as long.
    type: int
    default: 365
  kubeconfig:
    description:
      - C(path) (below I(dir)), C(servers), C(authority) and C(certificate) of the kubeconfig to write. It has a context
        for each of C(servers) (name to URL); the first is the current one, the others serve when its machine is down.
    type: dict
"""

EXAMPLES = r"""
- name: Certificates
  pki:
    dir: "{{ tricenter_pki_dir }}"
    authorities: [api, etcd]
    certificates: "{{ hostvars | certificate_plan(etcd=groups.etcd) }}"
"""

RETURN = r"""
changed_files:
  description: Files below I(dir) that were made anew.
  type: list
  elements: str
  returned: always
"""

import base64
import datetime as dt
import ipaddress
import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

# Machines whose clock is slow by less than this accept a fresh certificate.
CLOCK_SKEW = dt.timedelta(hours=1)

# An authority lives this many times as long as what it issues.
AUTHORITY_LIFE = 10


class Store:
    """The folder: reads what is there, writes what is new, remembers what changed."""

    def __init__(self, folder: str, *, check_mode: bool) -> None:
        self.folder = folder
        self.check_mode = check_mode
        self.changed: list[str] = []

    def read(self, path: str) -> bytes | None:
        """Content of a file below the folder, None where there is none."""
        try:
            with open(os.path.join(self.folder, path), "rb") as stream:
                return stream.read()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: bytes, mode: int) -> None:
        """Place a file atomically unless it is there already with this content."""
        full = os.path.join(self.folder, path)
        if self.read(path) == content and os.stat(full).st_mode & 0o777 == mode:
            return
        self.changed.append(path)
        if self.check_mode:
            return
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        os.makedirs(os.path.dirname(full), mode=0o700, exist_ok=True)
        temporary = full + ".new"
        if os.path.exists(temporary):
            os.unlink(temporary)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
        os.replace(temporary, full)


class Issuer:
    """A certificate with its key, able to sign others; the root signs itself."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    @property
    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """Makes or keeps one certificate and its key below the store's folder."""

    def __init__(self, store: Store, now: dt.datetime, life: dt.timedelta) -> None:
        self.store = store
        self.now = now
        self.life = life

    def ensure(self, path: str, wanted: dict[str, Any], issuer: Issuer | None) -> Issuer:
        """The certificate at `path`, renewed where it is not what is wanted; its file carries the issuer's too."""
        present = self.load(path)
        if present and self.good(present, wanted, issuer):
            # A file whose mode was changed, or whose chain was cut, is put right.
            self.save(path, present, issuer)
            return present
        made = self.issue(wanted, issuer)
        self.save(path, made, issuer)
        return made

    def save(self, path: str, made: Issuer, issuer: Issuer | None) -> None:
        """Key first: a certificate without its key would look like a good one after an interruption."""
        self.store.write(f"{path}.key", private_bytes(made.key), 0o600)
        # The root is the reader's anchor or unknown to him; sending it along would serve nobody.
        chain = issuer.pem if issuer and not is_root(issuer.certificate) else b""
        self.store.write(f"{path}.crt", made.pem + chain, 0o644)

    def load(self, path: str) -> Issuer | None:
        """What is at `path`, None where it is missing or cannot be read."""
        certificate, key = self.store.read(f"{path}.crt"), self.store.read(f"{path}.key")
        if not certificate or not key:
            return None
        try:
            private = serialization.load_pem_private_key(key, password=None)
            loaded = x509.load_pem_x509_certificate(certificate)
        except ValueError:
            return None
        if not isinstance(private, ec.EllipticCurvePrivateKey) or loaded.public_key() != private.public_key():
            return None
        return Issuer(loaded, private)

    def good(self, present: Issuer, wanted: dict[str, Any], issuer: Issuer | None) -> bool:
        """True where the certificate is what is wanted and more than a third of its life remains."""
        certificate = present.certificate
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if (end - self.now) < (end - start) / 3 or certificate.subject != subject(wanted):
            return False
        if {extension.value for extension in certificate.extensions if asked(extension)} != set(extensions(wanted)):
            return False
        try:
            certificate.verify_directly_issued_by(issuer.certificate if issuer else certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue(self, wanted: dict[str, Any], issuer: Issuer | None) -> Issuer:
        """A new key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = issuer.key if issuer else key
        end = self.now + self.life * (AUTHORITY_LIFE if wanted["usages"] == ["authority"] else 1)
        if issuer:
            end = min(end, issuer.certificate.not_valid_after_utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(wanted))
            .issuer_name(issuer.certificate.subject if issuer else subject(wanted))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - CLOCK_SKEW)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        for value in extensions(wanted):
            critical = isinstance(value, (x509.BasicConstraints, x509.KeyUsage))
            builder = builder.add_extension(value, critical=critical)
        return Issuer(builder.sign(signer, hashes.SHA256()), key)


def subject(wanted: dict[str, Any]) -> x509.Name:
    """The distinguished name: organisation (a group in Kubernetes) and common name (a user)."""
    names = [x509.NameAttribute(NameOID.COMMON_NAME, wanted["common_name"])]
    if wanted.get("organization"):
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, wanted["organization"]))
    return x509.Name(names)


def asked(extension: x509.Extension[Any]) -> bool:
    """True for the extensions that say what was asked for; key identifiers follow from the keys."""
    return not isinstance(extension.value, (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier))


def extensions(wanted: dict[str, Any]) -> list[x509.ExtensionType]:
    """The extensions of what is wanted, as RFC 5280 (and OpenSSL's strict mode) ask for them."""
    authority = wanted["usages"] == ["authority"]
    values: list[x509.ExtensionType] = [
        x509.BasicConstraints(ca=authority, path_length=wanted.get("path_length")),
        key_usage(authority=authority),
    ]
    if not authority:
        usages = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
        values.append(x509.ExtendedKeyUsage([usages[usage] for usage in wanted["usages"]]))
    if wanted.get("sans"):
        values.append(x509.SubjectAlternativeName([general_name(name) for name in wanted["sans"]]))
    return values


def key_usage(*, authority: bool) -> x509.KeyUsage:
    """An authority signs certificates, a leaf signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def general_name(name: str) -> x509.GeneralName:
    """An address where it reads like one, otherwise a DNS name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def is_root(certificate: x509.Certificate) -> bool:
    """True for a certificate that signed itself."""
    return certificate.issuer == certificate.subject


def private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def service_account_keys(store: Store) -> None:
    """The pair that signs and checks service-account tokens; a new one would void every token, so it is kept."""
    present = store.read("sa.key")
    if present:
        key = serialization.load_pem_private_key(present, password=None)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    store.write("sa.key", private_bytes(key), 0o600)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    store.write("sa.pub", public, 0o644)


def kubeconfig(store: Store, wanted: dict[str, Any], trust: bytes, client: Issuer) -> None:
    """A kubeconfig (JSON is YAML) with everything inside, so that it can be carried away as one file."""

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    user = os.path.basename(wanted["certificate"])
    credentials = {
        "client-certificate-data": encoded(client.pem),
        "client-key-data": encoded(private_bytes(client.key)),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": encoded(trust)}}
            for name, server in wanted["servers"].items()
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}} for name in wanted["servers"]],
        "current-context": next(iter(wanted["servers"])),
    }
    store.write(wanted["path"], (json.dumps(document, indent=2) + "\n").encode(), 0o600)


def make(store: Store, parameters: dict[str, Any], now: dt.datetime) -> None:
    """Everything, from the root down."""
    authority = Authority(store, now, dt.timedelta(days=parameters["days"]))
    root = authority.ensure("ca/root", {"common_name": "tricenter root", "usages": ["authority"]}, None)
    issuers: dict[str, Issuer] = {}
    for name in parameters["authorities"]:
        wanted = {"common_name": f"tricenter {name}", "usages": ["authority"], "path_length": 0}
        issuers[name] = authority.ensure(f"ca/{name}", wanted, root)
        # A client whose TLS library accepts only self-signed anchors (Node.js, Python before 3.13) needs the root too.
        store.write(f"ca/{name}-bundle.crt", issuers[name].pem + root.pem, 0o644)
    made: dict[str, Issuer] = {}
    for wanted in parameters["certificates"]:
        made[wanted["path"]] = authority.ensure(wanted["path"], wanted, issuers[wanted["authority"]])
    service_account_keys(store)
    config = parameters["kubeconfig"]
    if config:
        trust = issuers[config["authority"]].pem + root.pem
        kubeconfig(store, config, trust, made[config["certificate"]])


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "dir": {"type": "path", "required": True},
            "authorities": {"type": "list", "elements": "str", "required": True},
            "certificates": {"type": "list", "elements": "dict", "required": True},
            "days": {"type": "int", "default": 365},
            "kubeconfig": {"type": "dict"},
        },
        supports_check_mode=True,
    )
    if not HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography"))
    store = Store(module.params["dir"], check_mode=module.check_mode)
    make(store, module.params, dt.datetime.now(dt.UTC).replace(microsecond=0))
    module.exit_json(changed=bool(store.changed), changed_files=store.changed)


if __name__ == "__main__":
    main()
