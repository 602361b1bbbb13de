"""A data set that tells which cue an attempt uses: tracks of drawn people whose classes differ in that cue alone."""
