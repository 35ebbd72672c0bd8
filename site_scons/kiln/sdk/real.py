# SPDX-License-Identifier: Apache-2.0
"""A real ohos-sdk: found in whatever form it lies there, checked before anything is compiled, and read as a Toolchain.

Its layout: SDK (ohos-sdk, or prebuilts/ohos-sdk) / linux [/ API version] / native, and archives of zips with the same
folders: `[ohos-sdk/]linux/native-linux-x64-6.1.0.31-Release.zip` in a tar.gz. Of all of it only `native` is needed.
"""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiln import results, run, stamp
from kiln.errors import KilnError, Refused, known, one_line
from kiln.results import Toolchain
from kiln.sdk.target import TARGETS, Target

OLDEST = 10                            # API of OpenHarmony 4.0, whose clang is 15; 3.2 has clang 12
INNER = re.compile(r"(?:(?!\.)[\w.-]+/)?(?:linux/)?(?:[\d.]+/)?native-linux-x64-[\w.+-]{1,80}\.zip")
PACKED = (".tar.gz", ".tgz", ".zip")
_VERSION = "oh-uni-package.json"
_BELOW = ("", "native", "linux/native", "ohos-sdk/linux/native")
_MACHINES = {62: "x86_64", 183: "aarch64"}


@dataclass(frozen=True)
class Found:
    """An SDK as it lies there: the folder `native`, or a file that has it packed."""

    native: Path | None
    archive: Path | None


@dataclass(frozen=True)
class Version:
    """What an SDK says of itself: `version` such as 6.1.0.31, `api` such as 23, `release` such as Release or Beta1."""

    version: str
    api: int
    release: str


def find(path: Path) -> Found:
    """The SDK that a person means with sdk=PATH. Raises Refused, saying what was looked for."""
    if path.is_file():
        if not path.name.endswith(PACKED):
            raise Refused("is no SDK", where=path, hint=f"sdk= takes a folder, or an archive: {', '.join(PACKED)}")
        return Found(None, path)
    if not path.is_dir():
        raise Refused("is not there", where=path, hint="sdk= takes an unpacked SDK, its linux or native folder, or its archive")
    natives = [path / name for name in _BELOW if (path / name / _VERSION).is_file() or (path / name / "llvm").is_dir()]
    # A folder for each API, as in a tree's prebuilts: the newest.
    natives += sorted((native for above in (path, path / "linux") for native in above.glob("[0-9]*/native") if (native / _VERSION).is_file()),
                      key=lambda native: [int(part) for part in re.findall(r"\d+", native.parent.name)], reverse=True)
    if natives:
        return Found(natives[0], None)
    zips = sorted(file for above in (path, path / "linux", path / "ohos-sdk/linux") for file in above.glob("native-*.zip"))
    here = [file for file in zips if file.name.startswith("native-linux-x64-")]
    if here:
        return Found(None, here[-1])
    if zips or any((path / name).exists() for name in ("windows", "darwin", "mac")):
        raise Refused("holds no SDK for Linux" + (f", but {one_line(zips[0].name, 80)}" if zips else ""), where=path, hint="get the SDK for Linux")
    raise Refused("holds no SDK: neither native/ nor native-linux-x64-*.zip", where=path, hint="sdk= takes an unpacked SDK, its linux or native folder, or its archive")


def read(native: Path, abi: str, into: Path, *, key: str, origin: str = "") -> Toolchain:
    """The Toolchain of an unpacked SDK for one ABI, checked and saved in `into`.

    `origin` says where a pinned SDK came from (its digest); without it the compiler's own file tells it apart.
    Raises Refused: too old, of another system, half unpacked, without that ABI.
    """
    if abi not in TARGETS:
        raise Refused(f"no SDK for {abi!r}", hint=known(abi, TARGETS))
    said, target = version(native), TARGETS[abi]
    if said.api < OLDEST:
        raise Refused(f"is SDK {said.version} for API {said.api}; API {OLDEST} (OpenHarmony 4.0) is the first with a clang that can build this", where=native,
                      hint="get a newer SDK, or leave out sdk=")
    _whole(native, target)
    _runs(native / "llvm/bin/clang")
    into.mkdir(parents=True, exist_ok=True)
    modules = into / "modules" / "Platform"
    stamp.write(modules / "OHOS.cmake", "include(Platform/Linux)\n")
    # CMake itself does not know OHOS; the SDK's own cmake does, and a toolchain file of the SDK relies on it.
    file = into / "kiln.toolchain.cmake"
    stamp.write(file, f'include([==[{native / "build/cmake/ohos.toolchain.cmake"}]==])\nlist(APPEND CMAKE_MODULE_PATH [==[{modules.parent}]==])\n')
    compiler = origin or stamp.digest(native / "llvm/bin/clang")
    made = Toolchain(root=native, file=file, abi=abi, triple=target.triple, identity=f"ohos-sdk-{stamp.key(said.version, said.release, compiler)[:32]}",
                     runtime=native / "llvm/lib" / target.triple / "libc++_shared.so", sandbox=said.release == "Sandbox", key=key)
    results.save(made, into)
    return made


def state(native: Path) -> str:
    """What tells one SDK in a person's folder from another without reading it: its version file, and the size and time of what counts."""
    parts = [native.resolve().as_posix()]
    for name in (_VERSION, "llvm/bin/clang", "build/cmake/ohos.toolchain.cmake"):
        try:
            found = (native / name).stat()
            parts.append(f"{name} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}")
        except OSError:
            parts.append(f"{name} absent")
    return " ".join(parts)


def version(native: Path) -> Version:
    """What oh-uni-package.json says. Raises Refused."""
    file = native / _VERSION
    try:
        with file.open("rb") as stream:
            said: Any = json.loads(stream.read(1 << 16))
        text, number, api = str(said["version"]), str(said.get("releaseType", "")), re.match(r"\d{1,3}", str(said["apiVersion"]))
    except FileNotFoundError as error:
        raise Refused(f"has no {_VERSION}: it is no SDK, or half unpacked", where=native, hint="unpack it again") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused("does not say the version of an SDK", where=file, hint="unpack it again") from error
    if not re.fullmatch(r"[\w.-]{1,40}", text) or not re.fullmatch(r"[\w.-]{0,20}", number) or api is None:
        raise Refused("does not say the version of an SDK", where=file, hint="unpack it again")
    return Version(text, int(api[0]), number)


def _whole(native: Path, target: Target) -> None:
    """Everything that a build takes from it is there, and for this machine."""
    if (native / "llvm/bin/clang.exe").exists():
        raise Refused("is the SDK for Windows", where=native, hint="get the SDK for Linux")
    wanted = ["llvm/bin/clang", "llvm/bin/clang++", "llvm/bin/llvm-ar", "build/cmake/ohos.toolchain.cmake", "sysroot/usr/include"]
    missing = [name for name in wanted if not (native / name).exists()]
    if missing:
        raise Refused(f"is half unpacked: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing", where=native,
                      hint="unpack it again with unzip: other programs leave out links")
    board = [f"sysroot/usr/lib/{target.triple}/libc.so", f"llvm/lib/{target.triple}/libc++_shared.so"]
    missing = [name for name in board if not (native / name).exists()]
    if missing:
        there = sorted(one.abi for one in TARGETS.values() if (native / "sysroot/usr/lib" / one.triple).is_dir())
        raise Refused(f"has no {' and no '.join(missing)}", where=native, hint=f"it is for {', '.join(there) or 'no ABI that is known'}")
    with (native / "llvm/bin/clang").open("rb") as stream:
        head = stream.read(20)
    machine = int.from_bytes(head[18:20], "little") if head[:4] == b"\x7fELF" else 0
    if head[:4] in (b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"):
        raise Refused("is the SDK for macOS", where=native, hint="get the SDK for Linux")
    if machine and _MACHINES.get(machine) != platform.machine():
        raise Refused(f"is for machines with {_MACHINES.get(machine, f'ELF machine {machine}')}, this one is {platform.machine()}", where=native)
    if not machine and head[:2] != b"#!":
        raise Refused("has a clang that is no program", where=native / "llvm/bin/clang", hint="unpack it again with unzip: other programs leave out links")


def _runs(clang: Path) -> None:
    if not os.access(clang, os.X_OK):
        raise Refused("cannot be executed", where=clang, hint="unpack it again with unzip: other programs leave out modes")
    try:
        run.run([clang, "--version"], timeout=60)
    except KilnError as error:
        raise Refused(f"does not run: {error.what}", where=clang, hint="does this machine have the libraries that it needs?") from error
