"""Nets that were trained on other data, and vectors that such nets gave elsewhere, with a probe on them."""
