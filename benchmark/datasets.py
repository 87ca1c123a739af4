"""Mounts the plug-in folder ``datasets/`` as ``benchmark.datasets``: at the top level a package of that name would shadow another's."""

from benchmark import plugins

__path__ = plugins.folders("datasets")
