"""The data sets: ``base`` is the contract; one file per data set."""
