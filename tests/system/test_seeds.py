# SPDX-License-Identifier: Apache-2.0
"""Every fault of seeds.py in a real run of build.sh: the first line must name its true cause."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from system.seeds import SEEDS, Seed
from system.trees import TEMPLATE, fake_toolchain

from kiln.errors import KilnError
from kiln.system import generations, preflight, sandbox, script
from kiln.system.generations import Generation

if TYPE_CHECKING:
    from checkout import Built

ORDER = [row.name for row in generations.TABLE]


def has(seed: Seed, row: Generation) -> bool:
    return ORDER.index(seed.first) <= ORDER.index(row.name) <= ORDER.index(seed.last)


def told(seed: Seed, row: Generation, folder: Path, native: Path | None) -> str:
    """What a person is told when this fault is in a tree of that generation."""
    musl = folder / "libc.so"
    musl.parent.mkdir(parents=True)
    musl.write_bytes(b"not really musl")
    toolchain = fake_toolchain(folder / "sdk")
    if native:
        shutil.rmtree(toolchain.root)
        toolchain.root.symlink_to(native)
    tree = sandbox.make(TEMPLATE, folder / "ohos", toolchain, musl, row)
    if native:
        bin_folder = tree / "prebuilts/clang/ohos/linux-x86_64"
        assert bin_folder.is_symlink()
    seed.break_(tree)
    try:
        if seed.seen == "preflight":
            preflight.check(tree, seed.product, seed.targets, "arm64-v8a")
        script.build(tree, row, seed.product, seed.targets, "arm64-v8a", epoch=1767225600, home=folder / "home", log=folder / "log", jobs=2)
    except KilnError as error:
        return str(error)
    return "nothing at all"


def named(seed: Seed, line: str) -> bool:
    """Whether the cause comes first in the line, right after what failed."""
    head = r".*?: build\.sh cannot build this tree: \(1\) " if seed.seen == "preflight" else r"(?:.*?: )?(?:build\.sh of \S+ failed \(exit code 1\): )?"
    return re.match(f"{head}(?:{seed.told})", line) is not None


@pytest.fixture(scope="module")
def native(virt: Built) -> Path:
    return virt.toolchain("arm64-v8a").root


@pytest.mark.parametrize("name", [name for name, seed in SEEDS.items() if not seed.real])
def test_the_first_line_names_the_cause(name: str, tmp_path: Path) -> None:
    """Each in one generation, turn by turn; all in all of them below."""
    seed = SEEDS[name]
    rows = [row for row in generations.TABLE if has(seed, row)]
    line = told(seed, rows[list(SEEDS).index(name) % len(rows)], tmp_path / "x", None)
    assert named(seed, line), line


@pytest.mark.ci
@pytest.mark.parametrize("name", [name for name, seed in SEEDS.items() if seed.real])
def test_the_first_line_names_what_a_real_compiler_says(name: str, tmp_path: Path, native: Path) -> None:
    seed = SEEDS[name]
    rows = [row for row in generations.TABLE if has(seed, row)]
    line = told(seed, rows[list(SEEDS).index(name) % len(rows)], tmp_path / "x", native)
    assert named(seed, line), line


@pytest.mark.long
def test_in_every_generation_the_share_is_95_percent(native: Path, tmp_path: Path) -> None:
    """The table for docs/measured.md: real runs, and how many of them are told by their cause."""
    wrong, lines = [], []
    for row in generations.TABLE:
        seeds = {name: seed for name, seed in SEEDS.items() if has(seed, row)}
        bad = []
        for name, seed in seeds.items():
            line = told(seed, row, tmp_path / row.name / name.replace("/", "_"), native if seed.real else None)
            if not named(seed, line):
                bad.append(f"{row.name} {name}: {line}")
            shutil.rmtree(tmp_path / row.name / name.replace("/", "_"))
        wrong += bad
        lines.append(f"| {row.name} | {len(seeds)} | {len(seeds) - len(bad)} |")
    print("\n".join(["| generation | runs | told by the cause |", "|---|---|---|", *lines, *wrong]))
    runs = sum(has(seed, row) for row in generations.TABLE for seed in SEEDS.values())
    assert len(SEEDS) >= 40 and len(wrong) <= runs * 0.05, wrong
