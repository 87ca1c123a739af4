"""Mounts the plug-in folder ``datasets/`` as ``benchmark.datasets``: at the top level a package of that name would shadow another's."""

from benchmark.discovery import folders

__path__ = folders("datasets")
