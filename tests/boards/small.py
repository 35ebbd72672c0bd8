# SPDX-License-Identifier: Apache-2.0
"""A small whole-disk image for the tests of the virtual board: a few partitions, an ext4 tree in some of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kiln import run
from kiln.results import Images, Output

MIB = 1 << 20
MOUNT_POINTS = ("dev", "proc", "sys", "mnt", "vendor", "data", "tmp", "system/etc/init")


def service(name: str, *path: str, **more: Any) -> dict[str, Any]:
    """A service of a cfg file as the image room writes it."""
    return {"name": name, "path": list(path), "uid": "kiln", "gid": ["shell"], "sandbox": 0, "secon": "u:r:su:s0", **more}


def cfg(*services: Mapping[str, Any], imports: tuple[str, ...] = (), jobs: tuple[Any, ...] = ()) -> str:
    """A cfg file."""
    return json.dumps({"import": list(imports), "jobs": list(jobs), "services": list(services)})


def tree(folder: Path, files: Mapping[str, str | Path]) -> Path:
    """Make a tree: text, a program (a Path: copied, executable), or a link (text that begins with `->`)."""
    for name, what in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, Path):
            shutil.copyfile(what, file)
            file.chmod(0o755)
        elif what.startswith("->"):
            os.symlink(what[2:], file)
        else:
            file.write_text(what)
    return folder


def system(folder: Path, files: Mapping[str, str | Path]) -> Path:
    """A root tree as system.img holds it."""
    for name in MOUNT_POINTS:
        (folder / name).mkdir(parents=True)
    basics: dict[str, str | Path] = {
        "etc": "->/system/etc", "system/etc/passwd": "root:x:0:0:::\nshell:x:2000:2000:::\nkiln:x:2345:2345:::\n",
        "system/etc/group": "root:x:0:\nshell:x:2000:\n",
        "system/etc/init.cfg": cfg(imports=("/vendor/etc/init.${ohos.boot.hardware}.cfg",), jobs=(
            {"name": "pre-init", "cmds": ["mount_fstab_sp /vendor/etc/fstab.${ohos.boot.hardware}"]},))}
    return tree(folder, {**basics, **files})


def disk(into: Path, parts: Mapping[str, Path | None], *, size: int = 8 * MIB) -> Images:
    """A GPT disk: each part is as large as `size`, with the tree as ext4 in it, or empty."""
    layout, start = [], MIB
    for name, folder in parts.items():
        layout.append((name, start, folder))
        start += size
    with into.open("wb") as out:
        out.truncate(start + MIB)
    table = [word for number, (name, at, _) in enumerate(layout, 1)
             for word in ("-n", f"{number}:{at // 512}:{(at + size) // 512 - 1}", "-c", f"{number}:{name}")]
    run.run(["sgdisk", "-a", "1", *table, into])
    for _, at, folder in layout:
        if folder is not None:
            run.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-b", "4096", "-d", folder,
                     "-E", f"offset={at},root_owner=0:0", into, f"{size // 1024}k"])
    output = Output(into, "gpt", into.stat().st_size, "")
    return Images((output,), into, "")
