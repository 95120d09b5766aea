"""Debian packages without installing them: resolve, download, read.

apt works on a private folder with an empty status file, so the closure of a package is everything it needs, whatever
the control host runs. apt checks the archive's signature and every hash (apt-secure(8)).
"""

import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_CONFIG = """\
Dir "{root}";
Dir::Etc "{root}/etc";
Dir::Etc::sourcelist "{root}/etc/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
APT::Install-Recommends "false";
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
"""

_URI = re.compile(r"^'[^']+' (?P<file>\S+) \d+")


@dataclass(frozen=True, kw_only=True)
class Deb:
    """One package file of a resolved closure."""

    file: str

    @property
    def name(self) -> str:
        """The package's name."""
        return self.file.split("_", 1)[0]

    @property
    def version(self) -> str:
        """Upstream's version: without epoch, without Debian's revision and suffixes such as ``+dfsg``."""
        full = unquote(self.file.split("_")[1]).split(":", 1)[-1]
        return re.split(r"[-+~]", full, maxsplit=1)[0]


class Archive:
    """A private apt: its lists, cache and configuration live below ``root``."""

    def __init__(self, root: Path, *, suite: str, mirror: str, security_mirror: str) -> None:
        """Write the configuration of apt; nothing is downloaded yet."""
        self._root = root
        self._environment = {
            "APT_CONFIG": str(root / "apt.conf"),
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
        }
        for folder in ("etc", "state/lists/partial", "cache/archives/partial", "cache/none/partial"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "status").touch()
        options = f"[signed-by={KEYRING}]"
        sources = (
            f"deb {options} {mirror} {suite} main\n"
            f"deb {options} {mirror} {suite}-updates main\n"
            f"deb {options} {security_mirror} {suite}-security main\n"
        )
        (root / "etc/sources.list").write_text(sources)
        architecture = subprocess.run(
            ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
        ).stdout.strip()
        (root / "apt.conf").write_text(_CONFIG.format(root=root, architecture=architecture))

    def update(self) -> None:
        """Fetch the package lists."""
        self._apt("update", "-qq")

    def closure(self, packages: list[str], without: list[str]) -> list[Deb]:
        """Everything ``packages`` need, but ``without``; downloaded."""
        # what is in the cache already would not be printed
        printed = self._apt("install", "-qq", "--yes", "--print-uris", "-o", "Dir::Cache::archives=none/", *packages)
        found = [Deb(file=match["file"]) for line in printed.splitlines() if (match := _URI.match(line))]
        self._apt("install", "-qq", "--yes", "--download-only", *packages)
        return sorted((deb for deb in found if deb.name not in without), key=lambda deb: deb.file)

    @contextmanager
    def open(self, deb: Deb) -> Iterator[tarfile.TarFile]:
        """The file tree of a package as a tar stream."""
        path = self._root / "cache/archives" / deb.file
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(path)], stdout=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                yield tar
            if process.stdout:
                process.stdout.read()
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, "dpkg-deb")

    def _apt(self, *arguments: str) -> str:
        done = subprocess.run(
            ["apt-get", *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"apt-get {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout
