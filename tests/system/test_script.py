# SPDX-License-Identifier: Apache-2.0
"""build.sh of the miniature tree, run with a compiler that only pretends: what success is, and how each failure is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from system.trees import PRETEND, ROW

from kiln import share
from kiln.errors import ProgramError, Refused
from kiln.system import script

pytestmark = pytest.mark.fast

TARGETS = ("mindspore_lib", "neural_network_runtime")
LIBRARIES = {"libmindspore-lite.so", "libneural_network_core.so", "libneural_network_runtime.so"}


def build(tree: Path, *targets: str, product: str = "virt") -> tuple[Path, dict[str, Path]]:
    return script.build(tree, ROW, product, targets or TARGETS, "arm64-v8a", epoch=1767225600, home=tree.parent / "home",
                        log=tree.parent / "build.log", jobs=2)


def steps(tree: Path) -> int:
    """How many steps ninja took in the last build."""
    text = (tree / "out/virt/build.log").read_text()
    return sum("[NINJA] [" in line for line in text.splitlines())


def test_libraries_stand_where_the_real_build_puts_them(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    out, files = build(tree)
    assert set(files) == LIBRARIES and out == tree / "out/virt"
    assert files["libmindspore-lite.so"] == out / "thirdparty/mindspore/libmindspore-lite.so"
    assert files["libneural_network_core.so"] == out / "ai/neural_network_runtime/libneural_network_core.so"
    assert (out / "lib.unstripped/thirdparty/mindspore/libmindspore-lite.so").is_file()
    assert not (out / "packages/phone").exists()           # before the images target
    assert (tree / "out/preloader/virt/parts.json").is_file() and (out / "args.gn").is_file()


def test_a_second_run_starts_nothing_and_is_no_failure(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    build(tree)
    time.sleep(1.2)                                        # now the libraries are older than the next run
    build(tree)
    assert steps(tree) == 0


def test_the_home_of_the_user_is_not_written_to(make_tree: Callable[..., Path], tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setenv("HOME", str(theirs))
    build(make_tree())
    assert not list(theirs.iterdir()) and (tmp_path / "home/.npmrc").is_file()


def test_a_compile_error_names_its_file_first(make_tree: Callable[..., Path]) -> None:
    fails = PRETEND.replace("#!/bin/sh\n", "#!/bin/sh\ncase $* in *device.cpp*) "
                            "echo '../../foundation/ai/device.cpp:7:1: error: no such word' >&2; exit 1 ;; esac\n")
    tree = make_tree(fails)
    with pytest.raises(ProgramError) as caught:
        build(tree)
    told = str(caught.value)
    assert told.startswith("build.sh of virt failed (exit code 1): foundation/ai/device.cpp:7:1: error: no such word; log: ")
    assert "FAILED:" in (tree / "out/virt/error.log").read_text()


def test_after_a_failure_the_next_build_goes_on(make_tree: Callable[..., Path]) -> None:
    tree = make_tree("#!/bin/sh\nexit 1\n")
    with pytest.raises(ProgramError):
        build(tree)
    make_tree()
    assert set(build(tree)[1]) == LIBRARIES
    assert list((tree / "out/virt").glob("build.*.log")) and (tree / "out/virt/error.log").is_file()   # stale, as in the real one


def test_a_missing_file_is_a_failure_whatever_build_sh_says(make_tree: Callable[..., Path]) -> None:
    with pytest.raises(ProgramError, match="build.sh ended well, but libmindspore-lite.so is not there"):
        build(make_tree("#!/bin/sh\nexit 0\n"))


def test_an_old_file_that_ninja_did_not_make_is_a_failure(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    build(tree)
    (tree / "build/build_scripts/build.sh").write_text("#!/bin/sh\nexit 0\n")    # says well done and does nothing
    time.sleep(1.2)
    with pytest.raises(ProgramError, match="libmindspore-lite.so is older than this build"):
        build(tree)


@pytest.mark.parametrize("change,told", [
    ("product", "product nope@None not found"),
    ("target", "ninja: error: unknown target 'nope'"),
    ("gn", r"ERROR at //third_party/mindspore/BUILD.gn:\d+:\d+: Undefined identifier."),
    ("template", r"ERROR at //third_party/mindspore/BUILD.gn:\d+:\d+: Unknown function."),
    ("json", "foundation/ai/neural_network_runtime/bundle.json is not JSON"),
    ("component", "component neural_network_runtime of product virt has no bundle.json"),
    ("source", "Source file not found: //foundation/ai/.*model.cpp"),
    ("kit", "neural_network_runtime:nnrt_target is not an inner_kit"),
    ("clang", "There is no clang executable file"),
    ("python", "Please execute the build/prebuilts_download.sh"),
    ("node", "Node.js version mismatch. Expected 14.21.1 but found v20.0.0"),
    ("root", "Cannot find source tree"),
])
def test_a_failure_is_told_by_its_cause(make_tree: Callable[..., Path], change: str, told: str) -> None:
    tree = make_tree()
    nnrt, lite = tree / "foundation/ai/neural_network_runtime", tree / "third_party/mindspore"
    node = tree / "prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64/bin/node"
    changes: dict[str, Callable[[], object]] = {
        "gn": lambda: (lite / "BUILD.gn").write_text('group("x") {\n  deps = [ missing ]\n}\n'),
        "template": lambda: (lite / "BUILD.gn").write_text('no_such_template("mindspore-all") {\n}\n'),
        "json": lambda: (nnrt / "bundle.json").write_text("{"),
        "component": lambda: (nnrt / "bundle.json").unlink(),
        "source": lambda: next(nnrt.rglob("model.cpp")).unlink(),
        "kit": lambda: (nnrt / "bundle.json").write_text((nnrt / "bundle.json").read_text().replace("inner_kits", "other")),
        "clang": lambda: (tree / "prebuilts/clang/ohos/linux-x86_64").unlink(),
        "python": lambda: next(tree.glob("prebuilts/python/*/*/bin/python3")).unlink(),
        "node": lambda: node.write_text("#!/bin/sh\necho v20.0.0\n"),
        "root": lambda: (tree / ".gn").unlink(),
    }
    changes.get(change, lambda: None)()
    with pytest.raises(ProgramError, match=told) as caught:
        build(tree, *(["nope"] if change == "target" else TARGETS), product="nope" if change == "product" else "virt")
    assert caught.value.code == 1


def test_two_builds_in_one_tree_are_refused(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    with script.locked(tree), pytest.raises(Refused, match=f"process {os.getpid()} builds in this tree"):
        build(tree)
    assert set(build(tree)[1]) == LIBRARIES


def test_a_killed_run_leaves_no_lock(make_tree: Callable[..., Path]) -> None:
    tree = make_tree()
    code = ("import sys, time; from pathlib import Path; from kiln.system.script import locked\n"
            "with locked(Path(sys.argv[1])): print(1, flush=True); time.sleep(60)")
    env = {**os.environ, "PYTHONPATH": str(share.root() / "site_scons")}
    with subprocess.Popen([sys.executable, "-c", code, str(tree)], stdout=subprocess.PIPE, env=env) as child:
        assert child.stdout is not None and child.stdout.readline() == b"1\n"
        with pytest.raises(Refused, match=f"process {child.pid} "), script.locked(tree):
            pass
        child.kill()
    with script.locked(tree):
        pass


def test_unknown_flags_vanish_and_bad_choices_do_not(make_tree: Callable[..., Path], tmp_path: Path) -> None:
    tree = make_tree()

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["./build.sh", "--product-name=virt", "-T", "neural_network_runtime", *words], cwd=tree, text=True,
                              capture_output=True, env={**os.environ, "HOME": str(tmp_path)})

    assert call("--sparse-image", "--no-such-flag").returncode == 0
    assert "will be deprecated" in call("--jobs", "4").stderr
    wrong = call("--build-variant", "wrong")
    assert wrong.returncode == 1 and "invalid choice: 'wrong'" in wrong.stderr and "=====build  error=====" in wrong.stdout
    assert "Invalid gn args: foo" in call("--gn-args", "foo").stderr
