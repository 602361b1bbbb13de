"""What every table of a data set must say, each with a code by which a matrix can silence it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

#: The codes, and what each says.
CODES: Mapping[str, str] = {
    "groups-unknown": "the data set does not know its groups",
    "few-groups": "the data set has one or two groups, from which the variance between groups cannot be estimated",
    "one-clip-groups": "each group has one clip, so that nothing keeps clips that belong together apart",
    "class-of-one-group": "all clips of a class come from one group",
    "leaky-split": "the split puts clips of one group on both sides of a fold",
    "identical-clips": "the same frames stand in train and test, under different groups",
    "near-identical-clips": "copies that were encoded, scaled, brightened or trimmed stand in train and test",
    "labels-disagree": "clips with the same frames have different labels",
    "metadata-tells": "length, size and frame rate alone tell the class far more often than chance",
    "not-audited": "the clips could not be looked at",
    "batch-dependent": "what an attempt predicts of a clip depends on the clips that are asked about with it",
    "mixed-machines": "times come from machines, threads or libraries that differ",
    "data-set": "what the data set says of itself",
}


@dataclass(frozen=True)
class Caution:
    """A sentence that belongs below every table, with its code; as text ``"sentence [code]"``."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


def format_warnings(cautions: Iterable[Caution], silence: Collection[str] = ()) -> list[str]:
    """Return cautions as texts, without those whose code is silenced; a last one names these codes.

    Examples
    --------
    >>> format_warnings([Caution("data-set", "Seven clips end early."), Caution("not-audited", "No.")], ["not-audited"])
    ['Seven clips end early. [data-set]', 'Silenced by the matrix: not-audited.']
    """
    cautions = list(cautions)
    silenced = dict.fromkeys(caution.code for caution in cautions if caution.code in silence)
    texts = [str(caution) for caution in cautions if caution.code not in silenced]
    return texts + ([f"Silenced by the matrix: {', '.join(silenced)}."] if silenced else [])
