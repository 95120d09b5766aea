"""The modules of this repository, called as Ansible calls them but without a machine."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import plugin_loader
import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from cryptography import x509

plugin_loader.load("module_utils/tricenter_files.py")
plugin_loader.load("module_utils/tricenter_ask.py")
units = plugin_loader.load("module_utils/tricenter_units.py")
converge = plugin_loader.load("modules/converge.py")
pki = plugin_loader.load("modules/pki.py")
agents = plugin_loader.load("modules/agents.py")
encryption_keys = plugin_loader.load("modules/encryption_keys.py")
wheel = plugin_loader.load("modules/wheel.py")

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a module and gives what it printed."""
    monkeypatch.setattr(basic.AnsibleModule, "_log_invocation", lambda self: None)

    def run(module: ModuleType, *, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {"_ansible_check_mode": check, "_ansible_diff": diff, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        printed: dict[str, Any] = json.loads(capsys.readouterr().out)
        return printed

    return run


def entry(path: Path, content: bytes = b"one\n", **changes: Any) -> dict[str, Any]:
    values = {
        "dest": str(path),
        "state": "file",
        "owner": "root" if os.getuid() == 0 else None,
        "group": "root" if os.getuid() == 0 else None,
        "mode": "0640",
        "checksum": hashlib.sha256(content).hexdigest(),
        "content": base64.b64encode(zlib.compress(content)).decode(),
    }
    return values | changes


pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="files belong to root")


def test_a_file_is_placed_once(call: Call, tmp_path: Path) -> None:
    target = tmp_path / "new/file"
    assert call(converge, check=True, files=[entry(target)])["changed_files"] == [str(target)]
    assert not target.exists()
    assert call(converge, files=[entry(target)])["changed_files"] == [str(target)]
    assert target.read_bytes() == b"one\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert call(converge, files=[entry(target)])["changed_files"] == []
    target.chmod(0o600)
    assert call(converge, files=[entry(target)])["changed_files"] == [str(target)]
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_large_file_is_asked_for_only_where_it_differs(call: Call, tmp_path: Path) -> None:
    target = tmp_path / "file"
    assert call(converge, files=[entry(target, content=b"one\n") | {"content": None}])["needed"] == [str(target)]
    call(converge, files=[entry(target)])
    assert "needed" not in call(converge, files=[entry(target) | {"content": None}])


def test_a_file_that_is_not_valid_leaves_the_old_one(call: Call, tmp_path: Path) -> None:
    target = tmp_path / "file"
    call(converge, files=[entry(target)])
    result = call(converge, files=[entry(target, b"two\n", validate="grep -q one %s")])
    assert result["failed"]
    assert str(target) in result["msg"]
    assert target.read_bytes() == b"one\n"
    assert list(tmp_path.iterdir()) == [target]


def test_a_secret_is_not_in_the_difference(call: Call, tmp_path: Path) -> None:
    result = call(converge, diff=True, files=[entry(tmp_path / "key", b"very secret\n", secret=True)])
    assert result["changed"]
    assert "very secret" not in json.dumps(result)


def test_directories_links_and_what_must_be_absent(call: Call, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old/file").touch()
    wanted = [
        entry(tmp_path / "dir", state="directory", mode="0750"),
        entry(tmp_path / "link", state="link", link="dir"),
        entry(tmp_path / "old", state="absent"),
    ]
    assert len(call(converge, files=wanted)["changed_files"]) == 3
    assert stat.S_IMODE((tmp_path / "dir").stat().st_mode) == 0o750
    assert (tmp_path / "link").readlink() == Path("dir")
    assert not (tmp_path / "old").exists()
    assert call(converge, files=wanted)["changed_files"] == []


STARTED = {"state": "started", "enabled": True}
RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "UnitFileState": "enabled",
    "NeedDaemonReload": "no",
    # It began a minute ago.
    "InactiveExitTimestamp": f"{datetime.now(UTC) - timedelta(seconds=60):%a %Y-%m-%d %H:%M:%S.%f} UTC",
}


@pytest.mark.parametrize(
    ("parameters", "changes", "actions"),
    [
        (STARTED, {}, []),
        (STARTED, {"ActiveState": "inactive", "UnitFileState": "disabled"}, ["enable", "start"]),
        (STARTED, {"ActiveState": "activating", "SubState": "auto-restart"}, ["start"]),
        (STARTED, {"NeedDaemonReload": "yes"}, ["daemon-reload"]),
        ({"state": "stopped", "enabled": None}, {}, ["stop", "disable"]),
        ({"state": "refreshed", "enabled": None}, {"ActiveState": "inactive"}, []),
        ({"state": "stopped", "enabled": None}, {"LoadState": "not-found", "ActiveState": "inactive"}, []),
    ],
)
def test_what_a_unit_needs(parameters: dict[str, Any], changes: dict[str, str], actions: list[str]) -> None:
    assert units.needed(parameters, RUNNING | changes, [], []) == actions


def test_a_unit_with_older_files_is_restarted(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.touch()
    assert units.needed(STARTED, RUNNING, [str(config)], []) == ["restart"]
    before = units.started_at(RUNNING) - 60
    os.utime(config, (before, before))
    assert units.needed(STARTED, RUNNING, [str(config)], []) == []


def test_a_unit_file_that_stands_before_a_packages_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "ADMINISTRATOR", str(tmp_path))
    package = {"FragmentPath": "/usr/lib/systemd/system/x.service"}
    assert not units.overridden("x.service", package)
    (tmp_path / "x.service").touch()
    assert units.overridden("x.service", package)
    assert not units.overridden("x.service", {"FragmentPath": str(tmp_path / "x.service")})


LEAF = {"authority": "api", "organization": "", "usages": ["client"], "sans": []}
PKI = {
    "authorities": ["api", "etcd"],
    "certificates": [
        {**LEAF, "path": "local/admin", "common_name": "kubernetes-admin", "organization": "system:masters"},
        {**LEAF, "path": "hosts/a/apiserver", "common_name": "kube", "usages": ["server"], "sans": ["a", "10.0.0.1"]},
        {**LEAF, "path": "hosts/a/etcd", "common_name": "a", "authority": "etcd"},
    ],
    "kubeconfig": {
        "path": "admin.kubeconfig",
        "servers": {"a": "https://198.18.0.1:6443"},
        "authority": "api",
        "certificate": "local/admin",
    },
}


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_pki_is_made_once(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    assert call(pki, dir=str(folder), check=True, **PKI)["changed"]
    assert not folder.exists()
    assert call(pki, dir=str(folder), **PKI)["changed"]
    assert call(pki, dir=str(folder), **PKI)["changed_files"] == []
    for key in folder.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key
    server = certificate(folder / "hosts/a/apiserver.crt")
    server.verify_directly_issued_by(certificate(folder / "ca/api.crt"))
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert len(x509.load_pem_x509_certificates((folder / "ca/api.crt").read_bytes())) == 1
    assert "BEGIN" not in json.dumps(call(pki, dir=str(tmp_path / "other"), diff=True, **PKI))


def test_only_what_changed_is_issued_again(call: Call, tmp_path: Path) -> None:
    call(pki, dir=str(tmp_path), **PKI)
    changed = {**PKI, "certificates": [*PKI["certificates"][:1], {**PKI["certificates"][1], "sans": ["b"]}]}
    again = call(pki, dir=str(tmp_path), **changed)["changed_files"]
    assert again == ["hosts/a/apiserver.key", "hosts/a/apiserver.crt"]


def test_a_lost_authority_renews_what_it_issued(call: Call, tmp_path: Path) -> None:
    call(pki, dir=str(tmp_path), **PKI)
    (tmp_path / "ca/etcd.key").unlink()
    again = call(pki, dir=str(tmp_path), **PKI)["changed_files"]
    assert "hosts/a/etcd.crt" in again
    assert "hosts/a/apiserver.crt" not in again
    assert "sa.key" not in again


@pytest.mark.parametrize(("passed", "renewed"), [(240, False), (250, True)])
def test_a_certificate_is_renewed_in_the_last_third_of_its_life(tmp_path: Path, passed: int, *, renewed: bool) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    pki.make(pki.Store(str(tmp_path), check_mode=False), {"days": 365, **PKI}, now)
    store = pki.Store(str(tmp_path), check_mode=False)
    pki.make(store, {"days": 365, **PKI}, now + timedelta(days=passed))
    assert ("hosts/a/etcd.crt" in store.changed) is renewed
    assert "ca/etcd.crt" not in store.changed


def make_wheel(path: Path, files: dict[str, str]) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("x-1.dist-info/entry_points.txt", "[console_scripts]\nx-run = x.cli:main\n")
    return path.read_bytes()


def installer(call: Call, tmp_path: Path) -> Call:
    """Installs a wheel of the given files (`a__b="text"` is a/b.py) into an environment below a folder."""
    (tmp_path / "venv/lib/python3.13/site-packages/idna-3.20.dist-info").mkdir(parents=True)
    (tmp_path / "venv/bin").mkdir()
    common = {"path": str(tmp_path / "venv"), "requirements": "idna==3.20  # names\n"}

    def install(**files: str) -> dict[str, Any]:
        named = {name.replace("__", "/") + ".py": text for name, text in files.items()}
        content = make_wheel(tmp_path / "x.whl", named)
        sent = base64.b64encode(content).decode()
        return call(agents, **common, wheel_checksum=hashlib.sha256(content).hexdigest(), wheel_content=sent)

    return install


def test_of_a_wheel_only_what_differs_is_written(call: Call, tmp_path: Path) -> None:
    site_packages = tmp_path / "venv/lib/python3.13/site-packages"
    install = installer(call, tmp_path)
    assert install(x__cli="a", x__old="b")["updated"] == ["wheel"]
    os.utime(site_packages / "x/cli.py", (1, 1))
    assert install(x__cli="a", x__new="c")["updated"] == ["wheel"]
    assert (site_packages / "x/cli.py").stat().st_mtime == 1
    assert sorted(path.name for path in (site_packages / "x").iterdir()) == ["cli.py", "new.py"]
    assert os.access(tmp_path / "venv/bin/x-run", os.X_OK)


def test_a_package_is_stamped_when_it_changes(call: Call, tmp_path: Path) -> None:
    install = installer(call, tmp_path)
    stamps = tmp_path / "venv/.tricenter.packages"
    install(x__one__a="1", x__two__a="1")
    assert sorted(path.name for path in stamps.iterdir()) == ["one", "two"]
    for path in stamps.iterdir():
        os.utime(path, (1, 1))
    install(x__one__a="1", x__two__a="2")
    assert [path.name for path in stamps.iterdir() if path.stat().st_mtime > 1] == ["two"]
    install(x__two__a="2")
    assert (stamps / "one").stat().st_mtime > 1


def test_the_source_decides_whether_a_wheel_is_built(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/a.py").write_text("1")
    first = wheel.source_hash(str(tmp_path))
    (tmp_path / "src/__pycache__").mkdir()
    (tmp_path / "src/__pycache__/a.pyc").touch()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").touch()
    assert wheel.source_hash(str(tmp_path)) == first
    (tmp_path / "src/a.py").write_text("2")
    assert wheel.source_hash(str(tmp_path)) != first


def test_encryption_keys_are_rotated_step_by_step(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "pki" / "encryption.yaml"

    def step(name: str) -> tuple[bool, list[str]]:
        result = call(encryption_keys, path=str(path), step=name)
        assert json.loads(path.read_text())["resources"][0]["providers"][0]["aesgcm"]["keys"][0]["secret"] not in str(
            result
        )
        return result["changed"], result["keys"]

    assert step("keep") == (True, ["key-1"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert step("keep") == (False, ["key-1"])
    assert step("add") == (True, ["key-1", "key-2"])
    assert step("add") == (False, ["key-1", "key-2"]), "an interrupted rotation is taken up, not begun again"
    assert step("promote") == (True, ["key-2", "key-1"])
    assert step("promote") == (False, ["key-2", "key-1"])
    assert step("add") == (False, ["key-2", "key-1"])
    assert step("drop") == (True, ["key-2"])
    assert step("drop") == (False, ["key-2"])


def test_encryption_keys_are_not_made_in_check_mode(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "encryption.yaml"
    assert call(encryption_keys, check=True, path=str(path))["changed"]
    assert not path.exists()


SYSTEMCTL = """#!/bin/sh
# Answers `show` from a folder, writes down everything else.
here=$(dirname "$0")
if [ "$1" = show ]; then shift 4; first=1; for name; do [ $first ] || echo; first=; cat "$here/$name"; done; exit; fi
echo "$@" >> "$here/asked"
"""
SHOWN = "LoadState=loaded\nActiveState=inactive\nUnitFileState=disabled\nNeedDaemonReload={}\nFragmentPath=/x\n"


def test_new_units_are_enabled_and_started_without_a_reload(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload reads every unit again: seconds on an emulated machine."""
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "a.service").write_text(SHOWN.format("no"))
    (tmp_path / "b.service").write_text(SHOWN.format("yes"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    wanted = [{"name": "a.service", "enabled": True}, {"name": "b.service"}]
    actions = ["enable a.service", "start a.service", "daemon-reload", "start b.service"]
    assert call(converge, check=True, units=wanted)["actions"] == actions
    assert not (tmp_path / "asked").exists()
    assert call(converge, units=wanted)["actions"] == actions
    assert (tmp_path / "asked").read_text().splitlines() == ["--root=/ enable a.service", *actions[1:]]


def test_a_question_that_fails_is_no_answer(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\necho no database >&2; exit 2\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    done = call(converge, packages=["dpkg"])
    assert done["failed"]
    assert "no database" in done["msg"]


def test_nothing_is_touched_before_its_packages_are_there(call: Call, tmp_path: Path) -> None:
    wanted = {"packages": ["no-such-package"], "files": [entry(tmp_path / "file")]}
    done = call(converge, **wanted)
    assert (done["missing"], done["changed"], (tmp_path / "file").exists()) == (["no-such-package"], False, False)
    planned = call(converge, check=True, **wanted)
    assert (planned["changed"], planned["changed_files"]) == (True, [str(tmp_path / "file")])
