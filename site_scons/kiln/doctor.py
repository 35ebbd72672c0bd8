# SPDX-License-Identifier: Apache-2.0
"""What this machine lacks: programs, Python packages, disk, memory; and the one command that installs what is missing.

Only the standard library is imported, so that `./kiln` can ask before there is an environment: `packages()`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from kiln import run, share
from kiln.errors import KilnError, one_line

if TYPE_CHECKING:
    from kiln.product import Product

GIB = 1 << 30
BUILD_ROOM, CACHE_ROOM = 4 * GIB, 1 * GIB     # free space that a first build of virt may take
MEMORY = 2 * GIB                              # two compilers of 450 MiB each, or the virtual board


def _always(product: Product | None) -> bool:
    return True


def _hardware(product: Product | None) -> bool:
    """For who has such a board: not put on every machine."""
    return product is not None and product.board.transport != "virt"


def _virtual(product: Product | None) -> bool:
    return product is None or bool(product.board.kernel)


def _gpt(product: Product | None) -> bool:
    return product is None or "gpt" in product.image.formats


@dataclass(frozen=True)
class Program:
    """A host program, the word that makes it say its version, what we want it for, and with which product (None: any)."""

    name: str
    asks: str
    purpose: str
    wanted: Callable[[Product | None], bool] = _always


PROGRAMS = (
    Program("mke2fs", "-V", "the images"), Program("debugfs", "-V", "the images"), Program("e2fsck", "-V", "the images"),
    Program("resize2fs", "-h", "the images"), Program("sgdisk", "--version", "the whole-disk image", _gpt),
    Program("ccache", "--version", "compiling again"),
    Program("rkdeveloptool", "-v", "flashing", _hardware), Program("hdc", "-v", "check and chat on a board", _hardware),
    Program("apt-get", "--version", "pins of kind deb"), Program("qemu-system-aarch64", "--version", "the virtual board", _virtual),
)
TESTING = tuple(Program(name, "--version", "the tests") for name in ("qemu-aarch64-static", "git", "sfdisk", "simg2img", "rkunpack", "rkcrc"))


@dataclass(frozen=True)
class Row:
    """One thing that a build needs: what there is, what is wanted, whether that does, what to do if not."""

    name: str
    found: str
    wanted: str
    ok: bool
    hint: str = ""


@dataclass(frozen=True)
class Report:
    """What examine() found. `command` installs what is missing ("" if nothing is that a package could bring)."""

    rows: tuple[Row, ...]
    command: str

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the rows that are not well."""
        return tuple(row.name for row in self.rows if not row.ok)

    @property
    def lines(self) -> tuple[str, ...]:
        """The report for a person, one row a line."""
        wide, found = (max((len(text) for text in column), default=0)
                       for column in ([row.name for row in self.rows], [row.found for row in self.rows]))
        return tuple(f"{'ok  ' if row.ok else 'LACK'} {row.name:{wide}}  {row.found:{found}}  {row.wanted}"
                     f"{'' if row.ok or not row.hint else '; ' + row.hint}".rstrip() for row in self.rows)


def examine(product: Product | None, build: Path, cache: Path, versions: Mapping[str, tuple[str, str]] = MappingProxyType({})) -> Report:
    """What this machine has and lacks for a product (None: for any). Runs each program once for its version.

    `versions` holds the first and last version that will do of the programs that are particular (image.tools.GOOD).
    """
    programs = [_program(program, versions.get(program.name)) for program in needed(product)]
    python = list(_python(_requirements()))
    rows = (*programs, *python, _disk("disk for build/", build, BUILD_ROOM), _disk("disk for the cache", cache, CACHE_ROOM),
            _memory(), _cores(), _processor(), _kvm())
    parts = [install(packages(product))] if packages(product) else []
    if any(not row.ok for row in python):
        parts.append(_pip())
    return Report(rows, " && ".join(parts))


def needed(product: Product | None, *, tests: bool = False) -> tuple[Program, ...]:
    """The programs that a product needs of the host; None: every product. `tests` adds what the test suite needs."""
    return tuple(program for program in PROGRAMS if program.wanted(product)) + (TESTING if tests else ())


def packages(product: Product | None = None, *, tests: bool = False) -> tuple[str, ...]:
    """The Debian packages of the programs that are not on this machine, sorted; `./kiln` installs these."""
    lacking = (program.name for program in needed(product, tests=tests) if not _where(program.name))
    return tuple(sorted({run.PACKAGES.get(name, name) for name in lacking if name not in run.ELSEWHERE}))


def install(names: tuple[str, ...]) -> str:
    """The one command that installs Debian packages, as this user must type it."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install -y --no-install-recommends {' '.join(names)}"


def _where(program: str) -> str:
    try:
        return run.find(program)
    except KilnError:
        return ""


def _program(program: Program, versions: tuple[str, str] | None = None) -> Row:
    path = _where(program.name)
    if not path:
        package = run.PACKAGES.get(program.name, program.name)
        return Row(program.name, "-", f"for {program.purpose}", False,
                   run.ELSEWHERE.get(program.name) or f"package {package}: {install((package,))}")
    found = _version(path, program.asks)
    if not versions:
        return Row(program.name, found or path, f"for {program.purpose}", True)
    first, last = versions
    well = bool(found) and _numbers(first) <= _numbers(found) <= _numbers(last)
    return Row(program.name, found or path, f"{first} to {last}, for {program.purpose}", well, "others do not make the same bytes")


def _version(path: str, asks: str) -> str:
    """The version in what a program prints of itself, "" if it says none; a broken one says so."""
    try:
        said = run.run([path, asks], ok=range(256), timeout=10)
    except KilnError as error:
        return one_line(str(error), 60)
    found = re.search(r"\b\d+\.\d+(?:\.\d+)*\b", said.text)
    return found[0] if found else ""


def _python(requirements: Iterable[str]) -> Iterator[Row]:
    """One row for each requirement such as `requests>=2.32`."""
    import importlib.metadata

    for text in requirements:
        match = re.match(r"([A-Za-z0-9._-]+)\s*(?:>=\s*([0-9.]+))?", text)
        if not match:
            continue
        name, least = match[1], match[2] or ""
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "-"
        well = found != "-" and _numbers(found) >= _numbers(least)
        yield Row(name, found, f"{least} or newer" if least else "", well, "run ./kiln, which brings its own")


def _requirements() -> list[str]:
    """Our Python packages, as pyproject.toml (a checkout) or our own wheel names them."""
    import importlib.metadata
    import tomllib

    file = share.root() / "pyproject.toml"
    if file.is_file():
        found: list[str] = tomllib.loads(file.read_text())["project"]["dependencies"]
        return found
    try:
        every = importlib.metadata.requires("kiln-openharmony") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [text for text in every if "extra ==" not in text]


def _pip() -> str:
    """The command that brings our Python packages into the Python that runs."""
    pinned = share.root() / "requirements.txt"
    return f"{sys.executable} -m pip install {f'--require-hashes -r {pinned}' if pinned.is_file() else 'kiln-openharmony'}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _disk(name: str, folder: Path, wanted: int) -> Row:
    """Free space where a folder lies; what it holds already counts, since a finished build needs no more."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free
    have = free if free >= wanted else free + _held(folder)
    return Row(name, f"{free / GIB:.1f} GiB free", f"{wanted / GIB:.0f} GiB for a first build", have >= wanted,
               f"make room where {there} lies, or choose another place: build= or cache=")


def _held(folder: Path) -> int:
    return sum(file.lstat().st_blocks * 512 for file in folder.rglob("*")) if folder.is_dir() else 0


def _memory() -> Row:
    total = re.search(r"MemTotal:\s+(\d+) kB", _text("/proc/meminfo"))
    limit = _text("/sys/fs/cgroup/memory.max").strip()
    have = min([int(total[1]) * 1024 if total else 0] + ([int(limit)] if limit.isdigit() else []))
    return Row("memory", f"{have / GIB:.1f} GiB", f"{MEMORY / GIB:.0f} GiB", have >= MEMORY, "fewer compilers at once: jobs=1")


def _cores() -> Row:
    return Row("cores", str(len(os.sched_getaffinity(0))), "two build virt in 30 minutes", True)


def _processor() -> Row:
    """llama.cpp's tools for this machine are compiled for AVX2 where it is an x86-64."""
    machine = os.uname().machine
    fast = machine != "x86_64" or re.search(r"^flags\s*:.*\bavx2\b", _text("/proc/cpuinfo"), re.M) is not None
    return Row("processor", f"{machine}{' with AVX2' if fast and machine == 'x86_64' else ''}", "x86_64 with AVX2, or aarch64",
               fast and machine in ("x86_64", "aarch64"), "the quantizer would stop at its first instruction here")


def _kvm() -> Row:
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK)
    arm = os.uname().machine == "aarch64"
    said = "makes the virtual board fast" if arm else "not used: the board is arm64, this machine is not"
    return Row("KVM", "yes" if usable else "no", said, True)


def _text(file: str) -> str:
    try:
        return Path(file).read_text()
    except OSError:
        return ""
