"""Cells to trials: which training comes next (plan, tuner), and who does it (local, ray_tune)."""
