"""Lists of rules: learned, grown as a tree, fitted, written by hand, read from a file."""
