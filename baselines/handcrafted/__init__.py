"""Handcrafted features with support vector machines, and their fusion."""
