"""Layers in which embedding sets are a batch dimension: (B, S, N, d), own weights for each set, no loop over sets."""
