"""A benchmark suite for embedding collapse in recommendation (CTR) models. Start at ``benchmark/__main__.py``."""
