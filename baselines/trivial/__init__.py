"""Trivial baselines, which ignore the frames."""
