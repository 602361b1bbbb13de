"""Cython kernels: arrays in, arrays out."""
