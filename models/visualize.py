"""Pictures of nets, as Torch's notebooks showed them: filters, activations, modules, the loss; and of structure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .nn import Conv1d, Conv2d, Conv3d, Graph, Linear, Module, Sequential
from .nn.values import Value

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Images = NDArray[np.floating]

# What begins a new box in a graph, and has weights to draw.
_WEIGHTED = (Linear, Conv1d, Conv2d, Conv3d)
# Inches.
_WIDTH = 7.0
_TALLEST = 10.0


def mosaic(images: ArrayLike, gap: int = 1) -> Images:
    """Return images side by side as one.

    Parameters
    ----------
    images : array_like, shape (..., rows, columns, height, width)
        The images in a grid.
    gap : int
        Pixels between them, which are NaN.

    Returns
    -------
    ndarray, shape (..., rows * (height + gap) - gap, columns * (width + gap) - gap)

    Examples
    --------
    >>> mosaic(np.arange(4.0).reshape(1, 2, 1, 2))
    array([[ 0.,  1., nan,  2.,  3.]])
    """
    images = np.asarray(images)
    *lead, rows, columns, height, width = images.shape
    padded = np.full(
        (*lead, rows, columns, height + gap, width + gap), np.nan, np.result_type(images, np.float32)
    )
    padded[..., :height, :width] = images
    whole = padded.swapaxes(-3, -2).reshape(*lead, rows * (height + gap), columns * (width + gap))
    return whole[..., : whole.shape[-2] - gap, : whole.shape[-1] - gap]


def filters(
    weight: ArrayLike, shape: Sequence[int] | None = None, *, max_images: int = 64, title: str = "filters"
) -> Figure:
    """Draw the weights of a layer as images, one mosaic for each filter.

    Channels are side by side, below each other in volumes, where time goes to the right; three channels are red,
    green and blue. Zero is grey, and the scale is the same for all.

    Parameters
    ----------
    weight : array_like
        Of a convolution along one to three axes, (*kernel_size, in_channels, out_channels), or of a fully connected
        layer, (out_features, in_features).
    shape : sequence of int, optional
        Of one input of a fully connected layer before it was flattened, channels last, such as (28, 28, 1); by
        default a square or else a row.
    max_images : int
        Most filters that are drawn. If there are more, those of the largest norm are, the largest first.
    title : str
        Stands above.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the weight has other axes, or ``shape`` another size.

    Examples
    --------
    >>> import numpy as np
    >>> figure = filters(np.eye(4), title="first layer")
    >>> figure.axes[0].get_title()
    'first layer'
    """
    weight = np.asarray(weight)
    if weight.ndim == 2:
        weight = _shaped(weight, shape)
    if not 3 <= weight.ndim <= 5 or 0 in weight.shape:
        raise ValueError(
            f"the weight must be (out, in) or (*kernel_size, in_channels, out_channels), got {weight.shape}"
        )
    values = np.moveaxis(weight, -1, 0)
    indices = np.arange(len(values))
    if len(values) > max_images:
        indices = np.argsort(-np.linalg.norm(values.reshape(len(values), -1), axis=1), kind="stable")[
            :max_images
        ]
        title = f"{title}: the {max_images} largest of {len(values)}"
    limit = max(map(abs, _limits(values[indices])))
    return _mosaic_figure(values[indices], indices, (-limit, limit), title, "filter", "weight")


def _shaped(weight: Images, shape: Sequence[int] | None) -> Images:
    """Give the rows of a matrix the shape of what they look at, as (*taps, channels, rows)."""
    n_out, n_in = weight.shape
    side = round(n_in**0.5)
    shape = tuple(shape) if shape is not None else (side, side, 1) if side**2 == n_in else (n_in, 1)
    if np.prod(shape) != n_in or len(shape) not in (2, 3, 4):
        raise ValueError(
            f"shape must be (length, channels), (height, width, channels) or (time, height, width, channels) of "
            f"together {n_in} values, got {shape}"
        )
    return np.moveaxis(weight.reshape(n_out, *shape), 0, -1)


def first_layer(net: Module, shape: Sequence[int] | None = None, *, max_images: int = 64) -> Figure:
    """Draw the weights of the first layer that has filters or a matrix; see `filters`.

    Parameters
    ----------
    net : Module
        The net.
    shape : sequence of int, optional
        Of one input of the net, in case that its first layer is fully connected.
    max_images : int
        Most filters that are drawn.

    Raises
    ------
    ValueError
        If no layer has such weights.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> figure = first_layer(nn.Conv2d(3, 8, 5))
    >>> figure.axes[0].get_title()
    'weights of Conv2d'
    """
    for name, module in net.named_modules():
        if isinstance(module, _WEIGHTED):
            return filters(
                module.weight.value,
                shape,
                max_images=max_images,
                title=f"weights of {_call_it(name, module)}",
            )
    raise ValueError(f"this {type(net).__name__} has no convolution and no fully connected layer")


def activations(net: Module, x: Value, name: str | None = None, *, max_images: int | None = None) -> Figure:
    """Draw what the layers of a net give for one input, in evaluation mode; the net is left as it is.

    Parameters
    ----------
    net : Module
        The net.
    x : ndarray or list of ndarray
        Its input, with the batch axis; the first sample is shown.
    name : str, optional
        Path of one module, such as ``"0"``, whose channels are all drawn, with time to the right. By default a row
        per layer: of volumes the frame in the middle.
    max_images : int, optional
        Most channels that are drawn of a layer: 64 of one, 12 of each of all by default.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If no module of that name was run.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> len(activations(net, np.zeros((1, 8, 8, 1), np.float32)).axes)
    2
    """
    shown = [(path, module, y) for path, module, y in _outputs(net, x) if name in (None, path)]
    if name is None:
        shown = [(path, module, y) for path, module, y in shown if not module.children()]
    if not shown:
        known = ", ".join(path for path, _ in net.named_modules() if path)
        raise ValueError(f"no output of a module {name!r}; there are {known or 'none'}")
    if name is None or shown[0][2].ndim < 2:
        return _rows_figure(shown, max_images or 12)
    path, module, y = shown[0]
    values = np.moveaxis(y, -1, 0)[: max_images or 64, ..., np.newaxis]
    title = f"output of {_call_it(path, module)}, {_times(y.shape)}"
    return _mosaic_figure(values, np.arange(len(values)), _limits(values), title, "channel", "output")


def _outputs(net: Module, x: Value) -> list[tuple[str, Module, Images]]:
    """Return what each module gives for the first sample, in order."""
    names = {id(module): path for path, module in net.named_modules()}
    return [
        (names[id(module)], module, array[0])
        for module, _, y in net.trace(x)
        for array in _arrays(y)
        if len(array)
    ]


def _arrays(value: Value) -> Iterator[Images]:
    if isinstance(value, list | tuple):
        for entry in value:
            yield from _arrays(entry)
    elif np.ndim(value):
        yield value


def tree(net: Module) -> Figure:
    """Draw the modules of a net, each in a box, below the one that it is part of, with their numbers of parameters.

    Examples
    --------
    >>> from actionbench.models import nn
    >>> figure = tree(nn.Sequential(nn.Linear(4, 3), nn.Tanh()))
    >>> [text.get_text() for text in figure.axes[0].texts][1:]
    ['15', '0: Linear(4, 3)', '15', '1: Tanh()', '–']
    """
    from matplotlib.figure import Figure

    rows = list(net.named_modules())
    height = 0.3 * len(rows) + 0.6
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((0.02, 0.1 / height, 0.96, 1 - 0.6 / height))
    axes.set(xlim=(0, 100), ylim=(len(rows) - 0.5, -0.5))
    axes.set_axis_off()
    total = net.count_parameters()
    axes.set_title(f"{type(net).__name__} of {len(rows)} modules, {total:,} parameters", fontsize=10)
    axes.set_title("parameters", fontsize=8, loc="right")
    for place, (path, module) in enumerate(rows):
        indent = 3 * _depth(path)
        style = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "0.4", "linewidth": 0.8}
        text = _short(_first_line(path, module), 106 - int(1.3 * indent))
        axes.text(indent + 1, place, text, va="center", fontsize=8, bbox=style)
        count = module.count_parameters()
        axes.text(100, place, f"{count:,}" if count else "–", va="center", ha="right", fontsize=8)
        if path:
            above = max(before for before in range(place) if _depth(rows[before][0]) < _depth(path))
            axes.plot([indent - 1.5, indent - 1.5, indent], [above, place, place], "0.4", lw=0.8, zorder=0)
    return figure


def loss_curve(log: Mapping[str, Any]) -> Figure:
    """Draw the loss over the epochs.

    Parameters
    ----------
    log : DataFrame or mapping
        What `Training.fit` returns: columns ``epoch``, ``loss`` and, where it was validated, ``validation_loss``.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    epochs, loss = np.asarray(log["epoch"]), np.asarray(log["loss"])
    marker = "o" if len(epochs) < 2 else None
    axes.plot(epochs, loss, color="0.1", marker=marker, label="training, augmented")
    if "validation_loss" in log:
        held_out = np.asarray(log["validation_loss"])
        axes.plot(epochs, held_out, color="#d55e00", ls="--", marker=marker, label="validation")
        if np.isfinite(held_out).any():
            best = int(np.nanargmin(held_out))
            axes.plot(
                epochs[best], held_out[best], "o", color="#d55e00", label=f"kept: epoch {epochs[best]:.0f}"
            )
    axes.legend(frameon=False)
    axes.set(title="loss of the training", xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def connectivity(mask: ArrayLike, shape: Sequence[int]) -> Figure:
    """Draw how many units of a fully connected layer look at each pixel of its input, frame by frame.

    Parameters
    ----------
    mask : array_like of bool, shape (n_units, n_inputs)
        Which inputs each unit has, see `structure.connections`.
    shape : sequence of int
        Of an input before it was flattened, channels last: (T, H, W, C) or (H, W, C).
    """
    mask = np.asarray(mask, bool)
    if len(shape) not in (3, 4) or mask.ndim != 2 or mask.shape[1] != np.prod(shape):
        raise ValueError(
            f"shape must be (height, width, channels) or (time, height, width, channels) of together "
            f"{mask.shape[-1]} values, got {tuple(shape)}"
        )
    share = mask.mean(axis=0).reshape(-1, *shape[-3:]).mean(axis=-1, keepdims=True)
    title = f"share of the {len(mask)} units that look at each cell"
    limits = (0.0, float(share.max()) or 1.0)
    figure = _mosaic_figure(share, np.arange(len(share)), limits, title, "frame", "share of units")
    figure.axes[0].set_xlabel("cells to the right and down, as in a frame", fontsize=8)
    return figure


def locality_curve(log: Mapping[str, Any], criterion: str = "") -> Figure:
    """Draw how near to each other the inputs of units lie, the fewer there are.

    Parameters
    ----------
    log : DataFrame or mapping
        With the columns ``density``, ``space``, ``time``, and the same after ``shared`` and ``chance``, a row or more
        for each density.
    criterion : str
        By which weights were kept, for the title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.4), layout="constrained")
    axes = figure.subplots()
    density, indices = np.unique(np.asarray(log["density"]), return_index=True)
    styles = {"space": ("0.1", "-"), "time": ("#d55e00", "--")}
    for name, (color, line) in styles.items():
        axes.plot(density, np.asarray(log[name])[indices], line, marker="o", color=color, label=f"in {name}")
    for kind, marker, label in (("shared", "v", "drawn by popularity"), ("chance", ".", "drawn at random")):
        for name, (color, line) in styles.items():
            drawn = np.asarray(log[f"{kind} {name}"])[indices]
            axes.plot(
                density, drawn, line, marker=marker, ms=4, lw=0.6, color=color, label=f"in {name}, {label}"
            )
    axes.set_xscale("log")
    axes.set_xticks(density, [f"{share:.2g}" for share in density], rotation=45)
    axes.minorticks_off()
    axes.invert_xaxis()
    axes.legend(frameon=False, fontsize=7, loc="lower left")
    by = f", kept by {criterion}" if criterion else ""
    axes.set_title(f"how local the inputs of a unit are{by}", fontsize=10)
    top = 1.1 * np.nanmax([1.0, *(np.nanmax(line.get_ydata(), initial=1.0) for line in axes.lines)])
    axes.set(xlabel="share of the weights that stay", ylabel="distance of inputs / by chance", ylim=(0, top))
    return figure


def search_curve(fitness: Sequence[float], parent: Sequence[int]) -> Figure:
    """Draw the candidates of a search in the order they were tried.

    Parameters
    ----------
    fitness : sequence of float
        The negative loss of each.
    parent : sequence of int
        Which candidate each is a mutation of; -1 where it was drawn.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5, 3.2), layout="constrained")
    axes = figure.subplots()
    loss, parents = -np.asarray(fitness, float), np.asarray(parent)
    number = np.arange(1, len(loss) + 1)
    for child in np.flatnonzero(parents >= 0):
        indices = [parents[child], child]
        axes.plot(number[indices], loss[indices], color="0.8", lw=0.7, zorder=0)
    for kind, marker, color in (("drawn", "o", "0.5"), ("mutated", "s", "#0072b2")):
        which = (parents < 0) == (kind == "drawn")
        if which.any():
            axes.plot(number[which], loss[which], marker, ms=4, color=color, label=kind)
    axes.step(number, np.fmin.accumulate(loss), where="post", color="#d55e00", label="best so far")
    axes.legend(frameon=False, fontsize=8)
    axes.set_title("candidates, each joined with its parent", fontsize=10)
    axes.set(xlabel="candidate, in the order they were tried", ylabel="loss on held-out groups")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def graph(net: Module, x: Value) -> Figure:
    """Draw which layer of a net feeds which, from top to bottom, with the shapes of what they give for one input.

    Layers in a sequence without branches, up to the next with filters or a matrix, share a box.

    Parameters
    ----------
    net : Module
        Made of `Sequential` and `Graph`; any other module is one box.
    x : ndarray
        Its input, with the batch axis.

    Examples
    --------
    >>> import numpy as np
    >>> from actionbench.models import nn
    >>> net = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    >>> figure = graph(net, np.zeros((1, 4), np.float32))
    >>> [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    ['input: 4', 'Linear(4, 3), Tanh: 3']
    """
    from matplotlib.figure import Figure

    boxes = _Boxes({id(step.module): step.output for step in net.trace(x)})
    boxes.add(net, [boxes.place(f"input: {_times(np.shape(x)[1:])}", [])])
    height = 0.45 * len(boxes.labels) + 0.6
    figure = Figure(figsize=(_WIDTH, height))
    axes = figure.add_axes((0.02, 0.1 / height, 0.96, 1 - 0.5 / height))
    axes.set(xlim=(-1, 7), ylim=(len(boxes.labels) - 0.5, -0.5))
    axes.set_axis_off()
    axes.set_title(f"from the input to the scores: {net.count_parameters():,} parameters", fontsize=10)
    style = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "0.4", "linewidth": 0.8}
    for place, (label, sources) in enumerate(zip(boxes.labels, boxes.sources, strict=True)):
        axes.text(0, place, _short(label, 100), va="center", fontsize=8, bbox=style)
        for source in sources:
            # An arc passes on the left of what lies between.
            bend = 0.0 if place == source + 1 else min(0.25 + 0.06 * (place - source), 0.6)
            start = 0.15 if not bend else -0.05
            arrow = {"arrowstyle": "->", "color": "0.4", "connectionstyle": f"arc3,rad={bend}", "lw": 0.8}
            shift = 0.25 if not bend else 0.0
            axes.annotate("", (start, place - shift), (start, source + shift), arrowprops=arrow)
    return figure


class _Boxes:
    """The boxes of `graph`, and from which others an arrow leads to each."""

    def __init__(self, outputs: Mapping[int, Value]) -> None:
        self.outputs = outputs
        self.labels: list[str] = []
        self.sources: list[list[int]] = []

    def place(self, label: str, sources: list[int]) -> int:
        """Append a box."""
        self.labels.append(label)
        self.sources.append(sources)
        return len(self.labels) - 1

    def add(self, module: Module, sources: list[int]) -> list[int]:
        """Append the boxes of a module and return those that make its output."""
        if isinstance(module, Graph):
            ends: list[list[int]] = []
            for (_, child), before in zip(module.children(), module.sources(), strict=True):
                coming = [end for node in before for end in ends[node]] if before else sources
                ends.append([self.place(self._label([child]), coming)])
            return [end for node in module.ends() for end in ends[node]]
        if not isinstance(module, Sequential):
            return [self.place(self._label([module]), sources)]
        row: list[Module] = []
        for child in module.modules:
            branches = isinstance(child, Sequential | Graph)
            if row and (branches or isinstance(child, _WEIGHTED)):
                sources, row = [self.place(self._label(row), sources)], []
            if branches:
                sources = self.add(child, sources)
            else:
                row.append(child)
        return [self.place(self._label(row), sources)] if row else sources

    def _label(self, row: Sequence[Module]) -> str:
        """Describe what modules do one behind the other, and what comes out."""
        inside = [
            part
            for module in row
            for part in (module.modules if isinstance(module, Sequential) else [module])
        ]
        words = [part.call() if isinstance(part, _WEIGHTED) else type(part).__name__ for part in inside]
        shape = np.shape(self.outputs[id(row[-1])])[1:] if id(row[-1]) in self.outputs else ()
        return f"{', '.join(words)}: {_times(shape)}"


def _mosaic_figure(
    values: Images, indices: NDArray[np.intp], limits: tuple[float, float], title: str, unit: str, scale: str
) -> Figure:
    """Draw units (n, *taps, channels) in a grid."""
    from matplotlib.figure import Figure

    pictures = _pictures(values)
    n, height, width = pictures.shape[1:]
    # The gap around what is itself a mosaic is wider.
    is_mosaic = values.ndim == 5 or (values.ndim == 4 and values.shape[-1] not in (1, 3))
    gap = (3 if height >= 8 else 2) if is_mosaic else 1
    columns = _columns(n, height + gap, width + gap)
    whole = _grid(pictures, columns, gap)
    wide = _WIDTH - 1.7
    ratio = whole.shape[1] / whole.shape[2]
    tall = float(np.clip(ratio * wide, 1.2, _TALLEST))
    figure = Figure(figsize=(_WIDTH, tall + 0.8))
    axes = figure.add_axes((0.8 / _WIDTH, 0.4 / (tall + 0.8), wide / _WIDTH, tall / (tall + 0.8)))
    _draw(axes, whole, limits, scale, aspect="auto")
    axes.set_title(title, fontsize=10)
    # A label needs an eighth of an inch.
    rows = np.arange(0, n, columns)[:: int(np.ceil(-(-n // columns) / (8 * tall)))]
    axes.set_yticks((rows // columns) * (height + gap) + (height - 1) / 2, indices[rows].tolist(), fontsize=7)
    axes.set_xticks([])
    axes.set_ylabel(unit if columns == 1 else f"{unit}, the first of each row", fontsize=8)
    axes.set_xlabel(_reading(values), fontsize=8)
    return figure


def _pictures(values: Images) -> Images:
    """Return one picture of each unit, (1 or 3 colours, n, height, width), from (n, *taps, channels)."""
    if values.ndim == 3:
        return values.swapaxes(1, 2)[np.newaxis]
    is_coloured = values.shape[-1] == 3
    planes = np.moveaxis(values, -1, 0)[..., np.newaxis] if is_coloured else values[np.newaxis]
    images = np.moveaxis(planes, -1, 2)
    return mosaic(images if values.ndim == 5 else images[:, :, np.newaxis])


def _reading(values: Images) -> str:
    """Describe what goes where in one picture."""
    channels, n_taps = values.shape[-1], values.ndim - 2
    if n_taps == 1:
        return "position to the right" + (", channels down" if channels > 1 else "")
    said = ["time to the right"] if n_taps == 3 else []
    if channels == 3:
        said.append("channels are red, green, blue")
    elif channels > 1:
        said.append(f"channels {'down' if n_taps == 3 else 'to the right'}")
    return ", ".join(said)


def _columns(n: int, height: int, width: int) -> int:
    """Return how many pictures of that size are in a row: the whole somewhat wider than high, few cells empty."""
    columns = np.arange(1, n + 1)
    rows = np.ceil(n / columns)
    shape = np.abs(np.log(rows * height / (columns * width) / 0.8))
    return int(columns[np.argmin(shape + 2 * (rows * columns / n - 1))])


def _grid(pictures: Images, columns: int, gap: int) -> Images:
    """Place pictures (colours, n, height, width) in rows; what is left of the last row is empty."""
    n = pictures.shape[1]
    rows = -(-n // columns)
    full = np.full((len(pictures), rows * columns, *pictures.shape[2:]), np.nan)
    full[:, :n] = pictures
    return mosaic(full.reshape(len(pictures), rows, columns, *pictures.shape[2:]), gap)


def _draw(
    axes: Axes,
    whole: Images,
    limits: tuple[float, float],
    scale: str,
    aspect: Literal["auto", "equal"] = "equal",
) -> None:
    """Show an image (1 or 3 colours, height, width), with a scale unless it is coloured."""
    low, high = limits
    if len(whole) == 3:
        colours = np.nan_to_num((np.moveaxis(whole, 0, -1) - low) / (high - low), nan=1.0)
        axes.imshow(colours, aspect=aspect)
    else:
        image = axes.imshow(whole[0], "gray", vmin=low, vmax=high, aspect=aspect)
        bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.015, 0, 0.015, 1)))
        bar.ax.tick_params(labelsize=7)
        bar.set_label(scale, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _rows_figure(shown: list[tuple[str, Module, Images]], max_images: int) -> Figure:
    """Draw one row of pictures for each output."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, 1.0 * len(shown) + 0.4), layout="constrained")
    figure.suptitle("output of each layer", fontsize=10)
    figure.supxlabel("channel", fontsize=8)
    for axes, (path, module, y) in zip(np.ravel(figure.subplots(len(shown))), shown, strict=True):
        title = f"output of {_call_it(path, module)}, {_times(y.shape)}"
        if y.ndim < 2:
            axes.stairs(np.ravel(y), np.arange(y.size + 1) - 0.5, fill=True, color="0.4", baseline=0)
            axes.set_xlim(-0.5, y.size - 0.5)
        elif y.ndim == 2:
            _draw(axes, y.T[np.newaxis], _limits(y), "", aspect="auto")
        else:
            title += _draw_row(axes, y, max_images)
        axes.set_title(title, fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
    return figure


def _draw_row(axes: Axes, y: Images, max_images: int) -> str:
    """Draw channels of (*taps, channels) side by side and return which."""
    middle = y[len(y) // 2] if y.ndim == 4 else y
    images = np.moveaxis(middle, -1, 0)[:max_images]
    _draw(axes, mosaic(images[np.newaxis])[np.newaxis], _limits(images), "")
    step = images.shape[2] + 1
    axes.set_xticks(np.arange(len(images)) * step + (step - 2) / 2, [str(n) for n in range(len(images))])
    axes.set_yticks([])
    frame = f", frame {len(y) // 2}" if y.ndim == 4 else ""
    return frame + (f", the first {max_images} channels" if y.shape[-1] > max_images else "")


def _limits(values: Images) -> tuple[float, float]:
    """Return the smallest and the largest value, or an interval around them where they are one; there may be none."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a number"


def _call_it(path: str, module: Module) -> str:
    return f"{path} {type(module).__name__}".strip()


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0


def _first_line(path: str, module: Module) -> str:
    """Return name, class and arguments, as the printed tree begins."""
    name = path.rpartition(".")[2]
    return f"{name and name + ': '}{module.call()}"


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
