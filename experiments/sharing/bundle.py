"""A bundle: one zip file with all that is needed to report a run, to run it again and to compare what comes out.

Its members are JSON, plug-in files, files that the matrix names, and predictions as safetensors; no pickle. The same
store gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Base64Bytes, BaseModel, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ...errors import BundleError, StoreError
from ..store import BUNDLED, Rows, Store, provenance

_CHECKSUMS = "checksums.json"
_FILES = ("bundle.json", "matrix.json", "provenance.json", "requirements.txt")
_MEMBER = re.compile(r"predictions/[0-9a-f]+\.safetensors|store/[a-z_]+\.json|plugins/\d+/.+|files/\d+/[^/]+")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHANGED = "{}: has changed since the run; run the matrix again, or bring back what it was"
MAX_MEMBER_BYTES = 2**30
MAX_TOTAL_BYTES = 2**36


class Header(BaseModel):
    """What a bundle is of."""

    #: Version of the members and of the tables that they hold.
    format: Literal[1]
    run: int
    name: str
    #: Whether the run came to its end.
    finished: bool
    #: Members that are plug-ins, in the order in which they were named.
    plugins: list[str]
    #: Members that are files of the matrix, by the paths that they had.
    files: dict[str, str] = Field(default_factory=dict)


class BundledCell(BaseModel):
    """What a cell was and how it ended, without its predictions."""

    key: str
    dataset: str
    split: str
    fingerprint: str
    attempt: str
    seed: int
    fold: int
    fold_name: str
    n_test: int
    status: str
    message: str | None

    @property
    def place(self) -> tuple[str, str, str, int, int]:
        """Where it is in the matrix."""
        return self.dataset, self.split, self.attempt, self.seed, self.fold


class _Blob(BaseModel):
    base64: Base64Bytes


class _Table(BaseModel):
    """Rows of a table of the store."""

    columns: list[str]
    rows: list[list[int | float | str | _Blob | None]]

    def dicts(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=False)) for row in self.rows]

    def values(self) -> Iterator[list[Any]]:
        for row in self.rows:
            yield [value.base64 if isinstance(value, _Blob) else value for value in row]


@dataclass(frozen=True)
class Written:
    """A bundle that was written: cells of the run by status, whether it had come to its end, and thumbnails."""

    path: Path
    statuses: Mapping[str, int]
    finished: bool
    n_thumbnails: int


def write_bundle(store: Store, path: str | Path, *, run: int | None = None) -> Written:
    """Pack a run of a store.

    Parameters
    ----------
    store : Store
        Where the results are.
    path : path
        The zip file to write; another bundle that is there is replaced.
    run : int, optional
        Number of the run; by default the last.

    Raises
    ------
    ActionbenchError
        If there is no such run or none of its cells is done, a plug-in or a file of the matrix is gone or has changed
        since, or the bundle cannot be written, is too large to be read again or would replace what is none.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise BundleError(f"{path}: the folder {path.parent} does not exist")
    if path.exists() and not zipfile.is_zipfile(path):
        raise BundleError(f"{path}: is there and no bundle, and would be lost; -o must name another file")
    with store.snapshot():
        return _packed(store, path, run)


def _packed(store: Store, path: Path, run: int | None) -> Written:
    runs = {row["id"]: row for row in store.runs().to_dict("records")}
    number = run or max(runs, default=0)
    if number not in runs:
        known = ", ".join(map(str, runs)) or "none"
        raise StoreError(f"{store.path}: there is no run {number}; there are {known}")
    cells = store.cells_of(number)
    if all(cell["status"] != "done" for cell in cells):
        raise StoreError(
            f"{store.path}: run {number} has no finished cells to bundle; actionbench run makes some"
        )
    members = _members(store, runs[number], cells)
    try:
        _write(path, members)
    except OSError as error:
        raise BundleError(f"{path}: the bundle cannot be written ({error.strerror})") from error
    statuses = [cell["status"] for cell in cells]
    return Written(
        path,
        {status: statuses.count(status) for status in sorted(set(statuses))},
        bool(runs[number]["finished"]),
        sum(len(store.thumbnails(dataset_id)) for dataset_id in {cell["dataset_id"] for cell in cells}),
    )


def _members(
    store: Store, run: Mapping[Any, Any], cells: list[dict[str, Any]]
) -> dict[str, Callable[[], bytes]]:
    """Return what makes the content of each member; predictions are not all held at once."""
    facts = run["provenance"]
    codes = [store.code_parts(code) for code in sorted({cell["code"] for cell in cells})]
    plugins, sources = _plugin_members(facts.get("plugins", []), codes)
    files, named = _file_members(facts.get("files", {}))
    header = Header(
        format=1,
        run=run["id"],
        name=run["name"],
        finished=bool(run["finished"]),
        plugins=plugins,
        files=files,
    )
    packages = facts.get("packages", {})
    contents = {
        "bundle.json": _json(header.model_dump()),
        "matrix.json": _json(run["matrix"]),
        "provenance.json": _json(facts),
        "requirements.txt": "".join(f"{name}=={packages[name]}\n" for name in sorted(packages)).encode(),
        **sources,
        **named,
    }
    members: dict[str, Callable[[], bytes]] = {name: _always(content) for name, content in contents.items()}
    keys = [cell["key"] for cell in cells]
    for table in BUNDLED:
        members[f"store/{table}.json"] = _table(store, table, run["id"], keys)
    for cell in cells:
        if cell["status"] == "done":
            members[f"predictions/{cell['key']}.safetensors"] = _predictions(store, cell["key"])
    return members


def _always(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _table(store: Store, table: str, run_id: int, keys: list[str]) -> Callable[[], bytes]:
    def pack() -> bytes:
        content = store.rows(table, run_id, keys)
        # A line for each row.
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, default=_blob) for row in content.rows)
        return f'{{"columns": {json.dumps(content.columns)}, "rows": [\n{lines}\n]}}\n'.encode()

    return pack


def _blob(content: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(content).decode()}


def _predictions(store: Store, key: str) -> Callable[[], bytes]:
    def pack() -> bytes:
        positions, probabilities = store.predictions(key)
        return pack_predictions(positions, probabilities)

    return pack


def pack_predictions(positions: NDArray[np.int32], probabilities: NDArray[np.float64]) -> bytes:
    """Return the member with the predictions of a cell."""
    return save(
        {
            "positions": np.array(positions, np.int32, order="C"),
            "probabilities": np.array(probabilities, np.float64, order="C"),
        }
    )


def _plugin_members(
    plugins: Iterable[str], codes: Iterable[Mapping[str, str] | None]
) -> tuple[list[str], dict[str, bytes]]:
    """Return the names of plug-ins as members, and the content of their files and of those that they import."""
    known: dict[str, set[str]] = {}
    for parts in codes:
        for name, digests in (parts or {}).items():
            known.setdefault(name, set()).update(digests.split())
    folders: dict[Path, str] = {}
    names: list[str] = []
    sources: dict[str, bytes] = {}
    for path in map(Path, plugins):
        if not path.is_file():
            raise BundleError(
                f"{path}: the plug-in of the run is gone; it must be where it was, to be bundled"
            )
        root, _ = provenance.place_of(path)
        folder = folders.setdefault(root, f"plugins/{len(folders)}")
        names.append(f"{folder}/{path.relative_to(root).as_posix()}")
        for file in provenance.files_imported(path):
            if provenance.is_own(file):
                continue
            # What lies elsewhere on the import path is found beside the plug-in too.
            _, short = provenance.place_of(file)
            content = file.read_bytes()
            if short in known and hashlib.sha256(content).hexdigest() not in known[short]:
                raise BundleError(_CHANGED.format(file))
            if sources.setdefault(f"{folder}/{short}", content) != content:
                raise BundleError(f"{file}: another file is imported under the same name; rename one of them")
    return names, sources


def _file_members(digests: Mapping[str, str]) -> tuple[dict[str, str], dict[str, bytes]]:
    """Return the members of files of the matrix by their paths, and what they hold."""
    members: dict[str, str] = {}
    contents: dict[str, bytes] = {}
    # What lay side by side does so again: a net and what is said of it.
    folders: dict[Path, int] = {}
    for name, digest in digests.items():
        path = Path(name)
        if not path.is_file():
            raise BundleError(f"{path}: this file of the run is gone; it must be where it was, to be bundled")
        number = folders.setdefault(path.parent, len(folders))
        members[name] = f"files/{number}/{path.name}"
        contents[members[name]] = path.read_bytes()
        if hashlib.sha256(contents[members[name]]).hexdigest() != digest:
            raise BundleError(_CHANGED.format(path))
    return members, contents


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _write(path: Path, members: Mapping[str, Callable[[], bytes]]) -> None:
    """Write a zip file, whole or not at all; its times are fixed and its names sorted."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
            checksums = {}
            for name in sorted(members):
                content = members[name]()
                _check_size(path, name, len(content))
                checksums[name] = hashlib.sha256(content).hexdigest()
                _add(archive, name, content)
            _add(archive, _CHECKSUMS, _json(checksums))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr = 3, 0o100644 << 16
    archive.writestr(info, content, zipfile.ZIP_DEFLATED, 6)


class Bundle:
    """A bundle that was opened and whose members are what their checksums say.

    Make one with `Bundle.open`. It is a context manager that closes itself.
    """

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive
        self.digest = hashlib.sha256(self._archive.read(_CHECKSUMS)).hexdigest()
        self.header = self._parsed("bundle.json", Header)
        self.matrix = self._parsed("matrix.json", dict[str, Any])
        self.provenance = self._parsed("provenance.json", dict[str, Any])
        names = set(archive.namelist())
        for name in (*self.header.plugins, *self.header.files.values()):
            if name not in names:
                raise BundleError(f"{path}: bundle.json names {name}, which is no member")
        self.cells = self._cells()

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a bundle and hold every member against its checksum.

        Raises
        ------
        BundleError
            If it is missing, damaged or no bundle; the message names the member.
        """
        path = Path(path)
        if not path.is_file():
            raise BundleError(f"{path}: there is no bundle; `actionbench bundle` makes one")
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # each field of a damaged directory has errors of its own
            raise BundleError(f"{path}: is damaged or no bundle of actionbench ({error})") from error
        try:
            _check(path, archive)
            return cls(path, archive)
        except BaseException:
            archive.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def _cells(self) -> list[BundledCell]:
        data = {row.pop("id", None): row for row in self._table("datasets").dicts()}
        rows = [data.get(row.get("dataset_id"), {}) | row for row in self._table("cells").dicts()]
        try:
            cells = TypeAdapter(list[BundledCell]).validate_python(rows)
        except ValidationError as error:
            raise self._unlike("store/cells.json", error) from error
        return sorted(cells, key=lambda cell: cell.place)

    def clips(self) -> dict[str, tuple[list[str], list[list[str]]]]:
        """Return the classes and clip, label and group of each clip of the data sets, by their fingerprints."""
        rows: dict[Any, list[dict[str, Any]]] = {}
        for row in self._table("clips").dicts():
            rows.setdefault(row.get("dataset_id"), []).append(row)
        try:
            return {
                row["fingerprint"]: (
                    json.loads(row["classes"]),
                    [
                        [clip["clip"], clip["label"], clip["group"]]
                        for clip in sorted(rows.get(row["id"], []), key=lambda clip: clip["position"])
                    ],
                )
                for row in self._table("datasets").dicts()
            }
        except (KeyError, TypeError, ValueError) as error:
            raise self._unlike("store/clips.json", ValueError(str(error))) from error

    def _table(self, name: str) -> _Table:
        return self._parsed(f"store/{name}.json", _Table)

    def _parsed(self, name: str, kind: Any) -> Any:
        try:
            return TypeAdapter(kind).validate_json(self._archive.read(name))
        except KeyError as error:
            raise BundleError(f"{self.path}: the member {name} is missing") from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise self._unlike(name, error) from error

    def _unlike(self, name: str, error: ValueError) -> BundleError:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, first["loc"]))
        return BundleError(
            f"{self.path}: {name} is not as this actionbench writes it ({where}: {first['msg']})"
        )

    def predictions(self, key: str) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return positions and probabilities of a cell, as `Store.predictions` does."""
        name = f"predictions/{key}.safetensors"
        try:
            arrays = load(self._archive.read(name))
            positions, probabilities = arrays["positions"], arrays["probabilities"]
            if probabilities.shape[:1] != positions.shape or probabilities.ndim != 2:
                raise ValueError("the shapes do not fit")
        except (SafetensorError, KeyError, ValueError) as error:
            raise BundleError(f"{self.path}: {name} holds no predictions ({error})") from error
        return positions, probabilities

    def _predicted(self, key: str) -> tuple[str, bytes, bytes]:
        positions, probabilities = self.predictions(key)
        return key, positions.astype("<i4").tobytes(), probabilities.astype("<f8").tobytes()

    def unpack(self, folder: Path) -> tuple[list[Path], dict[str, str]]:
        """Write plug-ins with their helpers, and files of the matrix, into a folder.

        Returns
        -------
        plugins : list of Path
        files : dict of str to str
            Where a file is now, by the path that it had.

        Raises
        ------
        BundleError
            If a member cannot be written.
        """
        for name in self._archive.namelist():
            if name.startswith(("plugins/", "files/")):
                target = folder / name
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(self._archive.read(name))
                except OSError as error:
                    raise BundleError(
                        f"{self.path}: the member {name} cannot be unpacked ({error.strerror})"
                    ) from error
        files = {path: str(folder / name) for path, name in self.header.files.items()}
        return [folder / name for name in self.header.plugins], files

    def as_store(self, path: Path) -> Store:
        """Return a new store that holds all that a report of the run needs.

        Raises
        ------
        BundleError
            If what it holds does not fit together.
        """
        names = [name for name in self._archive.namelist() if name.startswith("store/")]
        tables = {Path(name).stem: self._parsed(name, _Table) for name in names}
        rows = {name: Rows(table.columns, table.values()) for name, table in tables.items()}
        done = [cell.key for cell in self.cells if cell.status == "done"]
        rows["predictions"] = Rows(["key", "positions", "probabilities"], map(self._predicted, done))
        try:
            return Store.filled(path, rows)
        except (StoreError, ValueError, OverflowError) as error:
            raise BundleError(f"{self.path}: holds no results as a store has them ({error})") from error


def _check(path: Path, archive: zipfile.ZipFile) -> None:
    names = [info.filename for info in archive.infolist()]
    for name in names:
        if _leaves(name):
            raise BundleError(f"{path}: the member {name!r} would be written outside of its folder; not used")
    if _CHECKSUMS not in names:
        raise BundleError(f"{path}: no bundle of actionbench, {_CHECKSUMS} is missing")
    for info in archive.infolist():
        _check_size(path, info.filename, info.file_size)
    if sum(info.file_size for info in archive.infolist()) > MAX_TOTAL_BYTES:
        raise BundleError(f"{path}: its members are too large together, they must be below 64 GiB")
    try:
        checksums = TypeAdapter(dict[str, str]).validate_json(_content(path, archive, _CHECKSUMS))
    except ValidationError as error:
        raise BundleError(f"{path}: {_CHECKSUMS} is damaged") from error
    for name in sorted({*_FILES, *checksums} - set(names)):
        raise BundleError(f"{path}: the member {name} is missing")
    for name in _foreign(names, checksums):
        raise BundleError(f"{path}: the member {name} does not belong there")
    for name, expected in checksums.items():
        if hashlib.sha256(_content(path, archive, name)).hexdigest() != expected:
            raise BundleError(
                f"{path}: the member {name} is damaged, its checksum differs; get the bundle anew"
            )


def _check_size(path: Path, name: str, n_bytes: int) -> None:
    if n_bytes > MAX_MEMBER_BYTES:
        raise BundleError(f"{path}: the member {name} is too large, it must be below 1 GiB")


def _leaves(name: str) -> bool:
    """Return whether a name leads out of the folder that it is unpacked into."""
    parts = PurePosixPath(name).parts
    return name.startswith("/") or ".." in parts or "\\" in name or ":" in name


def _foreign(names: list[str], checksums: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        known = name in _FILES or _MEMBER.fullmatch(name)
        if name != _CHECKSUMS and (name not in checksums or not known):
            yield name
    yield from (name for name, count in Counter(names).items() if count > 1)


def _content(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except Exception as error:  # each compression has errors of its own
        raise BundleError(f"{path}: the member {name} is damaged ({error}); get the bundle anew") from error
