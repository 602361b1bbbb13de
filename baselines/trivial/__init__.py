"""Trivial baselines: attempts that look at nothing."""
