"""Makes `apiserver/protobuf/fields.json`: the protobuf field numbers of the API's types.

    python agents/tools/protobuf_fields.py API_REPO APIMACHINERY_REPO TAG

The two are clones of kubernetes/api and kubernetes/apimachinery. Numbers, names and optionality are read from the
struct tags of the types, which are the only place that says which fields are pointers (a pointer's zero is a value, a
plain field's zero is an absence).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src/tricenter/apiserver/protobuf/fields.json"
API_PACKAGES = (
    "admissionregistration/v1", "apps/v1", "authentication/v1", "authorization/v1", "autoscaling/v1", "autoscaling/v2",
    "batch/v1", "certificates/v1", "coordination/v1", "core/v1", "discovery/v1", "events/v1", "flowcontrol/v1",
    "networking/v1", "node/v1", "policy/v1", "rbac/v1", "scheduling/v1", "storage/v1",
)  # fmt: skip
MACHINERY_PACKAGES = ("pkg/apis/meta/v1",)

FIELD = re.compile(r"^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`([^`]*)`")
ALIAS = re.compile(r"^type (\w+) ([\w.*\[\]]+)$")
IMPORT = re.compile(r'^\s*(?:(\w+)\s+)?"(k8s\.io/[\w./]+)"')
SKIPPED = re.compile(r"(generated|_test|zz_|doc|register)")
SCALARS = {
    "string": "string", "bool": "bool", "int": "int", "int32": "int", "int64": "int", "uint32": "int", "uint64": "int",
    "uint8": "int", "float64": "double", "[]byte": "bytes", "types.UID": "string", "types.NodeName": "string",
}  # fmt: skip
SPECIAL = {
    "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "time",
    "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "microtime",
    "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "int",
    "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "json",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "json",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "quantity",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "intorstring",
}


def show(repo: str, *arguments: str) -> str:
    """Output of a git command."""
    return subprocess.run(["git", "-C", repo, *arguments], check=True, capture_output=True, text=True).stdout


class Package:
    """The types of one Go package."""

    def __init__(self, path: str, sources: list[str]) -> None:
        self.path = path
        self.structs: dict[str, list[tuple[str, str]]] = {}
        self.aliases: dict[str, str] = {}
        self.imports: dict[str, str] = {}
        for source in sources:
            self._read(source)

    def _read(self, source: str) -> None:
        current: list[tuple[str, str]] | None = None
        for line in source.splitlines():
            if found := IMPORT.match(line):
                self.imports[found[1] or found[2].rpartition("/")[2]] = found[2]
            elif found := re.match(r"^type (\w+) struct \{", line):
                current = self.structs.setdefault(found[1], [])
            elif found := ALIAS.match(line.partition(" //")[0].rstrip()):
                self.aliases[found[1]] = found[2]
            elif line.startswith("}"):
                current = None
            elif current is not None and (found := FIELD.match(line)):
                current.append((found[2], found[3]))


class Table:
    """Resolves types over all packages."""

    def __init__(self, packages: dict[str, Package]) -> None:
        self.packages = packages

    def type(self, package: Package, text: str) -> str:
        """`string`, `list:TYPE`, `map:TYPE`, `items` or the name of a message."""
        text = text.lstrip("*")
        if text in SCALARS:
            return SCALARS[text]
        if text.startswith("[]"):
            return f"list:{self.type(package, text[2:])}"
        if text.startswith("map["):
            return f"map:{self.type(package, text.partition(']')[2])}"
        prefix, _, name = text.rpartition(".")
        home = package.imports.get(prefix, prefix) if prefix else package.path
        full = f"{home}.{name}"
        if full in SPECIAL:
            return SPECIAL[full]
        owner = self.packages[home]
        if name in owner.aliases:
            target = owner.aliases[name]
            return "items" if target == "[]string" else self.type(owner, target)
        return full

    def fields(self, package: Package, name: str) -> dict[str, list[object]]:
        """Number → name, type, whether a zero is kept, whether the message is inlined."""
        found: dict[str, list[object]] = {}
        for text, tags in package.structs[name]:
            protobuf = re.search(r'protobuf:"\w+,(\d+),', tags)
            key = re.search(r'json:"([^",]*)([^"]*)"', tags)
            if protobuf is None or key is None:
                continue
            keep = text.startswith("*") or "omitempty" not in key[2]
            found[protobuf[1]] = [key[1], self.type(package, text), int(keep)]
        return found


def main(api: str, machinery: str, tag: str) -> None:
    """Write the table."""
    packages: dict[str, Package] = {}
    for repo, root, paths in (
        (api, "k8s.io/api", API_PACKAGES),
        (machinery, "k8s.io/apimachinery", MACHINERY_PACKAGES),
    ):
        for path in paths:
            listed = show(repo, "ls-tree", "--name-only", tag, f"{path}/").split()
            names = [name for name in listed if name.endswith(".go") and not SKIPPED.search(name)]
            full = f"{root}/{path}"
            packages[full] = Package(full, [show(repo, "show", f"{tag}:{name}") for name in names])
    table = Table(packages)
    messages = {
        f"{package.path}.{name}": fields
        for package in packages.values()
        for name in package.structs
        if (fields := table.fields(package, name))
    }
    lines = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}" for name, fields in sorted(messages.items())
    )
    TARGET.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
