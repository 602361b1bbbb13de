"""A list of rules from a text file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ActionbenchError, did_you_mean
from .._pose import PoseSource
from .._training import encode
from ..base import Clips
from ._rule_attempt import RuleAttempt, measure_poses
from ._rule_list import Body, make_rules
from ._rule_text import read

if TYPE_CHECKING:
    from ...features.quantities import Quantity

__all__ = ["RulesFile"]


@dataclass(kw_only=True, eq=False, repr=False)
class RulesFile(RuleAttempt):
    r"""Decide by the rules of a text file, written by `RuleAttempt.export` or by hand.

    Thresholds are kept as they are; ``fit`` counts for which training clips each rule fires, for the probabilities.

    Parameters
    ----------
    path : str
        The text file.
    pose : str, optional
        Where poses come from, see `PoseInput`, for a list written by ``pose-rules``; by default conditions test the
        quantities of ``rules``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from actionbench.features.examples import examples
    >>> clips, labels, groups = examples()
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "rules.txt"
    ...     _ = path.write_text("if path speed > 1 heights/s then walking\notherwise boxing\n")
    ...     attempt = RulesFile(path=str(path)).fit(clips, labels, groups)
    ...     print(attempt.explain())
    if path speed > 1 heights/s then walking   (3 of 3 training clips)
    otherwise boxing   (4 of 9 training clips)
    """

    fits_thresholds = False

    path: str | None = None
    pose: str | None = None

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The quantities that rules test."""
        from ...features.pose_quantities import POSE_QUANTITIES

        return super().quantities if self.pose is None else POSE_QUANTITIES

    @property
    def _source(self) -> PoseSource | None:
        return None if self.pose is None else PoseSource(self.pose, self.copies)

    def measure(self, clips: Clips) -> NDArray[np.float64]:
        """Measure each clip, shape (n_clips, n_quantities)."""
        source = self._source
        return super().measure(clips) if source is None else measure_poses(clips, source.track())

    def fit(self, clips: Clips, labels: np.ndarray, groups: np.ndarray | None = None) -> Self:
        """Read the list, and count for which training clips each rule fires.

        Raises
        ------
        ActionbenchError
            If the file is no list of rules, or names a label that no training clip has.
        """
        self.classes_, codes = encode(clips, labels)
        self.rules_ = make_rules(self._read(self.classes_), self.measure(clips), codes, len(self.classes_))
        return self

    def _read(self, classes: Iterable[str]) -> list[Body]:
        index = {str(label): place for place, label in enumerate(classes)}
        bodies: list[Body] = []
        for rule in read(self._file(), self.quantities):
            if rule.label not in index:
                raise ActionbenchError(
                    f"{self.path}, line {rule.line}: no clip has the label {rule.label!r}; "
                    f"{did_you_mean(rule.label, index)}"
                )
            bodies.append((rule.conditions, index[rule.label]))
        return bodies

    def _file(self) -> Path:
        if self.path is None:
            raise ActionbenchError("rules-file needs the parameter 'path': a text file with a list of rules")
        return Path(self.path)

    def files(self) -> list[Path]:
        """Return the file of the list, and those of a model of poses."""
        return [self._file(), *self.needed_files()]

    def needed_files(self) -> list[Path]:
        """Return the files of a model of poses, as the list is learned."""
        return self._source.files() if self._source else []

    @property
    def pretrained(self) -> str:
        """What a model of poses was trained on."""
        return self._source.pretrained if self._source else ""

    def warnings(self) -> dict[str, str]:
        """Return a warning where a model of poses may have been trained on such clips."""
        return self._source.warnings() if self._source and hasattr(self, "classes_") else {}

    def skip(self, dataset: Any) -> str | None:
        """Raise an error if the list does not fit the data set, before anything runs."""
        self._read(dataset.classes)
        return self._source.skip(dataset) if self._source else None
