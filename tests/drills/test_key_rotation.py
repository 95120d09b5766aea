"""The key of what is encrypted at rest is changed on a site that serves, and a change that broke off is finished."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import site_inventory

pytestmark = pytest.mark.timeout(0)  # each command has a limit of its own

NAME = "key-rotation"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
COMMAND = [PLAYBOOK, "-i", "inventories/replica", "playbooks/rotate_encryption.yml"]
WITHIN = 900.0
"""Seconds that the playbook may take; it restarts all API servers three times."""


@pytest.fixture
def secret(kubectl: Any) -> Any:
    """A Secret that somebody wrote before; it goes with the test."""
    kubectl("create", "secret", "generic", NAME, "--from-literal=word=before")
    yield lambda: base64.b64decode(kubectl.json("get", "secret", NAME)["data"]["word"]).decode()
    kubectl("delete", "secret", NAME)


def stored(site: Any) -> str:
    """What etcd holds of the Secret, up to the name of the key (`k8s:enc:aesgcm:v1:NAME:`)."""
    member = site.group("etcd")[0]
    pki = "/etc/tricenter/pki"
    key = base64.b64encode(f"/registry/secrets/default/{NAME}".encode()).decode()
    ask = (
        f"curl -s --cacert {pki}/etcd-ca.crt --cert {pki}/etcd-agent.crt --key {pki}/etcd-agent.key "
        f"--data '{json.dumps({'key': key})}' https://{member['machine_address']}:2379/v3/kv/range"
    )
    line = ["ssh", "-F", str(Path(site["tricenter_state_dir"]) / "ssh_config"), member.name, ask]
    said = subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout
    value = base64.b64decode(json.loads(said)["kvs"][0]["value"])
    return b":".join(value.split(b":")[:5]).decode()


def rotate(until: str = "") -> bool:
    """Run the playbook; whether it came to its end. It is interrupted as by Ctrl-C after the task called `until`."""
    running = subprocess.Popen(
        COMMAND, cwd=site_inventory.ROOT, start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    limit = threading.Timer(WITHIN, os.killpg, (running.pid, signal.SIGKILL))
    limit.daemon = True
    limit.start()
    with running:
        for line in running.stdout or ():
            print(line, end="")
            if until and until in line:
                running.send_signal(signal.SIGINT)
                until = ""
    limit.cancel()
    return running.returncode == 0


def test_a_rotation_that_broke_off_is_finished_and_every_secret_is_readable(
    site: Any, kubectl: Any, secret: Any
) -> None:
    before = stored(site)
    assert before.startswith("k8s:enc:aesgcm:v1:key-")
    for task in ("Add a key to read with", "Write with the new key"):
        assert not rotate(until=task)
        assert secret() == "before"
        kubectl("patch", "secret", NAME, "--type=merge", "--patch", json.dumps({"stringData": {"word": "before"}}))
    assert rotate()
    after = stored(site)
    assert after.startswith("k8s:enc:aesgcm:v1:key-")
    assert after != before
    assert secret() == "before"
