"""Annotations as tools and published data sets write them; each file is a data set of that name."""
