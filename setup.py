# SPDX-License-Identifier: Apache-2.0
"""The wheel: the library, with our data (products, vendor, patches, native, sandbox) packed as kiln/share."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

DATA = ("products", "vendor", "patches", "native", "sandbox")


class WithShare(build_py):
    def run(self) -> None:
        super().run()
        for name in filter(lambda name: Path(name).is_dir(), DATA):
            into = Path(self.build_lib) / "kiln" / "share" / name
            shutil.rmtree(into, ignore_errors=True)
            shutil.copytree(name, into, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(packages=find_packages("site_scons", include=["kiln", "kiln.*"]), package_dir={"": "site_scons"},
      cmdclass={"build_py": WithShare})
