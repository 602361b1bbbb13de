"""The winner taken home: fit, predict, annotate."""
