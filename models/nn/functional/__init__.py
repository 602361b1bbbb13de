"""What modules compute: functions that check, convert and allocate for the kernels, and choose among them.

Volumes are (N, T, H, W, C), float32 or float64; an array whose channels are not contiguous is copied. No result
depends on ``threads`` (by default `kernels.default_threads`).
"""

from .arrays import apply as apply
from .arrays import concatenate as concatenate
from .arrays import contiguous as contiguous
from .checks import Array as Array
from .checks import Triple as Triple
from .convolution import conv3d as conv3d
from .convolution import conv3d_input_gradient as conv3d_input_gradient
from .convolution import conv3d_weight_gradient as conv3d_weight_gradient
from .convolution import conv_output_size as conv_output_size
from .convolution import conv_size as conv_size
from .elementwise import channel_affine as channel_affine
from .elementwise import rectifier as rectifier
from .elementwise import rectifier_gradient as rectifier_gradient
from .normalisation import Normal as Normal
from .normalisation import channel_moments as channel_moments
from .normalisation import channel_normal as channel_normal
from .normalisation import channel_normal_gradient as channel_normal_gradient
from .normalisation import channel_sums as channel_sums
from .normalisation import window_sums as window_sums
from .pooling import Pooled as Pooled
from .pooling import adaptive_avg_pool3d as adaptive_avg_pool3d
from .pooling import adaptive_avg_pool3d_gradient as adaptive_avg_pool3d_gradient
from .pooling import adaptive_max_pool3d as adaptive_max_pool3d
from .pooling import avg_pool3d as avg_pool3d
from .pooling import avg_pool3d_gradient as avg_pool3d_gradient
from .pooling import max_pool3d as max_pool3d
from .pooling import max_pool3d_gradient as max_pool3d_gradient
from .pooling import pool_size as pool_size
from .pooling import spans as spans
from .products import add_product as add_product
from .products import linear as linear
from .products import matmul as matmul
from .recurrent import Scan as Scan
from .recurrent import lstm as lstm
from .recurrent import lstm_gradient as lstm_gradient
from .steps import adam as adam
from .steps import clear as clear
from .steps import descend as descend
