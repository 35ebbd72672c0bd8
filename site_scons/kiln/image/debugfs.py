# SPDX-License-Identifier: Apache-2.0
"""debugfs driven by scripts that nothing can escape from, and judged by what it prints: it exits 0 on every failure.

Host files are never named in a script: they lie under plain names in the folder that debugfs runs in, so a build
folder may have any name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from kiln.errors import ImageError, one_line
from kiln.run import run

LABEL = "security.selinux"
_PATH = re.compile(r"(/[A-Za-z0-9._+@][A-Za-z0-9._+@=,~-]{0,254}){1,32}")
_NOISE = re.compile(r"debugfs \d\S* \(.*\)|debugfs: .*|Allocated inode: \d+|extent: lblk .*|Checksum set to .*|\s*")
_PASSES = re.compile(r"e2fsck \d.*|Pass \d.*|\s*|.*: \d+/\d+ files .*|.*not upgrading.*")


def checked(path: str) -> str:
    """A path inside an image, absolute and plain. Raises ImageError: a script has no safe way to quote the others."""
    if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ImageError(f"path {one_line(path, 120)!r} cannot be put into an image",
                         hint="absolute, no '..', letters, digits and . _ + @ = , ~ - only")
    return path


def write(image: Path, commands: Sequence[str], *, folder: Path, epoch: int, log: Path | None = None) -> None:
    """Run a script that changes `image`, in `folder`, with `epoch` as its clock. Raises ImageError with the first complaint."""
    wrong = [line for line in _run(image, commands, folder, log, epoch, "-w") if not _NOISE.fullmatch(line)]
    if wrong:
        raise ImageError(f"debugfs: {one_line(wrong[0], 300)}", where=image.name, hint=f"log: {log}" if log else "")


def label(image: Path, path: str, scratch: Path) -> str:
    """The SELinux label of a path without its trailing NUL; "" if it has none."""
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "label").unlink(missing_ok=True)
    _run(image, [f"ea_get -f label {checked(path)} {LABEL}"], scratch, None, 1)
    raw = (scratch / "label").read_bytes() if (scratch / "label").is_file() else b""
    return raw.rstrip(b"\0").decode("ascii", "replace")


def check(image: Path, log: Path | None = None) -> None:
    """e2fsck -fn finds nothing. Raises ImageError with its first complaint."""
    done = run(["e2fsck", "-fn", image], log=log, ok=range(256), keep=400)
    if done.code:
        said = next((line for line in done.tail if not _PASSES.fullmatch(line)), f"exit code {done.code}")
        raise ImageError(f"e2fsck finds it damaged: {one_line(said, 300)}", where=image.name, hint=f"log: {log}" if log else "")


def _run(image: Path, commands: Sequence[str], folder: Path, log: Path | None, epoch: int, *options: str) -> tuple[str, ...]:
    argv = ["debugfs", *options, "-f", "-", str(image.resolve())]
    env = {"E2FSPROGS_FAKE_TIME": str(epoch), "DEBUGFS_PAGER": "cat"}
    return run(argv, cwd=folder, env=env, log=log, stdin="\n".join(commands) + "\n", keep=4 * len(commands) + 1000).tail
