"""Archives, unpacked so that nothing leaves the folder and nothing is left half done."""

from __future__ import annotations

import errno
import lzma
import re
import shutil
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import DataError
from ._rar import RarError, rar_checksums

#: The most bytes and the most files and folders that come out of an archive, if nothing else is asked for.
MAX_BYTES, MAX_MEMBERS = 100 * 2**30, 1_000_000

_ENDINGS = (".zip", ".rar", ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_BLOCK = 2**20
# What macOS adds to archives; some of it has the names of videos.
_LITTER = re.compile(r"(.*/)?(__MACOSX(/.*)?|\._[^/]*|\.DS_Store)")


def archive_kind(path: Path) -> str | None:
    """Return ``"zip"``, ``"rar"``, ``"tar"`` (also if compressed), or None for what is no archive."""
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return "zip"
    if start.startswith(b"Rar!\x1a\x07"):
        return "rar"
    compressed = start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))
    return "tar" if compressed or tarfile.is_tarfile(path) else None


def load_libarchive() -> Any:
    """Return the module ``libarchive``.

    Raises
    ------
    DataError
        If it, or the library that it needs, is not installed.
    """
    try:
        import libarchive
    except (ImportError, OSError, AttributeError, TypeError) as error:
        raise DataError(
            'rar archives need libarchive: pip install "actionbench[rar]", and Debian\'s package libarchive13'
        ) from error
    return libarchive


def unpack(
    archive: Path,
    folder: Path,
    *,
    note: str = "",
    max_bytes: int = MAX_BYTES,
    report: Callable[[int], None] = lambda _: None,
) -> None:
    """Unpack a zip, tar or rar archive, and the archives in it, into a new folder.

    A lone folder at the top of an archive is replaced by the new one, which appears when all is unpacked.

    Parameters
    ----------
    archive : Path
        The archive.
    folder : Path
        The new folder, which may exist if it is empty.
    note : str
        Written into the file ``.fetched`` of the new folder.
    max_bytes : int
        The most bytes that may come out of the archive; never more than are free on the disk.
    report : callable
        Called with the number of bytes that are unpacked.

    Raises
    ------
    DataError
        If the archive is damaged, encrypted or too large, has a link, a device or a path that leaves the folder, or
        if a library is missing.
    """
    work = folder.parent / f".{folder.name}.unpacking"
    shutil.rmtree(work, ignore_errors=True)
    try:
        content = _unpacked(archive, work, str(archive), _Allowance(archive, max_bytes, report))
        content.joinpath(".fetched").write_text(note)
        _move(content, folder)
    except _damages() as error:
        # Positions outside of a file are of a damaged archive as well.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(getattr(error, "msg", error)).split()) or type(error).__name__
        if "ncrypt" in reason:
            raise DataError(
                f"{archive}: is encrypted; unpack it with its password by other means into {folder}"
            ) from error
        raise DataError(
            f"{archive}: is damaged or not supported ({reason}); remove it to download it again, "
            f"or unpack it by other means into {folder}"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Allowance:
    """What may still come out of an archive and of those in it."""

    def __init__(self, archive: Path, max_bytes: int, report: Callable[[int], None]) -> None:
        self._archive, self._report = archive, report
        free = shutil.disk_usage(archive.parent).free
        self._limit, self._members, self._written = min(max_bytes, free), 0, 0
        self._what = (
            "are free on the disk" if free < max_bytes else "may be unpacked; --max-size sets the limit"
        )

    def write(self, n_bytes: int) -> None:
        self._written += n_bytes
        if self._written > self._limit:
            raise DataError(
                f"{self._archive}: holds more than the {self._limit / 2**30:.3g} GiB that {self._what}"
            )
        self._report(self._written)

    def add_member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise DataError(f"{self._archive}: holds more than {MAX_MEMBERS:,} files and folders")


@dataclass(frozen=True)
class _Member:
    """A member of an archive; its kind is ``"file"``, ``"folder"``, or what must not be unpacked."""

    name: str
    kind: str
    blocks: Callable[[], Iterable[bytes]]


def _unpacked(archive: Path, work: Path, title: str, allowance: _Allowance, nested: bool = False) -> Path:
    """Unpack an archive into a new folder and return that which has its content, the new one or a lone one in it."""
    work.mkdir()
    for member in _members(archive, title):
        allowance.add_member()
        _write(member, work, title, allowance)
    for path in [] if nested else sorted(work.rglob("*")):
        if path.name.lower().endswith(_ENDINGS) and path.is_file() and archive_kind(path):
            inner = path.with_name(f".{path.name}.unpacking")
            content = _unpacked(path, inner, f"{title}, {path.name}", allowance, nested=True)
            _move(content, path.with_name(re.sub(r"(\.tar)?\.\w+$", "", path.name)))
            shutil.rmtree(inner, ignore_errors=True)
            path.unlink()
    inside = list(work.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else work


def _move(content: Path, folder: Path) -> None:
    """Rename a folder, also to the name of an empty one."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    if folder.exists():
        raise DataError(f"{folder}: is there already; move it away to unpack the archive")
    content.rename(folder)


def _write(member: _Member, folder: Path, title: str, allowance: _Allowance) -> None:
    """Write a member below a folder."""
    name = member.name.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name) or "\0" in name:
        raise DataError(f"{title}: the path {member.name!r} leaves the folder; nothing is unpacked")
    if member.kind not in ("file", "folder"):
        raise DataError(
            f"{title}: {member.name!r} is a {member.kind}, not a file or a folder; nothing is unpacked"
        )
    if not parts or _LITTER.fullmatch("/".join(parts)):
        return
    path = folder.joinpath(*parts)
    try:
        (path if member.kind == "folder" else path.parent).mkdir(parents=True, exist_ok=True)
        if member.kind == "file":
            with path.open("xb") as file:
                for block in member.blocks():
                    allowance.write(len(block))
                    file.write(block)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{title}: has the path {member.name!r} twice; nothing is unpacked") from error


def _members(archive: Path, title: str) -> Iterator[_Member]:
    """Yield the members of an archive; the blocks of each are to be read before the next."""
    kind = archive_kind(archive)
    if kind is None:
        raise DataError(f"{title}: is no zip, tar or rar archive")
    return {"zip": _zip_members, "tar": _tar_members, "rar": _rar_members}[kind](archive)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = "folder" if info.is_dir() else _kind(info.external_attr >> 16)
            yield _Member(info.filename, kind, partial(_blocks, partial(opened.open, info)))


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as opened:
        for info in opened:
            kinds = {"file": info.isreg(), "folder": info.isdir(), "link": info.issym() or info.islnk()}
            kind = next((kind for kind, holds in kinds.items() if holds), "device")
            yield _Member(info.name, kind, partial(_blocks, partial(opened.extractfile, info)))
        # The checksum of what is compressed is at its end, behind the last member.
        while opened.fileobj and opened.fileobj.read(_BLOCK):
            pass


def _rar_members(archive: Path) -> Iterator[_Member]:
    checksums = deque(rar_checksums(archive))
    with load_libarchive().file_reader(str(archive)) as opened:
        for entry in opened:
            if not checksums:
                raise RarError("more members than headers")
            kind = "link" if entry.islnk else _kind(entry.filetype)
            yield _Member(entry.pathname, kind, partial(_checked, entry, checksums.popleft()))
    if checksums:
        raise RarError("members are missing")


def _checked(entry: Any, expected: int | None) -> Iterator[bytes]:
    checksum = 0
    for block in entry.get_blocks(_BLOCK):
        checksum = zlib.crc32(block, checksum)
        yield block
    if expected not in (None, checksum):
        raise RarError(f"{entry.pathname} has a wrong checksum")


def _blocks(open_member: Callable[[], Any]) -> Iterator[bytes]:
    with open_member() as file:
        while block := file.read(_BLOCK):
            yield block


def _kind(mode: int) -> str:
    """Return the kind of a member with a mode of POSIX, which has no type where it comes from another system."""
    kinds = {0: "file", stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _damages() -> tuple[type[Exception], ...]:
    """Return what a damaged archive, or one of an unknown kind, raises; also OSError without a number."""
    known = (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        ValueError,
        struct.error,
    )
    libarchive = sys.modules.get("libarchive")
    return (*known, RuntimeError, *([libarchive.ArchiveError] if libarchive else []))
