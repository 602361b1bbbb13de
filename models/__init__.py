"""The net library: ``nn`` (modules and criteria), ``optim``, ``zoo`` and the training loop."""
