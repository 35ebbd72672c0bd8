# SPDX-License-Identifier: Apache-2.0
"""The two questions that we ask git: apply this patch in this folder, and which of these files have local changes.

It may not look above its folder, and no configuration of the user, the machine or the environment has a say: see kiln/git.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import git, run
from kiln.errors import PatchError

_KEEP = 100_000
_MANY = 500  # paths in one command line
_OFFSET = re.compile(r"Hunk #\d+ succeeded at \d+ \(offset")
_FAILED = re.compile(r"error: patch failed: (.*):(\d+)$")


@dataclass(frozen=True)
class Said:
    """How `git apply` ended: `exact` is without an offset; `path` and `start` name the hunk that failed, `error` git's words."""

    ok: bool
    exact: bool = True
    path: str = ""
    start: int = 0
    error: str = ""


def apply(folder: Path, patch: Path, *, back: bool = False) -> Said:
    """Apply one patch to the files of a folder that is no repository, all of it or nothing."""
    words = ["apply", "--verbose", "--whitespace=nowarn", *(["--reverse"] if back else []), str(patch.absolute())]
    done = run.run(git.argv(words, folder), cwd=folder, ok=(0, 1, 128), keep=_KEEP)
    skipped = next((line for line in done.tail if line.startswith("Skipped patch")), "")
    if done.code == 0 and not skipped:
        return Said(True, exact=not any(_OFFSET.match(line) for line in done.tail))
    error = skipped or next((line for line in done.tail if line.startswith(("error: ", "fatal: "))), "git apply gave no reason")
    found = next((found for line in done.tail if (found := _FAILED.match(line))), None)
    return Said(False, False, found[1] if found else "", int(found[2]) if found else 0, error)


def is_repository(folder: Path) -> bool:
    """True if the folder is the root of a checkout (or of a worktree, a submodule, a project of `repo`)."""
    return os.path.lexists(folder / ".git")


def changed(repository: Path, paths: Sequence[str]) -> set[str]:
    """Those of `paths` that are not as the last commit has them: changed, staged, or there without git's knowing. Writes nothing."""
    found: set[str] = set()
    for at in range(0, len(paths), _MANY):
        some = paths[at:at + _MANY]
        known = _listed(repository, ["ls-files", "-z", "--", *some])
        status = _listed(repository, ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no", "--", *some])
        found |= {entry[3:] for entry in status} | {path for path in some if path not in known and os.path.lexists(repository / path)}
    return found & set(paths)


def _listed(repository: Path, words: Sequence[str]) -> list[str]:
    """What git says of a repository, which may be another user's and have a monitor of its own: neither may stop or run."""
    words = ["--literal-pathspecs", *words]
    done = run.run(git.argv(words, repository), cwd=repository, ok=(0, 128), keep=_KEEP)
    if done.code:
        raise PatchError(f"git does not know its state: {run.first_error(done.tail)}", where=repository)
    return [entry for entry in done.text.split("\0") if entry]
