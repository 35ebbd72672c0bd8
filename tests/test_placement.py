# SPDX-License-Identifier: Apache-2.0
"""A model in a partition of its own, end to end: table, image, flash plan and a board that boots it; and one that fits nowhere, refused with the numbers."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from checkout import Built, copied, scons
from image import dayu200
from model.made import Shape, write

HOLE = (0x6BE000, 0xC4A000)            # of the DAYU200's table, in sectors
SBIN = {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
LARGE = Shape(layers=8, width=4096, heads=32, heads_kv=8, ff=11008, vocab=32000, context=4096)
pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def checkout(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with a product whose model goes into the hole, and one whose board has memory for anything."""
    root = copied(tmp_path_factory.mktemp("placement") / "kiln")
    text = (root / "products/rk3568.yaml").read_text()
    (root / "products/hole.yaml").write_text(text.replace("model_in: auto", "model_in: model").replace("[directory, rkfw]", "[directory]"))
    (root / "products/wide.yaml").write_text(text.replace("ram: 2GiB", "ram: 64GiB"))
    return root


@pytest.fixture(scope="module")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dayu200.make(tmp_path_factory.mktemp("daily") / "images")


def test_a_model_partition_from_the_build_to_a_board_that_answers(checkout: Path, daily: Path, tmp_path: Path) -> None:
    model = write(tmp_path / "small.gguf", Shape(context=4096))
    words = ("product=hole", f"base={daily}", f"model={model}")
    done = scons(*words, "check", "board=virt", cwd=checkout)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    made = checkout / "build/hole"
    assert json.loads((made / "card.json").read_text())["check"]["ok"]
    manifest = json.loads((made / "manifest.json").read_text())
    (placed,) = (one for one in manifest["files"] if one["path"].endswith("model.gguf"))
    assert (placed["path"], placed["partition"], placed["label"]) == ("/mnt/model/model.gguf", "model", "u:object_r:vendor_file:s0")
    assert [(one["offset"] // 512) for one in manifest["images"] if one["partition"] == "model"] == [HOLE[0]]
    listed = subprocess.run(["sgdisk", "-v", "-p", made / "disk/emmc.img"], capture_output=True, text=True, env=SBIN, check=True).stdout
    assert "No problems found" in listed and f"{HOLE[0]:>12}{HOLE[0] + HOLE[1] - 1:>16}" in listed, listed
    assert subprocess.run(["e2fsck", "-fn", made / "images/model.img"], capture_output=True, env=SBIN).returncode == 0
    plan = scons(*words, "flash", cwd=checkout)
    assert plan.returncode == 0 and f"{HOLE[0]:#010x}  model" in plan.stdout and "Maskrom" in plan.stdout, plan.stdout + plan.stderr
    assert f"to write it: scons product=hole base={daily} model={model} flash yes=userdata" in plan.stdout


def test_what_vendor_does_not_hold_is_no_reason_to_refuse(checkout: Path, daily: Path, tmp_path: Path) -> None:
    """model_in: auto, and a board with memory for it: the hole takes it."""
    model = write(tmp_path / "large.gguf", LARGE, sparse=True)
    assert model.stat().st_size > 3 << 30
    done = scons("product=wide", f"base={daily}", f"model={model}", "build/wide/preflight.json", cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_fits_nowhere_is_refused_with_the_numbers(checkout: Path, daily: Path, tmp_path: Path) -> None:
    model = write(tmp_path / "large.gguf", replace(LARGE, layers=18), sparse=True)
    done = scons("product=wide", f"base={daily}", f"model={model}", cwd=checkout)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "kiln: " in line]
    assert done.returncode == 2 and len(lines) == 1, lines
    assert re.search(r"products/wide.yaml: the model as it is is 6586 MiB, its partition takes 6[12]\d\d MiB; recipes that fit: ", lines[0]), lines
