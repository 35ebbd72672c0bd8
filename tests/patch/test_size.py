# SPDX-License-Identifier: Apache-2.0
"""How long 31 patches of nearly 850 KB each take on a tree of 15,000 files; the figure is printed, not asserted."""

from __future__ import annotations

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from kiln import patch
from patch.made import git

REPOSITORIES, FILES, PATCHES, MADE = 10, 1500, 31, 790_000


def text(chance: random.Random, size: int) -> str:
    """Source-like text of about `size` bytes, 40 a line, no line twice."""
    return "".join(f"    call_{n}(0x{chance.getrandbits(80):020x});\n" for n in range(size // 40))


def grow(root: Path, patches: Path) -> None:
    """Ten repositories, as `repo` lays them out, of 1,500 files, each changed by commits of nearly 850 KB: three patches, and four in the first."""
    chance = random.Random(1)
    for number in range(REPOSITORIES):
        name = f"foundation/part/{number}"
        folder = root / name
        for at in range(FILES):
            file = folder / f"d{at % 30}" / f"f{at}.c"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text(chance, 2000))
        big = folder / "d0/f0.c"
        big.write_text(text(chance, 400_000))
        git(folder, "init", "-q", "--template=")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "start")
        work = root.with_name("work")
        shutil.copytree(folder, work / name)
        home = work / ".repo/projects" / f"{name}.git"                       # as repo lays a tree out
        home.parent.mkdir(parents=True, exist_ok=True)
        (work / name / ".git").rename(home)
        (work / name / ".git").symlink_to(os.path.relpath(home, work / name))
        count = 4 if number == 0 else 3
        for step in range(count):
            lines = big.read_text().splitlines(keepends=True)
            for where in range(0, len(lines), 97):
                lines[where] = f"    changed_{step}({chance.getrandbits(32)});\n"
            big.write_text("".join(lines))
            (folder / f"d1/new{step}.c").write_text(text(chance, MADE))
            git(folder, "add", "-A")
            git(folder, "commit", "-qm", f"change {step}")
        (patches / name).mkdir(parents=True)
        git(folder, "format-patch", "-q", "-o", str(patches / name), f"HEAD~{count}")


@pytest.mark.long
def test_thirty_one_patches_on_fifteen_thousand_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    patches, work = tmp_path / "patches", tmp_path / "work"
    grow(tmp_path / "wanted", patches)
    sizes = sorted(file.stat().st_size for file in patches.rglob("*.patch"))
    assert len(sizes) == PATCHES
    told = []
    for what in ("apply", "again", "unapply"):
        began = time.monotonic()
        series = patch.series(patches)
        if what == "unapply":
            patch.unapply(work, tmp_path / "state")
        else:
            patch.apply(work, series, tmp_path / "state")
        told.append(f"{what} {time.monotonic() - began:.2f} s")
        if what == "apply":
            for file in (tmp_path / "wanted").rglob("*.c"):
                assert (work / file.relative_to(tmp_path / "wanted")).read_bytes() == file.read_bytes()
    assert not any(git(work / f"foundation/part/{number}", "status", "--porcelain") for number in range(REPOSITORIES))
    with capsys.disabled():
        print(f"\n{PATCHES} patches, {sizes[0] / 1e3:.0f} to {sizes[-1] / 1e3:.0f} kB, {sum(sizes) / 1e6:.1f} MB in all, "
              f"{REPOSITORIES * FILES} files: {', '.join(told)}")
