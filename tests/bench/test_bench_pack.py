# SPDX-License-Identifier: Apache-2.0
"""Packing a partition of 1 GiB of data in each format against `cp` of the same file to the same disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bench.noise import noise
from bench.pairs import pairs, peak
from image.made import loader, parameter, small

from kiln import family
from kiln.image import formats
from kiln.results import Partition

pytestmark = pytest.mark.long


@pytest.mark.parametrize("gib", [1, 4])
@pytest.mark.parametrize("name", ["sparse", "rkaf", "rkfw"])
def test_pack(tmp_path: Path, name: str, gib: int) -> None:
    image, table, into, copy = (tmp_path / part for part in ("vendor.img", "parameter.txt", "images", "copy"))
    table.write_text(parameter())
    table.with_name("MiniLoaderAll.bin").write_bytes(loader())
    noise(image, 1024 * gib)
    rows = (Partition("vendor", 0x34000, 2 << 23, image),)

    def before() -> None:
        """No old result, no dirty pages of the run before."""
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        copy.unlink(missing_ok=True)
        os.sync()

    def ours() -> None:
        family.load(formats, name).pack(small(), rows, table, into, tmp_path / "log")

    said = pairs(ours, lambda: subprocess.run(["cp", image, copy], check=True), runs=5 if gib == 1 else 3, before=before)
    print(f"\npack {gib} GiB as {name}, with its sha256 / cp: {said}; peak memory {peak():.0f} MB")
