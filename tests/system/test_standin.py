# SPDX-License-Identifier: Apache-2.0
"""The miniature tree is what the real build.sh was seen to be, generation by generation: facts, not our code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from system.trees import TEMPLATE, fake_toolchain

from kiln.system import generations, sandbox
from kiln.system.generations import Generation

Run = Callable[..., subprocess.CompletedProcess[str]]
ALL = pytest.mark.parametrize("name", [row.name for row in generations.TABLE])


@pytest.fixture
def grown(tmp_path: Path, musl: Path) -> Callable[[str], Path]:
    """A miniature tree of that generation, with a compiler that pretends."""
    return lambda name: sandbox.make(TEMPLATE, tmp_path / "ohos", fake_toolchain(tmp_path / "sdk"), musl, generations.named(name))


@pytest.fixture
def call(tmp_path: Path) -> Run:
    """build.sh as a person runs it."""
    def run(tree: Path, *words: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "home").mkdir(exist_ok=True)
        return subprocess.run([str(tree / "build.sh"), *words], cwd=cwd or tree, text=True, capture_output=True,
                              env={**os.environ, "HOME": str(tmp_path / "home"), **env})

    return run


def since(name: str, first: str) -> bool:
    order = [row.name for row in generations.TABLE]
    return order.index(name) >= order.index(first)


VIRT = ("--product-name", "virt")
NNRT = (*VIRT, "--build-target", "neural_network_runtime", "--no-prebuilt-sdk")


def library(name: str) -> tuple[str, ...]:
    return (*VIRT, "--build-target", "neural_network_runtime", *([] if name == "3.2" else ["--no-prebuilt-sdk"]))


@ALL
def test_names_folders_and_banners(grown: Callable[[str], Path], call: Run, name: str) -> None:
    tree, row = grown(name), generations.named(name)
    done = call(tree, *VIRT, "--build-target", "mindspore_lib", "--build-target=neural_network_runtime", "--target-cpu", "arm64")
    assert done.returncode == 0, done.stdout + done.stderr
    home = "ai" if name == "3.2" else "thirdparty"
    for target, folder in {"mindspore_lib": f"{home}/mindspore", "neural_network_runtime": "ai/neural_network_runtime"}.items():
        for file in row.made_by(target):
            assert (tree / "out/virt" / folder / file).is_file() and (tree / "out/virt/lib.unstripped" / folder / file).is_file()
    assert not (tree / "out/virt/packages/phone").exists()
    assert "Welcome to OpenHarmony!" in done.stdout and "=====build  successful=====" in done.stdout
    for line in ("Excuting gn command: ", "Excuting ninja command: "):
        assert f"[OHOS INFO] {'[GN] ' if 'gn' in line and since(name, '5.1') else '[NINJA] ' if since(name, '5.1') else ''}{line}" in done.stderr
    assert ("start run hpm command" in done.stdout) == (name == "5.0")
    assert json.loads((tree / "out/ohos_config.json").read_text())["out_path"] == "out/virt"
    assert not list((tree / "out/hb_args").iterdir()) and re.search(r'^target_cpu = "arm64"$', (tree / "out/virt/args.gn").read_text(), re.M)


@ALL
def test_a_compile_error_in_each_generation(grown: Callable[[str], Path], call: Run, name: str) -> None:
    tree = grown(name)
    for clang in (tree / "prebuilts/clang/ohos/linux-x86_64/llvm/bin").glob("clang*"):
        clang.write_text("#!/bin/sh\necho '../../a.cpp:1:1: error: no' >&2\nexit 1\n")
    (tree / "out/virt").mkdir(parents=True)
    (tree / "out/virt/error.log").write_text("stale\n")
    done = call(tree, *library(name))
    assert done.returncode == 1 and "=====build  error=====" in done.stdout           # two spaces: the product's name is never there
    log = (tree / "out/virt/build.log").read_text()
    assert "../../a.cpp:1:1: error: no" in log
    # Up to 4.0 the console keeps it back and shows whatever error.log lies there.
    assert ("a.cpp:1:1: error: no" in done.stderr) == since(name, "4.1") and ("stale" in done.stderr) == (not since(name, "4.1"))
    assert ("error.log, and for more build information" in done.stderr) == since(name, "4.1")
    assert ("[NINJA] FAILED:" in done.stderr) == since(name, "5.1") and "Code:        4000" in done.stderr
    assert bool(list((tree / "out/virt").glob("error.*.log"))) == since(name, "4.1")  # float times in the names of those put aside


@ALL
def test_an_unknown_flag_ends_3_2_and_vanishes_later(grown: Callable[[str], Path], call: Run, name: str) -> None:
    tree = grown(name)
    done = call(tree, *library(name), "--no-such-flag")
    assert done.returncode == (1 if name == "3.2" else 0)
    assert ("entry.py: error: no such option: --no-such-flag" in done.stderr) == (name == "3.2")
    done = call(tree, *library(name), "--build-variant", "wrong")
    assert done.returncode == 1 and (name == "3.2" or "invalid choice: 'wrong'" in done.stderr)
    assert ("mipsel" in call(tree, *library(name), "--target-cpu", "z80").stderr) == since(name, "5.0")


@ALL
def test_words_with_spaces_are_split_up_to_5_1(grown: Callable[[str], Path], call: Run, name: str) -> None:
    done = call(grown(name), *library(name), "--gn-args=a=1 --jobs=3")
    assert ("will be deprecated" in done.stderr) == (not since(name, "6.0"))
    assert ("Invalid gn args: a=1 --jobs=3" in done.stderr) == since(name, "6.0")


@pytest.mark.parametrize("name,words,built", [
    ("3.2", (), False), ("4.0", (), True), ("5.1", (), True), ("6.0", (), True), ("5.1", ("--no-prebuilt-sdk",), False),
    ("5.1", ("--gn-args=x=ohos-sdk",), False), ("6.1", (), True), ("6.1", ("--no-prebuilt-sdk=true",), False), ("6.1", ("--gn-args=x=ohos-sdk",), False),
])
def test_when_the_sdk_is_built_first(grown: Callable[[str], Path], call: Run, name: str, words: tuple[str, ...], built: bool) -> None:
    """Without an SDK in prebuilts; the stand-in cannot build one, which ends the build up to 6.0 and is only logged later."""
    tree = grown(name)
    subprocess.run(["rm", "-r", str(tree / "prebuilts/ohos-sdk/linux")], check=True)
    done = call(tree, *VIRT, "-T", "init", *words) if name != "3.2" else call(tree, *VIRT, "--build-target", "init")
    assert ("ohos-sdk build failed!" in done.stdout + done.stderr) == built
    assert done.returncode == (1 if built and name != "6.1" else 0), done.stderr


def test_checks_come_in_their_order(grown: Callable[[str], Path], call: Run) -> None:
    """.gn, Python, Node, npm, ohpm, product, clang: with all of them wrong the first is told, and so on."""
    tree = grown("6.0")
    bin_folder = tree / "prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64/bin"
    python = next(tree.glob("prebuilts/python/*/*/bin/python3"))
    put = {tree / ".gn": "Cannot find source tree containing ", python: "Please execute the build/prebuilts_download.sh",
           bin_folder / "node": "Node.js version mismatch. Expected 14.21.1 but found v20", bin_folder / "npm": "npm ERR! code ENOTFOUND",
           tree / "prebuilts/tool/command-line-tools/ohpm/bin/ohpm": "ohpm initialization failed!",
           tree / "vendor/kiln/virt/config.json": "product virt@None not found",
           tree / "prebuilts/clang/ohos/linux-x86_64": "There is no clang executable file at out/llvm-install"}
    kept = {}
    for file in put:
        kept[file] = os.readlink(file) if file.is_symlink() else file.read_bytes()
        file.unlink()
    (bin_folder / "node").write_text("#!/bin/sh\necho v20.0.0\n")
    (bin_folder / "npm").write_text("#!/bin/sh\n[ \"$1\" = config ] || { echo 'npm ERR! code ENOTFOUND'; exit 1; }\n")
    for tool in ("node", "npm"):
        (bin_folder / tool).chmod(0o755)
    order = list(put)
    order[3], order[4] = order[4], order[3]           # ohpm is asked before npm installs
    for file in order:
        done = call(tree, *library("6.0"))
        assert done.returncode == 1 and put[file] in done.stdout + done.stderr, file
        file.unlink(missing_ok=True)
        if isinstance(kept[file], str):
            file.symlink_to(str(kept[file]))
        else:
            file.write_bytes(kept[file])  # type: ignore[arg-type]
            file.chmod(0o755)
    assert call(tree, *library("6.0")).returncode == 0


def test_without_a_folder_of_python_5_1_looks_in_bin(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    subprocess.run(["rm", "-r", str(tree / "prebuilts/python")], check=True)
    (tree / "prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64/bin/node").unlink()
    done = call(tree, *NNRT)
    assert "prebuilts_download" not in done.stdout and "Node.js version mismatch" in done.stderr


def test_started_elsewhere_it_finds_no_clang(grown: Callable[[str], Path], call: Run, tmp_path: Path) -> None:
    done = call(grown("5.1"), *NNRT, cwd=tmp_path)
    assert done.returncode == 1 and "There is no clang executable file at out/llvm-install" in done.stderr


def test_no_arguments_build_the_last_product_and_help_is_a_success(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    assert "product @None not found" in call(tree).stderr
    assert call(tree, *NNRT).returncode == 0
    again = call(tree, "--build-target=neural_network_runtime")
    assert again.returncode == 0 and "virt build success" not in again.stderr
    done = call(tree, "--help")
    assert done.returncode == 0 and "usage: main.py build" in done.stdout and "=====build  successful=====" in done.stdout


def test_a_bare_switch_swallows_the_next_word_and_arm_overrides_nothing(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    assert call(tree, "--build-only-gn", "false", *NNRT, "--target-cpu=arm").returncode == 0
    assert (tree / "out/virt/ai").is_dir() and 'target_cpu = "arm64"' in (tree / "out/virt/args.gn").read_text()


def test_phases_can_be_left_out(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    assert "parse file fail" in call(tree, *NNRT, "--build-only-gn").stdout
    assert not (tree / "out/virt/ai").exists()
    fast = call(tree, *NNRT, "--fast-rebuild")
    assert fast.returncode == 0 and "Excuting gn" not in fast.stderr and "[PRELOAD]" not in fast.stdout
    silent = call(tree, *NNRT, "--log-mode=silent")
    assert silent.returncode == 0


def test_the_legacy_way_loses_its_failure_up_to_5_1(grown: Callable[[str], Path], call: Run) -> None:
    assert call(grown("5.1"), "--product-name=nope", "using_hb_new=false").returncode == 0
    assert call(grown("6.0"), "--product-name=nope", "--using_hb_new=false").returncode == 1


def test_logs_are_put_aside_by_their_time(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    call(tree, *NNRT)
    call(tree, *NNRT)
    (old,) = (tree / "out/virt").glob("build.*.log")
    assert re.fullmatch(r"build\.\d+\.\d+\.log", old.name)


def test_filtered_lines_are_shown_if_asked(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    assert "ninja: Entering directory" not in call(tree, *NNRT).stdout
    assert "ninja: Entering directory" in call(tree, *NNRT, LOG_FILTER="False").stdout


def test_codes_of_ninja(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    done = call(tree, *VIRT, "-T", "nope", "--no-prebuilt-sdk")
    assert "ninja: error: unknown target 'nope'" in done.stderr and "Code:        4015" in done.stderr


def test_mindspore_comes_out_of_its_archive_from_4_0_on(grown: Callable[[str], Path], call: Run) -> None:
    assert (grown("3.2") / "third_party/mindspore/mindspore/lite/BUILD.gn").is_file()
    tree = grown("4.1")
    archive = tree / "third_party/mindspore/mindspore-v2.1.0.zip"
    assert "mindspore-v2.1.0/mindspore/lite/BUILD.gn" in zipfile.ZipFile(archive).namelist()
    assert not (tree / "third_party/mindspore/mindspore-src").exists()
    archive.write_text("version https://git-lfs.example/spec/v1\n")
    done = call(tree, *NNRT)                   # gn fails for every target
    assert "Script returned non-zero exit code." in done.stderr and "zipfile.BadZipFile" in done.stderr and "Code:        3000" in done.stderr


def test_a_series_of_patches_is_applied_while_gn_runs(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    home = tree / "third_party/mindspore"
    (home / "patches/0001-say.patch").write_text(
        "--- a/mindspore/lite/SAID\n+++ b/mindspore/lite/SAID\n@@ -0,0 +1 @@\n+hello\n".replace("--- a/mindspore/lite/SAID", "--- /dev/null"))
    helper = home / "build_helper.py"
    helper.write_text(helper.read_text().replace("    patches = [\n", "    patches = [\n        '0001-say.patch',\n"))
    assert call(tree, *NNRT).returncode == 0
    assert (home / "mindspore-src/source/mindspore/lite/SAID").read_text() == "hello\n"


@pytest.mark.parametrize("name,product,stage", [("5.0", "rk3568", "ninja"), ("5.1", "virt", "ninja"), ("5.1", "rk3568", "gn")])
def test_a_target_of_another_part_is_refused(grown: Callable[[str], Path], call: Run, name: str, product: str, stage: str) -> None:
    tree = grown(name)
    config = tree / "vendor/kiln/virt/config.json"
    config.write_text(config.read_text().replace('"product_name": "virt"', f'"product_name": "{product}"'))
    build = tree / "foundation/ai/neural_network_runtime/BUILD.gn"
    build.write_text(build.read_text().replace('deps = [ ":libneural_network_core" ]',
                                               'deps = [ ":libneural_network_core", "//base/startup/init/services/etc:init.cfg" ]'))
    done = call(tree, "--product-name", product, "-T", "neural_network_runtime", "--no-prebuilt-sdk")
    failed = re.search(r"FAILED: .*build_configs/ai/neural_network_runtime/libneural_network_runtime__check.txt", done.stderr)
    assert bool(failed) == (stage == "ninja"), done.stderr
    assert ("InnerApi is not defined in bundle.json" in done.stderr) == (stage == "gn")


@pytest.mark.parametrize("name,ok", [("3.2", True), ("5.1", False)])
def test_a_service_of_root_must_be_listed(grown: Callable[[str], Path], call: Run, name: str, ok: bool) -> None:
    tree = grown(name)
    cfg = tree / "base/startup/init/services/etc/init.cfg"
    said = json.loads(cfg.read_text())
    cfg.write_text(json.dumps({**said, "services": [*said.get("services", []), {"name": "llm", "path": ["/x"], "uid": "root"}]}))
    words = (*VIRT, "--build-target", "images", *([] if name == "3.2" else ["--no-prebuilt-sdk"]))
    assert call(tree, *words).returncode == 0             # no list, no check
    listed = tree / "vendor/kiln/virt/security_config/high_privilege_process_list.json"
    listed.parent.mkdir()
    listed.write_text('{"high_privilege_process_list": []}')
    cfg.write_text(cfg.read_text() + "\n")
    done = call(tree, *words)
    log = (tree / "out/virt/build.log").read_text()
    assert (done.returncode == 0) == ok and ("CfgValidateError: service llm" in log) == (not ok)
    images = {file.name for file in (tree / "out/virt/packages/phone/images").glob("*.img")}
    assert ("chip_ckm.img" in images) == (name != "3.2") and (tree / "out/virt/images.tar.gz").exists() == (name == "3.2")


def test_overlay_product_folder_and_inherited_files(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    part = '{"component": {"name": "more", "subsystem": "SUB", "build": {"sub_component": ["//vendor/kiln/virt/more:more"]}}}'
    home = tree / "vendor/kiln/virt/more"
    home.mkdir()
    (home / "BUILD.gn").write_text('group("more") {\n}\n')
    (home / "bundle.json").write_text(part.replace("SUB", "ai"))
    assert "Code:        2014" in call(tree, *NNRT).stderr           # in the product's folder only the product's own subsystem
    (home / "bundle.json").write_text(part.replace("SUB", "product_virt"))
    assert call(tree, *NNRT).returncode == 0
    config = tree / "vendor/kiln/virt/config.json"
    before = config.read_text()
    (tree / "productdefine/common/inherit/none.json").write_text('{"subsystems": null}')
    config.write_text(before.replace('"board"', '"inherit": ["productdefine/common/inherit/none.json"],\n  "board"'))
    assert "'NoneType' object is not iterable" in call(tree, *NNRT).stderr


def test_interrupted_it_says_so(grown: Callable[[str], Path], tmp_path: Path) -> None:
    tree = grown("5.1")
    for clang in (tree / "prebuilts/clang/ohos/linux-x86_64/llvm/bin").glob("clang*"):
        clang.write_text("#!/bin/sh\nsleep 60\n")
    child = subprocess.Popen(["./build.sh", *NNRT], cwd=tree, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                             env={**os.environ, "HOME": str(tmp_path)}, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))    # ignored below `&`
    for _ in range(100):
        if (tree / "out/virt/build.ninja").is_file():
            break
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert "User abort" in err and child.returncode != 0 and not list((tree / "out/hb_args").iterdir())


def test_clearing_takes_away_what_was_built_for_another_cpu(grown: Callable[[str], Path], call: Run) -> None:
    tree = grown("5.1")
    call(tree, *NNRT)
    sandbox.clear(tree, "arm64")
    assert (tree / "out/virt/args.gn").is_file()
    sandbox.clear(tree, "arm")
    assert not (tree / "out/virt").exists() and (tree / "out").is_dir()


def test_rows_and_stand_in_agree(grown: Callable[[str], Path], call: Run, tmp_path: Path) -> None:
    """What we pass to each generation is taken there: the command of the table, run as it is."""
    for row in generations.TABLE:
        assert isinstance(row, Generation)
        tree = grown(row.name)
        argv = generations.argv(row, "virt", ("neural_network_runtime",), "arm64-v8a", 2)
        done = call(tree, *argv[1:])
        assert done.returncode == 0, (row.name, done.stderr)
        subprocess.run(["rm", "-r", str(tree)], check=True)
