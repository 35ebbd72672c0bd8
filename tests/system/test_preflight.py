# SPDX-License-Identifier: Apache-2.0
"""Everything that is wrong with a tree, at once: each fault made in a real miniature tree, alone and all together."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from system.trees import ROW, TEMPLATE, fake_toolchain

from kiln.errors import Refused
from kiln.system import described, generations, preflight, sandbox
from kiln.system.preflight import Finding

pytestmark = pytest.mark.fast

TARGETS = ("mindspore_lib", "neural_network_runtime", "images")
PRODUCT = "vendor/kiln/virt/config.json"
NODE = "prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64/bin/node"
POINTER = f"version https://git-lfs.example/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def look(tree: Path, *targets: str, product: str = "virt", abi: str = "arm64-v8a") -> tuple[Finding, ...]:
    return preflight.look(tree, product, targets or TARGETS, abi)


def change(tree: Path, **keys: object) -> None:
    """Other values in the product's config.json."""
    file = tree / PRODUCT
    put(file, json.dumps({**json.loads(file.read_text()), **keys}))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with nothing wrong."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "libc.so").write_bytes(b"not really musl")
    return sandbox.make(TEMPLATE, folder / "ohos", fake_toolchain(folder / "sdk"), folder / "libc.so", ROW)


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    """A copy of that tree by hard links; put() replaces a file and never writes into one."""
    return shutil.copytree(whole, tmp_path / "ohos", symlinks=True, copy_function=os.link)


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def python(tree: Path) -> Path:
    return next(tree.glob("prebuilts/python/*/*/bin/python3"))


def test_nothing_is_wrong_with_the_miniature_tree_and_it_costs_nothing(whole: Path) -> None:
    tree = whole
    assert look(tree) == ()
    preflight.check(tree, "virt", TARGETS, "arm64-v8a")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        look(tree)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.1
    assert not (tree / "out").exists()                     # nothing is written


FAULTS: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "no build.sh": (lambda tree: (tree / "build.sh").unlink(), "absent", "build.sh", "ln -s build/build_scripts/build.sh build.sh"),
    "no .gn": (lambda tree: (tree / ".gn").unlink(), "absent", ".gn", "ln -s build/core/gn/dotfile.gn .gn"),
    "unknown generation": (lambda tree: put(tree / "build/version.gni", 'api_version = "99"\n'), "API level 99 is of a generation",
                           "build/version.gni", "known: 3.2 "),
    "no version": (lambda tree: put(tree / "build/version.gni", ""), "says no api_version", "build/version.gni", "repo sync -c build"),
    "no Python": (lambda tree: python(tree).unlink(), "absent", "prebuilts/python/linux-x86/*/bin/python3", preflight.DOWNLOAD),
    "a newer folder of Python is empty": (lambda tree: (tree / "prebuilts/python/linux-x86/3.9.9").mkdir(), "absent",
                                          "prebuilts/python/linux-x86/*/bin/python3", preflight.DOWNLOAD),
    "old Python": (lambda tree: put(python(tree), "#!/bin/sh\necho Python 3.8.10\n"), "is Python 3.8.10, 3.11 is needed",
                   "prebuilts/python/linux-x86/3.11.4/bin/python3", preflight.DOWNLOAD),
    "Python for another machine": (lambda tree: put(python(tree), "\x7fELF"), "does not run: cannot start",
                                   "prebuilts/python/linux-x86/3.11.4/bin/python3", preflight.DOWNLOAD),
    "wrong Node": (lambda tree: put(tree / NODE, "#!/bin/sh\necho v20.0.0\n"), "is v20.0.0, build.sh takes v14.21.1 only", NODE,
                   preflight.DOWNLOAD),
    "Node that prints nothing": (lambda tree: put(tree / NODE, "#!/bin/sh\nexit 1\n"), "does not run: ", NODE, preflight.DOWNLOAD),
    "no clang": (lambda tree: (tree / "prebuilts/clang/ohos/linux-x86_64").unlink(), "absent",
                 "prebuilts/clang/ohos/linux-x86_64/llvm/bin/clang", preflight.DOWNLOAD),
    "a link to nowhere": (lambda tree: ((ninja := tree / "prebuilts/build-tools/linux-x86/bin/ninja").unlink(), ninja.symlink_to("gone")),
                          "absent", "prebuilts/build-tools/linux-x86/bin/ninja", preflight.DOWNLOAD),
    "no SDK": (lambda tree: shutil.rmtree(tree / "prebuilts/ohos-sdk"), "no SDK for the apps in the images", "prebuilts/ohos-sdk/linux",
               "run build/prebuilts_download.sh --download-sdk"),
    "node is a pointer": (lambda tree: put(tree / NODE, POINTER), "a git-lfs pointer", NODE, preflight.DOWNLOAD),
    "MindSpore's archive is a pointer": (lambda tree: put(tree / "third_party/mindspore/mindspore-v2.1.0.zip", POINTER), "a git-lfs pointer",
                                         "third_party/mindspore/mindspore-v2.1.0.zip", "git -C third_party/mindspore lfs pull"),
    "boot files are pointers": (lambda tree: [put(tree / f"device/board/kiln/virt/loader/{name}", POINTER) for name in ("a.bin", "b.bin")],
                                "a git-lfs pointer and 1 more", "device/board/kiln/virt/loader/", "git -C device/board/kiln/virt lfs pull"),
    "no sources": (lambda tree: (tree / "third_party/mindspore/bundle.json").unlink(), "mindspore_lib has no sources",
                   "third_party/mindspore", "repo sync -c third_party/mindspore"),
    "part not in the product": (lambda tree: change(tree, subsystems=[]), "the product has no component mindspore", PRODUCT,
                                "add it to the components"),
    "config.json is not JSON": (lambda tree: put(tree / PRODUCT, "{"), "the tree has no product virt", "vendor/*/*/config.json",
                                "vendor/kiln/virt/config.json is not JSON"),
    "inherited file is gone": (lambda tree: change(tree, inherit=["productdefine/common/inherit/gone.json"]), "cannot be read",
                               "productdefine/common/inherit/gone.json", "repo sync -c"),
    "built for another CPU": (lambda tree: put(tree / "out/virt/args.gn", 'product_name = "virt"\ntarget_cpu = "arm"\n'),
                              "was built for arm, this is for arm64", "out/virt", "rm -r out/virt"),
    "disk": (lambda tree: change(tree, subsystems=[{"components": [{"component": "mindspore"}, {"component": "neural_network_runtime"}, *(
        {"component": f"c{n}"} for n in range(100000))]}]), "MiB free, a build needs about", "out", "make room"),
    "half synced": (lambda tree: ((tree / ".repo").mkdir(), shutil.rmtree(tree / "productdefine/common")), "absent", "productdefine/common", "repo sync -c productdefine/common"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found_with_its_remedy(tree: Path, fault: str) -> None:
    make, what, where, remedy = FAULTS[fault]
    make(tree)
    found = look(tree)
    first = found[0]
    assert first.what.startswith(what) or what in first.what, found
    assert first.where.startswith(where) and remedy in first.remedy
    assert len({(each.what, each.remedy) for each in found}) <= 2, found           # nothing else is made of it


def test_everything_is_named_on_one_line(tree: Path) -> None:
    for name in ("no build.sh", "old Python", "wrong Node", "no clang", "no SDK", "MindSpore's archive is a pointer", "no sources",
                 "built for another CPU"):
        FAULTS[name][0](tree)
    change(tree, subsystems=[])
    with pytest.raises(Refused) as caught:
        preflight.check(tree, "virt", (*TARGETS, "imagse"), "arm64-v8a")
    told = str(caught.value)
    for word in ("build.sh: absent", "Python 3.8.10", "v20.0.0", "llvm/bin/clang", "no SDK", "lfs pull", "no sources", "rm -r out/virt",
                 "no component mindspore", "no component neural_network_runtime", "imagse", "(10) "):
        assert word in told, word
    assert "\n" not in told and told.startswith(f"{tree}: build.sh cannot build this tree: (1) ")


def test_all_that_is_wrong_with_a_bare_tree_fits_in_a_line(tmp_path: Path) -> None:
    put(tmp_path / "build/version.gni", 'api_version = "23"\n')
    found = look(tmp_path, "mindspore_lib", "neural_network_runtime", "images", product="rk3568")
    with pytest.raises(Refused) as caught:
        preflight.check(tmp_path, "rk3568", TARGETS, "arm64-v8a")
    assert len(found) > 10 and all(each.where in str(caught.value) for each in found)


def test_a_folder_that_is_no_tree_is_one_finding(tmp_path: Path) -> None:
    assert [each.what for each in look(tmp_path)] == ["not an OpenHarmony tree"]
    with pytest.raises(Refused, match="not an OpenHarmony tree"):
        preflight.check(tmp_path / "none", "virt", TARGETS, "arm64-v8a")


def test_an_unknown_product_is_told_with_those_known(whole: Path) -> None:
    (found,) = look(whole, product="vitr")
    assert found.what == "the tree has no product vitr" and found.remedy == "did you mean virt? known: ohos-sdk, virt"


def test_a_library_alone_needs_no_sdk_and_no_boot_files(tree: Path) -> None:
    FAULTS["no SDK"][0](tree)
    FAULTS["boot files are pointers"][0](tree)
    assert look(tree, "mindspore_lib") == () and len(look(tree)) == 2


@pytest.mark.parametrize("target,good", [
    ("neural_network_runtime", True), ("images", True), ("init", True), ("make_test", True), ("mindspore-all", True), ("no_such", False),
    ("third_party/mindspore:mindspore-all", True), ("third_party/mindspore:nope", False), ("nowhere:x", False), ("a\0b:x", False),
    ("//third_party/mindspore:mindspore-all", False), ("out/virt/build_configs/ai/mindspore:mindspore", True),
])
def test_targets_are_known_by_the_tree(whole: Path, target: str, good: bool) -> None:
    found = look(whole, target)
    assert bool(found) != good and all(each.where == target and each.remedy for each in found)


def test_a_product_for_arm64_cannot_be_built_for_arm(tree: Path) -> None:
    (found,) = look(tree, abi="armeabi-v7a")
    assert found.what == "the product is for arm64, and --target-cpu arm overrides nothing" and "target_cpu" in found.remedy
    change(tree, target_cpu="arm")
    assert look(tree, abi="armeabi-v7a") == () and look(tree) == ()


def test_a_hostile_config_breaks_nothing(tree: Path) -> None:
    for value in ({"device_build_path": "/"}, {"device_build_path": "../../.."}, {"board": "a\0b"}, {"build_out_path": 3},
                  {"subsystems": {"a": 1}}, {"subsystems": [1, {"components": [2, {"component": ["x"]}]}]},
                  {"inherit": ["/etc/passwd", "../x", 1, None]}, {"target_cpu": []}):
        change(tree, **value)
        assert all(not each.what.startswith("a git-lfs") for each in look(tree)), value


def test_a_config_that_is_deeply_nested_is_not_json(tree: Path) -> None:
    put(tree / PRODUCT, "[" * 200000)
    assert "is not JSON" in look(tree)[0].remedy


def test_parts_are_inherited_and_an_overlay_comes_first(tree: Path) -> None:
    put(tree / "productdefine/common/inherit/rich.json", '{"subsystems": [{"subsystem": "x", "components": [{"component": "more"}]}]}')
    change(tree, inherit=["productdefine/common/inherit/rich.json"], board="other")
    found = described.find(tree, "virt@kiln")
    assert {"more", "mindspore"} <= found.parts and found.out == "out/other" and found.folder == "vendor/kiln/virt"
    put(tree / "out/products_ext/vendor/a/b/config.json", '{"product_name": "virt", "build_out_path": "out/ext", "product_path": "vendor/x"}')
    ext = described.find(tree, "virt")
    assert (ext.out, ext.folder, ext.board) == ("out/ext", "vendor/x", "virt")
    with pytest.raises(Refused, match="no product virt@nobody"):
        described.find(tree, "virt@nobody")


def test_disk_is_asked_for_by_parts_and_once() -> None:
    assert preflight.wanted(5, True, False) < 1 << 30                   # virt
    assert 40 << 30 < preflight.wanted(400, True, False) < 60 << 30     # rk3568
    assert preflight.wanted(400, False, False) < 16 << 30
    assert preflight.wanted(400, True, True) == preflight.LEAST


def test_every_generation_asks_for_the_same_kinds_of_programs() -> None:
    for row in generations.TABLE:
        names = {Path(pattern).name for pattern in row.prebuilts}
        assert {"python3", "gn", "ninja", "clang"} <= names and ("node" in names) == bool(row.node)
