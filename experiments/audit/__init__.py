"""What must be said of a data set: copies across folds, metadata that tell the class, few groups; and how it looks."""
