"""Warnings of a data set: copies across folds, metadata that give the class away, few groups; and how it looks."""
