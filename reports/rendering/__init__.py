"""Results as sentences, figures, pages, files and runs of trackers."""
