import hashlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from archive_writers import make_rar4, make_zip

from actionbench.errors import DataError
from actionbench.experiments.datasets import fetching
from actionbench.experiments.datasets.fetching import Fetcher
from actionbench.experiments.datasets.sources import SOURCES, Source, SourceFile, find_source

WALK = make_zip({f"{n}.avi": hashlib.shake_128(bytes([n])).digest(40_000) for n in range(5)})


def source(*files):
    return Source("Toy", "https://toy.example", "for tests", files)


@pytest.fixture
def walk(site):
    """A data set of one archive on the web server; keywords are those of its file."""
    site.files["/walk.zip"] = WALK

    def make(**values):
        return source(SourceFile("walk.zip", (f"{site.url}/walk.zip",), **{"folder": "walk"} | values))

    return make


def fetch(what, folder, report=lambda *_: None, **options):
    """Fetch and return what was said."""
    said = []
    Fetcher(what, folder, say=said.append, **options).run(report)
    return said


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetched_checked_and_unpacked(walk, tmp_path):
    reports = []
    said = fetch(walk(checksum=f"sha256:{sha256(WALK)}"), tmp_path / "a/b", lambda *now: reports.append(now))
    assert said == []
    assert names(tmp_path / "a/b") == ["checksums.txt", "walk", "walk.zip"]
    assert names(tmp_path / "a/b/walk") == [".fetched", *(f"{n}.avi" for n in range(5))]
    assert ("downloading walk.zip", len(WALK), len(WALK)) in reports
    assert reports[-1] == ("unpacking walk.zip", 200_000, None)
    subprocess.run(["sha256sum", "--check", "--strict", "checksums.txt"], cwd=tmp_path / "a/b", check=True)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_checksums_of_several_kinds(algorithm, walk, tmp_path):
    digits = hashlib.new(algorithm, WALK).hexdigest()
    assert fetch(walk(checksum=f"{algorithm}:{digits}"), tmp_path) == []


def test_the_second_time_nothing_is_done(walk, site, tmp_path):
    fetch(walk(), tmp_path)
    # The archive is not needed any more.
    (tmp_path / "walk.zip").unlink()
    site.requests.clear()
    assert Fetcher(walk(), tmp_path).missing == []
    assert fetch(walk(), tmp_path) == []
    assert site.requests == []


def test_a_download_that_breaks_off_goes_on(walk, site, tmp_path):
    site.breaks["/walk.zip"] = [50_000, 120_000]
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == WALK
    ranges = [wanted for _, wanted in site.requests]
    assert ranges == [None, "bytes=50000-", "bytes=120000-"]


def interrupt_at(n_bytes):
    def report(what, done, total):
        if done >= n_bytes:
            raise KeyboardInterrupt

    return report


def interrupted(what, folder, n_bytes=100_000):
    with pytest.raises(KeyboardInterrupt):
        fetch(what, folder, interrupt_at(n_bytes))
    assert names(folder) == ["walk.zip.part", "walk.zip.part.json"]
    part = (folder / "walk.zip.part").read_bytes()
    assert 100_000 <= len(part) <= len(WALK)
    assert WALK.startswith(part)
    return len(part)


@pytest.mark.parametrize("tags", [True, False])
def test_an_interrupt_keeps_what_has_come(tags, walk, site, tmp_path):
    site.tags = tags
    done = interrupted(walk(), tmp_path)
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == WALK
    assert site.requests[1:] == [("/walk.zip", f"bytes={done}-")]
    assert names(tmp_path) == ["checksums.txt", "walk", "walk.zip"]


def test_a_whole_part_is_not_downloaded_again(walk, site, tmp_path):
    interrupted(walk(), tmp_path, len(WALK))
    site.requests.clear()
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == WALK
    assert site.requests == []


def test_a_server_without_ranges(walk, site, tmp_path):
    site.ranges = False
    interrupted(walk(), tmp_path)
    site.breaks["/walk.zip"] = [150_000]
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == WALK


def test_a_server_that_tells_nothing(walk, site, tmp_path):
    site.tags = site.lengths = False
    interrupted(walk(), tmp_path)
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == WALK
    assert site.requests == [("/walk.zip", None)] * 2


@pytest.mark.parametrize("tags", [True, False])
@pytest.mark.parametrize("length", [10_000, 300_000])
def test_a_remote_that_has_changed(tags, length, walk, site, tmp_path):
    site.tags = tags
    interrupted(walk(), tmp_path)
    other = site.files["/walk.zip"] = make_zip({"x.avi": hashlib.shake_128(b"x").digest(length)})
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == other


def test_notes_that_are_damaged(walk, tmp_path):
    interrupted(walk(), tmp_path)
    (tmp_path / "walk.zip.part.json").write_text("[1")
    fetch(walk(), tmp_path)
    assert (tmp_path / "walk.zip").read_bytes() == WALK


def test_a_wrong_checksum(walk, tmp_path):
    with pytest.raises(
        DataError, match=r"walk.zip: cannot be downloaded: http.*/walk.zip \(another checksum\);"
    ):
        fetch(walk(checksum="sha256:" + "0" * 64), tmp_path)
    assert names(tmp_path) == []


def test_what_came_first_is_trusted(walk, site, tmp_path):
    (said,) = fetch(walk(), tmp_path)
    assert f"its SHA-256 {sha256(WALK)} is recorded in {tmp_path}/checksums.txt" in said
    for path in (tmp_path / "walk").iterdir():
        path.unlink()
    (tmp_path / "walk.zip").unlink()
    site.files["/walk.zip"] = make_zip({"evil.avi": b"1"})
    with pytest.raises(DataError, match="another checksum"):
        fetch(walk(), tmp_path)
    site.files["/walk.zip"] = WALK
    assert fetch(walk(), tmp_path) == []


def test_a_dead_place_names_the_next(walk, site, tmp_path, monkeypatch):
    dead = [f"{site.url}/gone/walk.zip", f"{site.url}/sold/walk.zip"]
    site.files["/sold/walk.zip"] = b"<html>This domain is for sale</html>"
    urls = (*dead, f"{site.url}/walk.zip")
    first, second, _ = fetch(source(SourceFile("walk.zip", urls, "walk")), tmp_path)
    assert first == f"{dead[0]} (HTTP status 404); next is {dead[1]}"
    assert second == f"{dead[1]} (what it sends is no archive); next is {urls[2]}"
    assert (tmp_path / "walk.zip").read_bytes() == WALK


def test_all_places_are_dead(site, tmp_path, monkeypatch):
    def resolve(host, *rest, **more):
        if host == "nowhere.invalid":
            raise socket.gaierror(-2, "Name or service not known")
        return getaddrinfo(host, *rest, **more)

    getaddrinfo = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,nowhere.invalid")
    site.files["/short"] = b"x" * 100
    site.breaks["/short"] = [0] * 9
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
        closed.close()
        urls = {
            f"{site.url}/gone": "HTTP status 404",
            f"{site.url}/short": "the connection failed",
            "http://nowhere.invalid/a": "there is no such host",
            f"http://127.0.0.1:{silent.getsockname()[1]}/a": "no answer in time",
            f"http://127.0.0.1:{port}/a": "the connection failed",
            "http://[/a": "InvalidURL",
        }
        with pytest.raises(DataError) as caught:
            fetch(source(SourceFile("a", tuple(urls))), tmp_path, timeout=0.1)
    reasons = "; ".join(f"{url} ({reason})" for url, reason in urls.items())
    assert str(caught.value) == (
        f"a: cannot be downloaded: {reasons}; give another place with --mirror URL, "
        f"or download it by hand to {tmp_path}/a"
    )


def test_a_mirror_is_a_folder_or_a_file(site, tmp_path):
    files = [SourceFile(name, ("http://127.0.0.1:1/gone",)) for name in ("a.txt", "b.txt")]
    site.files |= {"/m/a.txt": b"a", "/other/b.txt": b"b"}
    fetch(source(*files), tmp_path, mirrors=[f"{site.url}/m/", f"{site.url}/other/b.txt"])
    assert (tmp_path / "a.txt").read_bytes() == b"a"
    assert (tmp_path / "b.txt").read_bytes() == b"b"
    assert [path for path, _ in site.requests] == ["/m/a.txt", "/m/b.txt", "/other/b.txt"]


def test_a_mirror_that_is_no_url(tmp_path):
    with pytest.raises(DataError, match="--mirror ftp://x: must begin with http:// or https://"):
        Fetcher(source(), tmp_path, mirrors=["ftp://x"])


@pytest.mark.parametrize("known", [True, False])
def test_what_was_downloaded_by_hand_is_used(known, walk, site, tmp_path):
    (tmp_path / "walk.zip").write_bytes(WALK)
    fetch(walk(checksum=f"sha256:{sha256(WALK)}" if known else None), tmp_path)
    assert site.requests == []
    assert names(tmp_path) == ["checksums.txt", "walk", "walk.zip"]


def test_what_was_downloaded_by_hand_and_is_wrong(walk, tmp_path):
    (tmp_path / "walk.zip").write_bytes(WALK[:-1])
    (said,) = fetch(walk(checksum=f"sha256:{sha256(WALK)}"), tmp_path)
    assert said == f"{tmp_path}/walk.zip: has another checksum than expected; it is downloaded again"
    assert (tmp_path / "walk.zip").read_bytes() == WALK


def test_what_was_unpacked_by_hand_is_used(walk, site, tmp_path):
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk/mine.avi").write_bytes(b"1")
    (said,) = fetch(walk(), tmp_path)
    assert said == f"{tmp_path}/walk: is there already and is used as it is; move it away to fetch walk.zip"
    assert site.requests == []


def test_what_was_unpacked_from_something_else(walk, tmp_path):
    fetch(walk(), tmp_path)
    (tmp_path / "walk/.fetched").write_text("0" * 64)
    with pytest.raises(DataError, match="walk: is not from the walk.zip of .*checksums.txt; move it away"):
        Fetcher(walk(), tmp_path)


def test_a_damaged_archive_is_not_trusted(walk, site, tmp_path):
    site.files["/walk.zip"] = WALK[:90_000] + bytes(10) + WALK[90_010:]
    with pytest.raises(
        DataError, match=r"walk.zip: is damaged or not supported .* remove it to download it again"
    ):
        fetch(walk(), tmp_path)
    assert names(tmp_path) == ["walk.zip"]


def test_the_limit_of_what_is_unpacked(walk, tmp_path):
    with pytest.raises(DataError, match="may be unpacked; --max-size sets the limit"):
        fetch(walk(), tmp_path, max_bytes=100_000)
    assert names(tmp_path) == ["walk.zip"]


def test_two_processes(walk, tmp_path):
    with fetching._locked(tmp_path), pytest.raises(DataError, match="another process fetches into it"):
        fetch(walk(), tmp_path)


def test_libraries_are_asked_for_before_anything_is_downloaded(walk, site, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "libarchive", None)
    with pytest.raises(DataError, match="rar archives need libarchive"):
        Fetcher(source(SourceFile("a.rar", (f"{site.url}/a.rar",), "a")), tmp_path)
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r'data fetch needs pooch: pip install "actionbench\[fetch\]"'):
        Fetcher(walk(), tmp_path)


def test_a_rar_of_rars_is_fetched(site, tmp_path):
    pytest.importorskip("libarchive")
    inner = make_rar4({"brush_hair\\x.avi": b"1"})
    site.files["/hmdb51_org.rar"] = make_rar4({"brush_hair.rar": inner, "catch.rar": inner})
    fetch(source(SourceFile("hmdb51_org.rar", (f"{site.url}/hmdb51_org.rar",), "hmdb51_org")), tmp_path)
    assert (tmp_path / "hmdb51_org/brush_hair/x.avi").read_bytes() == b"1"
    assert names(tmp_path / "hmdb51_org") == [".fetched", "brush_hair", "catch"]


def test_the_sources_are_sound():
    lengths = {"md5": 32, "sha1": 40, "sha256": 64}
    for name, known in SOURCES.items():
        assert bool(known.files) != bool(known.by_hand), name
        folders = [file.folder for file in known.files if file.folder]
        assert len(folders) == len(set(folders))
        for file in known.files:
            assert Path(file.name).name == file.name
            assert all(
                url.startswith(("http://", "https://")) and url.endswith(file.name) for url in file.urls
            )
            assert (file.folder is None) == file.name.endswith(".txt")
            if file.checksum:
                algorithm, _, digits = file.checksum.partition(":")
                assert len(digits) == lengths[algorithm]
                assert int(digits, 16)


def test_what_cannot_be_fetched():
    with pytest.raises(
        DataError, match="there is no data set 'ucf10' to fetch; did you mean 'ucf101'. known are: hmdb51"
    ):
        find_source("ucf10")
    with pytest.raises(
        DataError, match=r"jester: needs an account at Qualcomm; download it from https://.* yourself"
    ):
        find_source("jester")
