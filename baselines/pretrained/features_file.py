"""Vectors that were computed elsewhere, by the names of the clips, with a probe."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError, did_you_mean
from ...literals import Pooling, ProbeKind
from ..base import Clips
from ._vectors import VectorProbe, parse_pooling

__all__ = ["FeaturesFile"]

Vectors = NDArray[np.floating]

# How many names an error lists.
_SHOWN = 5


@dataclass(kw_only=True, eq=False, repr=False)
class FeaturesFile(VectorProbe):
    """A probe on vectors that were computed elsewhere, one or several for each clip, found by the clip's name.

    Names are those of the column ``clip`` of ``actionbench.predictions()``; see ``docs/embeddings.md``.

    Attributes are those of `VectorProbe`.

    Parameters
    ----------
    file : str
        An array for each clip by its name, of shape (n_values,) or (n, n_values) in the order of time, as ``.npz`` or
        ``.safetensors``; or ``.npy`` of shape (n_clips, n_values) or (n_clips, n, n_values), with a text file of the
        same name that ends in ``.txt`` and has a clip's name in each line; or ``.parquet`` with a column ``clip``, all
        others being numbers, or one of lists of numbers.
    probe : {"linear", "knn", "prototype"}
        The classifier.
    pool : str
        What becomes of the vectors of a clip that has several, as ``"mean+std"``; see `_vectors.pool`.
    pretrained_on : str, optional
        What the net that gave them was trained on.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from actionbench.features.clip import Clip
    >>> dark, light = (Clip(np.full((2, 4, 4), grey, np.uint8), 25.0, name=f"{grey}.avi") for grey in (9, 200))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "vectors.npz"
    ...     np.savez(path, **{"9.avi": np.array([1.0, 0.1]), "200.avi": np.array([0.1, 1.0])})
    ...     clips, labels = Clips.of([dark, light]), np.array(["dark", "light"])
    ...     FeaturesFile(file=str(path), probe="prototype").fit(clips, labels).score(clips, labels)
    1.0
    """

    file: str | None = None
    probe: ProbeKind = "linear"
    pool: str = "mean"
    pretrained_on: str | None = None

    @property
    def pretrained(self) -> str:
        """What the net was trained on, as far as it is said; else ``"yes"``."""
        return self.pretrained_on or "yes"

    def _path(self) -> Path:
        if self.file is None:
            raise ActionbenchError("features-file needs the parameter 'file': vectors by the names of clips")
        path = Path(self.file)
        return path if self.copies is None else self.copies / path.name

    def _poolings(self) -> tuple[Pooling, ...]:
        return parse_pooling(self.pool)

    def _kind(self) -> ProbeKind:
        return self.probe

    def _each(self, clips: Clips) -> Iterator[Vectors]:
        known = read_vectors(self._path())
        _check_present(self._path(), known, clips.names)
        yield from (known[name] for name in clips.names)

    def warnings(self) -> dict[str, str]:
        """Return what no table can know of vectors from elsewhere."""
        if not hasattr(self, "classes_"):
            return {}
        return super().warnings() | {
            "vectors-from-elsewhere": f"The vectors of {self._path().name} were computed elsewhere: the times are "
            "those of the probe alone, and whether the net has seen test clips is not known."
        }

    def files(self) -> list[Path]:
        """Return the file, and that of the names."""
        path = self._path()
        return [path, _names_file(path)] if path.suffix == ".npy" else [path]

    def skip(self, dataset: Any) -> str | None:
        """Raise an error if a clip has no vector; clips that lack something are skipped, as theirs are not there."""
        self._poolings()
        _check_present(self._path(), read_vectors(self._path()), dataset.table["clip"].tolist())
        probe = getattr(dataset, "probe", None)
        return f"its vectors are of whole clips, not of {probe} ones" if probe else None


def _check_present(path: Path, known: Mapping[str, Vectors], names: Iterable[str]) -> None:
    missing = [name for name in dict.fromkeys(names) if name not in known]
    if missing:
        raise ActionbenchError(
            f"{path}: has no vector for {_some(missing)}; {did_you_mean(missing[0], list(known)[:20])}"
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more clips" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def read_vectors(path: Path) -> Mapping[str, Vectors]:
    """Read the vectors of each clip, shape (n, n_values), by its name.

    Raises
    ------
    ActionbenchError
        If the file cannot be read, has a clip twice, or arrays that are no finite vectors of one length.
    """
    if path.suffix not in _READERS:
        raise ActionbenchError(f"{path}: vectors must be in a file that ends in {', '.join(_READERS)}")
    if not path.is_file():
        raise ActionbenchError(f"{path}: there is no such file; it must hold vectors by the names of clips")
    return _read_vectors(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=4)
def _read_vectors(path: Path, *_: int) -> Mapping[str, Vectors]:
    try:
        names, arrays = _READERS[path.suffix](path)
    except ActionbenchError:
        raise
    except Exception as error:  # a damaged file may fail in any way
        raise ActionbenchError(f"{path}: not a {path.suffix} file of plain arrays ({error})") from error
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise ActionbenchError(
            f"{path}: has more than one entry for {_some(doubled)}; each clip must have one"
        )
    if not names:
        raise ActionbenchError(f"{path}: is empty; it must hold vectors by the names of clips")
    return dict(zip(names, _checked(path, names, arrays), strict=True))


def _checked(path: Path, names: list[str], arrays: Iterable[Any]) -> Iterator[Vectors]:
    length = None
    for name, array in zip(names, arrays, strict=True):
        found = np.asarray(array)
        if found.dtype.kind not in "fiu" or found.ndim not in (1, 2) or not found.size:
            raise ActionbenchError(
                f"{path}: the array of {name!r} must be numbers of shape (n_values,) or (n, n_values), got "
                f"{found.dtype} of shape {found.shape}"
            )
        vectors = np.atleast_2d(found).astype(np.float64)
        length = length or vectors.shape[1]
        if vectors.shape[1] != length:
            raise ActionbenchError(
                f"{path}: the vectors of {name!r} have {vectors.shape[1]} values; all must have {length}, as the first"
            )
        if not np.isfinite(vectors).all():
            raise ActionbenchError(
                f"{path}: the vectors of {name!r} must be finite, one holds NaN or infinity"
            )
        yield vectors


def _names_file(path: Path) -> Path:
    return path.with_suffix(".txt")


def _npy(path: Path) -> tuple[list[str], Iterable[Any]]:
    listed = _names_file(path)
    if not listed.is_file():
        raise ActionbenchError(
            f"{path}: {listed.name} must lie beside it, with the name of a clip in each line"
        )
    names = listed.read_text(encoding="utf-8-sig").splitlines()
    array = np.load(path, allow_pickle=False)
    if array.ndim not in (2, 3) or len(array) != len(names):
        raise ActionbenchError(
            f"{path}: must have the shape (n_clips, n_values) or (n_clips, n, n_values) with the {len(names)} clips of "
            f"{listed.name}, got {array.shape}"
        )
    return names, array


def _npz(path: Path) -> tuple[list[str], Iterable[Any]]:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        arrays = []
        for name in archive.namelist():
            with archive.open(name) as member:
                arrays.append(np.lib.format.read_array(member, allow_pickle=False))
    return names, arrays


def _safetensors(path: Path) -> tuple[list[str], Iterable[Any]]:
    from safetensors.numpy import load_file

    found = load_file(path)
    return list(found), found.values()


def _parquet(path: Path) -> tuple[list[str], Iterable[Any]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ActionbenchError(
            f'{path}: Parquet needs pyarrow: pip install "actionbench[parquet]"'
        ) from error
    table = parquet.ParquetFile(path).read()
    if table.column_names.count("clip") != 1 or table.num_columns < 2:
        raise ActionbenchError(
            f"{path}: must have one column 'clip' and others with numbers, got {table.column_names}"
        )
    names = table.column("clip").to_pylist()
    if not all(isinstance(name, str) for name in names):
        raise ActionbenchError(f"{path}: the column 'clip' must hold the names of clips, one is none")
    rest = table.drop_columns(["clip"])
    if rest.num_columns == 1 and not str(rest.schema.types[0]).startswith(
        ("list", "large_list", "fixed_size_list")
    ):
        return names, [np.array([value]) for value in rest.column(0).to_pylist()]
    if rest.num_columns == 1:
        return names, [np.array(value) for value in rest.column(0).to_pylist()]
    return names, np.stack([column.to_numpy() for column in rest.columns], axis=1)


_READERS: Mapping[str, Callable[[Path], tuple[list[str], Iterable[Any]]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
}
