from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def convolve(source: Array, pixels: Array, taps: Array, weight: Array, out: Array, threads: int) -> None: ...
def weight_gradient(
    source: Array, pixels: Array, taps: Array, grad_output: Array, grad_weight: Array, threads: int
) -> None: ...
