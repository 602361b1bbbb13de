"""A list of rules from a text file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from ...errors import ActionbenchError, did_you_mean
from .._training import encode
from ..base import Clips
from ._rule_attempt import RuleAttempt, measured
from ._rule_list import Body, counted
from ._rule_text import read

__all__ = ["RulesFile"]


class RulesFile(RuleAttempt):
    """Decide by the rules of a text file, as `RuleAttempt.export` writes it and a person may have edited it.

    No threshold changes; ``fit`` counts for which training clips each rule fires, which gives the probabilities.

    Parameters
    ----------
    path : str
        The text file.
    """

    def __init__(self, *, path: str | None = None) -> None:
        self.path = path

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Read the list, and count for which training clips each rule fires.

        Raises
        ------
        ActionbenchError
            If the file is no list of rules, or names a label that no training clip has.
        """
        self.classes_, codes = encode(clips, labels)
        self.rules_ = counted(self._read(self.classes_), measured(clips), codes, len(self.classes_))
        return self

    def _read(self, classes: Iterable[str]) -> list[Body]:
        index = {str(label): place for place, label in enumerate(classes)}
        bodies: list[Body] = []
        for sentence in read(self._file()):
            if sentence.label not in index:
                raise ActionbenchError(
                    f"{self.path}, line {sentence.line}: no clip has the label {sentence.label!r}; "
                    f"{did_you_mean(sentence.label, index)}"
                )
            bodies.append((sentence.conditions, index[sentence.label]))
        return bodies

    def _file(self) -> Path:
        if self.path is None:
            raise ActionbenchError("rules-file needs the parameter 'path': a text file with a list of rules")
        return Path(self.path)

    def count(self) -> dict[str, int]:
        """Return the number of rules, conditions and quantities; no threshold is fitted."""
        return super().count() | {"parameters": 0}

    def files(self) -> list[Path]:
        """Return the file of the list."""
        return [self._file()]

    def skip(self, dataset: Any) -> str | None:
        """Refuse a list that cannot be used on the data set, before anything runs."""
        self._read(dataset.classes)
        return None
