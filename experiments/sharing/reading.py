"""What results are read from: a store, or a bundle as if it were one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..store import Store


@contextmanager
def open_results(path: str | Path) -> Iterator[Store]:
    """Open a store that exists, or a bundle as a store in a temporary folder.

    Raises
    ------
    ActionbenchError
        If it can be opened as neither.
    """
    if not is_bundle(path):
        # A run may write meanwhile.
        with Store.open(path, must_exist=True) as store, store.snapshot():
            yield store
        return
    # A store is opened without what a bundle needs.
    from .bundle import Bundle

    with (
        tempfile.TemporaryDirectory(prefix="actionbench-bundle-") as folder,
        Bundle.open(path) as bundle,
        bundle.as_store(Path(folder) / f"{Path(path).name}.sqlite") as store,
    ):
        yield store


def is_bundle(path: str | Path) -> bool:
    """Return whether a file is a zip file."""
    # A name that no file can have is a ValueError.
    with suppress(OSError, ValueError), open(path, "rb") as file:
        return file.read(4) == b"PK\3\4"
    return False
