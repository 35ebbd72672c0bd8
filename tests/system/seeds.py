# SPDX-License-Identifier: Apache-2.0
"""Faults for real runs of build.sh: what is broken in a miniature tree, and the words that the first line must have. Add a case at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NNRT, LITE, INIT = "foundation/ai/neural_network_runtime", "third_party/mindspore", "base/startup/init/services/etc"
CONFIG = "vendor/kiln/virt/config.json"
NODE = "prebuilts/build-tools/common/nodejs/node-v14.21.1-linux-x64/bin"
BIN = "prebuilts/build-tools/linux-x86/bin"
POINTER = f"version https://git-lfs.example/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


@dataclass(frozen=True)
class Seed:
    """`break_` makes the fault; `told` is a regular expression that the line must match from the cause on; `seen` says who sees it:
    preflight, or build.sh in a real run. `real`: with the real compiler. First and last generation that have it."""

    break_: Callable[[Path], object]
    told: str
    seen: str = "build.sh"
    targets: tuple[str, ...] = ("neural_network_runtime",)
    real: bool = False
    first: str = "3.2"
    last: str = "6.1"
    product: str = "virt"


def put(tree: Path, name: str, text: str) -> None:
    """A file anew, never through a link or into one that another tree shares."""
    file = tree / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def more(name: str, text: str) -> Callable[[Path], object]:
    return lambda tree: put(tree, name, (tree / name).read_text() + text)


def swap(name: str, old: str, new: str) -> Callable[[Path], object]:
    def made(tree: Path) -> None:
        text = (tree / name).read_text()
        assert old in text, (name, old)
        put(tree, name, text.replace(old, new, 1))

    return made


def gone(name: str) -> Callable[[Path], object]:
    return lambda tree: (tree / name).unlink()


def clang(script: str) -> Callable[[Path], object]:
    """Another compiler: a script, before which `$@` are the words."""
    def made(tree: Path) -> None:
        folder = tree / "prebuilts/clang/ohos/linux-x86_64/llvm/bin"
        for name in ("clang", "clang++"):
            real = f"{folder / name}.real"
            if not os.path.exists(real):
                os.rename(folder / name, real)
            (folder / name).write_text(f"#!/bin/sh\nreal='{real}'\n{script}\n")
            (folder / name).chmod(0o755)

    return made


def config(**keys: object) -> Callable[[Path], object]:
    return lambda tree: put(tree, CONFIG, json.dumps({**json.loads((tree / CONFIG).read_text()), **keys}))


def link(name: str, target: str) -> Callable[[Path], object]:
    def made(tree: Path) -> None:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(target)

    return made


def both(*makers: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda tree: [make(tree) for make in makers]


def out_of(*names: str) -> Callable[[Path], object]:
    """Components out of the product."""
    def made(tree: Path) -> None:
        said = json.loads((tree / CONFIG).read_text())
        systems = [{**system, "components": [one for one in system["components"] if one["component"] not in names]} for system in said["subsystems"]]
        put(tree, CONFIG, json.dumps({**said, "subsystems": systems}))

    return made


def probe(code: str, words: str = "", second: str = "") -> Callable[[Path], object]:
    """A small library of its own in the part init, so that a run with the real compiler takes a second: its code, and more in BUILD.gn."""
    def made(tree: Path) -> None:
        put(tree, f"{PROBE}/probe.cpp", code)
        put(tree, f"{PROBE}/second.cpp", second)
        put(tree, f"{PROBE}/BUILD.gn", 'ohos_shared_library("probe") {\n  sources = [ "probe.cpp", "second.cpp" ]\n'
            f'  ldflags = [ "-nostdlib++" ]\n  {words}\n  part_name = "init"\n}}\n')
        swap("base/startup/init/bundle.json", '"sub_component": [', f'"sub_component": ["//{PROBE}:probe", ')(tree)

    return made


PROBE = "base/startup/init/probe"
ONE = f"{PROBE}/probe\\.cpp"
SEEN = '__attribute__((visibility("default")))'
DEVICE, MODEL = f"{NNRT}/frameworks/native/neural_network_core/device.cpp", f"{NNRT}/frameworks/native/neural_network_runtime/model.cpp"
STALE = "../../stale/old.cpp:1:1: error: this is of an earlier build\n"

REAL: dict[str, Any] = {"real": True, "targets": ("probe",)}

SEEDS: dict[str, Seed] = {
    # The compiler
    "undeclared": Seed(probe("int f() { return nothing; }\n"), rf"{ONE}:1:\d+: error: use of undeclared identifier 'nothing'", **REAL),
    "syntax": Seed(probe("int f( {\n"), rf"{ONE}:1:\d+: error: ", **REAL),
    "header": Seed(probe('#include "no_such.h"\n'), rf"{ONE}:1:\d+: fatal error: 'no_such.h' file not found", **REAL),
    "exceptions are off": Seed(probe("void f() { throw 1; }\n"), rf"{ONE}:1:\d+: error: cannot use 'throw' with exceptions disabled", **REAL),
    "warning as error": Seed(probe("static int unused;\n"), rf"{ONE}:1:\d+: error: unused variable 'unused'", **REAL),
    "static_assert": Seed(probe('static_assert(sizeof(int) == 3, "three");\n'), rf"{ONE}:1:\d+: error: static assertion failed", **REAL),
    "#error": Seed(probe("#error not here\n"), rf"{ONE}:1:\d+: error: not here", **REAL),
    "a warning comes before": Seed(probe("#warning beware of errors\nint f() { return nothing; }\n", 'cflags = [ "-Wno-error" ]'),
                                   rf"{ONE}:2:\d+: error: use of undeclared", **REAL),
    "two files fail": Seed(probe("int f() { return nothing; }\n", second="int g() { return nothing; }\n"),
                           rf"{PROBE}/(?:probe|second)\.cpp:1:\d+: error: use of undeclared identifier", **REAL),
    "unknown flag of the compiler": Seed(probe("", 'cflags = [ "-fno-such-thing" ]'), r"\S+: error: unknown argument: '-fno-such-thing'", **REAL),
    "no such target of the compiler": Seed(probe("", 'cflags = [ "-march=armv99" ]'), r"\S+: error: unsupported argument 'armv99' to option", **REAL),
    "a stale error.log": Seed(both(lambda tree: put(tree, "out/virt/error.log", STALE), probe("int f() { return nothing; }\n")),
                              rf"{ONE}:1:\d+: error: use of undeclared", **REAL),
    # The linker
    "undefined symbol": Seed(probe(f'extern "C" int elsewhere(); extern "C" {SEEN} int f() {{ return elsewhere(); }}\n'),
                             r"ld\.lld: error: undefined symbol: elsewhere", **REAL),
    "no such library": Seed(probe("", 'ldflags += [ "-lnowhere" ]'), r"ld\.lld: error: unable to find library -lnowhere", **REAL),
    "twice": Seed(probe('extern "C" int twice() { return 1; }\n', second='extern "C" int twice() { return 2; }\n'),
                  r"ld\.lld: error: duplicate symbol: twice", **REAL),
    "standard library of C++": Seed(probe(f'namespace std {{ void terminate() noexcept; }} extern "C" {SEEN} void f() {{ std::terminate(); }}\n'),
                                    r"ld\.lld: error: undefined symbol: std::terminate\(\)", **REAL),
    # gn
    "identifier": Seed(swap(f"{NNRT}/BUILD.gn", "deps = [", "deps = nope + ["), rf"ERROR at //{NNRT}/BUILD.gn:\d+:\d+: Undefined identifier"),
    "template": Seed(swap(f"{NNRT}/BUILD.gn", "ohos_shared_library", "ohos_shared_libary"), rf"ERROR at //{NNRT}/BUILD.gn:\d+:\d+: Unknown function"),
    "token": Seed(more(f"{NNRT}/BUILD.gn", "?\n"), rf"ERROR at //{NNRT}/BUILD.gn:\d+:\d+: Invalid token"),
    "brace": Seed(more(f"{NNRT}/BUILD.gn", 'group("x") {\n'), rf"ERROR at //{NNRT}/BUILD.gn:\d+:\d+: Unexpected end of file"),
    "source file": Seed(gone(MODEL), rf"ERROR at //{NNRT}/BUILD.gn:\d+:\d+: Source file not found: //{MODEL}"),
    "dependency": Seed(swap(f"{NNRT}/BUILD.gn", 'deps = [', 'deps = [ ":nobody", '), rf"ERROR at //{NNRT}/BUILD.gn:\d+:\d+: Unresolved dependency"),
    "inner_kits": Seed(swap(f"{NNRT}/bundle.json", "inner_kits", "other_kits"), r"ERROR at //third_party/mindspore/.*nnrt_target is not an inner_kit"),
    "BUILD.gn": Seed(gone(f"{NNRT}/BUILD.gn"), rf"ERROR (?:at //\S+: )?Unable to load {NNRT}/BUILD.gn"),
    "a script of gn": Seed(swap(f"{LITE}/build_helper.py", "def main() -> None:\n", "def main() -> None:\n    raise RuntimeError('no luck')\n"),
                           r"RuntimeError: no luck", first="4.0"),
    "series of MindSpore": Seed(both(swap(f"{LITE}/build_helper.py", "    patches = [\n", "    patches = [\n        'none.patch',\n")),
                                r"(?:error|fatal): (?:can't|cannot) open patch .*none\.patch|Exception: Apply patch none.patch failed", first="4.0"),
    "another part's target, rk3568": Seed(both(swap(f"{NNRT}/BUILD.gn", "deps = [", f'deps = [ "//{INIT}:init.cfg", '), config(product_name="rk3568")),
                                          r"(?:ERROR at .*)?InnerApi is not defined in bundle\.json", first="5.1", product="rk3568"),
    # hb's loader
    "bundle.json": Seed(lambda tree: put(tree, f"{NNRT}/bundle.json", "{"), rf"{NNRT}/bundle.json is not JSON"),
    "no bundle.json": Seed(gone("base/startup/init/bundle.json"), r"component init of product virt has no bundle\.json"),
    "subsystem of the product's folder": Seed(
        lambda tree: put(tree, "vendor/kiln/virt/x/bundle.json", '{"component": {"name": "x", "subsystem": "ai", "build": {"sub_component": ["//x:x"]}}}'),
        r"subsystem name config incorrect in 'vendor/kiln/virt/x/bundle.json'"),
    "inherited subsystems are null": Seed(both(lambda tree: put(tree, "productdefine/common/inherit/n.json", '{"subsystems": null}'),
                                               config(inherit=["productdefine/common/inherit/n.json"])), r"'NoneType' object is not iterable"),
    "deps_guard": Seed(lambda tree: os.rename(tree / "developtools", tree / "gone"), r"No such file or directory: 'developtools/"),
    # ninja
    "another part's target": Seed(swap(f"{NNRT}/BUILD.gn", "deps = [", f'deps = [ "//{INIT}:init.cfg", '),
                                  r"FAILED: (?:\[code=1\] )?build_configs/ai/neural_network_runtime/\w+__check\.txt", first="4.1"),
    "unknown target": Seed(lambda tree: None, r"ninja: error: unknown target 'nope'", targets=("nope",)),
    "subsystem as target": Seed(lambda tree: None, r"ninja: error: unknown target 'startup'", targets=("startup",)),
    "target with //": Seed(lambda tree: None, r"ninja: error: unknown target '/", targets=(f"//{NNRT}:nnrt_target",)),
    "a file that gn saw is gone": Seed(both(swap("build/gn/main.py", "    return 0\n", f"    os.unlink('{MODEL}')\n    return 0\n")),
                                       r"ninja: error: '.*model\.cpp', needed by '.*', missing and no known rule to make it"),
    "ninja.log of the future": Seed(swap("build/gn/ninja_file.py", "rule cc\n", "rulex cc\n"), r"ninja: error: build\.ninja:\d+: "),
    # Memory, disk, machine
    "killed": Seed(clang('case $* in *device.cpp*) kill -9 $$ ;; esac\nexec "$real" "$@"'), r"Killed"),
    "linker killed": Seed(clang('case $* in *-shared*) kill -9 $$ ;; esac\nexec "$real" "$@"'), r"Killed"),
    "LTO without memory": Seed(clang('case $* in *-shared*) echo "LLVM ERROR: out of memory" >&2; exit 134 ;; esac\nexec "$real" "$@"'),
                               r"LLVM ERROR: out of memory"),
    "disk full in cp": Seed(link(f"out/virt/obj/{INIT}/init.cfg", "/dev/full"), r"cp: .*No space left on device", targets=("images",)),
    "disk full in Python": Seed(link("out/virt/packages/phone/system_install_modules.json", "/dev/full"), r"OSError: \[Errno 28\] No space left on device",
                                targets=("images",)),
    "disk full, then other errors": Seed(clang("echo '../../a.c:1:1: fatal error: truncated'; cp $0 /dev/full; exit 1"), r".*No space left on device"),
    # Images
    "image too small": Seed(lambda tree: put(tree, "device/board/kiln/virt/image_conf/system_image_conf.txt", "/\n262144\n--fs_type=ext4\n"),
                            r"error: system\.img: mke2fs: .*", targets=("images",)),
    "file system not known": Seed(swap("device/board/kiln/virt/image_conf/userdata_image_conf.txt", "ext4", "f2fs"),
                                  r"(?:MkImages failed errno: 1: )?error: userdata: the stand-in makes ext4 only", targets=("images",)),
    "service of root": Seed(both(lambda tree: put(tree, "vendor/kiln/virt/security_config/high_privilege_process_list.json",
                                                  '{"high_privilege_process_list": []}'),
                                 lambda tree: put(tree, f"{INIT}/init.cfg", '{"jobs": [], "services": [{"name": "llm", "uid": "root"}]}')),
                            r"CfgValidateError: service llm in init\.cfg has uid root", targets=("images",), first="4.0"),
    "an action of Python": Seed(swap("build/ohos/packages/install.py", "    args = parser", "    raise ValueError('bad value')\n    args = parser"),
                                r"ValueError: bad value", targets=("images",)),
    # build.sh itself
    "no .gn": Seed(gone(".gn"), r"Cannot find source tree containing "),
    "no Python": Seed(lambda tree: next(tree.glob("prebuilts/python/*/*/bin/python3")).unlink(), r"Please execute the build/prebuilts_download\.sh"),
    "wrong Node": Seed(lambda tree: put(tree, f"{NODE}/node", "#!/bin/sh\necho v20.0.0\n"), r"Node\.js version mismatch\. Expected 14\.21\.1 but found v20\.0\.0",
                       first="4.0"),
    "no network for npm": Seed(lambda tree: put(tree, f"{NODE}/npm", "#!/bin/sh\n[ \"$1\" = config ] && exit\necho 'npm ERR! code ENOTFOUND'\n"
                                                "echo 'npm ERR! A complete log of this run can be found in: x'\nexit 1\n"), r"npm ERR! code ENOTFOUND", first="4.0"),
    "ohpm": Seed(lambda tree: [put(tree, f"prebuilts/{place}/bin/ohpm", "#!/bin/sh\nexit 1\n") for place in (
        "build-tools/common/oh-command-line-tools/ohpm", "tool/command-line-tools/ohpm")], r"ohpm initialization failed!", first="4.0"),
    "no clang": Seed(gone("prebuilts/clang/ohos/linux-x86_64"), r"There is no clang executable file at out/llvm-install"),
    "no gn": Seed(gone(f"{BIN}/gn"), r"FileNotFoundError: .*No such file or directory: '.*bin/gn'"),
    "no ninja": Seed(gone(f"{BIN}/ninja"), r"FileNotFoundError: .*No such file or directory: '.*bin/ninja'"),
    "no product": Seed(lambda tree: None, r"product nope@None not found", product="nope"),
    "config.json": Seed(lambda tree: put(tree, CONFIG, "{"), r"json\.decoder\.JSONDecodeError: "),
    "dash": Seed(swap("build/build_scripts/build.sh", "rule=", "[ a == a ] || exit 1\nrule="), r"\S+: \d+: \[: a: unexpected operator"),
    "it says well done and made nothing": Seed(clang("exit 0"), r"build\.sh ended well, but \S+ is not there"),
    # Seen before the first minute
    "git-lfs pointer": Seed(lambda tree: put(tree, f"{LITE}/mindspore-v2.1.0.zip", POINTER), r"third_party/mindspore/mindspore-v2\.1\.0\.zip: a git-lfs pointer; git -C third_party/mindspore lfs pull",
                            "preflight", first="4.0"),
    "git-lfs pointer, unseen": Seed(lambda tree: put(tree, f"{LITE}/mindspore-v2.1.0.zip", POINTER), r"zipfile\.BadZipFile: File is not a zip file", first="4.0"),
    "not in the product": Seed(out_of("neural_network_runtime"), rf"{CONFIG}: the product has no component neural_network_runtime; add it", "preflight"),
    "not in the product, unseen": Seed(out_of("neural_network_runtime", "mindspore"), r"ninja: error: unknown target 'neural_network_runtime'"),
    "missing prebuilt": Seed(gone(f"{BIN}/ninja"), rf"{BIN}/ninja: absent; run build/prebuilts_download\.sh".replace("linux-x86", "linux-(?:x86|\\*)"), "preflight"),
    "wrong Node, seen": Seed(lambda tree: put(tree, f"{NODE}/node", "#!/bin/sh\necho v20.0.0\n"), r"\S+/node: is v20\.0\.0, build\.sh takes v14\.21\.1 only", "preflight", first="4.0"),
    "unknown target, seen": Seed(lambda tree: None, r"imgaes: the tree has no such target; write it as path/from/root:imgaes, or did you mean images\?",
                                 "preflight", targets=("imgaes",)),
    "another CPU in out/": Seed(lambda tree: put(tree, "out/virt/args.gn", 'target_cpu = "arm"\n'), r"out/virt: was built for arm, this is for arm64; rm -r out/virt",
                                "preflight"),
    "no product, seen": Seed(lambda tree: None, r"vendor/\*/\*/config\.json: the tree has no product vitr; did you mean virt\?", "preflight", product="vitr"),
}
