"""Do the tests keep their level, and do the intervals cover? ``make levels`` draws studies whose truth is known.

Each study has 9 or 25 groups of 4 to 24 clips. Two attempts, and for Holm's correction four, are equally good in the
mean over all groups there could be; how good each is on the clips of one group scatters about that. The more it does,
the more alike the clips of a group are. A test keeps its level of 5 % if it finds a difference in no more than 5 % of
the studies; a 95 % interval covers if it holds the true value in 95 % of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from actionbench.experiments.provenance import collect
from actionbench.reports.paired import mcnemar
from actionbench.reports.statistics import (
    bootstrap_interval,
    group_sums,
    holm,
    paired_interval,
    ratio_interval,
    sign_flip_test,
    wilson_interval,
)

LEVEL = 0.05
ACCURACY = 0.7
N_ATTEMPTS = 4
#: What stands in the table, and what a row has for it.
SHARES = {
    "sign flips": "sign_flip",
    "Holm, 6 pairs": "holm",
    "McNemar on clips": "mcnemar",
    "accuracy": "accuracy_covered",
    "Wilson on clips": "wilson_covered",
    "difference": "difference_covered",
}
#: Standard deviation over groups of what an attempt is right more or less often than in the mean.
SCATTER = {
    "independent": 0.0,
    "alike": 0.12,
    "much alike": 0.22,
    "much alike, skewed": 0.22,
    "skewed, the first even": 0.22,
}


@dataclass
class Row:
    """Shares of the studies of one kind."""

    n_groups: int
    clips: str
    n_studies: int
    sign_flip: float
    holm: float
    mcnemar: float
    accuracy_covered: float
    wilson_covered: float
    difference_covered: float


def chances(clips: str, n_groups: int, rng: np.random.Generator) -> np.ndarray:
    """Return how probably each attempt is right on a clip of each group, shape (N_ATTEMPTS, n_groups)."""
    spread = SCATTER[clips]
    if not spread:
        return np.full((N_ATTEMPTS, n_groups), ACCURACY)
    # Beta variates with this mean and spread. Those of an accuracy of 0.7 are skewed; a half of them turned about the
    # mean are not, as long as they stay shares: hence the smaller reach.
    if "skewed" in clips:
        size = ACCURACY * (1 - ACCURACY) / spread**2 - 1
        drawn = rng.beta(ACCURACY * size, (1 - ACCURACY) * size, size=(N_ATTEMPTS, n_groups))
        drawn[: "first even" in clips] = ACCURACY
        return drawn
    reach = 1 - ACCURACY
    size = max(reach**2 / spread**2 - 1, 0.1)
    return ACCURACY + reach * (2 * rng.beta(size / 2, size / 2, size=(N_ATTEMPTS, n_groups)) - 1)


def study(clips: str, n_groups: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which clips each attempt has right, shape (N_ATTEMPTS, n_clips), and the group of each clip."""
    sizes = rng.integers(4, 25, size=n_groups)
    groups = np.repeat(np.arange(n_groups), sizes)
    return rng.random((N_ATTEMPTS, len(groups))) < chances(clips, n_groups, rng)[:, groups], groups


def judged(right: np.ndarray, groups: np.ndarray, n_flips: int, seed: int) -> Iterator[bool]:
    """Yield what each column of `SHARES` asks of one study."""
    p_values = [
        sign_flip_test(group_sums(groups, one.astype(float) - other)[0], n_flips, seed)
        for one, other in combinations(right, 2)
    ]
    yield p_values[0] <= LEVEL
    yield bool((holm(p_values) <= LEVEL).any())
    yield mcnemar(right[0], right[1])["p_value"] <= LEVEL
    low, high = bootstrap_interval(right[0], groups, random_state=seed)
    yield low <= ACCURACY <= high
    low, high = wilson_interval(right[0].sum(), len(groups))
    yield low <= ACCURACY <= high
    change = right[1].astype(float) - right[0]
    drawn = ratio_interval(*group_sums(groups, change, np.ones(len(groups))), random_state=seed)
    low, high = paired_interval(right[0], right[1])
    yield drawn is not None and min(low, drawn[0]) <= 0 <= max(high, drawn[1])


def simulated(clips: str, n_groups: int, n_studies: int, n_flips: int = 1999) -> Row:
    """Draw studies of one kind and return how often each test found something and each interval covered."""
    rng = np.random.default_rng([n_groups, list(SCATTER).index(clips)])
    found = np.array([list(judged(*study(clips, n_groups, rng), n_flips, seed)) for seed in range(n_studies)])
    return Row(n_groups, clips, n_studies, *(float(share) for share in found.mean(axis=0)))


def margin(share: float, n_studies: int) -> float:
    """Return the half width of the 95 % interval of a share that the number of studies leaves."""
    return 1.96 * np.sqrt(share * (1 - share) / n_studies)


def markdown(content: dict[str, Any]) -> str:
    """Return the table of a result, as `main` writes it, for a document."""
    rows = [Row(**row) for row in content["rows"]]
    machine = ", ".join(f"{key} {value}" for key, value in content["machine"].items())
    n_studies = rows[0].n_studies
    unsure = f"± {100 * margin(0.05, n_studies):.1f} for a share of 5 or 95 %"
    said = f"Percent of {n_studies:,} studies of each kind, {unsure}. {machine}."
    heads = ["groups", "clips of a group", *SHARES]
    lines = [said, "", f"| {' | '.join(heads)} |", "|--:|:--|" + "--:|" * len(SHARES)]
    for row in rows:
        shares = [f"{100 * getattr(row, name):.1f}" for name in SHARES.values()]
        lines.append(f"| {row.n_groups} | {row.clips} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=4000, help="studies of each kind")
    parser.add_argument("--json", type=Path, help="file to write as well")
    parser.add_argument(
        "--markdown", type=Path, help="file of --json whose table is printed; nothing is drawn"
    )
    options = parser.parse_args()
    if options.markdown:
        print(markdown(json.loads(options.markdown.read_text())), end="")
        return
    rows = []
    for n_groups in (9, 25):
        for clips in SCATTER:
            begun = perf_counter()
            rows.append(asdict(simulated(clips, n_groups, options.studies)))
            print(*rows[-1].values(), f"{perf_counter() - begun:.0f} s", flush=True)
    if options.json:
        facts = collect()
        machine = {"actionbench": facts["actionbench"], "numpy": np.__version__}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
