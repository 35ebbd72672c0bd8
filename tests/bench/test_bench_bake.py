# SPDX-License-Identifier: Apache-2.0
"""Baking a model into an ext4 image against `cp` of the same file to the same disk."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from pathlib import Path

import pytest
from bench.noise import MIB, noise
from bench.pairs import pairs, peak
from image.made import EPOCH, artifact, make_ext4

from kiln import stamp
from kiln.image import inject

pytestmark = pytest.mark.long


@pytest.mark.parametrize("over", [False, True], ids=["new", "over"])
@pytest.mark.parametrize("gib", [1, 4])
def test_bake(tmp_path: Path, gib: int, over: bool) -> None:
    many = {f"/etc/d{n % 40}/file{n}": b"x" * (n * 7 % 6000) for n in range(1500)}
    base = make_ext4(tmp_path / "vendor.img", 256 * MIB, many, host=tmp_path / "h")
    model = artifact(tmp_path / "a", "/vendor/models/model.gguf", b"")
    noise(model.file, gib * 1024)
    item = dataclasses.replace(model, size=model.file.stat().st_size, sha256=stamp.digest(model.file))
    new, copy = tmp_path / "new.img", tmp_path / "copy"

    def ours() -> None:
        inject.inject(base, new, [item], mount="/vendor", limit=(gib + 1) << 30, epoch=EPOCH, log=tmp_path / "log")

    def before() -> None:
        """No dirty pages of the run before; no old result either, or both write over one."""
        if not over:
            new.unlink(missing_ok=True)
            copy.unlink(missing_ok=True)
        os.sync()

    copied = pairs(ours, lambda: subprocess.run(["cp", model.file, copy], check=True), runs=5 if gib == 1 else 3, before=before)
    print(f"\nbake {gib} GiB, {'over an older one' if over else 'new'} / cp: {copied}; peak memory {peak():.0f} MB")
    ours()
    assert subprocess.run(["/sbin/e2fsck", "-fn", str(new)], capture_output=True).returncode == 0
