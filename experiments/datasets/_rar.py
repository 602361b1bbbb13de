"""The checksums in RAR archives, which libarchive does not compare, and whether all of an archive is there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

# No header is longer.
_MAX_HEADER = 2**21

_RAR5 = b"Rar!\x1a\x07\x01\x00"


class RarError(ValueError):
    """What is wrong with an archive."""


def rar_checksums(archive: Path) -> Iterator[int | None]:
    """Yield the CRC-32 of each member, files and folders in their order; None where it has none.

    References
    ----------
    "RAR 5.0 archive format" and, for older archives, ``technote.txt`` of WinRAR 3.93.
    """
    with archive.open("rb") as file:
        is_rar5 = file.read(len(_RAR5)) == _RAR5
        file.seek(8 if is_rar5 else 7)
        yield from (_blocks5 if is_rar5 else _blocks4)(file, archive.stat().st_size)


def _blocks4(file: BinaryIO, size: int) -> Iterator[int]:
    """Yield from blocks of checksum, type, flags and length; old archives have none that ends them."""
    while file.tell() < size:
        kind, flags, length = struct.unpack("<2xBHH", _read(file, 7))
        body = _read(file, length - 7)
        if kind == 0x73 and flags & 0x80:
            raise RarError("encrypted headers")
        if (kind == 0x73 and flags & 1) or (kind == 0x74 and flags & 3):
            raise RarError("one of several volumes")
        if kind == 0x7B:
            return
        packed = struct.unpack_from("<I", body)[0] if flags & 0x8000 else 0
        if kind == 0x74:
            if flags & 0x100:
                packed += struct.unpack_from("<I", body, 25)[0] << 32
            yield struct.unpack_from("<I", body, 9)[0]
        _skip(file, packed, size)


def _blocks5(file: BinaryIO, size: int) -> Iterator[int | None]:
    """Yield from blocks of checksum, length, type, flags, and fields that depend on these."""
    while True:
        _read(file, 4)
        header = memoryview(_read(file, _number(lambda: _read(file, 1)[0])))
        fields = iter(header)
        kind, flags = (_number(fields.__next__) for _ in range(2))
        if flags & 1:
            _number(fields.__next__)
        packed = _number(fields.__next__) if flags & 2 else 0
        if kind == 4:
            raise RarError("encrypted headers")
        if kind == 5:
            return
        own = _number(fields.__next__) if kind in (1, 2) else 0
        if (kind == 1 and own & 1) or (kind == 2 and flags & 0x18):
            raise RarError("one of several volumes")
        if kind == 2:
            for _ in range(2):
                _number(fields.__next__)
            rest = bytes(fields)
            yield struct.unpack_from("<I", rest, 4 if own & 2 else 0)[0] if own & 4 else None
        _skip(file, packed, size)


def _number(next_byte: Callable[[], int]) -> int:
    """Read an integer of seven bits a byte, of which the highest says that another one follows."""
    number = shift = 0
    while True:
        byte = next_byte()
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number
        if shift > 63:
            raise RarError("a number without an end")


def _read(file: BinaryIO, length: int) -> bytes:
    found = file.read(length) if 0 <= length <= _MAX_HEADER else b""
    if len(found) != length:
        raise RarError("it ends early")
    return found


def _skip(file: BinaryIO, length: int, size: int) -> None:
    if length > size - file.tell():
        raise RarError("it ends early")
    file.seek(length, 1)
