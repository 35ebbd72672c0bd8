# SPDX-License-Identifier: Apache-2.0
"""Makes the miniature OpenHarmony tree out of its template: sandbox/ohos is never built in, nor seen by a real loader.

A template file `x.in` becomes `x` with its @NAMES@ filled in, `x@3.2+4.0` stands in place of `x` in these generations; links.json
lists the links, which no wheel can hold. MindSpore's sources go into the archive that real trees have from 4.0 on. What is already
there with the same bytes is not touched, so ninja does nothing for it.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import zipfile
from pathlib import Path

from kiln import run, stamp
from kiln.errors import Refused
from kiln.results import Toolchain
from kiln.system.generations import Generation

LIST = ".kiln-tree.json"
MUSL = {"arm64-v8a": "aarch64", "armeabi-v7a": "arm", "x86_64": "x86_64"}
_NAME = re.compile(rb"@([A-Z_]+)@")
_LINKS = "links.json"
_LITE = "third_party/mindspore/mindspore-src/source/"          # where the sources lie in the template, and after gn in the tree
_ZIP, _INSIDE = "third_party/mindspore/mindspore-v2.1.0.zip", "mindspore-v2.1.0/"
_PYTHON = "3.11.4"


def make(template: Path, into: Path, toolchain: Toolchain, loader: Path, row: Generation) -> Path:
    """The tree of that generation in `into`, compiling with `toolchain`, with `loader` (musl's libc.so) for its system.

    Gives `into` back. Files of an earlier making that the template no longer has are taken away; what build.sh made
    (out/) stays. Raises Refused if the template or the loader is not there.
    """
    for path, what in ((template / _LINKS, "no template of a tree"), (loader, "no musl loader")):
        if not path.is_file():
            raise Refused(f"{what}", where=path)
    files = _packed(_files(template, _values(toolchain, row), row.name), row)
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


def clear(tree: Path, cpu: str) -> None:
    """Take away what was built for another CPU: in a tree of our own nobody need be asked."""
    for file in tree.glob("out/*/args.gn"):
        if f'target_cpu = "{cpu}"\n' not in file.read_text(errors="replace"):
            shutil.rmtree(file.parent)


def loader_in(tree: Path) -> Path:
    """musl's libc.so in an unpacked package of it. Raises Refused if there is none."""
    for file in sorted(tree.rglob("libc.so")):
        if file.is_file():
            return file
    raise Refused("holds no libc.so", where=tree, hint="the product's board.loader must be a package of musl")


def _values(toolchain: Toolchain, row: Generation) -> dict[str, str]:
    return {"SDK_VERSION": row.sdk, "API_VERSION": str(row.api), "MUSL_ARCH": MUSL[toolchain.abi], "GENERATION": row.name}


def _files(template: Path, values: dict[str, str], generation: str) -> dict[str, bytes]:
    """The template's files by their names in the tree; one with a list of generations comes after, and so in place of, the plain one."""
    made = {}
    for file in sorted(template.rglob("*")):
        name, _, only = file.relative_to(template).as_posix().partition("@")
        if not file.is_file() or name == _LINKS or "__pycache__" in file.parts or (only and generation not in only.split("+")):
            continue
        data = file.read_bytes()
        if name.endswith(".in"):
            name, data = name[:-3], _NAME.sub(lambda match: values[match[1].decode()].encode(), data)
        made[name] = data
    return made


def _packed(files: dict[str, bytes], row: Generation) -> dict[str, bytes]:
    """MindSpore's sources as the generation has them: in a folder in 3.2, later in an archive that is unpacked while gn runs."""
    sources = {name.removeprefix(_LITE): files.pop(name) for name in sorted(files) if name.startswith(_LITE)}
    if row.name == "3.2":
        return {**files, **{f"third_party/mindspore/{name}": data for name, data in sources.items()}}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for name, data in sources.items():
            out.writestr(zipfile.ZipInfo(_INSIDE + name), data)
    return {**files, _ZIP: archive.getvalue()}


def _links(toolchain: Toolchain, row: Generation) -> dict[str, str]:
    """The prebuilts that build.sh asks for: the host's Python and ninja, and the toolchain where clang and the SDK would be."""
    root = str(toolchain.root.resolve())
    python = row.prebuilts[0].replace("/linux-*/", "/linux-x86/").replace("/*/", f"/{_PYTHON}/")
    return {
        python: os.path.realpath(sys.executable),
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
