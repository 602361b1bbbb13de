"""The floor: attempts that look at nothing."""
