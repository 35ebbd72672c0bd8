# SPDX-License-Identifier: Apache-2.0
"""Nothing changed: a run against a bare SCons run of an empty SConstruct, with the tiny model and with one of 2 GiB."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.pairs import pairs
from checkout import ROOT, Built, copied
from model.made import Shape, write

pytestmark = pytest.mark.long
LARGE = Shape(layers=16, width=2048, heads=16, heads_kv=16, ff=8192, vocab=4096)  # F16: 2.2 GB, a hole


@pytest.fixture
def bare(tmp_path: Path) -> Callable[[], object]:
    """A bare SCons run of an empty SConstruct."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "SConstruct").write_text("")
    return lambda: subprocess.run([sys.executable, "-m", "SCons", "-Q"], cwd=folder, check=True, capture_output=True)


def scons(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "SCons", "-Q", *words], cwd=cwd, text=True, capture_output=True)


def nothing_to_do(*words: str, cwd: Path = ROOT) -> Callable[[], object]:
    """A run that finds everything made; it fails if a step ran."""
    def run() -> None:
        done = scons(*words, cwd=cwd)
        assert done.returncode == 0 and not re.search(r"^(fetch|sdk|system|native|model|image) ", done.stdout, re.M), done.stdout + done.stderr
    return run


def test_null_run(virt: Built, bare: Callable[[], object]) -> None:
    print("\nnull run of virt / bare SCons:", pairs(nothing_to_do("product=virt"), bare, runs=9))


def test_null_run_with_a_model_of_2_gib(virt: Built, bare: Callable[[], object], tmp_path: Path) -> None:
    """The checkout with a larger board in it, the model as it is, no card: nothing reads 2 GiB again."""
    here = copied(tmp_path / "large")
    text = (here / "products/virt.yaml").read_text().replace("ram: 1GiB", "ram: 16GiB").replace("emmc: 1GiB", "emmc: 4GiB")
    text = text[:text.index("check:")] + "check: {min_correct: 0}\n"
    text = re.sub(r"\n  (card|recipe): .*", "", text).replace("  context: 512", "  recipe: as_is\n  context: 512")
    (here / "products/virt.yaml").write_text(text)
    table = next((here / "sandbox/ohos").rglob("parameter.txt"))
    table.write_text(table.read_text().replace("-@0x00160000(userdata", "-@0x00700000(userdata"))
    model = write(tmp_path / "large.gguf", LARGE, sparse=True)
    assert model.stat().st_size > 2 << 30
    words = ("product=virt", f"model={model}")
    done = scons(*words, cwd=here)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    print(f"\nnull run with a model of {model.stat().st_size >> 20} MiB / bare SCons:", pairs(nothing_to_do(*words, cwd=here), bare, runs=9))
