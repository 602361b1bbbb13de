from numpy import float32, float64, intc, intp
from numpy.typing import NDArray

def cell_histograms(
    values: NDArray[float32],
    part: int,
    weights: NDArray[float32],
    rows: NDArray[intc],
    columns: NDArray[intc],
    threshold: float,
    zero_bin: bool,
    out: NDArray[float64],
) -> None:
    """Add each pixel's magnitude to the two orientation bins beside its direction.

    Parameters
    ----------
    values : ndarray of float32, shape (T, H, W, C)
        The field, right and down, with C = 2; or values whose gradient is the field.
    part : int
        -1 for the field, or which of the C values is differentiated: central differences, 0 across the border.
    weights : ndarray of float32, shape (T, H, W) or empty
        Weight of each pixel; all 1 where empty.
    rows : ndarray of intc, shape (T, R + 1)
        Edges of the cells' rows in each frame, ascending within [0, H].
    columns : ndarray of intc, shape (T, C + 1)
        Edges of the cells' columns in each frame, ascending within [0, W].
    threshold : float
        Longest vector that counts as none.
    zero_bin : bool
        Whether the last bin counts the vectors that are none.
    out : ndarray of float64, shape (T, R, C, bins + zero_bin)
        What the histograms are added to.
    """

def integral_tiles(
    image: NDArray[float32],
    flow: NDArray[float32],
    threshold: float,
    tile: int,
    out: NDArray[float64],
) -> None:
    """Sum orientation histograms over all pixels above and left of the corners of tiles (Porikli, CVPR 2005).

    Parameters
    ----------
    image : ndarray of float32, shape (H, W)
        Its gradients are the first channel: 8 directions.
    flow : ndarray of float32, shape (H, W, 2)
        Right and down: the second channel, 8 directions and a bin of what is no longer than ``threshold``; gradients
        of its components are the third and the fourth channel.
    threshold : float
        Longest flow that counts as none.
    tile : int
        Pixels of a tile's height and width; the last ones may be smaller.
    out : ndarray of float64, shape (rows + 1, columns + 1, 33)
        The sums, for each corner of a tile.
    """

def add_blocks(
    integral: NDArray[float64],
    corners: NDArray[intp],
    tall: int,
    wide: int,
    cells: int,
    rows: NDArray[intp],
    times: NDArray[intp],
    out: NDArray[float64],
) -> None:
    """Add the histograms of blocks of tiles.

    Parameters
    ----------
    integral : ndarray of float64, shape (R + 1, C + 1, 33)
        Of `integral_tiles`.
    corners : ndarray of intp, shape (n, 2)
        First row and column of each block, in tiles.
    tall, wide : int
        Height and width of a block in tiles.
    cells : int
        Rows, and columns, of cells in a block.
    rows, times : ndarray of intp, shape (n,)
        Where in ``out`` each block is added.
    out : ndarray of float64, shape (n_rows, n_times, cells * cells, 33)
        What the histograms are added to.
    """
