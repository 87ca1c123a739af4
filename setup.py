"""Where the files of a wheel come from; all else about the project stands in pyproject.toml.

The plug-in folders ``methods/`` and ``datasets/`` lie beside the package in a checkout and, as ``_builtin/methods`` and
``_builtin/datasets``, inside it in a wheel (benchmark/discovery.py finds either). pyproject.toml can rename folders or search for packages,
not both at once.
"""

import shutil

from setuptools import find_namespace_packages, setup
from setuptools.command.build import build

PLUGINS = {f"benchmark._builtin.{folder}": folder for folder in ("methods", "datasets")}


class CleanBuild(build):
    """setuptools packs whatever lies in its build folder: a file deleted since the last build would be in the wheel, and be a plug-in."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


setup(
    packages=[*find_namespace_packages(include=["benchmark", "benchmark.*"], exclude=["*.__pycache__"]), *PLUGINS],
    package_dir=PLUGINS,
    cmdclass={"build": CleanBuild},
)
