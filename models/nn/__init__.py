"""Neural networks in NumPy: modules that compute an output and its gradient, with the kernels of ``_ext``.

A library of its own: it needs nothing of the package but the kernels, `models.kernels` and `models.memory`. The
contract is that of Torch's ``nn``, the names are those of ``torch.nn``, and channels are the last axis.

=================  ====================================================================
`module`           what a module is: forward, backward, modes
`layers`           what computes: convolution, pooling, recurrent layers, activation ...
`containers`       modules made of modules
`criteria`         losses
`functional`       the functions behind the layers, a file for each kind of kernel
`parameter`        arrays that are learnt
`state`            parameters and buffers of a net: by path, shared, as one flat vector
=================  ====================================================================

Examples
--------
>>> import numpy as np
>>> from actionbench.models import nn
>>> net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)).reset(0)
>>> x, classes, criterion = np.ones((4, 2), np.float32), np.array([0, 1, 2, 0]), nn.CrossEntropyLoss()
>>> scores = net.forward(x)
>>> net.backward(x, criterion.backward(scores, classes)).shape
(4, 2)
"""

from typing import TYPE_CHECKING

from . import connections, torch_names
from .containers import Bottle, Concat, ConcatTable, Container, Graph, Parallel, ParallelTable, Sequential
from .criteria import (
    BCELoss,
    BCEWithLogitsLoss,
    Criterion,
    CrossEntropyLoss,
    KLDivLoss,
    L1Loss,
    MarginLoss,
    MSELoss,
    MultiCriterion,
    MultiMarginLoss,
    NLLLoss,
    ParallelCriterion,
    SmoothL1Loss,
)
from .layers.activation import (
    ELU,
    SELU,
    Hardshrink,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    Sigmoid,
    Softmax,
    Softmin,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    Threshold,
)
from .layers.convolution import Conv1d, Conv2d, Conv3d, ConvMap2d, LocallyConnected2d
from .layers.dropout import Dropout, Dropout1d, Dropout2d, Dropout3d
from .layers.linear import CMul, Embedding, Linear
from .layers.normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d, LocalResponseNorm
from .layers.padding import (
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
)
from .layers.pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from .layers.recurrent import GRU, LSTM
from .layers.reduction import Max, Mean, Sum
from .layers.shape import Flatten, Identity, Narrow, Reshape, Select, Squeeze, Transpose, Unsqueeze, View
from .layers.tables import CAddTable, CMulTable, FlattenTable, JoinTable, NarrowTable, SelectTable, SplitTable
from .module import Function, Module, Step
from .parameter import Parameter

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "SELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Bottle",
    "CAddTable",
    "CMul",
    "CMulTable",
    "Concat",
    "ConcatTable",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "Container",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvMap2d",
    "Criterion",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "Flatten",
    "FlattenTable",
    "Function",
    "Graph",
    "Hardshrink",
    "Hardtanh",
    "Identity",
    "JoinTable",
    "KLDivLoss",
    "L1Loss",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LocallyConnected2d",
    "LogSigmoid",
    "LogSoftmax",
    "MSELoss",
    "MarginLoss",
    "Max",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mean",
    "Module",
    "MultiCriterion",
    "MultiMarginLoss",
    "NLLLoss",
    "Narrow",
    "NarrowTable",
    "PReLU",
    "Parallel",
    "ParallelCriterion",
    "ParallelTable",
    "Parameter",
    "RReLU",
    "ReLU",
    "ReLU6",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "Reshape",
    "Select",
    "SelectTable",
    "Sequential",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "SplitTable",
    "Squeeze",
    "Step",
    "Sum",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Transpose",
    "Unsqueeze",
    "View",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "connections",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise AttributeError(torch_names.answer("nn", name, torch_names.OF_NN))
