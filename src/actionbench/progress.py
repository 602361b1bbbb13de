"""How far long work is: told where it is done, to whoever wants to know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")

#: What work consists of, the outermost first: units such as ``"epochs"``, how many are done, and how many there are.
Stages: TypeAlias = list[tuple[str, float, int]]

_RECEIVER: ContextVar[Callable[[str, float, int], None] | None] = ContextVar("progress", default=None)


def tell(what: str, done: float, total: int) -> None:
    """Say how many units of the present work are done, to the receiver of `told_to` if there is one.

    Parameters
    ----------
    what : str
        The units in the plural, such as ``"epochs"``.
    done : float
        From 0 to ``total``, with a part of the present one.
    total : int
        How many there are.
    """
    if (receiver := _RECEIVER.get()) is not None:
        receiver(what, done, total)


def each(what: str, items: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield items, and tell how many are done; see `tell`. Of a single one nothing is told.

    Examples
    --------
    >>> with told_to(print):
    ...     letters = list(each("letters", "ab", 2))
    [('letters', 0, 2)]
    [('letters', 1, 2)]
    []
    """
    if total < 2:
        yield from items
        return
    try:
        for done, item in enumerate(items):
            tell(what, done, total)
            yield item
    finally:
        # So too where whoever asks has had enough.
        tell(what, total, total)


@contextmanager
def told_to(receiver: Callable[[Stages], None]) -> Iterator[None]:
    """Give what a ``with`` block tells to a function, with the work that it is a part of.

    Work that is told of while other work is not at its end counts as a part of that.

    Examples
    --------
    >>> with told_to(print):
    ...     for _ in each("folds", range(2), 2):
    ...         tell("epochs", 2.5, 30)
    [('folds', 0, 2)]
    [('folds', 0, 2), ('epochs', 2.5, 30)]
    [('folds', 1, 2)]
    [('folds', 1, 2), ('epochs', 2.5, 30)]
    []
    """
    stages: Stages = []

    def take(what: str, done: float, total: int) -> None:
        nonlocal stages
        names = [name for name, *_ in stages]
        stages = stages[: names.index(what) if what in names else None]
        if done < total:
            stages = [*stages, (what, done, total)]
        receiver(stages)

    token = _RECEIVER.set(take)
    try:
        yield
    finally:
        _RECEIVER.reset(token)
