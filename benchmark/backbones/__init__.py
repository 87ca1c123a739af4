"""Backbones: one recipe a file. Private ones are added by ``BENCHMARK_PLUGINS`` (benchmark/plugins.py)."""
