"""Warnings below every table of a data set, each with a code by which a matrix can silence it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

#: The codes, and what each means.
CODES: Mapping[str, str] = {
    "groups-unknown": "the data set does not know its groups",
    "not-as-published": "counts of the data set differ from those that were published",
    "clips-left-out": "clips that cannot be decoded are left out of the data set",
    "few-groups": "the data set has one or two groups, from which the variance between groups cannot be estimated",
    "one-clip-groups": "each group has one clip, so that nothing keeps clips that belong together apart",
    "unbalanced-classes": "a class has at least three times as many clips as another",
    "class-of-one-group": "all clips of a class come from one group",
    "untaught-class": "a fold tests a class of which it has no training clip",
    "leaky-split": "the split puts clips of one group on both sides of a fold",
    "identical-clips": "the same frames are in train and test, under different groups",
    "near-identical-clips": "copies that were encoded, scaled, brightened or trimmed are in train and test",
    "labels-disagree": "clips with the same frames have different labels",
    "metadata-tells": "length, size and frame rate alone give the class far more often than chance",
    "header-count": "headers of AVI files give another number of frames than they have",
    "variable-rate": "frames are not evenly spaced in time and are used as if they were",
    "size-changes": "the size of the frames changes within a clip",
    "batch-dependent": "what an attempt predicts for a clip depends on the clips that are predicted together with it",
    "pretraining-overlap": "a pretrained net may have seen clips or classes of the data set",
    "no-vectors": "the codec of clips has no motion vectors, which an attempt asked for",
    "constant-embedding": "a pretrained net gives the same vector for all frames",
    "vectors-from-elsewhere": "vectors were computed elsewhere, with costs and data that are not known",
    "external": "predictions come from another program, whose protocol and costs are not known",
    "no-probabilities": "imported predictions say which class it is, and not how sure they are",
    "mixed-machines": "times come from machines, threads or libraries that differ",
    "data-set": "a warning of the data set's own",
}


class DataWarning(NamedTuple):
    """A sentence that belongs below every table, with its code; as text ``"sentence [code]"``."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]"


def format_warnings(warnings: Iterable[DataWarning], silence: Collection[str] = ()) -> list[str]:
    """Return warnings as texts, without those whose code is silenced; a last one names these codes.

    Examples
    --------
    >>> found = [DataWarning("data-set", "Seven clips end early."), DataWarning("few-groups", "Two.")]
    >>> format_warnings(found, ["few-groups"])
    ['Seven clips end early. [data-set]', 'Silenced by the matrix: few-groups.']
    """
    warnings = list(warnings)
    silenced = dict.fromkeys(warning.code for warning in warnings if warning.code in silence)
    texts = [str(warning) for warning in warnings if warning.code not in silenced]
    return texts + ([f"Silenced by the matrix: {', '.join(silenced)}."] if silenced else [])
