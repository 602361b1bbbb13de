"""What an attempt uses and withstands, measured on the tracks of the data set ``diagnostic``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..statistics.intervals import accuracy, bootstrap_interval
from ..statistics.thresholds import (
    counts_by_level,
    crossing,
    decreasing,
    half_life,
    logistic_threshold,
    normalised_area,
    percentile_interval,
    reach,
    resample,
)
from .results import Result, diagnostics

COLUMNS = [
    "attempt",
    "family",
    "measure",
    "unit",
    "value",
    "low",
    "high",
    "censored",
    "control",
    "control_low",
    "control_high",
    "chance",
    "n_clips",
    "n_groups",
]
CURVE_COLUMNS = [
    "attempt",
    "family",
    "track",
    "condition",
    "level",
    "accuracy",
    "low",
    "high",
    "chance",
    "n",
]
#: Unit of each nuisance, and its level in clean clips; those that get worse with smaller levels are `FALLING`.
NUISANCES: dict[str, tuple[str, float]] = {
    "noise": ("grey levels", 3),
    "shake": ("% of height", 0),
    "zoom": ("%", 0),
    "roll": ("degrees", 0),
    "dark": ("gain", 1),
    "flicker": ("%", 0),
    "compression": ("CRF", 0),
    "lost frames": ("%", 0),
    "frame rate": ("fps", 25),
    "resolution": ("1/x", 1),
    "occlusion": ("%", 0),
    "passers-by": ("people", 0),
    "motion blur": ("degrees", 0),
    "clutter": ("contrast", 0.6),
}
FALLING = {"dark", "frame rate"}
#: The measures of each table, with their heads.
PARTS: dict[str, dict[str, str]] = {
    "what it uses": {
        "order": "order",
        "one-way": "one way",
        "motion alone": "motion alone",
        "point lights": "point lights",
        "context share": "context share",
        "clothes share": "clothes share",
        "inflation": "inflation",
    },
    "down to which level": {
        "reach": "reach, frames",
        "tempo": "tempo ratio",
        "coherence": "coherence",
        "noise dots": "noise dots",
        "path": "path, heights",
    },
    "what it withstands": {f"half-life of {nuisance}": nuisance for nuisance in NUISANCES},
}
#: What the numbers of each table are.
LEGENDS = {
    "what it uses": "Percent; of order and one way of pairs of twins with both right; of context and clothes share of "
    "clips in conflict labelled by these; inflation in points, gained with people seen in training",
    "down to which level": "The level at which 75 % are right; of reach the longest gap above chance",
    "what it withstands": "The level at which half of the accuracy above chance is lost; – at chance on whole clips",
}
# How intervals and controls are printed beside them.
_BESIDE = {
    "what it uses": "± half of the 95 % interval over groups | its control, where all must fail",
    "down to which level": "[95 % interval over groups] | accuracy in percent on its control, where all must fail",
}
# The correlation between context and label at which the share of the context is stated.
_RHO = 0.95
# A difference in accuracy from which on an attempt follows the context.
_GAP = 0.1
# Accuracy that defines a threshold, halfway from chance to all of two classes.
_TARGET = 0.75
# An attempt does not use what would lift it above chance by fewer points.
_MARGIN = 3
# Largest width of a table on a terminal.
_WIDTH = 110
# Questions that are answered with yes or no, by measure.
_QUESTIONS = {
    "order": "Uses order",
    "motion alone": "Sees motion alone",
    "point lights": "Knows point lights",
}
_NAN = float("nan")

Floats = NDArray[np.float64]
Row = dict[str, Any]


def profile(results: list[Result]) -> pd.DataFrame:
    """Measure what each attempt uses and withstands.

    Parameters
    ----------
    results : list of Result
        From `results.gather`. Only those on tracks of the data set ``diagnostic`` are measured.

    Returns
    -------
    DataFrame
        One row for each attempt and measure: its ``value`` in a ``unit``, with the 95 % interval over groups from
        ``low`` to ``high``, and the must-fail ``control`` with its own, in points or percent. ``censored`` is ``">"``
        or ``"<"`` where the value lies beyond the last level, which is then stated, and ``"none"`` where there is no
        value; a high end beyond the last level is infinite. ``chance`` is the percentage by guessing of the value, if
        this is one, or of the control. ``n_clips`` are pairs where pairs are counted.
    """
    rows = []
    for attempt, tracks in _by_attempt(results).items():
        for track, measures in TRACKS.items():
            own = tracks.get(track, [])
            for row in measures(own) if own else ():
                rows.append({"attempt": attempt, "family": own[0].family, **row})
    return pd.DataFrame(rows, columns=COLUMNS)


def curves(results: list[Result]) -> pd.DataFrame:
    """Return the accuracies behind a profile.

    Parameters
    ----------
    results : list of Result
        From `results.gather`.

    Returns
    -------
    DataFrame
        One row for each attempt, track, condition and level: accuracy with its 95 % interval as shares, ``chance``,
        and the number ``n`` of clips. The level of *context* is the correlation between context and label.
    """
    rows = [
        row for tracks in _by_attempt(results).values() for own in tracks.values() for row in _curves(own)
    ]
    table = pd.DataFrame(rows, columns=CURVE_COLUMNS)
    return table.sort_values(["attempt", "track", "condition", "level"], kind="stable", ignore_index=True)


def _by_attempt(results: list[Result]) -> dict[str, dict[str, list[Result]]]:
    found: dict[str, dict[str, list[Result]]] = {}
    for result in diagnostics(results):
        if len(result.positions):
            tracks = found.setdefault(result.attempt, {})
            tracks.setdefault(str(result.entry.get("track")), []).append(result)
    return found


def _curves(results: list[Result]) -> Iterator[Row]:
    for result in results:
        rows, cue = _predictions(result), _cue(result)
        for (condition, level), own in rows.groupby(["condition", "level"], dropna=False):
            share, low, high = _accuracy(own)
            yield {
                "attempt": result.attempt,
                "family": result.family,
                "track": result.entry["track"],
                "condition": condition if cue == "context" else f"{condition}, {cue}",
                "level": level,
                "accuracy": share,
                "low": low,
                "high": high,
                "chance": 1 / len(result.classes),
                "n": _n_clips(own),
            }


def _predictions(result: Result) -> pd.DataFrame:
    """Return one row for each prediction, with level and condition of its clip."""
    clips = result.clips.iloc[result.positions]
    unknown = np.full(len(clips), _NAN)
    table = pd.DataFrame(
        {
            "clip": clips["clip"].to_numpy(),
            "seed": result.seeds,
            "group": result.groups,
            "correct": result.correct,
            "weight": result.weights,
            "level": np.asarray(clips.get("level", unknown), np.float64),
            "condition": np.asarray(clips["condition"], str) if "condition" in clips else "",
        }
    )
    if "rho" in clips:
        table["level"] = clips["rho"].to_numpy(float).round(6)
    if "seen" in clips:
        people = "people seen in training" if _is_seen(result) else "other people"
        table["condition"] = people + ", cloned" * bool(result.entry.get("clones"))
    return table


def _is_seen(result: Result) -> bool:
    return str(result.clips["seen"].iloc[0]) in ("True", "1", "1.0")


def _accuracy(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return the accuracy of predictions with its interval, NaN if there are none."""
    low, high = bootstrap_interval(rows["correct"], rows["group"], rows["weight"])
    return accuracy(rows["correct"], rows["weight"]), low, high


def _n_clips(rows: pd.DataFrame) -> int:
    return round(rows["weight"].sum())


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each pair of twins under a seed, which is correct if both are."""
    stems = rows["clip"].str.rpartition("/")[0]
    both = rows.groupby([stems, rows["seed"]]).agg(
        n=("correct", "size"),
        correct=("correct", "all"),
        weight=("weight", "mean"),
        group=("group", "first"),
        level=("level", "first"),
    )
    return both[both["n"] > 1]


def _row(measure: str, unit: str, rows: pd.DataFrame, value: tuple[float, float, float], **facts: Any) -> Row:
    """Return a row of a profile, with the numbers of the clips that it rests on."""
    return {
        "measure": measure,
        "unit": unit,
        **dict(zip(("value", "low", "high"), value, strict=True)),
        "censored": "",
        "n_clips": _n_clips(rows),
        "n_groups": rows["group"].nunique(),
        **facts,
    }


def _percent(shares: tuple[float, float, float]) -> tuple[float, float, float]:
    return 100 * shares[0], 100 * shares[1], 100 * shares[2]


def _control(rows: pd.DataFrame, chance: float = 50.0) -> Row:
    """Return the columns of a control, empty where there are no clips for it."""
    shares = _percent(_accuracy(rows)) if len(rows) else (_NAN, _NAN, _NAN)
    return {**dict(zip(("control", "control_low", "control_high"), shares, strict=True)), "chance": chance}


def _order(results: list[Result]) -> Iterator[Row]:
    pairs = _pairs(_predictions(results[0]))
    symmetric = pairs["level"] == 0.5
    told = pairs[~symmetric]
    if len(told):
        yield _row("order", "% of pairs", told, _percent(_accuracy(told)), **_control(pairs[symmetric], 25))


def _one_way(results: list[Result]) -> Iterator[Row]:
    pairs = _pairs(_predictions(results[0]))
    if len(pairs):
        yield _row("one-way", "% of pairs", pairs, _percent(_accuracy(pairs)), chance=25)


def _reach(results: list[Result]) -> Iterator[Row]:
    rows = _predictions(results[0])
    is_control = rows["condition"] == "control"
    own = rows[~is_control]
    scores = [_accuracy(part) for _, part in own.groupby("level")]
    levels, hits, clips = _counts(own)
    # In a draw, too, a level is above chance if its accuracy exceeds it by the lower half of its interval.
    needed = np.array([0.5 + share - low for share, low, _ in scores])
    found = float(reach(levels, [low > 0.5 for _, low, _ in scores]))
    drawn, sizes = resample(hits, clips)
    low, high = percentile_interval(reach(levels, drawn / sizes > needed), len(hits))
    value = [end if np.isfinite(end) else _NAN for end in (found, low, high)]
    censored = "none" if found < 0 else ">" if found == levels[-1] else ""
    yield _row(
        "reach",
        "frames",
        own,
        (value[0], value[1], value[2]),
        censored=censored,
        **_control(rows[is_control]),
    )


def _counts(rows: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    return counts_by_level(rows["correct"], rows["group"], rows["level"], rows["weight"])


def _tempo(results: list[Result]) -> Iterator[Row]:
    yield from _logistic("tempo", "ratio", _predictions(results[0]), 1, np.log, np.exp)


def _path(results: list[Result]) -> Iterator[Row]:
    yield from _logistic("path", "body heights", _predictions(results[0]))


def _coherence(results: list[Result]) -> Iterator[Row]:
    yield from _logistic("coherence", "coherence", _predictions(results[0]))


def _same(values: Any) -> Any:
    return values


def _logistic(
    measure: str,
    unit: str,
    rows: pd.DataFrame,
    null: float = 0,
    scale: Callable[[Any], Any] = _same,
    back: Callable[[Any], Any] = _same,
) -> Iterator[Row]:
    """Yield a threshold over the levels above that of the control."""
    own = rows[rows["level"] > null]
    if len(own):
        levels, hits, clips = _counts(own)
        distances = scale(levels)
        found = float(logistic_threshold(distances, hits.sum(axis=0), clips.sum(axis=0), _TARGET))
        drawn = logistic_threshold(distances, *resample(hits, clips), _TARGET)
        ends = percentile_interval(drawn, len(hits))
        value, censored = _censored(found, ends, distances[0], distances[-1])
        scaled = (float(back(value[0])), float(back(value[1])), float(back(value[2])))
        yield _row(measure, unit, own, scaled, censored=censored, **_control(rows[rows["level"] == null]))


def _censored(
    found: float, ends: tuple[float, float], first: float, last: float
) -> tuple[tuple[float, float, float], str]:
    """Return a threshold with its interval within the levels, as far as it is known, and where it lies beyond them."""
    low, high = ends
    if found > last:
        return (last, min(low, last), np.inf), ">"
    if found < first:
        return (first, low, max(high, first)), "<"
    return (found, min(low, found), max(high, found)), ""


def _motion_alone(results: list[Result]) -> Iterator[Row]:
    rows = _predictions(results[0])
    own = rows[rows["level"] == rows["level"].max()]
    yield _row("motion alone", "%", own, _percent(_accuracy(own)), **_control(rows[rows["level"] == 0]))


def _point_lights(results: list[Result]) -> Iterator[Row]:
    rows = _predictions(results[0])
    without_noise = rows[rows["level"] == 0]
    kinds = {kind: without_noise[without_noise["condition"] == kind] for kind in ("intact", "inverted")}
    control = _control(without_noise[without_noise["condition"] == "scrambled"])
    for kind, name in (("intact", "point lights"), ("inverted", "point lights, inverted")):
        if len(kinds[kind]):
            yield _row(name, "%", kinds[kind], _percent(_accuracy(kinds[kind])), **control)
    intact = rows[rows["condition"] == "intact"]
    if intact["level"].nunique() > 1:
        levels, hits, clips = _counts(intact)

        def threshold(hits: Floats, clips: Floats) -> Floats:
            return crossing(levels, decreasing(hits / clips, clips), np.full(hits.shape[:-1], _TARGET))

        found = float(threshold(hits.sum(axis=0), clips.sum(axis=0)))
        ends = percentile_interval(threshold(*resample(hits, clips)), len(hits))
        value, censored = _censored(found, ends, levels[0], levels[-1])
        if censored == "<":
            value, censored = (_NAN, _NAN, _NAN), "none"
        low = value[1] if np.isfinite(value[1]) else _NAN
        yield _row("noise dots", "dots", intact, (value[0], low, value[2]), censored=censored, **control)


def _context(results: list[Result]) -> Iterator[Row]:
    for cue in dict.fromkeys(map(_cue, results)):
        found = [_predictions(one) for one in results if _cue(one) == cue]
        by_rho = {float(rows["level"].iloc[0]): rows for rows in found}
        yield from _of_context(cue, dict(sorted(by_rho.items())))


def _cue(result: Result) -> str:
    """Return what goes with the label, ``"context"`` where that is the background."""
    cue = str(result.entry.get("cue") or "background")
    return "context" if cue == "background" else cue


def _of_context(cue: str, by_rho: dict[float, pd.DataFrame]) -> Iterator[Row]:
    """Yield the share of a context, and how much more accurate aligned clips are at each correlation."""
    below_one = [rho for rho in by_rho if 0 < rho < 1]
    if below_one or 1 in by_rho:
        rho = _RHO if _RHO in by_rho else max(below_one, default=1)
        own, unrelated = _mistaken(by_rho[rho]), _mistaken(by_rho[0]) if 0 in by_rho else by_rho[rho][:0]
        yield _row(f"{cue} share", "%", own, _percent(_accuracy(own)), **_control(unrelated))
    gaps = {rho: _gap(rows) for rho, rows in by_rho.items()}
    for rho, gap in gaps.items():
        yield _row(f"{cue} gap at rho {rho:g}", "points", by_rho[rho], _percent(gap))
    value = [min((rho for rho, gap in gaps.items() if gap[end] > _GAP), default=np.inf) for end in (0, 2, 1)]
    first, last = min(by_rho), max(by_rho)
    ends, censored = _censored(value[0], (value[1], value[2]), first, last)
    yield _row(f"{cue} rho", "rho", pd.concat(by_rho.values()), ends, censored=censored)


def _mistaken(rows: pd.DataFrame) -> pd.DataFrame:
    """Return clips in conflict, correct where they are labelled by the context: the other one of two classes."""
    own = rows[rows["condition"] == "conflict"]
    return own.assign(correct=~own["correct"])


def _gap(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Return by how much the accuracy is higher on aligned clips than on those in conflict."""
    own = rows[rows["condition"].isin(["aligned", "conflict"])]
    _, hits, clips = _counts(own.assign(level=own["condition"] == "aligned"))
    if hits.shape[1] < 2:
        return _NAN, _NAN, _NAN
    drawn, sizes = resample(hits, clips)
    low, high = percentile_interval(np.diff(drawn / sizes)[:, 0], len(hits))
    return float(np.diff(hits.sum(axis=0) / clips.sum(axis=0))[0]), low, high


def _half_lives(results: list[Result]) -> Iterator[Row]:
    rows, chance = _predictions(results[0]), 1 / len(results[0].classes)
    whole = rows[rows["condition"] == "none"]
    control = _control(whole, 100 * chance)
    for nuisance in NUISANCES:
        worse = rows[rows["condition"] == nuisance]
        if len(whole) and len(worse):
            yield from _half_life(nuisance, whole, worse, chance, control)


def _half_life(
    nuisance: str, whole: pd.DataFrame, worse: pd.DataFrame, chance: float, control: Row
) -> Iterator[Row]:
    """Yield the half-life of a nuisance, and the area under its curve."""
    unit, clean = NUISANCES[nuisance]
    sign = -1 if nuisance in FALLING else 1
    both = pd.concat([whole.assign(level=-np.inf), worse.assign(level=sign * (worse["level"] - clean))])
    distances, hits, clips = _counts(both)
    # Whole clips come first, even if a level is that of them.
    distances[0] = min(0, distances[1])
    drawn = resample(hits, clips)
    total, sizes = hits.sum(axis=0), clips.sum(axis=0)
    found = float(half_life(distances, total, sizes, chance))
    ends = percentile_interval(half_life(distances, *drawn, chance), len(hits))
    value, censored = _censored(found, ends, distances[0], distances[-1])
    placed = [clean + sign * distance for distance in value]
    if sign < 0:
        # No rate and no gain is below 0.
        placed = [placed[0], max(0.0, placed[2]), placed[1]]
        censored = {">": "<"}.get(censored, censored)
    if not control["control_low"] > control["chance"]:
        placed, censored = [_NAN] * 3, "none"
    measured = float(placed[0]), float(placed[1]), float(placed[2])
    yield _row(f"half-life of {nuisance}", unit, worse, measured, censored=censored, **control)
    if censored != "none":
        area = float(normalised_area(distances, total / sizes, chance))
        ends = percentile_interval(normalised_area(distances, drawn[0] / drawn[1], chance), len(hits))
        yield _row(f"area of {nuisance}", "share", worse, (area, *ends), **control)


def _inflation(results: list[Result]) -> Iterator[Row]:
    known = {(bool(one.entry.get("clones")), _is_seen(one)): _predictions(one) for one in results}
    if (False, True) in known and (False, False) in known:
        control = _gained(known, clones=True) if {(True, True), (True, False)} <= set(known) else [_NAN] * 3
        rows = pd.concat([known[False, True], known[False, False]])
        facts = dict(zip(("control", "control_low", "control_high"), control, strict=True))
        yield _row("inflation", "points", rows, _gained(known, clones=False), **facts)


def _gained(known: dict[tuple[bool, bool], pd.DataFrame], *, clones: bool) -> tuple[float, float, float]:
    """Return the points gained with people seen in training.

    The people of both are different: the intervals are combined as in Newcombe, Statistics in Medicine 17, 1998.
    """
    (seen, seen_low, seen_high), (other, low, high) = (
        _accuracy(known[clones, is_seen]) for is_seen in (True, False)
    )
    gained = seen - other
    down, up = np.hypot(seen - seen_low, high - other), np.hypot(seen_high - seen, other - low)
    return _percent((gained, float(gained - down), float(gained + up)))


#: What is measured on each track.
TRACKS: dict[str, Callable[[list[Result]], Iterator[Row]]] = {
    "arrow": _order,
    "one-way": _one_way,
    "order": _reach,
    "tempo": _tempo,
    "motion-noise": _motion_alone,
    "motion-dots": _coherence,
    "point-lights": _point_lights,
    "path": _path,
    "context": _context,
    "nuisance": _half_lives,
    "identity": _inflation,
}


def sentences(table: pd.DataFrame) -> list[str]:
    """Return what a profile says in words, and which controls did not fail as they must."""
    found = []
    for measure, question in _QUESTIONS.items():
        answers: dict[str, list[str]] = {"yes": [], "no": [], "not decided": []}
        chance = _NAN
        for row in _rows(table[table["measure"] == measure]):
            answer = (
                "yes" if row.low > row.chance else "no" if row.high <= row.chance + _MARGIN else "not decided"
            )
            answers[answer].append(f"{row.attempt} ({row.value:.0f} %)")
            chance = row.chance
        if any(answers.values()):
            said = "; ".join(f"{answer}: {', '.join(own)}" for answer, own in answers.items() if own)
            found.append(f"{question}? {said}. Guessing gives {chance:.0f} %.")
    return found + [_broken(row) for row in _rows(table) if _is_broken(row)]


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples()


def _is_broken(row: Any) -> bool:
    shown = row.measure in PARTS["what it uses"] or row.measure in PARTS["down to which level"]
    chance = 0 if row.measure == "inflation" else row.chance
    return bool(shown and row.control_low > chance)


def _broken(row: Any) -> str:
    limits = f"{row.control:.0f} [{row.control_low:.0f}, {row.control_high:.0f}]"
    chance = "nothing is gained" if row.measure == "inflation" else f"guessing gives {row.chance:.0f} %"
    return f"{row.attempt} has {limits} on the control of {row.measure}, where {chance}: do not rely on {row.measure}."


def tables_of(table: pd.DataFrame) -> Iterator[tuple[str, list[str], dict[tuple[str, str], Any]]]:
    """Yield title, measures and rows by attempt and measure of each part of a profile that has any."""
    known = {(row.attempt, row.measure): row for row in _rows(table)}
    for title, heads in PARTS.items():
        measures = [measure for measure in heads if (table["measure"] == measure).any()]
        if measures:
            yield title, measures, known


def layout(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a profile as `tables.layout` does: tables of attempts by measures, none wider than a terminal."""
    parts = []
    for title, measures, known in tables_of(table):
        attempts = list(dict.fromkeys(table["attempt"]))
        columns = [["attempt", *attempts]]
        if title == "what it withstands":
            columns.append(["whole", *(_whole(known, attempt, measures) for attempt in attempts)])
        first, own = len(columns), []
        for measure in measures:
            cells = [_cell(known.get((attempt, measure))) for attempt in attempts]
            own.append([PARTS[title][measure], *cells])
        said = sentences(table) if title == "what it uses" else []
        notes = [LEGENDS[title] + ".", _units(measures) if first > 1 else _BESIDE[title], *said]
        chunks = list(_chunks(columns, own))
        for number, chunk in enumerate(chunks):
            last = number == len(chunks) - 1
            parts.append(
                {
                    "dataset": "diagnostic",
                    "split": "profile",
                    "extent": title,
                    "heads": [column[0] for column in chunk],
                    "numeric": [False, *[True] * (len(chunk) - 1)],
                    "rows": [list(row) for row in zip(*(column[1:] for column in chunk), strict=True)],
                    "sizes": notes if last else [],
                    "notes": [],
                }
            )
    return parts


def _chunks(first: list[list[str]], columns: list[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the first columns with as many others each as fit beside them."""

    def width(own: list[list[str]]) -> int:
        return sum(2 + max(map(len, column)) for column in own) - 2

    chunk: list[list[str]] = []
    for column in columns:
        if chunk and width([*first, *chunk, column]) > _WIDTH:
            yield [*first, *chunk]
            chunk = []
        chunk.append(column)
    yield [*first, *chunk]


def _units(measures: list[str]) -> str:
    nuisances = [PARTS["what it withstands"][measure] for measure in measures]
    units = ", ".join(f"{nuisance} in {NUISANCES[nuisance][0]}" for nuisance in nuisances)
    return f"[95 % interval over groups]; {units}"


def _whole(known: dict[tuple[str, str], Any], attempt: str, measures: list[str]) -> str:
    found = [known[attempt, measure] for measure in measures if (attempt, measure) in known]
    return control_texts(found[0])[0] if found else ""


def _cell(row: Any) -> str:
    if row is None:
        return ""
    value, interval = texts(row)
    if row.measure in PARTS["what it uses"]:
        half = (row.high - row.low) / 2
        value += f"±{half:.0f}"
    elif interval:
        value += f" [{interval.replace(' to ', ', ')}]".replace("∞]", "∞)")
    control, _ = control_texts(row)
    return f"{value} | {control}" if control and not row.measure.startswith("half-life") else value


def texts(row: Any) -> tuple[str, str]:
    """Return a value and its interval as texts: ``">40"`` and ``"31 to ∞"`` beyond the last level."""
    if row.censored == "none":
        value = "none" if row.measure == "reach" else "–"
    else:
        sign = "≥" if row.measure == "reach" and row.censored else row.censored
        value = sign + _number(row, row.value)
    is_beyond = row.censored and row.low == row.value
    if is_beyond or (pd.isna(row.low) and pd.isna(row.high)):
        return value, ""
    return value, f"{_number(row, row.low)} to {_number(row, row.high)}"


def control_texts(row: Any) -> tuple[str, str]:
    """Return a control and its interval as texts, empty where there is none."""
    if pd.isna(row.control):
        return "", ""
    return f"{row.control:.0f}", f"{row.control_low:.0f} to {row.control_high:.0f}"


def _number(row: Any, value: float) -> str:
    if not np.isfinite(value):
        return "none" if np.isnan(value) else "∞"
    if row.unit == "points":
        return f"{value:+.0f}"
    if row.unit == "ratio":
        return f"{value:.2f}"
    is_share = row.measure in PARTS["what it uses"]
    return f"{value:.0f}" if is_share or abs(value) >= 10 else f"{value:.2g}"
