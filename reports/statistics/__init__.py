"""Statistics of arrays: intervals, paired tests, ranks, corrections for multiple comparisons."""
