"""Mounts the plug-in folder ``methods/`` as ``benchmark.methods`` (see benchmark/plugins.py for why it is no package)."""

from benchmark import plugins

__path__ = plugins.folders("methods")
