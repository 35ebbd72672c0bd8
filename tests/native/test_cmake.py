# SPDX-License-Identifier: Apache-2.0
"""One native target through CMake and ninja: the same bytes in every folder, resumed, cached across checkouts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checkout import Built
from kiln import share
from kiln.errors import ProgramError
from kiln.native import cmake, elf
from kiln.results import Toolchain

pytestmark = pytest.mark.ci

SOURCES = share.root() / "tests" / "data" / "cxx"


@pytest.fixture(scope="session")
def arm64(virt: Built) -> Toolchain:
    return virt.toolchain("arm64-v8a")


def build(checkout: Path, toolchain: Toolchain, *, ccache: Path | None = None, shared: bool = True,
          targets: tuple[str, ...] = ("catcher",), jobs: int = 2) -> Path:
    """The project, copied into a checkout of that name and built there; gives the folder of the results."""
    source, obj = checkout / "src/thrown", checkout / "obj"
    if not source.is_dir():
        shutil.copytree(SOURCES, source)
    link = cmake.Link(program_path="$ORIGIN/../lib64/kiln") if shared else cmake.Link(static=True)
    cmake.build(source, toolchain, targets=targets, options={"BUILD_SHARED_LIBS": "ON" if shared else "OFF"}, obj=obj,
                log=checkout / "log", jobs=jobs, ccache=ccache, link=link)
    return obj / "bin"


@pytest.fixture(scope="session")
def checkouts(arm64: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Path, Toolchain]]:
    """Two folders of different names, each with an SDK of its own in it (4,000 files, so they are links and go at the end)."""
    parent = tmp_path_factory.mktemp("checkouts")
    yield {folder: placed(arm64, folder) for folder in (parent / "one", parent / "a second, longer name")}
    shutil.rmtree(parent)


def placed(toolchain: Toolchain, checkout: Path) -> Toolchain:
    """The toolchain as another checkout has it: in its own folder."""
    native = checkout / "sdk/native"
    shutil.copytree(toolchain.root, native, copy_function=os.link)
    zig = (toolchain.root / "zig.path").read_text().strip()
    (native / "zig.path").unlink()
    (native / "zig.path").write_text(os.path.normpath(toolchain.root / zig) + "\n")
    return replace(toolchain, root=native, file=native / "build/cmake/ohos.toolchain.cmake",
                   runtime=native / "llvm/lib" / toolchain.triple / "libc++_shared.so")


def hits(ccache: Path) -> dict[str, int]:
    said = subprocess.run(["ccache", "--print-stats"], env={**os.environ, "CCACHE_DIR": str(ccache)}, text=True,
                          capture_output=True, check=True).stdout
    return {name: int(count) for name, count in (line.split("\t") for line in said.splitlines())}


def test_two_folders_two_umasks_with_and_without_ccache_give_the_same_bytes(
        checkouts: dict[Path, Toolchain], tmp_path: Path) -> None:
    (first, sdk_of_first), (second, sdk_of_second) = checkouts.items()
    one = build(first / "plain", sdk_of_first, ccache=tmp_path / "cc")
    before = os.umask(0o077)
    try:
        two = build(second / "deeper/plain", sdk_of_second, jobs=1)
    finally:
        os.umask(before)
    for name in ("catcher", "libthrower.so"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
        elf.check(one / name, elf.Wanted("arm64-v8a", "", (first, second, tmp_path, Path.home())))
    assert b"src/include/thrower.h\0" in (one / "libthrower.so").read_bytes(), "plain, not include/../include"
    assert elf.read(one / "catcher").runpath == "$ORIGIN/../lib64/kiln"
    assert elf.read(one / "libthrower.so").runpath == "$ORIGIN"
    assert elf.read(one / "libthrower.so").soname == "libthrower.so"
    assert not {".symtab", ".note.gnu.build-id"} & elf.read(one / "catcher").sections


def test_another_checkout_hits_the_compiler_cache(checkouts: dict[Path, Toolchain], tmp_path: Path) -> None:
    ccache, counts, results = tmp_path / "cc", [], []
    for folder, toolchain in checkouts.items():
        results.append(build(folder / "cached", toolchain, ccache=ccache))
        counts.append(hits(ccache))
    assert counts[1]["cache_miss"] == counts[0]["cache_miss"] > 0
    assert counts[1]["direct_cache_hit"] >= counts[0]["direct_cache_hit"] + 2
    assert (results[0] / "catcher").read_bytes() == (results[1] / "catcher").read_bytes()


def test_a_second_call_compiles_nothing_and_another_toolchain_all(arm64: Toolchain, tmp_path: Path) -> None:
    build(tmp_path, arm64)
    before = (tmp_path / "obj/bin/catcher").stat().st_mtime_ns
    build(tmp_path, arm64)
    assert (tmp_path / "obj/bin/catcher").stat().st_mtime_ns == before
    build(tmp_path, replace(arm64, key="another"))
    assert (tmp_path / "obj/bin/catcher").stat().st_mtime_ns > before


def test_an_edited_file_reaches_only_its_consumers(arm64: Toolchain, tmp_path: Path) -> None:
    build(tmp_path, arm64)
    objects = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "obj").rglob("*.o")}
    (tmp_path / "src/thrown/thrower.cpp").write_text((SOURCES / "thrower.cpp").read_text() + "\nint more;\n")
    build(tmp_path, arm64)
    changed = {file.name for file in (tmp_path / "obj").rglob("*.o") if file.stat().st_mtime_ns != objects[file.name]}
    assert changed == {"thrower.cpp.o"}


def test_flags_of_the_shell_stay_out(arm64: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = build(tmp_path / "one", arm64)
    for name in ("CFLAGS", "CXXFLAGS", "LDFLAGS"):
        monkeypatch.setenv(name, "-DFROM_THE_SHELL --no-such-flag")
    monkeypatch.setenv("CPATH", "/usr/include")
    two = build(tmp_path / "two", arm64)
    assert (one / "catcher").read_bytes() == (two / "catcher").read_bytes()


def test_an_error_of_the_compiler_is_one_line_that_says_it(arm64: Toolchain, tmp_path: Path) -> None:
    with pytest.raises(ProgramError) as raised:
        build(tmp_path, arm64, targets=("broken",))
    assert "undeclared_name" in str(raised.value) and str(tmp_path / "log") in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_static_program_needs_no_library(arm64: Toolchain, tmp_path: Path) -> None:
    read = elf.read(build(tmp_path, arm64, shared=False) / "catcher")
    assert not read.needed and not read.interpreter
    done = subprocess.run(["qemu-aarch64-static", read.file], capture_output=True, text=True, timeout=60)
    assert done.stdout == "right\n"
