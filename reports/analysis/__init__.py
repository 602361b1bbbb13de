"""From a store to tables: scores, pairs, conditions, learning curves, differences of two runs."""
