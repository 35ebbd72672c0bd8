# SPDX-License-Identifier: Apache-2.0
"""The miniature tree as it comes out of its template: names, links, modes, and nothing touched that need not be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from system.trees import ROW, TEMPLATE, fake_toolchain

from kiln.errors import Refused
from kiln.system import generations, sandbox

pytestmark = pytest.mark.fast


def state(tree: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file; links are not followed."""
    found = (Path(folder) / name for folder, _, names in os.walk(tree) for name in names)
    return {file.relative_to(tree).as_posix(): (file.lstat().st_ino, file.lstat().st_mtime_ns)
            for file in found if file.name != sandbox.LIST}


def test_the_template_has_no_name_that_a_real_loader_would_find() -> None:
    assert not [file for file in TEMPLATE.rglob("*") if file.name in ("bundle.json", "ohos.build")]
    assert not [file for file in TEMPLATE.rglob("*") if file.is_symlink()]       # a wheel cannot hold one


def test_the_tree_has_the_names_of_the_real_one(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    for name in ("foundation/ai/neural_network_runtime/bundle.json", "third_party/mindspore/bundle.json",
                 "device/board/kiln/virt/ohos.build", "vendor/kiln/virt/config.json", "third_party/musl/libc.so"):
        assert (tree / name).is_file(), name
    assert os.readlink(tree / "build.sh") == "build/build_scripts/build.sh"
    assert os.access(tree / "build.sh", os.X_OK) and (tree / ".gn").is_file()
    assert (tree / "prebuilts/clang/ohos/linux-x86_64/llvm/bin/clang").is_file()
    assert not list(tree.rglob("*.in"))
    assert not [file for file in tree.rglob("*") if file.is_file() and b"@SDK_" in file.read_bytes()]
    assert generations.of(tree) == ROW and generations.version(tree) == ROW.sdk


def test_made_again_touches_nothing(make_tree: Callable[..., Path]) -> None:
    before = state(make_tree())
    assert state(make_tree()) == before


def test_only_what_changed_is_written(tmp_path: Path, musl: Path) -> None:
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    toolchain = fake_toolchain(tmp_path / "sdk")
    tree = sandbox.make(template, tmp_path / "ohos", toolchain, musl, ROW)
    before = state(tree)
    changed = "foundation/ai/neural_network_runtime/frameworks/native/neural_network_core/device.cpp"
    (template / changed).write_text((template / changed).read_text() + "// more\n")
    sandbox.make(template, tree, toolchain, musl, ROW)
    after = state(tree)
    assert {name for name in after if after[name] != before[name]} == {changed}


def test_what_left_the_template_leaves_the_tree_and_what_was_built_stays(tmp_path: Path, musl: Path) -> None:
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    toolchain = fake_toolchain(tmp_path / "sdk")
    tree = sandbox.make(template, tmp_path / "ohos", toolchain, musl, ROW)
    (tree / "out/virt").mkdir(parents=True)
    (tree / "out/virt/kept").touch()
    (template / "third_party/mindspore/bundle.json.in").unlink()
    sandbox.make(template, tree, toolchain, musl, ROW)
    assert not (tree / "third_party/mindspore/bundle.json").exists() and (tree / "out/virt/kept").exists()


def test_a_damaged_file_is_made_whole(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    (tree / "build/hb/main.py").write_text("half")
    (tree / "build/build_scripts/build.sh").chmod(0o600)
    (tree / ".gn").unlink()
    make_tree()
    assert "def main" in (tree / "build/hb/main.py").read_text()
    assert os.access(tree / "build.sh", os.X_OK) and (tree / ".gn").is_file()


def test_modes_do_not_come_from_the_umask_or_the_template(tmp_path: Path, musl: Path) -> None:
    template = shutil.copytree(TEMPLATE, tmp_path / "template")
    for file in template.rglob("*"):
        if file.is_file():
            file.chmod(0o600)              # as from a wheel that lost its modes
    before = os.umask(0o077)
    try:
        tree = sandbox.make(template, tmp_path / "ohos", fake_toolchain(tmp_path / "sdk"), musl, ROW)
    finally:
        os.umask(before)
    assert (tree / "build/build_scripts/build.sh").stat().st_mode & 0o777 == 0o755
    assert (tree / "third_party/musl/libc.so").stat().st_mode & 0o777 == 0o644


def test_another_toolchain_is_told_to_ninja(tmp_path: Path, musl: Path) -> None:
    tree = sandbox.make(TEMPLATE, tmp_path / "ohos", fake_toolchain(tmp_path / "one", "#!/bin/sh\n"), musl, ROW)
    before = (tree / "prebuilts/clang/ohos/version").read_text()
    other = fake_toolchain(tmp_path / "other")
    sandbox.make(TEMPLATE, tree, other, musl, ROW)
    assert (tree / "prebuilts/clang/ohos/version").read_text() != before
    assert (tree / "prebuilts/clang/ohos/linux-x86_64").resolve() == other.root


def test_no_template_and_no_loader_are_refused(tmp_path: Path, musl: Path) -> None:
    toolchain = fake_toolchain(tmp_path / "sdk")
    with pytest.raises(Refused, match="no template of a tree"):
        sandbox.make(tmp_path, tmp_path / "ohos", toolchain, musl, ROW)
    with pytest.raises(Refused, match="no musl loader"):
        sandbox.make(TEMPLATE, tmp_path / "ohos", toolchain, tmp_path / "none", ROW)
    with pytest.raises(Refused, match="holds no libc.so"):
        sandbox.loader_in(tmp_path / "sdk")
    assert sandbox.loader_in(tmp_path) == musl
