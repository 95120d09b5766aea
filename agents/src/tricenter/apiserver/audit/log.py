"""The file of audit events: one JSON object a line, written by a thread, renamed when it has grown.

Several server processes append to one file: a line is one write to a file opened for appending, and who renames it
holds a lock. A process that finds its file renamed opens the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

log = logging.getLogger(__name__)

Line = Callable[[], bytes]
"""Makes a line; called in the thread, so that encoding costs no request its time."""

_QUEUE = 10_000
_BATCH = 200
_GATHER_SECONDS = 0.05
"""How long lines are gathered, so that many are one write; what a crash may lose."""
_DAY = 86_400.0


class AuditLog:
    """Takes events without ever waiting; what cannot be written is counted."""

    def __init__(self, path: Path, *, max_bytes: int, max_backups: int, max_age_days: float) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_backups = max_backups
        self._max_age = max_age_days * _DAY
        self._queue: deque[Line] = deque()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._file = -1
        self.taken = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def put(self, line: Line) -> None:
        """Have a line written soon."""
        if len(self._queue) >= _QUEUE:
            self.dropped += 1
            return
        self.taken += 1
        self._queue.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits, then end."""
        self._ending.set()
        self._wake.set()
        self._thread.join(seconds)

    # --- in the thread ---

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._ending.wait(_GATHER_SECONDS)
            self._wake.clear()
            while self._queue:
                self._write([self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))])
            if self._ending.is_set():
                if self._file >= 0:
                    os.close(self._file)
                return

    def _write(self, lines: list[Line]) -> None:
        encoded: list[bytes] = []
        for line in lines:
            try:
                encoded.append(line())
            except Exception:
                self.dropped += 1
                log.exception("an audit event cannot be encoded")
        try:
            self._append(b"".join(encoded))
        except OSError as error:
            self.dropped += len(encoded)
            log.error("%s audit events cannot be written: %s", len(encoded), error)  # noqa: TRY400  # no trace needed

    def _append(self, data: bytes) -> None:
        with self._locked():
            self._open()
            if os.fstat(self._file).st_size + len(data) > self._max_bytes > 0:
                self._rotate()
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Other processes neither rename the file nor write into the middle of our lines."""
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open(self) -> None:
        """Open the file unless it is open and still the one with our name."""
        if self._file >= 0:
            with contextlib.suppress(FileNotFoundError):
                named, ours = self._path.stat(), os.fstat(self._file)
                if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino):
                    return
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _rotate(self) -> None:
        if os.fstat(self._file).st_size:
            stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
            self._path.rename(self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}"))
            self._open()
        present = [(path, path.stat().st_mtime) for path in self._backups()]
        for path in expired(present, self._max_backups, self._max_age, time.time()):
            path.unlink(missing_ok=True)

    def _backups(self) -> list[Path]:
        return list(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))


def expired(backups: list[tuple[Path, float]], count: int, age: float, now: float) -> list[Path]:
    """Which renamed files go: the oldest above `count` and all older than `age` seconds; 0 sets no limit."""
    newest = sorted(backups, key=lambda item: item[0].name, reverse=True)
    return [
        path
        for place, (path, modified) in enumerate(newest)
        if (count and place >= count) or (age and now - modified > age)
    ]
