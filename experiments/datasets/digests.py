"""Hashes of files, remembered from one command to the next for as long as the files stay the same."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from ...features.cache import NO_CACHE, cache_folder

# A file that changed less long ago may change again without another time stamp, in nanoseconds: that of FAT is 2 s.
_FRESH = 2_000_000_000
# Hashes that are remembered, about 200 bytes each; beyond, all are forgotten.
_LIMIT = 2_000_000


def file_digest(path: Path, more: str = "") -> str:
    """Return the SHA-256 of a file's content, and of ``more`` behind it.

    A hash is remembered, in the folder of the cache, with the file's size, inode and the times of the last change of
    content and inode; a program may set the former time back, but not the latter.

    Parameters
    ----------
    path : Path
        The file.
    more : str
        What else the hash depends on.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_bytes(b"abc")
    ...     file_digest(Path(folder, "a"))[:16]
    'ba7816bf8f01cfea'
    """
    key, stamp, now = f"{os.path.abspath(path)}\n{more}", _stamp(path), time.time_ns()
    memory = _memory(cache_folder(), os.getpid())
    if memory is not None and (known := memory.recall(key, repr(stamp))):
        return known
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(more.encode(errors="surrogateescape"))
    if memory is not None and max(stamp[2:]) < now - _FRESH and _stamp(path) == stamp:
        memory.keep(key, repr(stamp), digest.hexdigest())
    return digest.hexdigest()


def _stamp(path: Path) -> tuple[int, ...]:
    found = os.stat(path)
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


class _Memory:
    """Hashes in a file that several processes share; where it cannot be used, nothing is remembered."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=5, isolation_level=None)
        # What is lost when the machine stops is computed again.
        for pragma in ("journal_mode = WAL", "synchronous = OFF"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS digests (key BLOB PRIMARY KEY, stamp TEXT, digest TEXT) WITHOUT ROWID"
        )
        if self._connection.execute("SELECT count(*) FROM digests").fetchone()[0] > _LIMIT:
            self._connection.execute("DELETE FROM digests")

    def recall(self, key: str, stamp: str) -> str | None:
        with suppress(sqlite3.Error):
            row = self._connection.execute(
                "SELECT digest FROM digests WHERE key = ? AND stamp = ?", (_hashed(key), stamp)
            ).fetchone()
            return row[0] if row else None
        return None

    def keep(self, key: str, stamp: str, digest: str) -> None:
        with suppress(sqlite3.Error):
            self._connection.execute(
                "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (_hashed(key), stamp, digest)
            )


def _hashed(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


@cache
def _memory(folder: str, process: int) -> _Memory | None:
    """Return the memory in a folder for a process, as a connection must not be used in a child."""
    if folder == NO_CACHE:
        return None
    with suppress(OSError, sqlite3.Error):
        return _Memory(Path(folder) / "digests.sqlite")
    return None
