"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from .. import DEFAULT_STORE
from ..errors import ActionbenchError
from ..workflow import Experiment

if TYPE_CHECKING:
    from ..experiments.datasets.base import Dataset
    from ..experiments.planning.cells import DatasetSource

Command = Callable[..., Any]


#: Adds ``--plugin``.
plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="A Python file with attempts or data sets of your own; may be repeated.",
)


def set_option(what: str) -> Callable[[Command], Command]:
    """Return ``--set`` for the keys of something."""
    return click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="KEY=VALUE",
        help=f"Change a key of the {what}; may be repeated.",
    )


#: Adds ``--store``.
store_option = click.option(
    "--store",
    type=click.Path(dir_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="The file that results are kept in.",
)

#: Adds ``--cache``.
cache_option = click.option(
    "--cache",
    metavar="DIR",
    help="Folder of features computed once for all cells; by default ACTIONBENCH_CACHE, else one of the user's. "
    "'none' keeps none.",
)

#: Adds ``--only``.
only_option = click.option(
    "--only",
    multiple=True,
    metavar="KEY=VALUE,...",
    help='Only some cells, as in attempt=rules,fold=0 or attempt="a, b"; keys: attempt, dataset, family, fold, '
    "seed, split, train_groups.",
)

#: Adds ``--json``.
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program to read.")


def refuse_both(flags: Mapping[str, object]) -> None:
    """Raise ActionbenchError where two flags are given that contradict each other."""
    given = [name for name, value in flags.items() if value]
    if len(given) > 1:
        raise ActionbenchError(f"{given[0]} contradicts {given[1]}; give one of them")


#: Adds ``--workers``.
workers_option = click.option(
    "-j", "--workers", type=click.IntRange(min=1), help="Cells at a time; by default one per core."
)


def experiment_options(command: Command) -> Command:
    """Add MATRIX, ``--store``, ``--set``, ``--only`` and ``--plugin``; the command gets an `Experiment` of them."""

    @wraps(command)
    def wrapped(matrix: str, store: str, **values: Any) -> Any:
        axes = {name: values.pop(name) for name in ("changes", "only", "plugins")}
        return command(Experiment(matrix, store, **axes), **values)

    matrix = click.argument("matrix", default="quick")
    return matrix(store_option(set_option("matrix")(only_option(plugin_option(wrapped)))))


def results_option(command: Command) -> Command:
    """Add a store or a bundle to read, as an argument or as ``--store``; the command gets it as ``store``."""

    @wraps(command)
    def wrapped(path: str | None, store: str, **values: Any) -> Any:
        return command(store=path or store, **values)

    argument = click.argument("path", metavar="[STORE]", required=False, type=click.Path(dir_okay=False))
    return argument(store_option(wrapped))


@dataclass(frozen=True)
class DatasetRequest:
    """A data set as it is requested: its name, its folder, its options, and the plug-ins that may hold it."""

    name: str
    root: str | None
    changes: tuple[str, ...]
    plugins: tuple[str, ...]

    def entry(self) -> dict[str, str]:
        """Return its entry in a matrix, without the changes."""
        return {"name": self.name, **({"root": self.root} if self.root else {})}

    def make(self) -> Dataset:
        """Return the data set."""
        from ..experiments.datasets.registry import dataset_registry, make_dataset

        return make_dataset(dataset_registry(self.plugins).get(self.name), self.name, self._options())

    def _options(self) -> dict[str, Any]:
        from ..experiments.planning.matrix import parse_change

        options = dict(parse_change(change) for change in self.changes)
        return options if self.root is None else {**options, "root": self.root}

    def source(self, dataset: Dataset) -> DatasetSource:
        """Return what another process makes the data set from."""
        from ..experiments.planning.cells import DatasetSource, table_fingerprint

        return DatasetSource(list(self.plugins), self.name, self._options(), table_fingerprint(dataset))


def dataset_options(
    name: Command, what: str = "data set, such as groups or height"
) -> Callable[[Command], Command]:
    """Return what adds ``--root``, ``--set``, ``--plugin`` and the name; the command gets a `DatasetRequest`.

    Parameters
    ----------
    name : callable
        Adds the argument or option ``dataset``.
    what : str
        What ``--set`` changes.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def wrapped(dataset: str, root: str | None, **values: Any) -> Any:
            request = DatasetRequest(dataset, root, values.pop("changes"), values.pop("plugins"))
            return command(dataset=request, **values)

        root = click.option("--root", type=click.Path(), help="The folder of the clips.")
        return name(root(set_option(what)(plugin_option(wrapped))))

    return decorate
