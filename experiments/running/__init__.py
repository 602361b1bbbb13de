"""From planned cells to rows of the store."""
