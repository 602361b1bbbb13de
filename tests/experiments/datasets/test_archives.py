import hashlib
import io
import sys
import tarfile
import zipfile
from functools import partial
from types import SimpleNamespace

import pytest
from archive_writers import make_rar4, make_rar5, make_zip

from actionbench.errors import DataError
from actionbench.experiments.datasets import archives
from actionbench.experiments.datasets.archives import archive_kind, unpack

FILES = {"walk/ann.avi": b"moving" * 100, "walk/b b.avi": b"", "read me.txt": b"hello"}


def make_tar(members, mode="w", **attributes):
    """A tar archive; the attributes are set for its last member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == [*members][-1]:
                for key, value in attributes.items():
                    setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def has_rar():
    try:
        return bool(archives.load_libarchive())
    except DataError:
        return False


NEEDS_RAR = pytest.mark.skipif(not has_rar(), reason="libarchive is not installed")


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "a.bin"
        path.write_bytes(content)
        return path

    return write


def content_of(folder):
    """The files below a folder, without the marker."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != ".fetched")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


MAKERS = [
    make_zip,
    make_tar,
    *(
        pytest.param(partial(make_tar, mode=mode), id=mode.replace("w:", "make_tar_"))
        for mode in ("w:gz", "w:bz2", "w:xz")
    ),
    pytest.param(make_rar4, marks=NEEDS_RAR),
    pytest.param(make_rar5, marks=NEEDS_RAR),
]


@pytest.mark.parametrize("make", MAKERS)
def test_what_is_packed_comes_out(make, write, tmp_path):
    reports = []
    unpack(write(make(FILES)), tmp_path / "out", note="n", report=reports.append)
    assert content_of(tmp_path / "out") == FILES
    assert (tmp_path / "out/.fetched").read_text() == "n"
    assert reports[-1] == sum(map(len, FILES.values()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "out"]


@pytest.mark.parametrize("make", MAKERS)
def test_a_lone_folder_is_replaced(make, write, tmp_path):
    (tmp_path / "out").mkdir()
    unpack(write(make({"UCF 1/a/x.avi": b"1", "UCF 1/y.avi": b"2"})), tmp_path / "out")
    assert content_of(tmp_path / "out") == {"a/x.avi": b"1", "y.avi": b"2"}


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", "C:evil", "..\\evil", "\\evil", "a\\..\\..\\e"]
)
def test_no_path_leaves_the_folder(make, name, write, tmp_path):
    with pytest.raises(DataError, match="leaves the folder; nothing is unpacked"):
        unpack(
            write(make({"good": b"1", name: b"2"})),
            tmp_path / "out",
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]


def test_backslashes_are_folders(write, tmp_path):
    unpack(write(make_tar({"walk\\ann.avi": b"1", "./run/ann.avi": b"2"})), tmp_path / "out")
    assert content_of(tmp_path / "out") == {"walk/ann.avi": b"1", "run/ann.avi": b"2"}


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "link"),
        (tarfile.LNKTYPE, "link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
    ],
)
def test_no_links_and_devices_in_tar(kind, what, write, tmp_path):
    packed = make_tar({"good": b"1", "bad": b""}, type=kind, linkname="good")
    with pytest.raises(DataError, match=f"'bad' is a {what}, not a file or a folder; nothing is unpacked"):
        unpack(write(packed), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_links_in_zip(write, tmp_path):
    info = zipfile.ZipInfo("bad")
    info.external_attr = 0o120777 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="'bad' is a link"):
        unpack(write(buffer.getvalue()), tmp_path / "out")


@NEEDS_RAR
def test_no_links_in_rar(write, tmp_path):
    with pytest.raises(DataError, match="'bad' is a link"):
        unpack(write(make_rar5({"good": b"1"}, link=("bad", "/etc/passwd"))), tmp_path / "out")


@pytest.mark.parametrize("make", MAKERS)
def test_a_bomb_stops_at_the_limit(make, write, tmp_path):
    bomb = write(make({"a": bytes(700_000), "b": bytes(700_000)}))
    with pytest.raises(DataError, match=r"holds more than the 0.000954 GiB that may be unpacked; --max-size"):
        unpack(bomb, tmp_path / "out", max_bytes=1_024_000)
    assert not (tmp_path / "out").exists()
    unpack(bomb, tmp_path / "out", max_bytes=1_400_000)


def test_a_bomb_in_an_archive_stops_at_the_limit(write, tmp_path):
    nested = write(make_zip({f"{n}.zip": make_zip({"a": bytes(600_000)}) for n in "ab"}))
    with pytest.raises(DataError, match="holds more than"):
        unpack(nested, tmp_path / "out", max_bytes=1_024_000)


def test_the_disk_is_a_limit(write, tmp_path, monkeypatch):
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DataError, match="that are free on the disk"):
        unpack(write(make_zip(FILES)), tmp_path / "out")


def test_the_number_of_members_is_limited(write, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(DataError, match="holds more than 2 files and folders"):
        unpack(write(make_zip(FILES)), tmp_path / "out")


def test_encrypted(write, tmp_path):
    packed = bytearray(make_zip({"a": b"1"}))
    packed[6] |= 1
    packed[packed.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(
        DataError, match="is encrypted; unpack it with its password by other means into .*out"
    ):
        unpack(write(packed), tmp_path / "out")


NOISE = {"x": hashlib.shake_128(b"").digest(50_000)}


def flipped(content):
    return content.replace(b"mov1ng", b"MOV1NG")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: make_zip(NOISE)[:-100], id="zip without its end"),
        pytest.param(lambda: b"PK\3\4" + b"nothing" * 30, id="no zip"),
        pytest.param(lambda: make_tar(NOISE)[:-20_000], id="short tar"),
        pytest.param(lambda: make_tar({"x": b"1"}, "w:gz")[:-12], id="gz without its checksum"),
        pytest.param(lambda: make_tar(NOISE, "w:bz2")[:-20_000], id="short bz2"),
        pytest.param(lambda: make_tar(NOISE, "w:xz")[:-20_000], id="short xz"),
        *(
            pytest.param(make, id=name, marks=NEEDS_RAR)
            for name, make in {
                "wrong rar4": lambda: flipped(make_rar4({"x": b"mov1ng"})),
                "wrong rar5": lambda: flipped(make_rar5({"x": b"mov1ng"})),
                "short rar4": lambda: make_rar4(NOISE)[:-20_000],
                "rar5 with half a header": lambda: make_rar5({"x": b"mov1ng"})[:40],
                "rar5 without its end": lambda: make_rar5({"x": b"mov1ng"})[:-8],
                "no rar": lambda: b"Rar!\x1a\x07\x01\x00" + b"nothing",
            }.items()
        ),
    ],
)
def test_damaged(make, write, tmp_path):
    path = write(make())
    with pytest.raises(
        DataError, match=r"a.bin: is damaged or not supported \(.+\); remove it to download it again"
    ):
        unpack(path, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]


@NEEDS_RAR
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # Flags of the main header and of a file in RAR before version 5.
        (b"\x73\0\0", b"\x73\x80\0", "is encrypted"),
        (b"\x73\0\0", b"\x73\x01\0", "one of several volumes"),
        (b"\x74\0\x80", b"\x74\x02\x80", "one of several volumes"),
    ],
)
def test_rars_that_are_not_supported(old, new, message, write, tmp_path):
    with pytest.raises(DataError, match=message):
        unpack(write(make_rar4({"x": b"1"}).replace(old, new, 1)), tmp_path / "out")


def test_a_wrong_checksum_in_zip(write, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("x", b"mov1ng")
    with pytest.raises(DataError, match="Bad CRC-32"):
        unpack(write(flipped(buffer.getvalue())), tmp_path / "out")


def test_no_archive(write, tmp_path):
    path = write(b"<html>This domain is for sale</html>")
    assert archive_kind(path) is None
    with pytest.raises(DataError, match="is no zip, tar or rar archive"):
        unpack(path, tmp_path / "out")


def test_archives_in_an_archive_are_unpacked_once_more(write, tmp_path):
    inner = {
        "brush_hair.zip": make_zip({"brush_hair/x.avi": b"1"}),
        "sub/catch.tar.gz": make_tar({"y.avi": b"2", "deep.zip": make_zip({"z": b"3"})}, "w:gz"),
        "no.zip": b"this is a text",
    }
    unpack(write(make_zip(inner)), tmp_path / "out")
    found = content_of(tmp_path / "out")
    assert archive_kind(tmp_path / "out/sub/catch/deep.zip") == "zip"
    del found["sub/catch/deep.zip"]
    assert found == {"brush_hair/x.avi": b"1", "sub/catch/y.avi": b"2", "no.zip": b"this is a text"}


@NEEDS_RAR
def test_a_rar_of_rars(write, tmp_path):
    inner = {f"{name}.rar": make_rar4({f"{name}\\x.avi": name.encode()}) for name in ("brush_hair", "catch")}
    unpack(write(make_rar4(inner)), tmp_path / "out")
    assert content_of(tmp_path / "out") == {"brush_hair/x.avi": b"brush_hair", "catch/x.avi": b"catch"}


def test_what_is_unsafe_in_an_archive_in_an_archive(write, tmp_path):
    with pytest.raises(DataError, match=r"a.bin, in.zip: the path '../../evil' leaves the folder"):
        unpack(write(make_zip({"in.zip": make_zip({"../../evil": b"1"})})), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]


def test_litter_of_macos_stays_out(write, tmp_path):
    unpack(
        write(make_zip({"v/x.avi": b"1", "__MACOSX/v/._x.avi": b"2", "v/._y.avi": b"3", "v/.DS_Store": b""})),
        tmp_path / "out",
    )
    assert content_of(tmp_path / "out") == {"x.avi": b"1"}


def test_the_same_path_twice(write, tmp_path):
    with pytest.raises(DataError, match="has the path 'a/b' twice"):
        unpack(write(make_zip({"a": b"1", "a/b": b"2"})), tmp_path / "out")


def test_a_folder_that_has_something_stays(write, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("1")
    with pytest.raises(DataError, match="out: is there already; move it away"):
        unpack(write(make_zip(FILES)), tmp_path / "out")
    assert content_of(tmp_path / "out") == {"mine": b"1"}


def test_an_interrupt_leaves_nothing_half_done(write, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(write(make_zip(FILES)), tmp_path / "out", report=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin"]


def test_what_a_killed_process_left_is_in_nobodys_way(write, tmp_path):
    (tmp_path / ".out.unpacking/old").mkdir(parents=True)
    unpack(write(make_zip(FILES)), tmp_path / "out")
    assert content_of(tmp_path / "out") == FILES


def test_without_libarchive(write, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "libarchive", None)
    with pytest.raises(
        DataError, match=r'pip install "actionbench\[rar\]", and Debian\'s package libarchive13'
    ):
        unpack(write(make_rar5(FILES)), tmp_path / "out")
