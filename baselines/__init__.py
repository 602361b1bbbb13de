"""The attempts, one file each; ``base`` is their contract, ``registry`` and ``plugins`` find them."""
