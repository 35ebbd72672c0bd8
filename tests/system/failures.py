# SPDX-License-Identifier: Apache-2.0
"""How builds fail: what the console and build.log say, and the line that must come of it. Add a case at the end.

Prefixes, codes, reasons and the messages of build.sh and hb are those recorded of the real ones (words after CfgValidateError and in
BadZipFile's traceback are ours: of these only the names are known); compilers', gn's, ninja's and npm's lines are in the form of these
programs, about files that do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

STOPPED = "ninja: build stopped: subcommand failed."
BANNER = "\x1b[31m=====build  error=====\x1b[0m"


@dataclass(frozen=True)
class Failure:
    """`console` and `log` are texts; `line` is what must be told, `kind` the row of diagnose.TABLE that must know it."""

    kind: str
    line: str
    console: str
    log: str = ""


def ninja(*lines: str, code: str = "4000", what: str = "COMPILE", stage: str = "[NINJA] ") -> str:
    """What hb prints of a ninja that failed: the excerpt, a traceback of its own, and its block; `stage` is "" before 5.1."""
    said = ['command failed: "/src/ohos/prebuilts/build-tools/linux-x86/bin/ninja -C /src/ohos/out/rk3568 images" , ret_code: 1', *lines, STOPPED]
    return _hb(said, code, f"{what} Failed! Please check error in /src/ohos/out/rk3568/error.log, and for more build information in "
                           "/src/ohos/out/rk3568/build.log", stage)


def gn(*lines: str, code: str = "3000", stage: str = "[GN] ") -> str:
    return _hb(['command failed: "/src/ohos/prebuilts/build-tools/linux-x86/bin/gn gen" , ret_code: 1', *lines], code,
               "GN Failed! Please check error in /src/ohos/out/rk3568/error.log", stage)


def hb(code: str, reason: str) -> str:
    return _hb([], code, reason, "")


def _hb(said: list[str], code: str, reason: str, stage: str) -> str:
    lines = [f"[OHOS ERROR] {stage}{line}" for line in said]
    lines += ["[OHOS ERROR] Traceback (most recent call last):", f"[OHOS ERROR] exceptions.ohos_exception.OHOSException: {reason}",
              f"[OHOS ERROR] Code:        {code}", "[OHOS ERROR] ", f"[OHOS ERROR] Reason:      {reason}", "[OHOS ERROR] Error Type:  ",
              BANNER]
    return "\n".join(lines)


_CXX = "FAILED: obj/foundation/ai/a/liba.z/a.o "
_SO = "FAILED: ai/a/liba.z.so "
_SHUT = f"[OHOS INFO] [12/40] CXX obj/a.o\n{BANNER}"       # a console whose filter kept the cause back

CASES: dict[str, Failure] = {
    "compile error, 5.1": Failure("compiler", "foundation/ai/a/a.cpp:3:5: error: unknown type name 'x'",
                                  ninja(_CXX, "../../foundation/ai/a/a.cpp:3:5: error: unknown type name 'x'", "1 error generated.")),
    "compile error, 5.0 has no stage": Failure("compiler", "foundation/ai/a/a.cpp:3:5: error: unknown type name 'x'",
                                               ninja(_CXX, "../../foundation/ai/a/a.cpp:3:5: error: unknown type name 'x'", stage="")),
    "header not found": Failure("compiler", "a/b.c:2:10: fatal error: 'no.h' file not found",
                                ninja(_CXX, "../../a/b.c:2:10: fatal error: 'no.h' file not found", code="4002")),
    "a warning that speaks of errors": Failure("compiler", "a/b.c:9:1: error: expected ';'",
                                               ninja(_CXX, "../../a/b.c:1:1: warning: unused error: x", "../../a/b.c:9:1: error: expected ';'")),
    "two errors: the first": Failure("compiler", "a/a.c:1:1: error: one", ninja(_CXX, "../../a/a.c:1:1: error: one", "../../a/b.c:1:1: error: two")),
    "colored": Failure("compiler", "a/a.c:1:1: error: one", ninja(_CXX, "\x1b[1m../../a/a.c:1:1: \x1b[0m\x1b[0;1;31merror: \x1b[0mone")),
    "exceptions are off": Failure("compiler", "a/a.cpp:4:2: error: cannot use 'throw' with exceptions disabled",
                                  ninja(_CXX, "../../a/a.cpp:4:2: error: cannot use 'throw' with exceptions disabled")),
    "rust": Failure("compiler", "error[E0425]: cannot find value `x` in this scope",
                    ninja("FAILED: obj/a/liba.rlib ", "error[E0425]: cannot find value `x` in this scope", " --> ../../a/src/lib.rs:3:5")),
    "only build.log says it, 4.0": Failure("compiler", "a/a.c:1:1: error: one", _SHUT, "[12/40] CXX obj/a.o\nFAILED: obj/a.o \n../../a/a.c:1:1: error: one\n"),
    "undefined symbol": Failure("linker", "ld.lld: error: undefined symbol: f()", ninja(_SO, "ld.lld: error: undefined symbol: f()",
                                ">>> referenced by a.cpp", "clang++: error: linker command failed with exit code 1 (use -v to see invocation)")),
    "libc++ of the NDK": Failure("linker", "ld.lld: error: undefined symbol: std::__n1::locale::locale()",
                                 ninja(_SO, "ld.lld: error: undefined symbol: std::__n1::locale::locale()")),
    "library not found": Failure("linker", "ld.lld: error: unable to find library -lfoo", ninja(_SO, "ld.lld: error: unable to find library -lfoo")),
    "wrong architecture": Failure("linker", "ld.lld: error: obj/a.o is incompatible with aarch64linux",
                                  ninja(_SO, "ld.lld: error: obj/a.o is incompatible with aarch64linux")),
    "compiler killed by the kernel": Failure("killed", "clang++: error: unable to execute command: Killed",
                                             ninja(_CXX, "clang++: error: unable to execute command: Killed",
                                                   "clang++: error: clang frontend command failed due to signal (use -v to see invocation)")),
    "linker killed by the kernel": Failure("killed", "Killed", ninja(_SO, "Killed")),
    "thin LTO without memory": Failure("killed", "LLVM ERROR: out of memory", ninja(_SO, "LLVM ERROR: out of memory")),
    "disk full while compiling": Failure("disk", "fatal error: error in backend: IO failure on output stream: No space left on device", ninja(
        _CXX, "fatal error: error in backend: IO failure on output stream: No space left on device")),
    "disk full, then errors of all kinds": Failure("disk", "cp: error writing 'x': No space left on device", ninja(
        "../../a/a.c:1:1: fatal error: truncated", _CXX, "cp: error writing 'x': No space left on device")),
    "disk full in Python": Failure("disk", "OSError: [Errno 28] No space left on device", ninja("FAILED: gen/a.h ", "Traceback (most recent call last):",
                                   "OSError: [Errno 28] No space left on device")),
    "quota": Failure("disk", "ninja: fatal: write(): Disk quota exceeded", _SHUT, "ninja: fatal: write(): Disk quota exceeded\n"),
    "gn: identifier": Failure("gn", "ERROR at //a/BUILD.gn:3:3: Undefined identifier.", gn("ERROR at //a/BUILD.gn:3:3: Undefined identifier.",
                              "  deps = [ nope ]", "           ^---")),
    "gn: on a console without stage": Failure("gn", "ERROR at //a/BUILD.gn:3:3: Undefined identifier.",
                                              gn("ERROR at //a/BUILD.gn:3:3: Undefined identifier.", stage="")),
    "gn: unresolved": Failure("gn", "ERROR Unresolved dependencies.", gn("ERROR Unresolved dependencies.", "//a:a(//build/toolchain/ohos:clang_arm)")),
    "gn: a warning before it": Failure("gn", "ERROR at //a/BUILD.gn:1:1: Unable to load \"/src/ohos/b/BUILD.gn\".",
                                       "[OHOS INFO] [GN] WARNING at build arg file: Build argument has no effect.\n"
                                       + gn("ERROR at //a/BUILD.gn:1:1: Unable to load \"/src/ohos/b/BUILD.gn\".")),
    "git-lfs pointer at gn time": Failure("pointer", "zipfile.BadZipFile: File is not a zip file", gn(
        "ERROR at //third_party/mindspore/BUILD.gn:20:1: Script returned non-zero exit code.", "Traceback (most recent call last):",
        "zipfile.BadZipFile: File is not a zip file", code="3014")),
    "a script of gn": Failure("python", "FileNotFoundError: [Errno 2] No such file or directory: 'git'", gn(
        "ERROR at //third_party/mindspore/BUILD.gn:20:1: Script returned non-zero exit code.", "Traceback (most recent call last):",
        "FileNotFoundError: [Errno 2] No such file or directory: 'git'")),
    "a script of gn that says nothing": Failure("script", "ERROR at //a/BUILD.gn:20:1: Script returned non-zero exit code.",
                                                gn("ERROR at //a/BUILD.gn:20:1: Script returned non-zero exit code.")),
    "dependency refused by rk3568": Failure("dependency", "InnerApi is not defined in bundle.json", gn("InnerApi is not defined in bundle.json")),
    "dependency refused at ninja time": Failure("check", "FAILED: build_configs/a/b__check.txt",
                                                ninja("FAILED: build_configs/a/b__check.txt ")),
    "the same, by ninja 1.13": Failure("check", "FAILED: [code=1] build_configs/a/b__check.txt",
                                       ninja("FAILED: [code=1] build_configs/a/b__check.txt ")),
    "unknown target": Failure("ninja", "ninja: error: unknown target 'nope'", ninja("ninja: error: unknown target 'nope'", code="4015", what="NINJA")),
    "missing file": Failure("ninja", "ninja: error: '../../a.c', needed by 'obj/a.o', missing and no known rule to make it",
                            ninja("ninja: error: '../../a.c', needed by 'obj/a.o', missing and no known rule to make it", code="4016", what="NINJA")),
    "two rules": Failure("ninja", "ninja: error: build.ninja:9: multiple rules generate a.o", ninja("ninja: error: build.ninja:9: multiple rules generate a.o")),
    "an action of Python": Failure("python", "ValueError: bad value", ninja("FAILED: gen/a.json ", "Traceback (most recent call last):", "ValueError: bad value")),
    "distutils are gone": Failure("python", "ModuleNotFoundError: No module named 'distutils'",
                                  f"Traceback (most recent call last):\nModuleNotFoundError: No module named 'distutils'\n{BANNER}"),
    "an action that says nothing": Failure("failed", "FAILED: gen/a.json", ninja("FAILED: gen/a.json ")),
    "image too small for a model": Failure("imaging", "error run e2fsdroid errno: 1", ninja("FAILED: packages/phone/images/vendor.img ",
                                           "error run e2fsdroid errno: 1", "MkImages failed errno: 2")),
    "image too small, and the vague line comes first": Failure(
        "image", "error: system.img: mke2fs: Could not allocate block in ext2 filesystem",
        ninja("FAILED: packages/phone/images/system.img ", "error run e2fsdroid errno: 1",
              "error: system.img: mke2fs: Could not allocate block in ext2 filesystem")),
    "image of the stand-in": Failure("image", "error: vendor.img: 3 files do not fit", ninja("FAILED: vendor.img ", "error: vendor.img: 3 files do not fit")),
    "service of root not listed": Failure("privilege", "CfgValidateError: llm_service in llm_service.cfg",
                                          ninja("FAILED: images ", "CfgValidateError: llm_service in llm_service.cfg")),
    "no Python": Failure("prebuilts", "Please execute the build/prebuilts_download.sh", "\x1b[31m[OHOS ERROR] Please execute the build/prebuilts_download.sh \x1b[0m"),
    "wrong Node": Failure("prebuilts", "Node.js version mismatch. Expected 14.21.1 but found v20.0.0",
                          "[OHOS INFO] Current Node.js version is v20.0.0\n\x1b[31m[OHOS ERROR] Node.js version mismatch. Expected 14.21.1 but found v20.0.0\x1b[0m"),
    "no clang": Failure("prebuilts", "There is no clang executable file at out/llvm-install", hb("0001", "There is no clang executable file at out/llvm-install")),
    "not in the root": Failure("build.sh", "Cannot find source tree containing /tmp", "\x1b[31mCannot find source tree containing /tmp\x1b[0m"),
    "no product": Failure("reason", "product rk3@None not found", hb("0000", "product rk3@None not found")),
    "gn args": Failure("reason", "Invalid gn args: foo", hb("0001", "Invalid gn args: foo")),
    "subsystem's name": Failure("reason", "subsystem name config incorrect in 'vendor/a/b/bundle.json'",
                                hb("2014", "subsystem name config incorrect in 'vendor/a/b/bundle.json'")),
    "inherit without subsystems": Failure("reason", "'NoneType' object is not iterable", hb("0000", "'NoneType' object is not iterable")),
    "bad choice": Failure("flag", "main.py build: error: argument --target-cpu: invalid choice: 'mips'",
                          f"usage: main.py build [option]\nmain.py build: error: argument --target-cpu: invalid choice: 'mips'\n{BANNER}"),
    "unknown flag, 3.2": Failure("flag", "entry.py: error: no such option: --no-prebuilt-sdk",
                                 "Usage: entry.py [options]\n\nentry.py: error: no such option: --no-prebuilt-sdk"),
    "no network for npm": Failure("npm", "npm ERR! code ENOTFOUND", f"[OHOS INFO] installing pnpm...\nnpm ERR! code ENOTFOUND\nnpm ERR! errno ENOTFOUND\n{BANNER}"),
    "no network for ohpm": Failure("npm", "ohpm initialization failed!", "\x1b[31m[OHOS ERROR] ohpm initialization failed!\x1b[0m"),
    "SDK first": Failure("sdk", "ohos-sdk build failed! You can try to use '--no-prebuilt-sdk' to skip the build of ohos-sdk.",
                         "[OHOS ERROR] ohos-sdk build failed! You can try to use '--no-prebuilt-sdk' to skip the build of ohos-sdk."),
    "dash": Failure("shell", "build/a.sh: 7: [: x: unexpected operator", f"build/a.sh: 7: [: x: unexpected operator\n{BANNER}"),
    "interrupted": Failure("aborted", "User abort", f"[OHOS INFO] [3/9] CXX obj/a.o\nUser abort\n{BANNER}"),
    "ccache": Failure("program", "ccache: error: Failed to create temporary file", ninja(_CXX, "ccache: error: Failed to create temporary file")),
    "only the banner": Failure("", "=====build  error=====", BANNER),
    "nothing at all": Failure("", "it printed nothing", ""),
}
