"""Fully connected nets and ConvNets, and their training."""
