"""What modules compute: functions that check, convert and allocate for the kernels, and choose among them.

Volumes are (N, T, H, W, C), float32 or float64; an array whose channels are not contiguous is copied. No result
depends on ``threads`` (by default `kernels.default_threads`).
"""

from .arrays import apply, concatenate, contiguous
from .checks import Array, Triple
from .convolution import conv3d, conv3d_input_gradient, conv3d_weight_gradient, conv_output_size, conv_size
from .elementwise import channel_affine, rectifier, rectifier_gradient
from .normalisation import (
    Normal,
    channel_moments,
    channel_normal,
    channel_normal_gradient,
    channel_sums,
    window_sums,
)
from .pooling import (
    Pooled,
    adaptive_avg_pool3d,
    adaptive_avg_pool3d_gradient,
    adaptive_max_pool3d,
    avg_pool3d,
    avg_pool3d_gradient,
    max_pool3d,
    max_pool3d_gradient,
    pool_size,
    spans,
)
from .products import add_product, linear, matmul
from .recurrent import Scan, lstm, lstm_gradient
from .steps import adam, clear, descend

__all__ = [
    "Array",
    "Normal",
    "Pooled",
    "Scan",
    "Triple",
    "adam",
    "adaptive_avg_pool3d",
    "adaptive_avg_pool3d_gradient",
    "adaptive_max_pool3d",
    "add_product",
    "apply",
    "avg_pool3d",
    "avg_pool3d_gradient",
    "channel_affine",
    "channel_moments",
    "channel_normal",
    "channel_normal_gradient",
    "channel_sums",
    "clear",
    "concatenate",
    "contiguous",
    "conv3d",
    "conv3d_input_gradient",
    "conv3d_weight_gradient",
    "conv_output_size",
    "conv_size",
    "descend",
    "linear",
    "lstm",
    "lstm_gradient",
    "matmul",
    "max_pool3d",
    "max_pool3d_gradient",
    "pool_size",
    "rectifier",
    "rectifier_gradient",
    "spans",
    "window_sums",
]
