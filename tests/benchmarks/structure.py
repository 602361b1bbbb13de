"""Does a fully connected net discover convolution? ``make structure`` prunes nets for digits and for video and says.

Everything is repeated with other seeds: other initial values, other digits and people left out. Each figure is a mean
over them with its 95 % interval by Student's t. Nothing here is chosen by what is reported: learning rates and decay
were set on training images and training groups; docs/structure.md says which.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import results
from scipy import stats
from sklearn.datasets import load_digits

from actionbench.baselines.base import Attempt
from actionbench.baselines.nets._sparse_mlp import SCALES, SparseMlp
from actionbench.baselines.nets.mlp_pruned import MlpPruned
from actionbench.baselines.nets.mlp_sparse import MlpSparse
from actionbench.baselines.nets.net_evolved import NetEvolved
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.datasets.splits import GroupKFold
from actionbench.features.cache import FeatureCache, compute, use_cache
from actionbench.models import nn, optim, structure, zoo
from actionbench.models.training import Training, predict_proba

# Shares of the first layer's weights: each round drops 40 %, as the reference did.
ROUNDS = 7
DENSITY = 0.6**ROUNDS
#: What PyTorch gave, one seed: density to accuracy and locality (``torch_golden/graph.txt``).
REFERENCE = {
    "dense": {1.0: (0.9758, 1.0)},
    "magnitude": {
        0.6: (0.9723, 0.927),
        0.36: (0.9688, 0.857),
        0.216: (0.9652, 0.780),
        0.1296: (0.9602, 0.734),
        0.0778: (0.9506, 0.696),
        0.0467: (0.9305, 0.670),
        0.028: (0.8620, 0.636),
    },
    "random": {0.028: (0.5642, 1.015)},
    "beta-LASSO, λ = 0.0001": {0.1368: (0.9647, 0.737)},
    "beta-LASSO, λ = 0.0003": {0.0479: (0.9154, 0.679)},
}
SIDE = 16
# Of `SparseMlp.localities`, in the order of a row.
PLACES = ("space", "shared space", "time")
UNTRAINED = "optimal brain damage, untrained"


@dataclass
class Row:
    """One trained net."""

    section: str
    method: str
    seed: int
    density: float
    accuracy: float | None
    space: float | None = None
    shared: float | None = None
    time: float | None = None
    units: int = 0
    parameters: int = 0
    note: str = ""


def finite(value: float) -> float | None:
    """Return what JSON can hold."""
    return value if np.isfinite(value) else None


class Digits:
    """Digits of 8 x 8 pixels pasted at random on 16 x 16: 1,400 images teach, each anew each time, 397 test."""

    def __init__(self, seed: int) -> None:
        images, targets = load_digits(return_X_y=True)
        pad = SIDE - 8
        padded = np.pad(images.reshape(-1, 8, 8) / 16, ((0, 0), (pad, pad), (pad, pad)))
        order = np.random.default_rng(seed).permutation(len(images))
        padded, targets = padded[order, ..., np.newaxis].astype(np.float32), targets[order]
        self.train, self.train_targets = list(padded[:1400]), targets[:1400]
        rng = np.random.default_rng([seed, 1])
        self.test = [self.paste(image, rng) for image in padded[1400:]]
        self.test_targets = targets[1400:]
        self.curved = np.stack([self.paste(image, rng) for image in self.train[:200]])

    @staticmethod
    def paste(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        top, left = rng.integers(SIDE - 8 + 1, size=2).tolist()
        return image[top : top + SIDE, left : left + SIDE]

    def fit(self, how: Training, net: nn.Module) -> Any:
        return how.fit(net, self.train, self.train_targets, self.paste, lambda image: image[np.newaxis])

    def accuracy(self, net: nn.Module) -> float:
        found = predict_proba(net, self.test, lambda image: image[np.newaxis]).argmax(axis=1)
        return float((found == self.test_targets).mean())


def digits(seed: int) -> Iterator[Row]:
    """Prune a net of 256 hidden units by each criterion, and train it with beta-LASSO."""
    data, net = Digits(seed), zoo.mlp(SIDE**2, 256, 10)
    how = Training(
        epochs=200,
        batch_size=128,
        learning_rate=1e-2,
        weight_decay=0.1,
        label_smoothing=0.0,
        random_state=seed,
    )

    def train(masks: structure.Masks | None) -> Any:
        if masks is None:
            return data.fit(how, net)
        method = structure.Masked(how.method, structure.flat(net, masks, True))
        return data.fit(replace(how, method=method), net)

    def row(method: str) -> Row:
        mask = structure.connections(net)["1.weight"]
        local = structure.locality(mask, (SIDE, SIDE, 1))
        return Row(
            "digits",
            method,
            seed,
            float(mask.mean()),
            data.accuracy(net),
            float(np.nanmean(local)) if np.isfinite(local).any() else None,
            finite(structure.shared_locality(mask, (SIDE, SIDE, 1))),
            units=int(mask.any(axis=1).sum()),
            parameters=structure.count_parameters(net),
        )

    yield from untrained_digits(data, net, seed)
    scores: dict[str, Callable[[nn.Module], structure.Scores]] = {
        "magnitude": structure.magnitude,
        "optimal brain damage": lambda net: structure.obd(net, data.curved),
    }
    for method, score in scores.items():
        for found in structure.prune(train, net, score, DENSITY, ROUNDS):
            if found.density < 1 or method == "magnitude":
                yield row(method if found.density < 1 else "dense")
    for number in range(1, ROUNDS + 1):
        drawn = structure.random(net, np.random.default_rng([seed, 2]))
        train(structure.keep(drawn, DENSITY ** (number / ROUNDS)))
        yield row("random")
    for strength in (3e-5, 1e-4, 3e-4):
        strengths = {path: np.full(w.shape, strength) for path, w in structure.weights(net).items()}
        options = {"lambda": structure.flat(net, strengths, 0.0), "momentum": 0.95}
        lasso = {"method": optim.beta_lasso, "options": options, "schedule": optim.cosine}
        data.fit(replace(how, epochs=400, learning_rate=0.2, weight_decay=0.0, **lasso), net)
        yield row(f"beta-LASSO, λ = {strength:g}")


def untrained_digits(data: Digits, net: nn.Module, seed: int) -> Iterator[Row]:
    """Return where optimal brain damage looks before anything is learned: where the inputs are."""
    scores = structure.obd(net.reset(np.random.default_rng(seed)), data.curved)
    for share in (0.6**3, 0.6**5, DENSITY):
        mask = structure.keep(scores, share)["1.weight"]
        local = float(np.nanmean(structure.locality(mask, (SIDE, SIDE, 1))))
        shared, units = structure.shared_locality(mask, (SIDE, SIDE, 1)), int(mask.any(axis=1).sum())
        yield Row("digits", UNTRAINED, seed, float(mask.mean()), None, local, shared, units=units)


def divided(subjects: int, seed: int) -> tuple[Figures, Any]:
    """Return people, other ones for each seed, and a fold in which half of them teach."""
    people = Figures(subjects=subjects, clips_per_subject=2, frames=32, seed=seed)
    return people, GroupKFold(folds=2, seed=seed).folds(people)[0]


def judged(attempt: Attempt, people: Figures, fold: Any) -> float:
    """Fit an attempt and return its accuracy on people that it never saw."""
    train, test = fold.train, fold.test
    attempt.fit(people.clips[train], people.labels[train], people.groups[train])
    return float((attempt.predict(people.clips[test]) == people.labels[test]).mean())


def pruned(section: str, seed: int, attempts: dict[str, SparseMlp]) -> Iterator[Row]:
    """Fit nets on video, the dense one first; on the way to a density only locality is noted."""
    people, fold = divided(36, seed)
    for method, attempt in attempts.items():
        accuracy = judged(attempt, people, fold)
        net = attempt.net()
        if method == "dense":
            yield from controls(section, attempt, net, people, fold, seed)
        if method in ("magnitude", "optimal brain damage"):
            yield from rounds(section, method, attempt.curve_, seed)
        masks = structure.connections(net)
        local = attempt.localities(net)
        left = sum(np.count_nonzero(mask) for mask in masks.values()) / sum(
            mask.size for mask in masks.values()
        )
        units = int(next(iter(masks.values())).any(axis=1).sum())
        where = (finite(local[name]) for name in PLACES)
        yield Row(section, method, seed, left, accuracy, *where, units, attempt.count()["parameters"])


def flow(seed: int) -> Iterator[Row]:
    """Prune a net on flow about the person to less than a tenth of all its weights."""
    how: dict[str, Any] = {"frames": 8, "size": 12, "random_state": seed}
    few: dict[str, Any] = {"density": 0.09, "rounds": 3, **how}
    attempts: dict[str, SparseMlp] = {
        "dense": MlpPruned(density=1.0, **how),
        "magnitude": MlpPruned(**few),
        "optimal brain damage": MlpPruned(criterion="obd", **few),
        "random": MlpPruned(criterion="random", **few),
        "beta-LASSO": MlpSparse(**how),
    }
    yield from pruned("flow", seed, attempts)


def pixels(seed: int) -> Iterator[Row]:
    """Prune a net on whole grey frames, in which people are anywhere."""
    how: dict[str, Any] = {"input": "grey", "view": "frame", "frames": 8, "epochs": 300, "random_state": seed}
    few: dict[str, Any] = {"density": 0.09, "rounds": 3, **how}
    attempts: dict[str, SparseMlp] = {
        "dense": MlpPruned(density=1.0, **how),
        "magnitude": MlpPruned(**few),
        "random": MlpPruned(criterion="random", **few),
    }
    yield from pruned("pixels", seed, attempts)


def rounds(section: str, method: str, log: dict[str, np.ndarray], seed: int) -> Iterator[Row]:
    """Return where the weights were that were left after each round but the first and the last."""
    shares = np.unique(log["density"])[-2:0:-1]
    for share in shares:
        place = int(np.flatnonzero(log["density"] == share)[0])
        where = (float(log[name][place]) for name in PLACES)
        yield Row(section, method, seed, float(share), None, *where)


def controls(
    section: str, attempt: SparseMlp, net: nn.Module, people: Figures, fold: Any, seed: int
) -> Iterator[Row]:
    """Return where a dense net changed most in training, whatever it was before, and where it looked before."""
    start = attempt._untrained(len(attempt.classes_)).reset(np.random.default_rng(seed))
    begun = structure.weights(start)
    change = {path: np.abs(value - begun[path]) for path, value in structure.weights(net).items()}
    first = next(iter(change))
    ratio = np.linalg.norm(change[first]) / np.linalg.norm(begun[first])
    reader = attempt._reader()
    videos = compute(reader.small, people.clips[fold.train])
    inputs = np.concatenate([reader.test_views(video, 1) for video in videos])
    chosen = {"largest change": (change, f"{ratio:.3f}"), UNTRAINED: (structure.obd(start, inputs), "")}
    for method, (scores, note) in chosen.items():
        mask = structure.keep(scores, 0.09)[first]
        space, time = (
            float(np.nanmean(structure.locality(mask, reader.shape, scale))) for scale in SCALES.values()
        )
        where = space, structure.shared_locality(mask, reader.shape, SCALES["space"]), time
        yield Row(section, method, seed, float(mask.mean()), None, *where, note=note)


def searches(seed: int) -> Iterator[Row]:
    """Search for an architecture by evolution and at random, each with the same budget."""
    people, fold = divided(16, seed)
    for method in ("evolution", "random"):
        attempt = NetEvolved(method=method, evaluations=20, frames=8, size=12, random_state=seed)
        accuracy = judged(attempt, people, fold)
        found = attempt.count()["parameters"]
        yield Row("search", method, seed, 1.0, accuracy, parameters=found, note=attempt.genome_)


SECTIONS = {"digits": digits, "flow": flow, "pixels": pixels, "search": searches}
# Of those that take long.
SEEDS = {"digits": 3, "search": 3}


def interval(values: list[float | None]) -> tuple[float, float]:
    """Return mean and half the width of its 95 % interval; NaN where there is no such."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return (fmean(known) if known else float("nan")), float("nan")
    return fmean(known), float(stats.t.ppf(0.975, len(known) - 1) * stats.sem(known))


def written(values: list[float | None], scale: float = 1.0, digits: int = 2) -> str:
    mean, half = interval(values)
    if not np.isfinite(mean):
        return ""
    return f"{scale * mean:.{digits}f}" + (f" ± {scale * half:.{digits}f}" if np.isfinite(half) else "")


def groups(rows: list[Row]) -> dict[tuple[str, float], list[Row]]:
    """Return rows of one method and density, whatever the seed; a method that finds its density is one group."""
    found: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        asked = 0.0 if row.method.startswith("beta") else round(row.density, 3)
        found.setdefault((row.method, asked), []).append(row)
    return found


def differences(rows: list[Row], method: str, other: str) -> list[float | None]:
    """Return, for each seed, how much more accurate one method is than another."""
    by_seed = {(row.method, row.seed): row.accuracy for row in rows if row.accuracy is not None}
    seeds = sorted({row.seed for row in rows})
    return [by_seed[method, seed] - by_seed[other, seed] for seed in seeds]


def markdown(content: dict[str, Any]) -> str:
    """Return the tables of a result, as `main` writes it, for a document."""
    every = [Row(**row) for row in content["rows"]]
    rows = {section: [row for row in every if row.section == section] for section in SECTIONS}
    n_seeds = {section: len({row.seed for row in rows[section]}) for section in SECTIONS}
    lines = [f"{results.in_words(content['machine'])}.", ""]
    lines += [f"### Digits, {n_seeds['digits']} seeds", ""]
    lines += [
        "| method | density of the first layer | accuracy % | locality | of it shared | units "
        "| reference: density, accuracy %, locality |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for (method, asked), several in groups(rows["digits"]).items():
        reference = REFERENCE.get(method, {})
        near = [d for d in reference if not asked or abs(d - asked) < 0.001]
        told = (
            f"{near[0]:.3f}, {100 * reference[near[0]][0]:.1f}, {reference[near[0]][1]:.2f}" if near else ""
        )
        lines.append(
            f"| {method} | {fmean(row.density for row in several):.3f} "
            f"| {written([row.accuracy for row in several], 100, 1)} | {written([row.space for row in several])} "
            f"| {written([row.shared for row in several])} | {fmean(row.units for row in several):.0f} | {told} |"
        )
    for section, title in (("flow", "Flow around the person"), ("pixels", "Grey frames")):
        lines += ["", f"### {title}, {n_seeds[section]} seeds", "", *video_table(rows[section])]
    lines += ["", f"### Search, {n_seeds['search']} seeds", ""]
    lines += ["| method | accuracy % | parameters | what was found |", "|---|---|---|---|"]
    for (method, _), several in groups(rows["search"]).items():
        lines.append(
            f"| {method} | {written([row.accuracy for row in several], 100, 1)} "
            f"| {fmean(row.parameters for row in several):,.0f} | {'; '.join(row.note for row in several)} |"
        )
    less = written(differences(rows["search"], "evolution", "random"), 100, 1)
    lines += [f"| evolution less random, paired by seed | {less} |  |  |"]
    return "\n".join(lines) + "\n"


def video_table(rows: list[Row]) -> list[str]:
    """Return the lines of a table of nets on video, and what they are compared by."""
    lines = [
        "| method | share of the weights | accuracy % | locality in space | of it shared | in time |",
        "|---|---|---|---|---|---|",
    ]
    for (method, _), several in groups(rows).items():
        lines.append(
            f"| {method} | {fmean(row.density for row in several):.3f} "
            f"| {written([row.accuracy for row in several], 100, 1)} | {written([row.space for row in several])} "
            f"| {written([row.shared for row in several])} | {written([row.time for row in several])} |"
        )
    lines += ["", "| difference of accuracy, points, paired by seed | |", "|---|---|"]
    known = {row.method for row in rows}
    for method, other in COMPARED:
        if {method, other} <= known:
            lines.append(f"| {method} less {other} | {written(differences(rows, method, other), 100, 1)} |")
    changes: list[float | None] = [float(row.note) for row in rows if row.note]
    return [
        *lines,
        "",
        f"Training moved the dense net's first layer by {written(changes)} times the length of its initial values.",
    ]


COMPARED = (
    ("magnitude", "dense"),
    ("optimal brain damage", "dense"),
    ("magnitude", "random"),
    ("optimal brain damage", "random"),
    ("beta-LASSO", "dense"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"some of {', '.join(SECTIONS)}; all by default")
    parser.add_argument(
        "--seeds", type=int, help="repetitions of each; 3 of digits and search, 5 of the others"
    )
    options = results.parse(parser, markdown)
    chosen = options.sections or list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    rows = []
    with tempfile.TemporaryDirectory() as folder, use_cache(FeatureCache(Path(folder), 2**32, lambda _: "")):
        for section in chosen:
            for seed in range(options.seeds or SEEDS.get(section, 5)):
                begun = perf_counter()
                for row in SECTIONS[section](seed):
                    rows.append(asdict(row))
                    print(*(rows[-1][field.name] for field in fields(Row)), flush=True)
                print(f"{section}, seed {seed}: {perf_counter() - begun:.0f} s", flush=True)
    # Sections that are not run stay in the file.
    others = [row for row in results.read(options.json).get("rows", ()) if row["section"] not in chosen]
    results.write(options.json, {"machine": results.machine(), "rows": others + rows})


if __name__ == "__main__":
    main()
