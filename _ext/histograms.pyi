from numpy import float32, float64, intc, intp
from numpy.typing import NDArray

def cell_histograms(
    dx: NDArray[float32],
    dy: NDArray[float32],
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
    dx, dy : ndarray of float32, shape (T, H, W)
        The field, right and down.
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

def integral_histograms(
    dx: NDArray[float32],
    dy: NDArray[float32],
    threshold: float,
    zero_bin: bool,
    out: NDArray[float64],
) -> None: ...
def add_blocks(
    integral: NDArray[float64],
    centres: NDArray[intp],
    side: int,
    cells: int,
    epsilon: float,
    weight: float,
    out: NDArray[float64],
) -> None: ...
