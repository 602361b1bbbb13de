"""Archives in formats that Python cannot write, by their published descriptions, and small ones in those it can."""

import io
import struct
import zipfile
import zlib


def make_zip(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _vint(number):
    """A variable-length integer of RAR 5."""
    groups = [number & 127]
    while number := number >> 7:
        groups.append(number & 127)
    return bytes([*(group | 128 for group in groups[:-1]), groups[-1]])


def _block(kind, flags, body, extra=b"", data=None):
    flags |= bool(extra) | 2 * (data is not None)
    sizes = (_vint(len(extra)) if extra else b"") + (_vint(len(data)) if data is not None else b"")
    header = _vint(kind) + _vint(flags) + sizes + body + extra
    header = _vint(len(header)) + header
    return struct.pack("<I", zlib.crc32(header)) + header + (data or b"")


def make_rar5(members, link=None):
    """A RAR 5 archive that stores its members (method 0), by the technical note of WinRAR 5."""
    blocks = [b"Rar!\x1a\x07\x01\x00", _block(1, 0, _vint(0))]
    for name, content in members.items():
        body = _vint(4) + _vint(len(content)) + _vint(0o100644) + struct.pack("<I", zlib.crc32(content))
        body += _vint(0) + _vint(1) + _vint(len(name)) + name.encode()
        blocks.append(_block(2, 0, body, data=content))
    if link:
        name, target = link
        record = _vint(5) + _vint(1) + _vint(0) + _vint(len(target)) + target.encode()
        body = _vint(0) + _vint(0) + _vint(0o120777) + _vint(0) + _vint(1) + _vint(len(name)) + name.encode()
        blocks.append(_block(2, 0, body, extra=_vint(len(record)) + record, data=b""))
    return b"".join([*blocks, _block(5, 0, _vint(0))])


def make_rar4(members):
    """A RAR archive as before version 5, which stores its members (method 0x30)."""

    def block(kind, flags, body, data=b""):
        header = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        return struct.pack("<H", zlib.crc32(header) & 0xFFFF) + header + data

    blocks = [b"Rar!\x1a\x07\x00", block(0x73, 0, bytes(6))]
    for name, content in members.items():
        fields = (len(content), len(content), 3, zlib.crc32(content), 0, 20, 0x30, len(name), 0o100644)
        blocks.append(block(0x74, 0x8000, struct.pack("<IIBIIBBHI", *fields) + name.encode(), content))
    return b"".join([*blocks, block(0x7B, 0x4000, b"")])
