from numpy import float32, float64, intp, uint8
from numpy.typing import NDArray

def track_points(
    flow: NDArray[float32],
    cameras: NDArray[float64],
    textured: NDArray[uint8],
    stride: int,
    renew: int,
    first: int,
    n_starts: int,
    points: NDArray[float32],
    steps: NDArray[float32],
    starts: NDArray[intp],
    n_active: int,
    done_points: NDArray[float32],
    done_steps: NDArray[float32],
    done_starts: NDArray[intp],
    taken: NDArray[uint8],
) -> tuple[int, int]:
    """Track points of a grid through some fields of flow.

    Parameters
    ----------
    flow : ndarray of float32, shape (T, H, W, 2)
        Right and down, in pixels per frame.
    cameras : ndarray of float64, shape (T, 3, 3)
        Homographies that say where the background at (x, y, 1) goes.
    textured : ndarray of uint8, shape (T, R, C)
        Whether a track may begin at each point of the grid.
    stride : int
        Pixels between points of the grid, the first of which is ``stride // 2`` from the border.
    renew : int
        A cell of the grid in which a track younger than this is gets no new one.
    first : int
        Index of the first field.
    n_starts : int
        Tracks begin at fields of lower index.
    points : ndarray of float32, shape (n_active + T * R * C or more, length + 1, 2)
        Right and down; the active tracks come first, before the call and after it.
    steps : ndarray of float32, shape (n, length, 2)
        Displacements relative to the background.
    starts : ndarray of intp, shape (n,)
        Index of the field at which each begins.
    n_active : int
        Number of active tracks.
    done_points, done_steps, done_starts : ndarray
        Like the arrays before, of the tracks that are complete.
    taken : ndarray of uint8, shape (R, C)
        Room for the grid.

    Returns
    -------
    int, int
        Number of complete and of active tracks.
    """
