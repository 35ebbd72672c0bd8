# SPDX-License-Identifier: Apache-2.0
"""Stand-in for the script that BUILD.gn runs at gn time from 4.0 on: sources out of the zip, then the tree's own series of patches.

Unlike the real one it also sees that the zip changed, and leaves a file alone whose bytes stay, so ninja makes only what must be made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

INSIDE = "mindspore-v2.1.0"


def do_patch(patch_dir: Path, target_dir: Path) -> None:
    patches = [
    ]
    if patches:
        subprocess.run(["git", "init", "-q", "."], cwd=target_dir, check=True)
    for patch in patches:
        print("Applying ", patch, "...")
        ret = subprocess.run(["git", "apply", str(patch_dir / patch)], cwd=target_dir, check=False)
        if ret.returncode != 0:
            raise Exception(f"Apply patch {patch} failed, ret: {ret}")
    shutil.rmtree(target_dir / ".git", ignore_errors=True)


def state(zip_path: Path, patch_dir: Path) -> str:
    """What the sources are made of: this script (its list), the zip, the patches."""
    total = hashlib.md5(usedforsecurity=False)
    for file in (Path(__file__), zip_path, *sorted(patch_dir.glob("*.patch"))):
        total.update(file.read_bytes())
    return total.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("in_zip_path", "out_src_path", "patch_dir"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    status, wanted = args.out_src_path / ".status", state(args.in_zip_path, args.patch_dir)
    if status.is_file() and status.read_text() == wanted:
        return
    args.out_src_path.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mindspore-", dir=args.out_src_path.parent) as scratch:
        with zipfile.ZipFile(args.in_zip_path) as packed:
            packed.extractall(scratch)
        fresh = Path(scratch) / INSIDE
        do_patch(args.patch_dir.resolve(), fresh)
        put(fresh, args.out_src_path / "source")
    status.write_text(wanted)


def put(fresh: Path, into: Path) -> None:
    names = {file.relative_to(fresh) for file in fresh.rglob("*") if file.is_file()}
    for file in [file for file in into.rglob("*") if file.is_file() and file.relative_to(into) not in names]:
        file.unlink()
    for name in sorted(names):
        if not (into / name).is_file() or (into / name).read_bytes() != (fresh / name).read_bytes():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(fresh / name, into / name)


if __name__ == "__main__":
    main()
