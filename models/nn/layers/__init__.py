"""The layers: each computes in `functional` or in NumPy, and knows its gradient."""
