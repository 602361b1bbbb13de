from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

def max_pool(
    volume: Array,
    kernel: Array,
    stride: Array,
    padding: Array,
    dilation: Array,
    out: Array,
    where: Array,
    threads: int,
) -> None: ...
def max_pool_gradient(grad_output: Array, where: Array, grad_input: Array, threads: int) -> None: ...
def average_pool(
    volume: Array,
    kernel: Array,
    stride: Array,
    padding: Array,
    count_include_pad: bool,
    out: Array,
    threads: int,
) -> None: ...
def average_pool_gradient(
    grad_output: Array,
    kernel: Array,
    stride: Array,
    padding: Array,
    count_include_pad: bool,
    grad_input: Array,
    threads: int,
) -> None: ...
