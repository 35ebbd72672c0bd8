# SPDX-License-Identifier: Apache-2.0
"""The reference on arm64, as a static program under QEMU's user mode."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nnrt_library
import pytest
from checkout import Built

from kiln import share

@pytest.mark.ci
def test_a_block_is_right_on_the_boards_abi(virt: Built, tmp_path: Path) -> None:
    compiler, program = nnrt_library.musl(virt.toolchain("arm64-v8a")), tmp_path / "check"
    nnrt_library.program(compiler, share.root() / "tests/data/nnrt_check.cpp", program)
    done = subprocess.run(["qemu-aarch64-static", str(program)], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("right\n", 0), done.stdout + done.stderr
