"""Modules, containers, layers and criteria; channels last."""

from .containers import CAddTable, Concat, ConcatTable, Container, JoinTable, ParallelTable, Sequential
from .convolution import Conv1d, Conv2d, Conv3d
from .criteria import Criterion, CrossEntropyLoss, MSELoss
from .linear import Linear
from .module import Module, Parameter
from .normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d
from .pooling import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d
from .simple import Dropout, Flatten, Identity, Mean, Reshape, View
from .transfer import LogSoftmax, ReLU, Sigmoid, Softmax, Tanh

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "CAddTable",
    "Concat",
    "ConcatTable",
    "Container",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Criterion",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "Identity",
    "JoinTable",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Mean",
    "Module",
    "ParallelTable",
    "Parameter",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "View",
]
