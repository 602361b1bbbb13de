"""Tables from a store: scores, pairs, conditions, learning curves, differences between two runs."""
