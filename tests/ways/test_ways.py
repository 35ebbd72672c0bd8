# SPDX-License-Identifier: Apache-2.0
"""The same product from a checkout, from an installed wheel in someone else's SConstruct, from a vendored copy."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, Built, copied

pytestmark = pytest.mark.ci
THEIRS = (Path(__file__).parent / "SConstruct.theirs").read_text()


def theirs(folder: Path, tool: str, virt: Built, python: Path, **env: str) -> Path:
    """Run their SConstruct in `folder`; gives its Kiln build folder."""
    (folder / "SConstruct").write_text(THEIRS.replace("TOOL\n", tool + "\n"))
    build = folder / "kiln-build"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(python), "-m", "SCons", "-Q", "kiln-image", "theirs.txt"], cwd=folder, text=True, capture_output=True,
                          timeout=1800, env={**clean, "KILN_BUILD": str(build), "KILN_CACHE": str(virt.cache), **env})
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "theirs.txt").read_text() == "theirs\n"
    return build


def same(virt: Built, build: Path) -> None:
    for file in sorted((virt.product / "images").glob("*.img")):
        assert filecmp.cmp(file, build / "virt" / "images" / file.name, shallow=False), file.name


def test_a_vendored_copy(virt: Built, tmp_path: Path) -> None:
    copied(tmp_path / "third_party" / "kiln")
    tool = 'env = Environment(tools=["default", "openharmony"], toolpath=["third_party/kiln/site_scons/site_tools"])'
    same(virt, theirs(tmp_path, tool, virt, Path(sys.executable)))


def test_an_installed_wheel(virt: Built, tmp_path: Path) -> None:
    """The wheel alone: its data (products, vendor, sandbox) is packed, nothing is read from the checkout."""
    source = tmp_path / "source"
    copied(source)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(source)], check=True)
    shutil.rmtree(source)
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(next(tmp_path.glob("*.whl")))], check=True)
    tool = "import kiln.tools\nenv = Environment(tools=['default', kiln.tools.openharmony])"
    folder = tmp_path / "theirs"
    folder.mkdir()
    same(virt, theirs(folder, tool, virt, Path(sys.executable), PYTHONPATH=str(site)))
