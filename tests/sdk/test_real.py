# SPDX-License-Identifier: Apache-2.0
"""A real ohos-sdk in every form that lies around, and everything that is wrong with some of them.

The SDK of these tests is the sandbox's stand-in, laid out as ohos-sdk/linux/native and packed as the service packs.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import ROOT, Built, scons

from kiln import results, stamp
from kiln.errors import Refused, UnpackError
from kiln.fetch import inner, unpack
from kiln.results import Toolchain
from kiln.sdk import real

sys.path.append(str(ROOT / "tests" / "fetch"))
import made_sdk  # noqa: E402

SOURCES = ROOT / "tests" / "data" / "cxx"
LAYOUTS = {"older, 6.1 dailies": "ohos-sdk/linux/", "releases": "linux/"}


def small(native: Path, **given: str) -> Path:
    """As little of an SDK as passes: programs that are scripts, libraries that are empty."""
    for name in ("llvm/bin/clang", "llvm/bin/clang++", "llvm/bin/llvm-ar", "build/cmake/ohos.toolchain.cmake",
                 "sysroot/usr/lib/aarch64-linux-ohos/libc.so", "llvm/lib/aarch64-linux-ohos/libc++_shared.so"):
        file = native / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\necho clang\n")
        file.chmod(0o755)
    (native / "sysroot/usr/include").mkdir(parents=True)
    said = {"apiVersion": "23", "version": "6.1.0.31", "releaseType": "Release", **given}
    (native / "oh-uni-package.json").write_text(json.dumps(said))
    return native


@pytest.mark.parametrize("folder,given", [("native", "native"), ("linux/native", "linux"), ("linux/native", ""), ("ohos-sdk/linux/native", ""),
                                          ("ohos-sdk/linux/native", "ohos-sdk"), ("linux/23/native", ""), ("linux/23/native", "linux/23")])
def test_it_is_found_from_any_of_its_folders(tmp_path: Path, folder: str, given: str) -> None:
    native = small(tmp_path / folder)
    assert real.find(tmp_path / given) == real.Found(native, None)


def test_of_several_the_newest_is_taken(tmp_path: Path) -> None:
    for api in ("9", "23", "20"):
        small(tmp_path / "linux" / api / "native")
    assert real.find(tmp_path).native == tmp_path / "linux/23/native"


def test_it_is_read_with_its_own_toolchain_file(tmp_path: Path) -> None:
    made = real.read(small(tmp_path / "native"), "arm64-v8a", tmp_path / "out", key="k")
    assert made.root == tmp_path / "native" and not made.sandbox and made.triple == "aarch64-linux-ohos"
    assert f"include([==[{tmp_path}/native/build/cmake/ohos.toolchain.cmake]==])" in made.file.read_text()
    assert results.load(Toolchain, tmp_path / "out" / results.NAME) == made


def _cut(native: Path) -> None:
    (native / "llvm/bin/clang++").unlink()
    (native / "llvm/bin/llvm-ar").unlink()


def _elf(native: Path, machine: int) -> None:
    (native / "llvm/bin/clang").write_bytes(b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 2, machine) + bytes(40))


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "old": (lambda native: (native / "oh-uni-package.json").write_text('{"apiVersion": 9, "version": "3.2.16.6"}'),
            r"is SDK 3.2.16.6 for API 9; API 10 .OpenHarmony 4.0. is the first"),
    "windows": (lambda native: (native / "llvm/bin/clang.exe").touch(), "is the SDK for Windows; get the SDK for Linux"),
    "mac": (lambda native: (native / "llvm/bin/clang").write_bytes(b"\xcf\xfa\xed\xfe" + bytes(40)), "is the SDK for macOS"),
    "arm host": (lambda native: _elf(native, 183), "is for machines with aarch64, this one is x86_64"),
    "half": (_cut, r"is half unpacked: llvm/bin/clang\+\+, llvm/bin/llvm-ar are missing; unpack it again with unzip"),
    "link as text": (lambda native: (native / "llvm/bin/clang").write_text("clang-15"), "clang that is no program; .*leave out links"),
    "modes": (lambda native: (native / "llvm/bin/clang").chmod(0o644), "cannot be executed; .*leave out modes"),
    "does not run": (lambda native: (native / "llvm/bin/clang").write_text("#!/bin/sh\nexit 3\n"), "does not run: .*; does this machine have"),
    "no version": (lambda native: (native / "oh-uni-package.json").unlink(), "has no oh-uni-package.json"),
    "hostile version": (lambda native: (native / "oh-uni-package.json").write_text('{"apiVersion": 23, "version": "\\u001b[2J"}'), "does not say the version"),
    "no JSON": (lambda native: (native / "oh-uni-package.json").write_bytes(b"\xff" * 9), "does not say the version"),
    "a list": (lambda native: (native / "oh-uni-package.json").write_text("[]"), "does not say the version"),
    "no such ABI": (lambda native: shutil.rmtree(native / "sysroot/usr/lib/aarch64-linux-ohos"),
                    "has no sysroot/usr/lib/aarch64-linux-ohos/libc.so; it is for no ABI"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_with_it_is_one_line(tmp_path: Path, fault: str) -> None:
    break_it, says = WRONG[fault]
    native = small(tmp_path / "native")
    break_it(native)
    with pytest.raises(Refused, match=says) as one:
        real.read(native, "arm64-v8a", tmp_path / "out", key="")
    assert "\n" not in str(one.value) and "\x1b" not in str(one.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("made,says", [
    (lambda path: None, "is not there; sdk= takes"), (lambda path: path.write_text("x"), "is no SDK; sdk= takes a folder, or an archive"),
    (lambda path: path.mkdir(), "holds no SDK: neither native/ nor native-linux-x64"),
    (lambda path: (path / "windows").mkdir(parents=True), "holds no SDK for Linux; get the SDK for Linux"),
    (lambda path: [path.mkdir(), (path / "native-windows-x64-6.1.0.31.zip").touch()], "holds no SDK for Linux, but native-windows-x64-6.1.0.31.zip"),
])
def test_a_path_that_is_no_sdk(tmp_path: Path, made: Callable[[Path], object], says: str) -> None:
    made(tmp_path / "given")
    with pytest.raises(Refused, match=says):
        real.find(tmp_path / "given")


def test_an_archive_that_lies_is_refused(tmp_path: Path) -> None:
    def taken(data: bytes) -> str:
        (tmp_path / "sdk.tar.gz").write_bytes(data)
        return inner.extract(tmp_path / "sdk.tar.gz", "sdk.tar.gz", real.INNER, tmp_path / "out.zip", what="linux/native-linux-x64-*.zip")

    assert taken(made_sdk.tarred({"./linux/native-linux-x64-5.0.0.71.zip": b"zip"})) == "linux/native-linux-x64-5.0.0.71.zip"
    (tmp_path / "out.zip").unlink()
    for name in ("../linux/native-linux-x64-1.zip", "a/b/linux/native-linux-x64-1.zip", "linux/native-linux-arm64-1.zip", "windows/native-windows-x64-1.zip"):
        with pytest.raises(UnpackError, match="sdk.tar.gz: holds no linux/native-linux-x64-.*; it holds "):
            taken(made_sdk.tarred({name: b"zip"}))
    with pytest.raises(UnpackError, match="is broken"):
        taken(made_sdk.archive(made_sdk.NATIVE, os.urandom(90_000))[:-40_000])
    assert not (tmp_path / "out.zip").exists() and [file.name for file in tmp_path.iterdir()] == ["sdk.tar.gz"]


@pytest.fixture(scope="module")
def native(virt: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in for arm64, apart from its wheel, with a link among its programs as the real one has."""
    made = virt.toolchain("arm64-v8a")
    folder = tmp_path_factory.mktemp("sdk") / "linux" / "native"
    shutil.copytree(made.root, folder, copy_function=os.link)
    zig = os.path.normpath(made.root / (made.root / "zig.path").read_text().strip())
    (folder / "zig.path").unlink()
    (folder / "zig.path").write_text(f"{zig}\n")
    (folder / "llvm/bin/clang-15").symlink_to("clang")
    return folder


def listed(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): os.readlink(file) if file.is_symlink() else f"{file.stat().st_mode & 0o111:o} {stamp.digest(file)}"
            for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.mark.ci
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_archive_gives_the_sdk_byte_for_byte(native: Path, tmp_path: Path, layout: str) -> None:
    """Links and modes too; and a C++ program built with it runs."""
    packed = made_sdk.tarred({f"{LAYOUTS[layout]}ets-linux-x64-6.1.0.31-Release.zip": b"not wanted", f"{LAYOUTS[layout]}native-linux-x64-6.1.0.31-Release.zip": made_sdk.zipped(native)})
    (tmp_path / "sdk.tar.gz").write_bytes(packed)
    name = inner.extract(tmp_path / "sdk.tar.gz", "sdk.tar.gz", real.INNER, tmp_path / "native.zip", what="")
    unpack(tmp_path / "native.zip", tmp_path / "native", file=name, subdir="native")
    assert listed(tmp_path / "native") == listed(native) and (tmp_path / "native/llvm/bin/clang-15").is_symlink()
    made = real.read(tmp_path / "native", "arm64-v8a", tmp_path / "out", key="k")
    program = tmp_path / "catcher"
    done = subprocess.run([made.root / "llvm/bin/aarch64-unknown-linux-ohos-clang++", "-O2", "-static", "-s", f"-I{SOURCES}/include",
                           SOURCES / "catcher.cpp", SOURCES / "thrower.cpp", "-o", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(["qemu-aarch64-static", program], capture_output=True, text=True, check=True).stdout.strip() == "right"


@pytest.mark.long
def test_llama_cpp_through_sdk_is_the_same_bytes(native: Path, virt: Built, cache: Path, tmp_path: Path) -> None:
    """The whole way: an archive given as sdk=, unpacked, checked, its own toolchain file; the manifest would say that it is not pinned."""
    archive = tmp_path / "ohos-sdk.tar.gz"
    archive.write_bytes(made_sdk.tarred({"ohos-sdk/linux/native-linux-x64-6.1.0.31-Release.zip": made_sdk.zipped(native)}))
    done = scons("native", f"sdk={archive}", f"build={tmp_path / 'build'}", f"cache={cache}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for item in virt.artifacts("virt/native/llama.cpp/out").items:
        there = tmp_path / "build/virt/native/llama.cpp/out" / item.file.relative_to(virt.build / "virt/native/llama.cpp/out")
        assert there.read_bytes() == item.file.read_bytes(), item.dest
    made = results.load(Toolchain, next((tmp_path / "build/sdk").glob(f"given-*-arm64-v8a/{results.NAME}")))
    assert made.root.is_relative_to(tmp_path / "build/sdk") and made.file.name == "kiln.toolchain.cmake"
