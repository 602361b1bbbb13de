"""From a matrix to its cells, and how long they will take."""
