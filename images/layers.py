"""A layer of an image: one tar of files from packages, folders and links, the same bytes for the same input.

The tree has one /usr: files that a package ships in /bin, /sbin, /lib or /lib64 go below /usr, as on an installed
Debian (DEP 17).
"""

import io
import tarfile
from pathlib import Path, PurePosixPath

MERGED = ("bin", "sbin", "lib", "lib64")


class Layer:
    """Collects the members of one layer; the first of two members with the same path stays."""

    def __init__(self, *, exclude: list[str]) -> None:
        """Leave out what is at or below the paths of ``exclude``."""
        self._exclude = [PurePosixPath(path) for path in exclude]
        self._members: dict[str, tuple[tarfile.TarInfo, bytes]] = {}

    def add_tar(self, tar: tarfile.TarFile) -> None:
        """Add all members of a package's tree."""
        for member in tar:
            path = merged(member.name)
            if path is None or self._excluded(path):
                continue
            stream = tar.extractfile(member) if member.isreg() else None
            member.name = path
            if member.islnk():
                member.linkname = merged(member.linkname) or member.linkname
            self._put(member, stream.read() if stream else b"")

    def add_folder(self, folder: Path) -> None:
        """Add the regular files below ``folder``, owned by root; they win over a package's."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self._parents(path := file.relative_to(folder).as_posix())
                self._put(_info(path, tarfile.REGTYPE, 0o644), file.read_bytes(), replace=True)

    def add_directory(self, path: str, mode: int) -> None:
        """Add an empty folder."""
        self._parents(path)
        self._put(_info(path, tarfile.DIRTYPE, mode), b"", replace=True)

    def add_link(self, path: str, target: str) -> None:
        """Add a symbolic link; a package's file of that name stays."""
        self._parents(path)
        info = _info(path, tarfile.SYMTYPE, 0o777)
        info.linkname = target
        self._put(info, b"")

    def add_merged_usr(self) -> None:
        """Add the links that make /bin and its like parts of /usr."""
        for name in MERGED:
            self.add_directory(f"usr/{name}", 0o755)
            self.add_link(name, f"usr/{name}")

    def content(self, path: str) -> bytes:
        """The bytes of a file that was added before."""
        return self._members[path][1]

    def tar(self) -> bytes:
        """The layer, uncompressed, parents before children and hard links after the files they name."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(self._members, key=lambda path: (self._members[path][0].islnk(), path)):
                info, data = self._members[path]
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def _put(self, info: tarfile.TarInfo, data: bytes, *, replace: bool = False) -> None:
        info.pax_headers = {}
        info.mtime = int(info.mtime)
        if replace:
            self._members[info.name] = (info, data)
        else:
            self._members.setdefault(info.name, (info, data))

    def _parents(self, path: str) -> None:
        for parent in reversed(PurePosixPath(path).parents):
            if parent.name:
                self._put(_info(parent.as_posix(), tarfile.DIRTYPE, 0o755), b"")

    def _excluded(self, path: str) -> bool:
        return any(PurePosixPath(path).is_relative_to(prefix) for prefix in self._exclude)


def merged(name: str) -> str | None:
    """The place of a package's path in a tree with one /usr; None for the root and for the linked folders.

    >>> merged("./lib/x86_64-linux-gnu/libc.so.6")
    'usr/lib/x86_64-linux-gnu/libc.so.6'
    """
    parts = PurePosixPath(name).parts
    if not parts or (len(parts) == 1 and parts[0] in MERGED):
        return None
    return PurePosixPath("usr", *parts).as_posix() if parts[0] in MERGED else PurePosixPath(*parts).as_posix()


def _info(path: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type = kind
    info.mode = mode
    return info
