"""What a data set is: labelled clips, each with its group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import DataError
from ...features.clip import Clip, Clips
from .publication import Publication

#: The warning below every table that is made from a data set which does not know its groups.
GROUPS_UNKNOWN = (
    "The groups of this data set are unknown: the same person or source video may be on both sides of a fold, "
    "and the scores may be too high."
)


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8: names of files may be any bytes."""
    return text.isascii() or text == text.encode(errors="replace").decode()


class Dataset(ABC):
    """Labelled clips, each with the group (subject or source video) that must not be on both sides of a fold.

    A data set is made from keyword arguments, those of its entry in a matrix. Its constructor only stores and
    checks them. It is found through the entry-point group ``actionbench.datasets`` or by ``--plugin``.

    Examples
    --------
    >>> class Blinks(Dataset):
    ...     def read_table(self):
    ...         rows = [(f"{label}/{person}", label, person) for label in ("off", "on") for person in ("ann", "bob")]
    ...         return pd.DataFrame(rows, columns=["clip", "label", "group"])
    ...
    ...     def load(self, index):
    ...         return Clip(np.full((2, 8, 8), 255 * (self.labels[index] == "on"), np.uint8), fps=25)
    >>> blinks = Blinks()
    >>> blinks.classes, blinks.groups.tolist(), int(blinks.clips[2].frames.max())
    (['off', 'on'], ['ann', 'bob', 'ann', 'bob'], 255)
    """

    #: Whether the groups are known. Where they are not, each clip is its own group and every table has a warning.
    groups_known: bool = True

    #: Whether clips that cannot be decoded leave the data set instead of ending a run.
    drops_unreadable: bool = False

    #: Options of base classes that the class gives itself.
    fixed_options: ClassVar[Sequence[str]] = ()

    #: What was published under the name of the data set, in each of its versions.
    publications: ClassVar[Sequence[Publication]] = ()

    #: Whether each published fold is a protocol of its own, so that no mean over them is published.
    published_folds_are_alternatives: ClassVar[bool] = False

    #: How `read_video` makes a clip like those of the data set from a file: its keyword arguments.
    decoding: Mapping[str, Any] = MappingProxyType({"color": "grey"})

    @abstractmethod
    def read_table(self) -> pd.DataFrame:
        """Return one row per clip.

        Returns
        -------
        DataFrame
            Columns ``clip`` (a unique name), ``label``, ``group``, all strings, then any nuisance columns: strings,
            numbers or booleans, under each of which a report shows how accurate attempts are.
        """

    @abstractmethod
    def load(self, index: int) -> Clip:
        """Return the clip of row ``index``."""

    def clip_name(self, index: int) -> str:
        """Return what clip ``index`` is called."""
        return str(self.table["clip"].iat[index])

    def published_folds(self) -> Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """Return which clips train and which test, by the names of the folds that were published; by default none."""
        return {}

    def fingerprint(self, index: int) -> str:
        """Return a hash that changes whenever clip ``index`` would; by default of the decoded frames."""
        return self.load(index).fingerprint()

    def files(self) -> list[Path] | None:
        """Return the files and folders without a change of which table and clips stay as they are.

        None, as by default, where that is not known: then it is looked up each time.
        """
        return None

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows of `read_table`, checked once."""
        name = type(self).__name__
        try:
            table = self.read_table().reset_index(drop=True)
        except UnicodeEncodeError as error:
            raise DataError(f"data set {name}: {error.object!r} is not UTF-8; rename it") from error
        missing = [column for column in ("clip", "label", "group") if column not in table]
        if missing:
            raise DataError(
                f"data set {name}: its table must have the columns clip, label, group; {missing[0]!r} is missing"
            )
        if table.empty:
            raise DataError(f"data set {name}: there is not one clip in it")
        for column in ("clip", "label", "group"):
            given = table[column].to_list()
            words = [str(word) for word in given]
            for word in words:
                if not is_utf8(word):
                    raise DataError(f"data set {name}: the {column} {word!r} is not UTF-8; rename it")
            if words != given or table[column].dtype != "str":
                table[column] = words
        names = table["clip"].to_list()
        if len(set(names)) < len(names):
            twice = table["clip"][table["clip"].duplicated()].iloc[0]
            raise DataError(
                f"data set {name}: clip {twice!r} is in its table twice; each name must be unique"
            )
        return table

    @property
    def has_poses(self) -> bool:
        """Whether clips come with the pose of people; by default what the first one says."""
        return self.load(0).pose is not None

    @property
    def warnings(self) -> list[str]:
        """Sentences below every table that is made from this data set."""
        return [] if self.groups_known else [GROUPS_UNKNOWN]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def clips(self) -> Clips:
        """All clips, lazily, in the order of the table."""
        return Clips(self)

    @property
    def test_clips(self) -> Clips:
        """All clips as an attempt is tested on them; by default those that it is trained on."""
        return self.clips

    @property
    def labels(self) -> np.ndarray:
        """Label of each clip, shape (n_clips,)."""
        return self.table["label"].to_numpy(dtype=str)

    @property
    def groups(self) -> np.ndarray:
        """Group of each clip, shape (n_clips,)."""
        return self.table["group"].to_numpy(dtype=str)

    @property
    def classes(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted(set(self.table["label"]))
