"""Cells of a heat map are coloured as by Matplotlib's own images."""

import io

import numpy as np
import pytest
from PIL import Image

from actionbench.reports.rendering.canvas import Svg, canvas, report_style
from actionbench.reports.rendering.tiles import Tiles


def drawn(colours, show):
    rows, columns = colours.shape[:2]
    with report_style():
        figure, axes = canvas(2.2, 1.7)
        axes.set_axis_off()
        show(axes, colours, (-0.5, columns - 0.5, rows - 0.5, -0.5))
        return Svg.of(figure, "Cells.")


def tiled(axes, colours, extent):
    tiles = Tiles(axes, colours)
    tiles.set_clip_path(axes.patch)
    axes.add_image(tiles)
    axes.set_xlim(extent[:2])
    axes.set_ylim(extent[2:])


def shown(axes, colours, extent):
    axes.imshow(colours, interpolation="none", extent=extent, aspect="auto")


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 2), (7, 30)])
def test_cells_are_those_of_a_plain_image(rows, columns):
    colours = np.random.default_rng(rows).integers(0, 256, (rows, columns, 4), np.uint8)
    own, plain = (drawn(colours, show) for show in (tiled, shown))
    assert own == plain
    one, other = (np.asarray(Image.open(io.BytesIO(svg.png())).convert("RGB"), int) for svg in (own, plain))
    differ = np.abs(one - other).max(axis=2) > 2
    # Only where the middle of a pixel is between two cells.
    assert differ.any(axis=0).sum() < columns or differ.any(axis=1).sum() < rows
    assert differ.mean() < 0.02
