# SPDX-License-Identifier: Apache-2.0
"""Is this binary what the board needs: class, machine, libraries, dot products, no debug build, no path of ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiln.errors import ElfError

MACHINES = {"arm64-v8a": (64, "EM_AARCH64"), "armeabi-v7a": (32, "EM_ARM"), "x86_64": (64, "EM_X86_64")}
LARGEST = 1 << 30
# SDOT and UDOT of A64, vector and by element (Arm ARM, C7.2); the second bits are the Q and U fields left free.
_DOT = ((0xBFE0FC00, 0x0E809400), (0xBFE0FC00, 0x2E809400), (0xBFC0F400, 0x0F80E000), (0xBFC0F400, 0x2F80E000))
# LDR/STR (unsigned offset) and LDUR/STUR: with the base x29 or sp they are what -O0 is made of.
_MOVES = ((0x3B000000, 0x39000000), (0x3B200C00, 0x38000000))
_UNOPTIMIZED = 0.25                    # measured: 0.38-0.40 at -O0, 0.04-0.14 in a Release of llama.cpp
_ENOUGH, _SAMPLE = 1024, 1 << 20      # instructions below which a share says little; bytes that are enough


@dataclass(frozen=True)
class Elf:
    """What the gates read of a file; `text` is its code, `imports` the dynamic symbols that others must give."""

    file: Path
    bits: int
    machine: str
    soname: str
    runpath: str
    needed: tuple[str, ...]
    sections: frozenset[str]
    imports: frozenset[str]
    text: bytes
    interpreter: str = ""


@dataclass(frozen=True)
class Wanted:
    """What a file must be: the ABI and -march of the board, and the folders whose names it must not hold."""

    abi: str
    march: str
    hidden: tuple[Path, ...]


def read(file: Path) -> Elf:
    """What the gates look at. Raises ElfError if the file is no ELF, is cut off or lies about itself."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        if file.stat().st_size > LARGEST:
            raise ElfError("is larger than a binary of ours can be", where=file)
        with file.open("rb") as stream:
            return _parsed(file, ELFFile(stream), file.stat().st_size)
    except OSError as error:
        raise ElfError(f"cannot be read: {error.strerror}", where=file) from error
    except (ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        raise ElfError("is not an ELF file, or a damaged one", where=file, hint="build it anew") from error


def _parsed(file: Path, elf: Any, size: int) -> Elf:
    sections = list(elf.iter_sections())
    for part in sections:
        if part["sh_type"] != "SHT_NOBITS" and part["sh_offset"] + part["sh_size"] > size:
            raise ElfError("is cut off", where=file, hint="build it anew")
    dynamic, symbols = elf.get_section_by_name(".dynamic"), elf.get_section_by_name(".dynsym")
    tags = list(dynamic.iter_tags()) if dynamic else []
    imports = (symbol.name for symbol in symbols.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF") if symbols else ()
    interpreter = elf.get_section_by_name(".interp")
    return Elf(file=file, bits=int(elf.elfclass), machine=str(elf["e_machine"]),
               needed=tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"),
               soname=next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), ""),
               runpath=next((tag.runpath for tag in tags if tag.entry.d_tag == "DT_RUNPATH"), ""),
               interpreter=interpreter.data().rstrip(b"\0").decode("ascii", "replace") if interpreter else "",
               sections=frozenset(part.name for part in sections), imports=frozenset(imports),
               text=b"".join(part.data() for part in sections if part.name == ".text"))


def check(file: Path, wanted: Wanted, *, dot_product: bool = False) -> Elf:
    """All gates on one file; `dot_product`: it holds the kernels, so it must use what +dotprod in -march promises."""
    elf = read(file)
    bits, machine = MACHINES[wanted.abi]
    if (elf.bits, elf.machine) != (bits, machine):
        raise ElfError(f"is {elf.bits}-bit {elf.machine.removeprefix('EM_')}, the board takes {bits}-bit {machine.removeprefix('EM_')}",
                       where=file, hint=f"was it built by the {wanted.abi} SDK?")
    _no_debug_build(elf)
    if dot_product and "+dotprod" in wanted.march and wanted.abi == "arm64-v8a" and not dot_products(elf.text):
        raise ElfError(f"has no dot-product instruction, though the board's march is {wanted.march}", where=file,
                       hint="a Q4_0 prompt costs 3.8 times the instructions without; does GGML_CPU_ARM_ARCH reach the compiler?")
    _no_path_of_ours(file, wanted.hidden)
    return elf


def _no_debug_build(elf: Elf) -> None:
    """A Release is what our flags make: stripped of DWARF, compiled with NDEBUG, optimized (seen on arm64 only)."""
    debug = sorted(name for name in elf.sections if name.startswith((".debug_", ".zdebug_")))
    if debug:
        raise ElfError(f"is a debug build: it has {debug[0]}", where=elf.file, hint="set CMAKE_BUILD_TYPE=Release")
    if "__assert_fail" in elf.imports:
        raise ElfError("is a debug build: it calls __assert_fail", where=elf.file, hint="compile with -DNDEBUG: CMAKE_BUILD_TYPE=Release")
    if elf.machine == "EM_AARCH64" and (share := stack_share(elf.text)) > _UNOPTIMIZED:
        raise ElfError(f"is a debug build: {share:.0%} of its instructions move data to or from the stack", where=elf.file,
                       hint="compile with -O2 or -O3: CMAKE_BUILD_TYPE=Release")


def dot_products(text: bytes) -> int:
    """How many SDOT and UDOT instructions A64 code has."""
    return sum(any(word & mask == value for mask, value in _DOT) for word in _words(text))


def stack_share(text: bytes) -> float:
    """The share of A64 instructions that load from or store to the frame: 0.4 at -O0, 0.1 at -O2."""
    words = _words(text[:_SAMPLE])
    moves = sum((word >> 5) & 31 in (29, 31) and any(word & mask == value for mask, value in _MOVES) for word in words)
    return moves / len(words) if len(words) >= _ENOUGH else 0.0


def _words(text: bytes) -> memoryview:
    return memoryview(text[: len(text) & ~3]).cast("I")


def _no_path_of_ours(file: Path, hidden: Iterable[Path]) -> None:
    """No folder of this machine in the bytes, where a path may begin; `/` and one-letter folders would match by chance."""
    data = file.read_bytes()
    names = {os.fsencode(path) for path in hidden if len(str(path)) > 3}
    for name in sorted(names):
        if found := re.search(rb"(?:(?<![\w.-])|(?<=-[IL]))(" + re.escape(name) + rb"(?![\w.-])[ -~]*)", data):
            text = found[1].decode("ascii", "replace")
            raise ElfError(f"holds a path of this machine: {text}", where=file, hint="-ffile-prefix-map or the run path misses it")


def closure(roots: Iterable[str], made: Mapping[str, Path], system: frozenset[str]) -> tuple[list[str], list[str]]:
    """Programs and libraries that must go on the board: what `roots` need, and what that needs, each sorted.

    `made` maps the names that we can ship to files; a needed library that is neither there nor in `system` raises.
    """
    seen: dict[str, Elf] = {}
    waiting = [(name, "") for name in roots]
    while waiting:
        name, by = waiting.pop()
        if name in seen or name in system:
            continue
        if name not in made:
            raise ElfError(f"needs {name}, which neither we nor the base image have" if by else f"{name} was not built", where=by)
        seen[name] = read(made[name])
        waiting += [(needed, name) for needed in seen[name].needed]
    programs = sorted(name for name, elf in seen.items() if elf.interpreter)
    return programs, sorted(set(seen) - set(programs))
