"""People who are drawn."""
