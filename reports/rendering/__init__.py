"""Tables as words, pictures, pages, files and runs of trackers."""
