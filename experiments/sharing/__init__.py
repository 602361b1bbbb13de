"""A run in one file, read like a store, and run again."""
