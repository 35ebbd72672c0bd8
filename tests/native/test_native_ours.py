# SPDX-License-Identifier: Apache-2.0
"""A native target of our own: its files, what it needs, what its key is made of; and one in a product, by a real scons run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT, Built, copied, scons
from kiln import native, product, results, share
from kiln.errors import ElfError, SpecError
from kiln.native import elf
from kiln.product import Native
from kiln.results import Artifacts, Toolchain

DATA = ROOT / "tests" / "data" / "native"


def made(name: str, toolchain: Toolchain, into: Path, needs: tuple[native.Need, ...] = (), *, static: bool = False,
         install: str = "/vendor/lib64") -> Artifacts:
    return native.build(Native(install=install, path=f"native/{name}"), into / "native" / name, toolchain, march="", folder=into / name,
                        key="k", log=into / "log", jobs=2, ccache=None, needs=needs, hide=(into,), static=static)


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    shutil.copytree(DATA, tmp_path / "native")
    return tmp_path


@pytest.mark.ci
def test_a_library_and_a_program_that_needs_it(virt: Built, projects: Path) -> None:
    arm64 = virt.toolchain("arm64-v8a")
    library = made("greeting", arm64, projects)
    program = made("greeter", arm64, projects, (native.Need("greeting", projects / "native/greeting", library),), install="/vendor/bin")
    assert [(item.dest, item.mode, item.gid, item.label) for item in (*library.items, *program.items)] == [
        ("/vendor/lib64/libgreeting.so", 0o644, 0, "u:object_r:vendor_lib_file:s0"),
        ("/vendor/bin/greeter", 0o755, 2000, "u:object_r:vendor_bin_file:s0")]
    found = elf.read(program.items[0].file)
    assert (found.needed, found.runpath) == (("libgreeting.so", "libc.so"), "$ORIGIN:$ORIGIN/../lib64/kiln")
    assert elf.read(library.items[0].file).runpath == "$ORIGIN:$ORIGIN/kiln"


@pytest.mark.ci
def test_a_static_program_runs_here_and_knows_no_folder_of_ours(virt: Built, projects: Path) -> None:
    needs = (native.Need("greeting", projects / "native/greeting"),)
    one = made("greeter", virt.toolchain("x86_64"), projects, needs, static=True, install="")
    assert (one.items[0].dest, one.items[0].mode) == ("", 0o755)
    said = subprocess.run([one.items[0].file], capture_output=True, text=True, check=True).stdout
    assert said == "good morning from src/greeter.c and native/shared/shared.h\n"


@pytest.mark.ci
def test_what_nobody_has_is_named(virt: Built, projects: Path) -> None:
    arm64 = virt.toolchain("arm64-v8a")
    library = made("greeting", arm64, projects)
    (projects / "native/greeter/CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.28)\nproject(greeter C)\nadd_executable(greeter greeter.c)\n"
        f"target_include_directories(greeter PRIVATE ../greeting ../shared)\ntarget_link_libraries(greeter {library.items[0].file})\n")
    with pytest.raises(ElfError, match="greeter: needs libgreeting.so, which neither we nor the base image have"):
        made("greeter", arm64, projects)
    (projects / "native/greeter/CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.28)\nproject(greeter C)\n")
    with pytest.raises(ElfError, match="CMakeLists.txt: links no program and no library"):
        made("greeter", arm64, projects)


def test_the_key_knows_the_project_and_the_shared_folders(projects: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "_HERE", projects / "site_scons/kiln")
    project, seen = projects / "native/greeter", set()
    for file in ("greeter/greeter.c", "shared/shared.h", "greeting/greeting.c"):
        seen.add(native.digest(project))
        with (projects / "native" / file).open("a") as out:
            out.write("\n")
    assert len(seen) == 3
    assert native.digest(project) in seen, "another project is no part of it: that is what `needs` is for"


@pytest.mark.parametrize("given,says", [
    ({"path": "../native/x"}, "is not below native/"), ({"path": "native/../x"}, "is not below native/"),
    ({"path": "native/x", "install": "vendor"}, "must be an absolute folder of the board"), ({}, "either pin or path"),
    ({"path": "native/x", "pin": "x"}, "either pin or path")])
def test_a_target_that_makes_no_sense_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        Native(**{"install": "/vendor", **given})


GREETER = """  greeting: {path: native/greeting, install: /vendor/lib64}
  greeter: {path: native/greeter, needs: [greeting, llama.cpp], install: /vendor/bin}
"""


@pytest.mark.ci
def test_a_product_with_targets_of_its_own(virt: Built, tmp_path: Path) -> None:
    checkout = copied(tmp_path / "checkout")
    shutil.copytree(DATA, checkout / "native", dirs_exist_ok=True)
    yaml = checkout / "products/virt.yaml"
    text = yaml.read_text()
    yaml.write_text(text.replace("model:\n", GREETER + "model:\n", 1))
    first = scons("product=virt", "native", cwd=checkout)
    assert first.returncode == 0, first.stdout + first.stderr
    found = results.load(Artifacts, checkout / "build/virt/native/greeter/out" / results.NAME)
    assert [item.dest for item in found.items] == ["/vendor/bin/greeter"]
    again = scons("product=virt", "native", cwd=checkout)
    assert "native " not in again.stdout and again.returncode == 0
    with (checkout / "native/greeting/greeting.c").open("a") as out:
        out.write("int more(void) { return 1; }\n")
    third = scons("product=virt", "native", cwd=checkout)
    assert third.returncode == 0 and "greeting with" in third.stdout and "greeter with" in third.stdout
    assert "llama.cpp with" not in third.stdout
    (checkout / "native/greeting/CMakeLists.txt").unlink()
    lost = scons("product=virt", "native", cwd=checkout)
    assert lost.returncode == 2 and lost.stderr == (
        "kiln: native/greeting has no CMakeLists.txt; a native target of ours is a CMake project\n")
    yaml.write_text(text.replace("  llama.cpp:\n", "  greeter: {path: native/greeter, needs: [llama.cpp], install: /vendor}\n  llama.cpp:\n", 1))
    turned = scons("product=virt", "native", cwd=checkout)
    assert turned.returncode == 2
    assert turned.stderr.startswith("kiln: products/virt.yaml:2: native target greeter needs 'llama.cpp', which does not stand above it"), turned.stderr


def test_products_load_with_their_needs_in_order() -> None:
    assert all(product.load(name).native for name in product.names())
