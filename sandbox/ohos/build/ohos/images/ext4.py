# SPDX-License-Identifier: Apache-2.0
"""An ext4 image that is the same bytes for the same files, whoever makes it, where and when.

mke2fs -d copies the host's times, owners, modes and attributes; one debugfs pass then sets all of them for every inode from
dac.txt, file_contexts and SOURCE_DATE_EPOCH, so neither the user nor the umask nor the clock is in the image. The features are
listed one by one and the configuration file is our own, since both change from one e2fsprogs to the next.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import uuid
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "kiln/sandbox/ohos")
# What mke2fs 1.47.0 of Debian 12 makes of -t ext4, less the journal, as the real build has it; resize_inode lets it grow.
FEATURES = ("none", "ext_attr", "resize_inode", "dir_index", "filetype", "extent", "64bit", "flex_bg", "sparse_super", "large_file",
            "huge_file", "dir_nlink", "extra_isize", "metadata_csum")
_CONFIGURATION = "[defaults]\n[fs_types]\n ext4 = {\n }\n small = {\n }\n big = {\n }\n"
_QUIET = re.compile(r"^debugfs \d|^debugfs:|^Allocated inode|^\s*$")
_KIND = {"folder": 0o040000, "file": 0o100000, "link": 0o120000}


class ImageFailed(Exception):
    """An e2fsprogs program failed; its own words."""


@dataclass(frozen=True)
class Rules:
    """Owners and modes (dac.txt) and SELinux labels (file_contexts): for both, the last line that matches holds."""

    dac: Path
    contexts: Path

    def owner(self, path: str, kind: str) -> tuple[int, int, int]:
        """Mode, uid and gid of an absolute path on the board."""
        found = (0o755, 0, 0) if kind == "folder" else (0o777, 0, 0) if kind == "link" else (0o644, 0, 0)
        for pattern, wanted, numbers in self._owners:
            if wanted == kind and fnmatch.fnmatchcase(path.lstrip("/"), pattern):
                found = numbers
        return found

    def label(self, path: str) -> str:
        found = "u:object_r:unlabeled:s0"
        for pattern, label in self._labels:
            if pattern.fullmatch(path):
                found = label
        return found

    @cached_property
    def _owners(self) -> list[tuple[str, str, tuple[int, int, int]]]:
        rows = [[word.strip() for word in line.split(",")] for line in _lines(self.dac)]
        return [(row[0].rstrip("/"), "folder" if row[0].endswith("/") else "file", (int(row[1], 8), int(row[2]), int(row[3])))
                for row in rows]

    @cached_property
    def _labels(self) -> list[tuple[re.Pattern[str], str]]:
        rows = [line.split() for line in _lines(self.contexts)]
        return [(re.compile(row[0]), row[-1]) for row in rows]


def make(folder: Path, image: Path, mount: str, size: int, rules: Rules, name: str, epoch: int, scratch: Path) -> None:
    """`folder` as an ext4 image of `size` bytes (rounded down to blocks of 4096). Raises ImageFailed."""
    scratch = scratch.resolve()
    beside = scratch / "image"
    configuration = scratch / "mke2fs.conf"
    configuration.write_text(_CONFIGURATION)
    env = {**os.environ, "MKE2FS_CONFIG": str(configuration), "E2FSPROGS_FAKE_TIME": str(epoch), "SOURCE_DATE_EPOCH": str(epoch),
           "LC_ALL": "C", "TZ": "UTC", "MKE2FS_DEVICE_SECTSIZE": "512", "MKE2FS_DEVICE_PHYS_SECTSIZE": "512"}
    with beside.open("wb") as out:
        out.truncate(size // 4096 * 4096)
    extended = f"hash_seed={uuid.uuid5(SPACE, f'{name}/seed')},root_owner=0:0,nodiscard,no_copy_xattrs,lazy_itable_init=0"
    call(["mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "16384", "-m", "0", "-g", "32768", "-G", "16",
          "-e", "continue", "-o", "linux", "-r", "1", "-L", mount[:16], "-M", mount, "-U", str(uuid.uuid5(SPACE, f"{name}/uuid")),
          "-O", ",".join(FEATURES), "-E", extended, "-d", str(folder.resolve()), str(beside)], env, scratch)
    (scratch / "commands").write_text("\n".join(commands(folder, mount, rules, epoch, scratch)) + "\n")
    said = call(["debugfs", "-w", "-f", "commands", str(beside)], env, scratch)
    wrong = [line for line in said.splitlines() if not _QUIET.match(line)]
    if wrong:                                          # debugfs exits 0 on every failure
        raise ImageFailed(f"debugfs: {wrong[0]}")
    call(["e2fsck", "-fn", str(beside)], env, scratch)
    beside.replace(image)


def commands(folder: Path, mount: str, rules: Rules, epoch: int, scratch: Path) -> list[str]:
    """debugfs commands that give every inode its owner, mode, times and label."""
    labels: dict[str, str] = {}
    made: list[str] = []
    paths = [("/", "folder"), ("/lost+found", "folder")]
    for file in sorted(folder.rglob("*")):
        kind = "link" if file.is_symlink() else "folder" if file.is_dir() else "file"
        paths.append((f"/{file.relative_to(folder).as_posix()}", kind))
    for path, kind in paths:
        board = (path if mount == "/" else f"{mount}{path}").rstrip("/") or "/"
        mode, uid, gid = (0o700, 0, 0) if path == "/lost+found" else rules.owner(board, kind)
        label = rules.label(board)
        if label not in labels:
            labels[label] = f"label{len(labels)}"
            (scratch / labels[label]).write_bytes(label.encode() + b"\0")    # e2fsdroid writes the trailing NUL
        made += [f"sif {path} mode 0{_KIND[kind] | mode:o}", f"sif {path} uid {uid}", f"sif {path} gid {gid}",
                 f"ea_set -f {labels[label]} {path} security.selinux", *times(path, epoch)]
    return made + times("<7>", epoch)


def times(inode: str, epoch: int) -> list[str]:
    """All four times of an inode, no fractions. ctime comes last of all, after whatever else touches it."""
    return [line for field in ("atime", "mtime", "crtime", "ctime")
            for line in (f"sif {inode} {field} @{epoch}", f"sif {inode} {field}_extra 0")]


def call(argv: list[str], env: dict[str, str], cwd: Path) -> str:
    """Run a program of e2fsprogs; what it printed, or ImageFailed with the first thing that it said."""
    found = shutil.which(argv[0], path=f"{env.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise ImageFailed(f"{argv[0]} is not on this machine: install e2fsprogs")
    done = subprocess.run([found, *argv[1:]], env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if line.strip()]
        raise ImageFailed(f"{argv[0]}: {said[-1].removeprefix(f'{argv[0]}: ') if said else done.returncode}")
    return done.stdout


def _lines(file: Path) -> list[str]:
    lines = [line.strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]
