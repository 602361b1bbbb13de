"""Arrays in, numbers out: intervals, paired tests, ranks, corrections for many comparisons."""
