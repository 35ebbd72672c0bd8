# SPDX-License-Identifier: Apache-2.0
"""Makes the miniature OpenHarmony tree out of its template: sandbox/ohos is never built in, nor seen by a real loader.

A template file `x.in` becomes `x` with its @NAMES@ filled in; links.json lists the links, which no wheel can hold. What is
already there with the same bytes is not touched, so ninja does nothing for it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from kiln import run, stamp
from kiln.errors import Refused
from kiln.results import Toolchain
from kiln.system.generations import Generation

LIST = ".kiln-tree.json"
MUSL = {"arm64-v8a": "aarch64", "armeabi-v7a": "arm", "x86_64": "x86_64"}
_NAME = re.compile(rb"@([A-Z_]+)@")
_LINKS = "links.json"


def make(template: Path, into: Path, toolchain: Toolchain, loader: Path, row: Generation) -> Path:
    """The tree of that generation in `into`, compiling with `toolchain`, with `loader` (musl's libc.so) for its system.

    Gives `into` back. Files of an earlier making that the template no longer has are taken away; what build.sh made
    (out/) stays. Raises Refused if the template or the loader is not there.
    """
    for path, what in ((template / _LINKS, "no template of a tree"), (loader, "no musl loader")):
        if not path.is_file():
            raise Refused(f"{what}", where=path)
    files = _files(template, _values(toolchain, row))
    files["third_party/musl/libc.so"] = loader.read_bytes()
    files["prebuilts/clang/ohos/version"] = f"{toolchain.key}\n".encode()
    links = {**json.loads((template / _LINKS).read_text()), **_links(toolchain, row)}
    before = _made(into)
    _list(into, {*before, *files, *links})           # so that what a killed run wrote is known to the next
    for name in before - {*files, *links}:
        (into / name).unlink(missing_ok=True)
    for name, data in files.items():
        _write(into / name, data)
    for name, target in links.items():
        _link(into / name, target)
    _list(into, {*files, *links})
    return into


def loader_in(tree: Path) -> Path:
    """musl's libc.so in an unpacked package of it. Raises Refused if there is none."""
    for file in sorted(tree.rglob("libc.so")):
        if file.is_file():
            return file
    raise Refused("holds no libc.so", where=tree, hint="the product's board.loader must be a package of musl")


def _values(toolchain: Toolchain, row: Generation) -> dict[str, str]:
    library = Path(row.made_by("mindspore_lib")[0])
    return {"SDK_VERSION": row.sdk, "API_VERSION": str(row.api), "MUSL_ARCH": MUSL[toolchain.abi], "MINDSPORE_LIB": library.stem}


def _files(template: Path, values: dict[str, str]) -> dict[str, bytes]:
    made = {}
    for file in sorted(template.rglob("*")):
        name = file.relative_to(template).as_posix()
        if not file.is_file() or name == _LINKS or "__pycache__" in file.parts:
            continue
        data = file.read_bytes()
        if name.endswith(".in"):
            name, data = name[:-3], _NAME.sub(lambda match: values[match[1].decode()].encode(), data)
        made[name] = data
    return made


def _links(toolchain: Toolchain, row: Generation) -> dict[str, str]:
    """The prebuilts that build.sh asks for: the host's Python and ninja, and the toolchain where clang and the SDK would be."""
    root = str(toolchain.root.resolve())
    return {
        "prebuilts/python/linux-x86/3.11.4/bin/python3": os.path.realpath(sys.executable),
        "prebuilts/build-tools/linux-x86/bin/ninja": os.path.realpath(run.find("ninja")),
        "prebuilts/clang/ohos/linux-x86_64": root,
        f"prebuilts/ohos-sdk/linux/{row.api}/native": root,
    }


def _made(into: Path) -> set[str]:
    try:
        return {str(name) for name in json.loads((into / LIST).read_text())}
    except (OSError, ValueError):
        return set()


def _list(into: Path, names: set[str]) -> None:
    stamp.write(into / LIST, json.dumps(sorted(names), indent=1) + "\n")


def _write(file: Path, data: bytes) -> None:
    """The bytes, if they are not there already; a script is made executable whatever mode the template's file has.

    Not flushed to the disk as stamp.write() does (90 files: 0.3 to 0.5 s instead of 0.04): what a power cut leaves is compared here again.
    """
    mode = 0o755 if data.startswith(b"#!") else 0o644
    if file.is_symlink() or not file.is_file() or file.read_bytes() != data:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.tmp")
        beside.write_bytes(data)
        beside.replace(file)
    if file.stat().st_mode & 0o777 != mode:
        file.chmod(mode)


def _link(file: Path, target: str) -> None:
    if file.is_symlink() and os.readlink(file) == target:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    file.symlink_to(target)
