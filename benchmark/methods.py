"""Mounts the plug-in folder ``methods/`` as ``benchmark.methods`` (see benchmark/discovery.py for why it is no package)."""

from benchmark.discovery import folders

__path__ = folders("methods")
