"""Published data sets, downloaded from where their authors have them, checked and unpacked."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import DataError
from .archives import MAX_BYTES, archive_kind, load_libarchive, unpack
from .sources import Source, SourceFile

#: Called with what is going on, the bytes that are done and, where it is known, how many there are.
Report = Callable[[str, int, int | None], None]

#: The file beside the data that has the SHA-256 of everything downloaded, as ``sha256sum -c`` reads it.
CHECKSUMS = "checksums.txt"

# How often a download that breaks off goes on at the same place.
_TRIES = 5


class Fetcher:
    """Downloads and unpacks what is missing of a data set.

    Parameters
    ----------
    source : Source
        The data set.
    folder : path
        Where it is to be.
    mirrors : sequence of str
        Other places, tried first: the URL of a folder with all files, or one that ends in the name of a file.
    max_bytes : int
        The most bytes that may come out of an archive.
    timeout : float
        Seconds without an answer after which a place counts as dead.
    say : callable
        Called with sentences: which place is dead, which checksum was recorded.

    Raises
    ------
    DataError
        If a mirror is no URL, or a library that is needed is not installed.
    """

    def __init__(
        self,
        source: Source,
        folder: str | Path,
        *,
        mirrors: Sequence[str] = (),
        max_bytes: int = MAX_BYTES,
        timeout: float = 60,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.folder, self._source, self._mirrors, self._max_bytes = Path(folder), source, mirrors, max_bytes
        self._timeout, self._say = timeout, say
        for url in mirrors:
            if not url.startswith(("http://", "https://")):
                raise DataError(f"--mirror {url}: must begin with http:// or https://")
        #: The files that are not there yet, or not unpacked.
        self.missing = [file for file in source.files if not self._is_complete(file)]
        if self.missing:
            self._pooch = _load_pooch()
        if any(file.name.endswith(".rar") for file in self.missing):
            load_libarchive()

    def run(self, report: Report = lambda *_: None) -> None:
        """Download, check and unpack what is missing; after an interrupt it goes on where it was.

        Parameters
        ----------
        report : callable
            Called with progress.

        Raises
        ------
        DataError
            If a file cannot be had anywhere, has another checksum than expected, or cannot be unpacked.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            # Another process may have fetched them in the meantime.
            for file in [file for file in self.missing if not self._is_complete(file)]:
                self._fetch(file, report)

    def _is_complete(self, file: SourceFile) -> bool:
        """Return whether a file is there and, if it is an archive, unpacked."""
        recorded = _read_checksums(self.folder).get(file.name)
        if file.folder is None:
            path = self.folder / file.name
            return path.is_file() and recorded == _sha256(path)
        unpacked = self.folder / file.folder
        if not unpacked.is_dir() or not any(unpacked.iterdir()):
            return False
        marker = unpacked / ".fetched"
        if not marker.is_file():
            self._say(f"{unpacked}: is there already and is used as it is; move it away to fetch {file.name}")
        elif recorded not in (None, marker.read_text()):
            raise DataError(
                f"{unpacked}: is not from the {file.name} of {self.folder / CHECKSUMS}; move it away to fetch it again"
            )
        return True

    def _fetch(self, file: SourceFile, report: Report) -> None:
        path = self.folder / file.name
        recorded = _read_checksums(self.folder)
        expected = file.checksum or (f"sha256:{recorded[file.name]}" if file.name in recorded else None)
        if not path.exists() or (expected and not self._matches(path, expected)):
            self._download(file, expected, report)
        digest = _sha256(path)
        if file.folder is not None:
            report(f"unpacking {file.name}", 0, None)
            unpack(
                path,
                self.folder / file.folder,
                note=digest,
                max_bytes=self._max_bytes,
                report=lambda done: report(f"unpacking {file.name}", done, None),
            )
        # What has been unpacked is whole, so that its checksum can be trusted from now on.
        if recorded.get(file.name) != digest:
            _write_checksums(self.folder, recorded | {file.name: digest})
            if expected is None:
                self._say(
                    f"{file.name}: no checksum is published; its SHA-256 {digest} is recorded in "
                    f"{self.folder / CHECKSUMS}, and from now on nothing else is accepted"
                )

    def _matches(self, path: Path, expected: str) -> bool:
        """Return whether a file that is there has the checksum that is expected."""
        algorithm, _, digits = expected.partition(":")
        matches = self._pooch.file_hash(str(path), alg=algorithm) == digits
        if not matches:
            self._say(f"{path}: has another checksum than expected; it is downloaded again")
        return matches

    def _download(self, file: SourceFile, expected: str | None, report: Report) -> None:
        """Download a file from the first place that has it."""
        import requests
        import urllib3

        path = self.folder / file.name
        download = _Download(path, file.folder is not None, self._timeout, report)
        failures = []
        places = self._places(file)
        for place, following in zip(places, [*places[1:], None], strict=True):
            try:
                # An old file is replaced once the new one is whole and right.
                self._pooch.retrieve(place, expected, file.name, self.folder, downloader=download)
                return
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
                failures.append(f"{place} ({_reason(error)})")
                if following:
                    self._say(f"{failures[-1]}; next is {following}")
        raise DataError(
            f"{file.name}: cannot be downloaded: {'; '.join(failures)}; give another place with --mirror URL, "
            f"or download it by hand to {path}"
        )

    def _places(self, file: SourceFile) -> list[str]:
        """Return the URLs of a file in the order in which they are tried."""
        names = {file.name for file in self._source.files}
        ends = {url: urlsplit(url).path.rpartition("/")[2] for url in self._mirrors}
        own = (
            url if ends[url] in names else f"{url.rstrip('/')}/{file.name}"
            for url in self._mirrors
            if ends[url] not in names - {file.name}
        )
        return [*own, *file.urls]


class _Failure(ValueError):
    """Why a place cannot be downloaded from."""


class _Download:
    """A downloader for pooch that goes on where an earlier one was interrupted.

    What has come is in ``NAME.part``, and what the server said of it in ``NAME.part.json``.
    """

    def __init__(self, path: Path, is_archive: bool, timeout: float, report: Report) -> None:
        self._path, self._is_archive, self._timeout, self._report = path, is_archive, timeout, report
        self._part = path.with_name(f"{path.name}.part")
        self._notes = path.with_name(f"{path.name}.part.json")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        from urllib3.exceptions import HTTPError

        for tries_left in reversed(range(_TRIES)):
            self._received = 0
            try:
                self._go_on(url)
                break
            except (HTTPError, _Failure):
                if not (tries_left and self._received):
                    raise
        self._notes.unlink(missing_ok=True)
        if self._is_archive and not archive_kind(self._part):
            self._part.unlink()
            raise _Failure("what it sends is no archive")
        os.replace(self._part, output_file)

    def _go_on(self, url: str) -> None:
        """Download what is missing of the part, or all of it where that is not possible."""
        import requests

        notes = self._read_notes(url)
        done = self._part.stat().st_size if notes and self._part.exists() else 0
        if done and done == notes["total"]:
            return
        headers = {"User-Agent": f"actionbench/{version('actionbench')}", "Accept-Encoding": "identity"}
        if done:
            headers["Range"] = f"bytes={done}-"
            # Without either the sizes are compared.
            if validator := notes["etag"] or notes["modified"]:
                headers["If-Range"] = validator
        with requests.get(url, headers=headers, stream=True, timeout=self._timeout) as response:
            start, found = _describe(response)
            changed = start != done or any(found[key] not in (None, notes[key]) for key in notes)
            if done and (response.status_code == 416 or (response.status_code == 206 and changed)):
                self._notes.unlink()
                return self._go_on(url)
            response.raise_for_status()
            if response.status_code != 206:
                done = 0
                self._part.unlink(missing_ok=True)
                self._notes.write_text(json.dumps({"url": url, "remote": found}))
            with self._part.open("ab") as file:
                for block in response.raw.stream(2**16, decode_content=False):
                    file.write(block)
                    self._received += len(block)
                    self._report(f"downloading {self._path.name}", done + self._received, found["total"])
        done += self._received
        if found["total"] not in (None, done):
            raise _Failure(f"the connection ended after {done:,} of {found['total']:,} bytes")

    def _read_notes(self, url: str) -> dict[str, Any]:
        """Return what the server said of the part, or nothing where it tells nothing or was another one."""
        try:
            notes = json.loads(self._notes.read_text())
            return notes["remote"] if notes["url"] == url and any(notes["remote"].values()) else {}
        except (OSError, ValueError, LookupError, TypeError):
            return {}


def _describe(response: Any) -> tuple[int, dict[str, Any]]:
    """Return where begins what a server sends, and how to recognise the whole: entity tag, time and size."""
    headers = response.headers
    start, total = "0", headers.get("Content-Length", "")
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        start, total = match.groups() if match else ("-1", "")
    etag = headers.get("ETag")
    return int(start), {
        # The same weak tag may stand for other bytes.
        "etag": None if etag and etag.startswith("W/") else etag,
        "modified": headers.get("Last-Modified"),
        "total": int(total) if total.isdecimal() else None,
    }


def _reason(error: Exception) -> str:
    """Return in a few words why a place cannot be downloaded from."""
    import requests
    import urllib3

    if isinstance(error, requests.HTTPError):
        return f"HTTP status {getattr(error.response, 'status_code', 'unknown')}"
    if isinstance(error, _Failure):
        return str(error)
    if "NameResolutionError" in repr(error):
        return "there is no such host"
    reasons = {
        "no answer in time": (requests.Timeout, urllib3.exceptions.TimeoutError),
        "its certificate is not trusted": (requests.exceptions.SSLError,),
        "the connection failed": (requests.ConnectionError, urllib3.exceptions.HTTPError),
        type(error).__name__: (requests.RequestException,),
    }
    return next((reason for reason, kinds in reasons.items() if isinstance(error, kinds)), "another checksum")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder so that no other process fetches into it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise DataError(f"{folder}: another process fetches into it; wait for its end") from error
    finally:
        os.close(handle)


def _load_pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise DataError('data fetch needs pooch: pip install "actionbench[fetch]"') from error
    pooch.get_logger().setLevel("WARNING")
    return pooch


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_checksums(folder: Path) -> dict[str, str]:
    """Return the recorded SHA-256 of each file."""
    path = folder / CHECKSUMS
    lines = path.read_text().splitlines() if path.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines if len(line.split(maxsplit=1)) == 2)
    return {name: digest for digest, name in pairs}


def _write_checksums(folder: Path, checksums: dict[str, str]) -> None:
    new = folder / f".{CHECKSUMS}"
    new.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(checksums.items())))
    os.replace(new, folder / CHECKSUMS)
