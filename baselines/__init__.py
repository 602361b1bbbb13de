"""The attempts: one file per attempt; ``base`` is the contract, ``registry`` finds plug-ins."""
