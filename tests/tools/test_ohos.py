# SPDX-License-Identifier: Apache-2.0
"""ohos=PATH in real scons runs: a tree of each generation, built by its own build.sh with a compiler that pretends, as an input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from system.trees import TEMPLATE, commit, fake_toolchain, git, synced

from kiln import pin, results, share
from kiln.system import generations, sandbox, script

SCONSTRUCT = '''
from kiln.tools import front
env = Environment(tools=["openharmony"])
front.own(env)
product = env.Product()
env.Alias("image", env.Base(product, env.System(product, None)))
env.Verbs()
Default("image")
'''
PRODUCT = "system: {name: virt, targets: [mindspore_lib, neural_network_runtime]}"
BUILT = "system     mindspore_lib"         # what is shown when build.sh is run
DEVICE = "foundation/ai/neural_network_runtime"
NAME = "frameworks/native/neural_network_core/device.cpp"
_FIRST = (TEMPLATE / DEVICE / NAME).read_text().splitlines()[:4]
PATCH = "\n".join([f"diff --git a/{NAME} b/{NAME}", f"--- a/{NAME}", f"+++ b/{NAME}", "@@ -1,4 +1,5 @@", f" {_FIRST[0]}", "+// patched",
                   *(f" {line}" for line in _FIRST[1:]), ""])


class Checkout:
    """Our library and data without llama.cpp: a run makes the system step, and no more."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root, self.cache = root, cache or root.parent / "cache"
        root.mkdir(parents=True)
        for name in ("site_scons", "products", "vendor", "sandbox"):
            shutil.copytree(share.root() / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        (root / "SConstruct").write_text(SCONSTRUCT)

    def run(self, *words: str, code: int = 0) -> str:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run([sys.executable, "-m", "SCons", "-Q", f"cache={self.cache}", *words], cwd=self.root, env=env, text=True,
                              capture_output=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def pinned(self, tree: Path) -> None:
        """Pin a tree."""
        self.run("update=openharmony", f"ohos={tree}")

    def base(self, build: str = "build") -> results.Base:
        return results.load(results.Base, self.root / build / "virt/base" / results.NAME)


Grow = Callable[..., Path]


@pytest.fixture
def grow(tmp_path: Path) -> Grow:
    """A miniature tree of a generation, as `repo` lays one out."""
    def made(name: str = "5.1", into: str = "ohos", repo: bool = True) -> Path:
        musl = tmp_path / "libc.so"
        musl.write_bytes(b"not really musl")
        tree = sandbox.make(TEMPLATE, tmp_path / into, fake_toolchain(tmp_path / f"sdk-{name}"), musl, generations.named(name))
        if repo:
            synced(tree)
        return tree

    return made


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "kiln")


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in folder.iterdir()}


@pytest.mark.parametrize("row", generations.TABLE, ids=lambda row: row.name)
def test_every_generation_from_a_clean_tree_and_a_null_run_starts_nothing(checkout: Checkout, grow: Grow, row: generations.Generation) -> None:
    tree = grow(row.name)
    said = checkout.run(f"ohos={tree}")
    assert BUILT in said and "tree       not at OpenHarmony-v6.1-Release: " in said
    base = checkout.base()
    assert base.abi == "arm64-v8a" and base.version.startswith("OpenHarmony") and base.sandbox
    libraries = results.load(results.Artifacts, checkout.root / "build/virt/system/libraries" / results.NAME)
    assert {item.file.name for item in libraries.items} == {name for target in ("mindspore_lib", "neural_network_runtime") for name in row.made_by(target)}
    images = checkout.root / "build/virt/system/images"
    assert {row.image.parent for row in base.partitions if row.image} == {images} and all(item.file.is_file() for item in libraries.items)
    assert all(item.dest.startswith("/system/lib64/") for item in libraries.items)
    before, log = state(images), (tree / "out/virt/build.log").stat().st_mtime_ns
    assert BUILT not in checkout.run(f"ohos={tree}") and (tree / "out/virt/build.log").stat().st_mtime_ns == log
    result = (checkout.root / "build/virt/system/result.json").read_bytes()
    said = checkout.run(f"ohos={tree}", "dev=ohos")
    assert BUILT in said and (tree / "out/virt/build.log").stat().st_mtime_ns > log          # ninja was asked, and had nothing to do
    assert "] CXX" not in (tree / "out/virt/build.log").read_text()
    assert state(images) == before and (checkout.root / "build/virt/system/result.json").read_bytes() == result


@pytest.mark.parametrize("row", generations.TABLE, ids=lambda row: row.name)
def test_rk3568_gets_its_two_libraries_for_the_userland_of_its_base(checkout: Checkout, grow: Grow, row: generations.Generation) -> None:
    """The daily's userland is 32-bit; nothing is installed by a library target, so the folder is what the name says until the base is read."""
    tree = grow(row.name)
    config = tree / "vendor/kiln/virt/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "product_name": "rk3568", "target_cpu": "arm"}))
    (checkout.root / "SConstruct").write_text(SCONSTRUCT.replace("env.Base(product, env.System(product, None))", "env.System(product, None)"))
    assert BUILT in checkout.run("product=rk3568", f"ohos={tree}")
    built = results.load(results.SystemBuilt, checkout.root / "build/rk3568/system" / results.NAME)
    assert built.images is None and [item.file.name for item in built.items] == sorted(
        name for target in ("mindspore_lib", "neural_network_runtime") for name in row.made_by(target))
    assert all(item.dest.startswith("/system/lib/") for item in built.items)
    assert 'target_cpu = "arm"' in (tree / "out/virt/args.gn").read_text()
    assert BUILT not in checkout.run("product=rk3568", f"ohos={tree}")


def test_everything_that_is_wrong_is_listed_before_anything_is_built(checkout: Checkout, grow: Grow, tmp_path: Path) -> None:
    tree = grow()
    (tree / "build.sh").unlink()
    shutil.rmtree(tree / "third_party/mindspore")
    next(tree.glob("prebuilts/python/*/*/bin/python3")).unlink()
    said = checkout.run(f"ohos={tree}", code=2)
    assert len(said.splitlines()) == 1 and f"kiln: {tree}: build.sh cannot build this tree: (1) build.sh: absent; ln -s " in said
    assert all(f"({n}) " in said for n in (2, 3)) and "repo sync -c third_party/mindspore" in said and not (tree / "out").exists()
    said = checkout.run(f"ohos={tmp_path}", code=2)
    assert "not an OpenHarmony tree; ohos= must name the folder that holds build.sh" in said


def test_a_failed_build_is_one_line_with_its_cause(checkout: Checkout, grow: Grow) -> None:
    tree = grow()
    for clang in (tree / "prebuilts/clang/ohos/linux-x86_64/llvm/bin").glob("clang*"):
        clang.write_text("#!/bin/sh\necho '../../a.cpp:7:1: error: no such word' >&2\nexit 1\n")
    said = checkout.run(f"ohos={tree}", code=2)
    line = next(line for line in said.splitlines() if "kiln: build.sh of" in line)
    assert "build.sh of virt failed (exit code 1): a.cpp:7:1: error: no such word; log: " in line


def test_patches_go_in_come_out_and_enter_the_key(checkout: Checkout, grow: Grow) -> None:
    tree = grow()
    file = tree / DEVICE / "frameworks/native/neural_network_core/device.cpp"
    plain = file.read_text()
    patch = checkout.root / "patches/miniature/5.1" / DEVICE / "0001-say.patch"
    other = checkout.root / "patches/miniature/4.1" / DEVICE / "0001-say.patch"
    for place in (patch, other):
        place.parent.mkdir(parents=True)
    other.write_text("this is for another generation\n")
    checkout.run(f"ohos={tree}")
    patch.write_text(PATCH)
    assert BUILT in checkout.run(f"ohos={tree}") and "// patched" in file.read_text()
    (row,) = [row for row in checkout.base().inputs if row.name == f"openharmony/{DEVICE}"]
    assert "+changed" not in row.version                               # what we patched ourselves is no change of theirs
    assert BUILT not in checkout.run(f"ohos={tree}")
    log = (tree / "out/virt/build.log").read_text()
    assert "CXX obj/foundation" in log and "third_party" not in "".join(line for line in log.splitlines() if "] CXX" in line)
    patch.unlink()
    checkout.run(f"ohos={tree}")
    assert file.read_text() == plain and not git(tree / DEVICE, "status", "--porcelain")


def test_unpatch_puts_the_tree_back_and_says_when_there_is_nothing_to_do(checkout: Checkout, grow: Grow, tmp_path: Path) -> None:
    tree = grow()
    file = tree / DEVICE / NAME
    file.chmod(0o640)
    plain = (file.stat().st_mode, file.read_bytes())
    assert f"nothing of ours is applied in {tree}" in checkout.run("unpatch", f"ohos={tree}")
    patch = checkout.root / "patches/miniature/5.1" / DEVICE / "0001-say.patch"
    patch.parent.mkdir(parents=True)
    patch.write_text(PATCH)
    checkout.run(f"ohos={tree}")
    with script.locked(tree):
        assert "builds in this tree" in checkout.run("unpatch", f"ohos={tree}", code=2)
    ours = file.read_bytes()
    file.write_bytes(ours + b"// mine\n")
    assert "was changed after it was patched" in checkout.run("unpatch", f"ohos={tree}", code=2) and file.read_bytes() == ours + b"// mine\n"
    file.write_bytes(ours)
    shutil.rmtree(checkout.root / "patches")                           # what is taken out is what was put in, whatever there is now
    assert f"1 file is as before our patches in {tree}:\n  {DEVICE}/{NAME}" in checkout.run("unpatch", f"ohos={tree}")
    assert (file.stat().st_mode, file.read_bytes()) == plain and not git(tree / DEVICE, "status", "--porcelain")
    assert "nothing of ours" in checkout.run("unpatch", f"ohos={tree}")
    assert "unpatch wants a tree; add ohos=PATH" in checkout.run("unpatch", code=2)
    assert "absent: is no folder" in checkout.run("unpatch", f"ohos={tmp_path}/absent", code=2)


def test_a_patch_that_does_not_fit_stops_the_build_and_touches_nothing(checkout: Checkout, grow: Grow) -> None:
    tree = grow()
    patch = checkout.root / "patches/miniature/all" / DEVICE / "0001-say.patch"
    patch.parent.mkdir(parents=True)
    patch.write_text(PATCH.replace("SPDX", "SPXD"))
    said = checkout.run(f"ohos={tree}", code=2)
    assert "0001-say.patch" in said and "device.cpp" in said and not git(tree / DEVICE, "status", "--porcelain")
    assert not (tree / "out/virt").exists()
    patch.write_text(PATCH)
    mine = tree / DEVICE / "frameworks/native/neural_network_core/device.cpp"
    mine.write_text(mine.read_text() + "// mine\n")
    assert "has local changes" in checkout.run(f"ohos={tree}", code=2) and mine.read_text().endswith("// mine\n")


def test_a_commit_is_an_input_and_an_edit_is_for_dev(checkout: Checkout, grow: Grow) -> None:
    tree = grow()
    checkout.run(f"ohos={tree}")
    source = tree / DEVICE / "frameworks/native/neural_network_core/device.cpp"
    source.write_text(source.read_text() + "// edited\n")
    assert BUILT not in checkout.run(f"ohos={tree}")              # decision 7: a tree is its version and its commits
    assert BUILT in checkout.run(f"ohos={tree}", "dev=ohos")
    rows = {row.name: row for row in checkout.base().inputs}
    assert rows[f"openharmony/{DEVICE}"].version.endswith("+changed") and not rows[f"openharmony/{DEVICE}"].pinned
    head = commit(tree / DEVICE)
    assert BUILT in checkout.run(f"ohos={tree}")
    assert {row.name: row for row in checkout.base().inputs}[f"openharmony/{DEVICE}"].version == head


def test_a_pin_is_written_compared_and_held(checkout: Checkout, grow: Grow) -> None:
    tree = grow()
    said = checkout.run(f"ohos={tree}", "strict=1", code=2)
    assert "not at OpenHarmony-v6.1-Release: " in said and f"scons update=openharmony ohos={tree}" in said and not (tree / "out").exists()
    said = checkout.run("update=openharmony", f"ohos={tree}")
    assert "OpenHarmony-v6.1-Release -> OpenHarmony 5.1.0.108" in said and "10 repositories: 10 at another commit or new, 491 of the old" in said
    written = pin.load("openharmony", checkout.root / "vendor")
    assert written.projects["build"] == git(tree / "build", "rev-parse", "HEAD") and written.url == "https://example.com/manifest.git"
    assert written.trust == "first-seen" and not (checkout.root / "build/virt/system").exists()
    said = checkout.run(f"ohos={tree}", "strict=1")
    assert "not at" not in said and all(row.pinned for row in checkout.base().inputs)
    (tree / "base/startup/init/more").touch()
    commit(tree / "base/startup/init")
    (tree / "third_party/musl/more").touch()                            # part of an image, and we neither patch nor name it
    moved = commit(tree / "third_party/musl")
    said = checkout.run(f"ohos={tree}", "strict=1", "dev=ohos", code=2)
    assert f"third_party/musl is at {moved[:12]}, " in said and "base/startup/init is at " in said
    assert "tree       not at OpenHarmony 5.1.0.108: " in checkout.run(f"ohos={tree}", "dev=ohos")
    assert not next(row for row in checkout.base().inputs if row.name == "openharmony").pinned


@pytest.mark.parametrize("words,told", [
    (("update=openharmony",), "wants the tree whose commits are to be pinned; add ohos=PATH"),
    (("update=opnharmony",), "update=opnharmony: there is no such pin; did you mean openharmony?"),
    (("update=openharmony", "image"), "update moves a pin and builds nothing; run it alone: scons update=openharmony"),
    (("update",), "update wants a pin: update=PIN"),
])
def test_a_slip_with_update_is_one_line(checkout: Checkout, words: tuple[str, ...], told: str) -> None:
    said = checkout.run(*words, code=2)
    assert told in said and len(said.splitlines()) == 1


def test_a_tree_that_is_changed_or_has_no_commits_is_not_pinned(checkout: Checkout, grow: Grow) -> None:
    before = (checkout.root / "vendor/openharmony.yaml").read_bytes()
    bare = grow(into="bare", repo=False)
    assert "has no repository build" in checkout.run("update=openharmony", f"ohos={bare}", code=2)
    tree = grow()
    (tree / "vendor/kiln/virt/more").touch()
    assert "has changes that no commit holds: vendor/kiln" in checkout.run("update=openharmony", f"ohos={tree}", code=2)
    assert (checkout.root / "vendor/openharmony.yaml").read_bytes() == before
    checkout.run(f"ohos={bare}")                                        # an archive of a tree builds, and is pinned by nothing
    assert [(row.name, row.pinned) for row in checkout.base().inputs] == [("openharmony", False)]


def test_who_builds_in_the_tree_is_named(checkout: Checkout, grow: Grow) -> None:
    tree = grow()
    with script.locked(tree):
        assert f"process {os.getpid()} builds in this tree; wait for it to end" in checkout.run(f"ohos={tree}", code=2)


def test_standing_in_the_tree_it_needs_no_ohos(grow: Grow, tmp_path: Path) -> None:
    tree = grow()
    inside = Checkout(tree / "third_party/kiln", tmp_path / "cache")
    product = inside.root / "products/virt.yaml"
    product.write_text(product.read_text().replace(PRODUCT, PRODUCT.replace("name: virt", "tree: openharmony, name: virt")))
    said = inside.run()
    assert BUILT in said and not (inside.root / "build").exists()
    assert inside.base(os.path.relpath(tree / "out/kiln", inside.root)).sandbox
    assert BUILT not in inside.run()
    listed = json.loads((tree / "out/preloader/virt/parts.json").read_text())
    assert not [name for name, part in listed.items() if "kiln" in part["path"] and "third_party" in part["path"]]
    assert not [file for file in tree.glob("third_party/kiln/**/*") if file.name in ("bundle.json", "ohos.build")]


def test_doctor_tells_how_to_make_the_tree(checkout: Checkout) -> None:
    product = checkout.root / "products/virt.yaml"
    product.write_text(product.read_text().replace(PRODUCT, PRODUCT.replace("name: virt", "tree: openharmony, name: virt")))
    env = {**os.environ, "PATH": os.environ["PATH"]}
    said = subprocess.run([sys.executable, "-m", "SCons", "-Q", "doctor"], cwd=checkout.root, text=True, capture_output=True, env=env).stdout
    for line in ("the tree of OpenHarmony-v6.1-Release, 499 repositories, for ohos=PATH:",
                 "  repo init -u https://gitcode.com/openharmony/manifest.git -b refs/tags/OpenHarmony-v6.1-Release -m default.xml --no-repo-verify",
                 "  repo sync -c", "  repo forall -c 'git lfs pull'", "  build/prebuilts_download.sh"):
        assert line in said.splitlines()
