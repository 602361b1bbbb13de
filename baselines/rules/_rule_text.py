"""The text format of lists of rules: printed, edited by hand and read back.

One rule per line, the first that holds decides, and the last has no condition::

    # who goes fast runs
    if horizontal speed > 1.6 heights/s and horizontal sweep > 0.5 heights then running   (9 of 12 training clips)
    if vertical motion > 0.5 then handwaving
    otherwise boxing

A condition names one of `QUANTITIES`, or of other ones, then ``>`` or ``<=``, a number, and the quantity's unit where
it has one. What follows ``#`` is a comment; the count in brackets is the rule's accuracy in training and may be left
out. A label with other characters than letters, digits, spaces and ``. + / & ' -`` is written in double quotes, as a
JSON string.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ...errors import ActionbenchError, did_you_mean
from ._rule_list import MAX_CONDITIONS, Condition, Rule

if TYPE_CHECKING:
    from ...features.quantities import Quantity

__all__ = ["ParsedRule", "label_text", "number_text", "parse", "phrase", "read", "write"]

_PLAIN_LABEL = r"\w(?:[\w .+/&'-]*[\w.+/&'-])?"
_LABEL = rf'(?P<label>"(?:[^"\\]|\\.)*"|{_PLAIN_LABEL})'
_LINE = re.compile(
    rf"(?:if\s+(?P<conditions>.+?)\s+then|otherwise)\s+{_LABEL}\s*"
    r"(?:\(\d+ of \d+ training clips\))?\s*(?:#.*)?",
)
_CONDITION = re.compile(r"(?P<name>[^<>=]+?)\s*(?P<sign>[<>=]+)\s*(?P<number>\S+)(?:\s+(?P<unit>\S.*))?")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class ParsedRule(NamedTuple):
    """A rule as read from a text.

    Attributes
    ----------
    conditions : tuple of Condition
        At most three; none after ``otherwise``.
    label : str
        The class.
    line : int
        Its line number, from 1.
    """

    conditions: tuple[Condition, ...]
    label: str
    line: int


def write(rules: Iterable[Rule], labels: Sequence[str], quantities: Sequence[Quantity] | None = None) -> str:
    """Print rules, one per line, with their counts in training.

    Parameters
    ----------
    rules : iterable of Rule
        The list.
    labels : sequence of str
        The classes, by the index that rules give.
    quantities : sequence of Quantity, optional
        What conditions test, by default `QUANTITIES`.
    """
    return "\n".join(_line(rule, str(labels[rule.label]), quantities) for rule in rules)


def _line(rule: Rule, label: str, quantities: Sequence[Quantity] | None) -> str:
    conditions = " and ".join(phrase(condition, quantities) for condition in rule.conditions)
    head = f"if {conditions} then" if rule.conditions else "otherwise"
    return f"{head} {label_text(label)}   ({rule.counts[rule.label]} of {sum(rule.counts)} training clips)"


def _all_quantities(quantities: Sequence[Quantity] | None) -> Sequence[Quantity]:
    from ...features.quantities import QUANTITIES

    return quantities or QUANTITIES


def phrase(condition: Condition, quantities: Sequence[Quantity] | None = None) -> str:
    """Print a condition: ``bounce frequency <= 2.2 Hz``."""
    quantity = _all_quantities(quantities)[condition.quantity]
    sign = ">" if condition.above else "<="
    return f"{quantity.name} {sign} {number_text(condition.threshold)} {quantity.unit}".rstrip()


def number_text(value: float) -> str:
    """Print a number with as few digits as read back as the same."""
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def label_text(label: str) -> str:
    """Print a label, in quotes where it could be confused with the text around it."""
    return label if re.fullmatch(_PLAIN_LABEL, label) and label.isprintable() else json.dumps(label)


def read(path: Path, quantities: Sequence[Quantity] | None = None) -> list[ParsedRule]:
    """Read a list from a text file in UTF-8; see `parse`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ActionbenchError(f"{path}: the list of rules cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ActionbenchError(f"{path}: a list of rules must be a text file in UTF-8 ({error})") from error
    return parse(text, str(path), quantities)


def parse(text: str, source: str, quantities: Sequence[Quantity] | None = None) -> list[ParsedRule]:
    """Read a list of rules.

    Parameters
    ----------
    text : str
        One rule per line.
    source : str
        The name of the text in error messages.
    quantities : sequence of Quantity, optional
        What conditions may test, by default `QUANTITIES`.

    Returns
    -------
    list of ParsedRule
        The last has no condition.

    Raises
    ------
    ActionbenchError
        If a line is no rule, tests an unknown quantity or uses another unit, has more than three conditions, or if
        ``otherwise`` is not the last rule; the message names the line.
    """
    rules = [
        _parse_line(line.strip(), f"{source}, line {number}", number, _all_quantities(quantities))
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    for rule in rules[:-1]:
        if not rule.conditions:
            _refuse(
                f"{source}, line {rule.line}",
                "'otherwise' must be the last rule, as nothing below it fires",
            )
    if not rules or rules[-1].conditions:
        _refuse(source, "the last rule must read 'otherwise LABEL', for clips for which no other rule fires")
    return rules


def _refuse(where: str, why: str) -> NoReturn:
    raise ActionbenchError(f"{where}: {why}")


def _parse_line(line: str, where: str, number: int, quantities: Sequence[Quantity]) -> ParsedRule:
    match = _LINE.fullmatch(line)
    if match is None:
        _refuse(
            where,
            f"must read 'if QUANTITY > NUMBER UNIT and ... then LABEL' or 'otherwise LABEL', got {line!r}",
        )
    parts = re.split(r"\s+and\s+", match["conditions"]) if match["conditions"] else []
    if len(parts) > MAX_CONDITIONS:
        _refuse(
            where,
            f"a rule has at most {MAX_CONDITIONS} conditions, got {len(parts)}; divide it into several",
        )
    label = match["label"]
    if label.startswith('"'):
        try:
            label = json.loads(label)
        except ValueError:
            _refuse(where, f"the label {label} must be a JSON string")
    return ParsedRule(tuple(_parse_condition(part, where, quantities) for part in parts), label, number)


def _parse_condition(text: str, where: str, quantities: Sequence[Quantity]) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        _refuse(where, f"a condition must read 'QUANTITY > NUMBER UNIT', got {text!r}")
    index = {quantity.name: index for index, quantity in enumerate(quantities)}
    if match["name"] not in index:
        _refuse(where, f"there is no quantity {match['name']!r}; {did_you_mean(match['name'], index)}")
    quantity = quantities[index[match["name"]]]
    if match["sign"] not in (">", "<="):
        _refuse(where, f"{quantity.name!r} must be compared by > or <=, got {match['sign']}")
    if not (_NUMBER.fullmatch(match["number"]) and math.isfinite(float(match["number"]))):
        _refuse(where, f"{quantity.name!r} must be compared with a number, got {match['number']!r}")
    if (match["unit"] or "") != quantity.unit:
        wanted = f"in {quantity.unit}" if quantity.unit else "a ratio without a unit"
        _refuse(where, f"{quantity.name!r} is {wanted}, got {match['unit'] or 'no unit'!r}")
    return Condition(index[quantity.name], match["sign"] == ">", float(match["number"]))
