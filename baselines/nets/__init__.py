"""Fully connected nets and ConvNets, and how they are trained."""
