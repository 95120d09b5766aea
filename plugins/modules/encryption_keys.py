#!/usr/bin/python
"""Makes and rotates the keys that encrypt the API's Secrets at rest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: encryption_keys
short_description: The EncryptionConfiguration of the API servers
description:
  - Keeps an EncryptionConfiguration (apiserver.config.k8s.io/v1) with AES-GCM keys on the control host, 0600. Keys
    appear in no result and no log.
  - A key is changed in steps, between which every API server gets the file, because no server may meet a value that
    it cannot read. Each step is safe to repeat.
options:
  path:
    description: The file.
    type: path
    required: true
  resources:
    description: What is encrypted, such as C(secrets) or C(widgets.example.com).
    type: list
    elements: str
    default: [secrets]
  step:
    description:
      - C(keep) makes the file where it is missing. C(add) adds a key that is only read with, unless there is one
        already. C(promote) makes the newest key the one that is written with. C(drop) removes all other keys.
    type: str
    choices: [keep, add, promote, drop]
    default: keep
"""

EXAMPLES = r"""
- name: Keys of the encryption at rest
  encryption_keys:
    path: "{{ tricenter_pki_dir }}/encryption.yaml"
"""

RETURN = r"""
keys:
  description: Names of the keys; the first writes.
  type: list
  elements: str
  returned: always
"""

import base64
import json
import os
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule

BYTES = 32
Key = dict[str, str]


def fresh(keys: list[Key]) -> Key:
    """A new key, its number one above the highest."""
    number = 1 + max((number_of(key) for key in keys), default=0)
    return {"name": f"key-{number}", "secret": base64.b64encode(secrets.token_bytes(BYTES)).decode()}


def number_of(key: Key) -> int:
    """The number in a key's name; keys that somebody named otherwise are older than all."""
    text = key["name"].rpartition("-")[2]
    return int(text) if text.isdigit() else 0


def stepped(keys: list[Key], step: str) -> list[Key]:
    """The keys after a step."""
    if not keys or (step == "add" and len(keys) == 1):
        return [*keys, fresh(keys)]
    if step == "promote":
        return sorted(keys, key=number_of, reverse=True)
    if step == "drop":
        return keys[:1]
    return keys


def document(keys: list[Key], resources: list[str]) -> dict[str, Any]:
    """The configuration; `identity` comes last, so that values from before the encryption are read."""
    providers = [{"aesgcm": {"keys": keys}}, {"identity": {}}]
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": resources, "providers": providers}],
    }


def present(path: str) -> tuple[list[Key], bytes]:
    """The keys of the file, and its content."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        return [], b""
    keys: list[Key] = json.loads(content)["resources"][0]["providers"][0]["aesgcm"]["keys"]
    return keys, content


def write(path: str, content: bytes) -> None:
    """Place the file atomically; nobody but its owner ever reads it."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    temporary = path + ".new"
    if os.path.exists(temporary):
        os.unlink(temporary)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def main() -> None:
    """Entry point of the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "resources": {"type": "list", "elements": "str", "default": ["secrets"]},
            "step": {"type": "str", "choices": ["keep", "add", "promote", "drop"], "default": "keep"},
        },
        supports_check_mode=True,
    )
    path = module.params["path"]
    try:
        keys, before = present(path)
    except (ValueError, LookupError, TypeError):
        module.fail_json(msg=f"{path} is not an EncryptionConfiguration of this module; move it away or mend it")
    keys = stepped(keys, module.params["step"])
    # JSON is YAML: the file needs no parser that the control host may lack.
    content = (json.dumps(document(keys, module.params["resources"]), indent=2) + "\n").encode()
    changed = content != before or os.stat(path).st_mode & 0o777 != 0o600
    if changed and not module.check_mode:
        write(path, content)
    module.exit_json(changed=changed, keys=[key["name"] for key in keys])


if __name__ == "__main__":
    main()
