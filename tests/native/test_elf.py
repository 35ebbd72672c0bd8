# SPDX-License-Identifier: Apache-2.0
"""The gates on binaries: each must let the right file pass and stop the wrong one, and none may trip over a damaged one."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from kiln.errors import ElfError
from kiln.native import elf

pytestmark = pytest.mark.fast

DATA = Path(__file__).parent.parent / "data" / "elf"
MARCH = "armv8.2-a+fp16+dotprod"
BOARD = elf.Wanted("arm64-v8a", MARCH, (Path("/home/builder/kiln"),))
SDOT, UDOT, SDOT_LANE, UDOT_LANE = 0x4E829420, 0x6E829420, 0x4F82E020, 0x6FA2E820


def code(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def test_a_release_for_the_board_passes() -> None:
    read = elf.check(DATA / "good.so", BOARD, dot_product=True)
    assert (read.bits, read.machine, read.soname, read.runpath) == (64, "EM_AARCH64", "good.so", "$ORIGIN")
    assert read.needed == ("libc.so",) and not read.interpreter


@pytest.mark.parametrize("file,says", [
    ("plain.so", "no dot-product instruction"), ("debug.so", "debug build: it has .debug_"),
    ("assert.so", "calls __assert_fail"), ("path.so", "path of this machine: /home/builder/kiln/kernel.c"),
    ("arm.so", "is 32-bit ARM, the board takes 64-bit AARCH64"), ("x86.so", "is 64-bit X86_64, the board takes 64-bit AARCH64"),
])
def test_the_wrong_file_is_stopped(file: str, says: str) -> None:
    with pytest.raises(ElfError) as raised:
        elf.check(DATA / file, BOARD, dot_product=True)
    assert says in str(raised.value) and file in str(raised.value) and "\n" not in str(raised.value)


def test_no_dot_product_is_asked_of_a_board_without() -> None:
    elf.check(DATA / "plain.so", elf.Wanted("arm64-v8a", "armv8-a", ()), dot_product=True)
    elf.check(DATA / "plain.so", BOARD)


@pytest.mark.parametrize("word", [SDOT, UDOT, SDOT_LANE, UDOT_LANE])
def test_every_form_of_the_dot_product_counts(word: int) -> None:
    assert elf.dot_products(code(0xD503201F, word, 0xD65F03C0, word)) == 2


@pytest.mark.parametrize("word", [0x4E829C20, 0x4E221C20, 0x0E009420, 0x6F82F020, 0xD503201F])
def test_its_neighbors_do_not(word: int) -> None:
    """mul, and, sdot's encoding with another size, usdot by element, nop."""
    assert elf.dot_products(code(word)) == 0


def test_code_without_optimization_shows() -> None:
    """-O0 keeps every variable on the stack: here two moves of five, as in ggml.c at -O0."""
    slow = code(0xB9400BE8, 0xB81FC3A8, 0x0B090108, 0xD503201F, 0x1A880108) * 1000
    assert elf.stack_share(slow) == pytest.approx(0.4)
    assert elf.stack_share(code(0xB9400028, 0x0B090108, 0xD503201F) * 1000) == 0
    assert elf.stack_share(code(0xB9400BE8) * 10) == 0, "too few to say"


def test_an_unoptimized_file_is_stopped(tmp_path: Path) -> None:
    slow = code(0xB9400BE8, 0xB81FC3A8, 0x0B090108, 0xD503201F, 0x1A880108) * 1000
    whole = bytearray((DATA / "good.so").read_bytes())
    at, size = section(bytes(whole), ".text")
    grown = bytes(whole) + slow
    file = tmp_path / "slow.so"
    file.write_bytes(grown.replace(struct.pack("<QQ", at, size), struct.pack("<QQ", len(whole), len(slow))))
    with pytest.raises(ElfError, match="40% of its instructions"):
        elf.check(file, BOARD)


def section(data: bytes, wanted: str) -> tuple[int, int]:
    """Offset and size of a section of an ELF64 file, by hand."""
    table, = struct.unpack_from("<Q", data, 0x28)
    count, names = struct.unpack_from("<HH", data, 0x3C)
    heads = [struct.unpack_from("<IIQQQQ", data, table + 64 * n) for n in range(count)]
    base = heads[names][4]
    return next((head[4], head[5]) for head in heads if data[base + head[0]:].split(b"\0", 1)[0] == wanted.encode())


def test_closure_takes_what_is_needed_and_no_more() -> None:
    made = {"foreign.so": DATA / "foreign.so", "libforeign.so": DATA / "plain.so", "unused.so": DATA / "good.so"}
    assert elf.closure(["foreign.so"], made, frozenset({"libc.so"})) == ([], ["foreign.so", "libforeign.so"])


def test_a_library_that_nobody_has_is_named_with_who_needs_it() -> None:
    with pytest.raises(ElfError, match="foreign.so: needs libforeign.so, which neither we nor the base image have"):
        elf.closure(["foreign.so"], {"foreign.so": DATA / "foreign.so"}, frozenset({"libc.so"}))
    with pytest.raises(ElfError, match="llama-server was not built"):
        elf.closure(["llama-server"], {}, frozenset())


def test_a_path_inside_a_longer_name_is_not_one_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "x.so"
    file.write_bytes((DATA / "good.so").read_bytes() + b"\0/opt/home/builder/kiln/x /home/builder/kiln-old/y\0")
    elf.check(file, BOARD)
    file.write_bytes(file.read_bytes() + b"\0cc -I/home/builder/kiln\0")
    with pytest.raises(ElfError, match="/home/builder/kiln$|/home/builder/kiln;"):
        elf.check(file, BOARD)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + b"\xff" * 200, b"#!/bin/sh\n", b"\0" * 64])
def test_what_is_no_elf_is_one_line(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "odd.so"
    file.write_bytes(data)
    with pytest.raises(ElfError, match="not an ELF file, or a damaged one|is cut off"):
        elf.read(file)
    with pytest.raises(ElfError, match="cannot be read"):
        elf.read(tmp_path / "absent.so")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole, file = (DATA / "good.so").read_bytes(), tmp_path / "cut.so"
    for end in range(0, len(whole) - 1, 37):
        file.write_bytes(whole[:end])
        with pytest.raises(ElfError):
            elf.check(file, BOARD, dot_product=True)


def test_a_file_with_wrong_bytes_is_read_or_refused(tmp_path: Path) -> None:
    """Ten bytes changed at random, 300 times: no error but ElfError, and an end."""
    whole, file, draw = (DATA / "good.so").read_bytes(), tmp_path / "hit.so", random.Random(7)
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(10):
            data[draw.randrange(len(data)) if draw.random() < 0.5 else draw.randrange(64)] = draw.randrange(256)
        file.write_bytes(data)
        try:
            elf.read(file)
        except ElfError:
            pass
