# SPDX-License-Identifier: Apache-2.0
"""llama.cpp as the session's build made it: the files for the board and for this machine are what they must be, and run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import Built
from kiln import product, results, share, stamp
from kiln.native import elf, llama
from kiln.results import Artifacts, Tree

MODEL = share.folder("sandbox") / "model" / "kiln-tiny-f16.gguf"


@pytest.fixture(scope="session")
def board(virt: Built) -> Artifacts:
    return virt.artifacts("virt/native/llama.cpp/out")


@pytest.fixture(scope="session")
def root(virt: Built, board: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root for QEMU's user mode: every artifact at its place on the board, and the board's loader."""
    root = tmp_path_factory.mktemp("root")
    for item in board.items:
        place = root / item.dest.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(item.file, place)
    tree = results.load(Tree, next(virt.build.glob(f"src/musl-arm64-*/{results.NAME}"))).root
    (root / "lib").mkdir()
    shutil.copy(next(tree.rglob("aarch64-linux-musl/libc.so")), root / "lib/ld-musl-aarch64.so.1")
    return root


def ran(*argv: object) -> str:
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.fast
def test_a_processor_without_avx2_is_found_out(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx\n")
    assert llama.processor_lacks("x86_64", cpuinfo) == ("avx2", "bmi2", "f16c", "fma")
    assert llama.processor_lacks("arm64-v8a", cpuinfo) == ()
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd\n")
    assert llama.processor_lacks("x86_64", cpuinfo) == (), "a machine that lists none is not refused"


@pytest.mark.ci
def test_the_board_gets_what_its_programs_need_and_no_more(board: Artifacts) -> None:
    names = {item.dest: item for item in board.items}
    programs = {f"/vendor/bin/{name}" for name in ("llama-server", "llama-cli", "llama-bench")}
    assert {dest for dest in names if "/bin/" in dest} == programs
    libraries = {Path(dest).name for dest in names if dest.startswith("/vendor/lib64/kiln/")}
    assert len(libraries) == len(names) - 3 and {"libggml-cpu.so", "libc++_shared.so"} <= libraries
    needed = {name for item in board.items for name in elf.read(item.file).needed}
    assert needed - libraries == {"libc.so"}
    assert libraries - needed == {"libggml-cpu.so"}, "the backend alone is loaded by name"


@pytest.mark.ci
def test_artifacts_say_what_they_are(board: Artifacts) -> None:
    for item in board.items:
        assert (item.sha256, item.size) == (stamp.digest(item.file), item.file.stat().st_size)
        if item.dest.startswith("/vendor/bin/"):
            assert (item.mode, item.uid, item.gid, item.label) == (0o755, 0, 2000, "u:object_r:vendor_bin_file:s0")
            assert elf.read(item.file).runpath == "$ORIGIN/../lib64/kiln"
        else:
            assert (item.mode, item.uid, item.gid, item.label) == (0o644, 0, 0, "u:object_r:vendor_lib_file:s0")
            assert elf.read(item.file).runpath in ("$ORIGIN", "")


@pytest.mark.ci
def test_every_gate_holds_on_every_file(virt: Built, board: Artifacts) -> None:
    march = product.load("virt").board.march
    wanted = elf.Wanted("arm64-v8a", march, (virt.build, virt.cache, Path.home()))
    for item in board.items:
        elf.check(item.file, wanted, dot_product=item.file.name == llama.BACKEND)
    backend = next(item.file for item in board.items if item.file.name == llama.BACKEND)
    assert elf.dot_products(elf.read(backend).text) > 1000, "1145 where this was written"


@pytest.mark.ci
def test_the_board_loads_its_backend_from_where_it_lies(root: Path) -> None:
    said = ran("qemu-aarch64-static", "-cpu", "cortex-a76", "-L", root, root / "vendor/bin/llama-bench", "-m", MODEL,
               "-p", "16", "-n", "4", "-t", "1", "-r", "1", "-o", "csv")
    assert "pp16" in said or '"16"' in said
    assert "load_backend: loaded CPU backend" in said or '"CPU"' in said


@pytest.mark.ci
def test_the_board_says_which_llama_it_is(root: Path) -> None:
    assert llama.COMMIT in ran("qemu-aarch64-static", "-cpu", "cortex-a76", "-L", root, root / "vendor/bin/llama-server", "--version")


@pytest.mark.ci
def test_host_tools_are_static_and_run(virt: Built) -> None:
    for name in llama.HOST:
        tool = virt.host_tool(name)
        read = elf.read(tool)
        assert not read.needed and not read.interpreter
    assert llama.COMMIT in ran(virt.host_tool("llama-server"), "--version")


@pytest.mark.ci
def test_a_host_tool_quantizes_the_same_bytes_with_any_number_of_threads(virt: Built, tmp_path: Path) -> None:
    for threads in (1, 2):
        ran(virt.host_tool("llama-quantize"), MODEL, tmp_path / f"{threads}.gguf", "Q4_0", threads)
    assert (tmp_path / "1.gguf").read_bytes() == (tmp_path / "2.gguf").read_bytes()
