# SPDX-License-Identifier: Apache-2.0
"""What a loader would look at is read from any ELF file, and a damaged one is an error, whatever its bytes."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from kiln.errors import ImageError
from kiln.image import elf

PROGRAM = Path("/bin/ls").read_bytes()


def test_it_says_what_readelf_says() -> None:
    found = elf.read(PROGRAM, "ls")
    said = subprocess.run(["readelf", "-dlW", "/bin/ls"], capture_output=True, text=True)
    if said.returncode == 0:
        assert all(f"[{name}]" in said.stdout for name in found.needed) and found.interpreter in said.stdout
    assert found.needed and found.interpreter.startswith("/lib") and "malloc" in found.wants and not found.wants & found.gives


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_one_error(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(150):
        data = bytearray(PROGRAM)
        for at in (*(dice.randrange(64) for _ in range(2)), dice.randrange(len(data)), len(data) - dice.randrange(1, 2000)):
            data[at] = dice.randrange(256)
        data[:4] = b"\x7fELF"
        try:
            elf.read(bytes(data[:dice.choice((len(data), dice.randrange(4, len(data))))]), "x")
        except ImageError as error:
            assert str(error) == "x: is a damaged ELF file"
