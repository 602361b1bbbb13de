"""From a matrix file to a store of results: data sets, splits, cells, isolation, costs, provenance."""
