# SPDX-License-Identifier: Apache-2.0
"""Patches for a tree of one or many repositories: all or nothing, recognised when already there, and back, byte for byte.

    series(folder)             what lies in patches/<pin>/, or for OpenHarmony series(all, generation)
    digest(folder)             of the same, for the key of a step
    apply(tree, series, state) -> Applied
    unapply(tree, state)

A tree may be a plain folder, a git repository or a folder of repositories; nothing is ever committed or staged in it.
`state` is a folder outside of the tree that belongs to this tree alone; see journal.py.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from kiln.errors import PatchError
from kiln.patch import git, journal as journals, plan
from kiln.patch.content import digest as content_digest, look, sheer
from kiln.patch.journal import Entry, Journal
from kiln.patch.parse import Patch
from kiln.patch.series import digest, digest_of, series

__all__ = ["Applied", "Patch", "apply", "digest", "series", "unapply"]
_SCRATCH = "scratch"


@dataclass(frozen=True)
class Applied:
    """A patched tree: the series' digest, the files that we changed, the repositories that had the patches already, and
    whether this run found everything done."""

    digest: str
    files: tuple[str, ...]
    there: tuple[str, ...] = ()
    already: bool = False


def apply(tree: Path, patches: Sequence[Patch], state: Path) -> Applied:
    """Apply a series to a tree, or leave the tree as it is. Another series of ours that is in it is taken out first.

    Raises PatchError: a patch that does not fit (with the hunk and the lines there), somebody's changes in a touched
    file, a link or no file where one is expected, a folder of a repository that is not there.
    """
    patches = sorted(patches, key=lambda patch: patch.repository)
    tree, wanted = tree.absolute(), digest_of(patches)
    with _at_work(tree, state):
        done = _settled(tree, state)
        if done and done.series == wanted and all(_now(tree, one) == one.after for one in done.entries):
            return Applied(wanted, tuple(one.path for one in done.entries), already=True)
        before, after, there = _planned(tree, patches, state, done)
        if done:
            journals.restore(tree, state, done)
        if after:
            journals.perform(tree, state, wanted, before, after)
        return Applied(wanted, tuple(after), there, already=not after)


def unapply(tree: Path, state: Path) -> tuple[str, ...]:
    """Put every file that we patched back as it was, modes too; gives their paths, none if nothing of ours is there.

    Raises PatchError, and touches nothing, if one of them was changed since.
    """
    if not state.is_dir():
        return ()
    tree = tree.absolute()
    with _at_work(tree, state):
        done = _settled(tree, state)
        if done:
            journals.restore(tree, state, done)
        return tuple(one.path for one in done.entries) if done else ()


@contextmanager
def _at_work(tree: Path, state: Path) -> Iterator[None]:
    """One run at a time; a disk that is full or read-only is nobody's bug."""
    if not tree.is_dir():
        raise PatchError("is no folder", where=tree)
    if state.absolute().is_relative_to(tree):
        raise PatchError("the journal may not lie in the tree that it is about", where=state)
    try:
        with journals.locked(state):
            yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise PatchError(f"cannot be written: {error.strerror}", where=error.filename or tree,
                         hint="the next run puts right what this one could not") from error
    finally:
        shutil.rmtree(state / _SCRATCH, ignore_errors=True)


def _settled(tree: Path, state: Path) -> Journal | None:
    """What is applied in the tree; what an interrupted run began is put back first. Raises PatchError for changed files."""
    found = journals.read(state)
    if found is None:
        return None
    ours = _ours(tree, found)
    if found.phase == "applied" and ours.entries:
        return ours
    journals.restore(tree, state, ours)
    return None


def _ours(tree: Path, journal: Journal) -> Journal:
    """The journal without the files that are no longer ours: a checkout has put the commit's own in their place."""
    others = [one for one in journal.entries if _now(tree, one) not in (one.before, one.after)]
    gone = {one for one in others if _committed(tree, one.path)}
    for one in others:
        if one not in gone:
            raise PatchError("was changed after it was patched", where=tree / one.path,
                             hint="undo that, or keep it elsewhere; then run it again")
    series = "" if gone else journal.series  # what a checkout took away is to be applied again
    return Journal(journal.phase, series, tuple(one for one in journal.entries if one not in gone), journal.folders)


def _committed(tree: Path, path: str) -> bool:
    """True if the innermost repository around a file has it just so in its last commit."""
    file = tree / path
    for folder in file.parents:
        if git.is_repository(folder):
            return not git.changed(folder, [file.relative_to(folder).as_posix()])
        if folder == tree:
            return False
    return False


def _now(tree: Path, entry: Entry) -> str:
    return content_digest(look(tree, entry.path))


def _planned(tree: Path, patches: Sequence[Patch], state: Path, done: Journal | None) -> tuple[plan.Files, plan.Files, tuple[str, ...]]:
    """Every touched file before and after, over all repositories, and the repositories that need nothing."""
    mine = {one.path: journals.original(state, one) for one in done.entries} if done else {}
    every_before: plan.Files = {}
    every_after: plan.Files = {}
    there = []
    for repository, group in groupby(patches, key=lambda patch: patch.repository):
        some = tuple(group)
        before = _before(tree, repository, some, mine)
        after = plan.make(some, before, state / _SCRATCH, lambda: _refuse(tree, repository, before, mine))
        if after is None:
            there.append(repository)
            continue
        for path in after:
            full = _full(repository, path)
            if full in every_after:
                raise PatchError(f"touches {full!r}, as does a patch for another folder", where=some[0].name)
            every_before[full], every_after[full] = before[path], after[path]
    return every_before, every_after, tuple(there)


def _before(tree: Path, repository: str, patches: Sequence[Patch], mine: plan.Files) -> plan.Files:
    """The touched files of one repository without what we did to them."""
    if repository:
        sheer(tree, f"{repository}/x")
    if not (tree / repository).is_dir():
        raise PatchError(f"the tree has no folder {repository!r}", where=patches[0].name)
    paths = dict.fromkeys(path for patch in patches for path in patch.paths)
    full = {path: _full(repository, path) for path in paths}
    return {path: mine[name] if name in mine else look(tree, name) for path, name in full.items()}


def _refuse(tree: Path, repository: str, before: plan.Files, mine: plan.Files) -> None:
    """Raise if somebody has changed a file that is to be patched, and not committed it."""
    folder = tree / repository
    theirs = [path for path in before if _full(repository, path) not in mine]
    changed = git.changed(folder, theirs) if theirs and git.is_repository(folder) else set()
    if changed:
        more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise PatchError(f"has local changes, which patches would mix with{more}", where=folder / min(changed),
                         hint="commit or stash them, then run it again")


def _full(repository: str, path: str) -> str:
    return os.path.join(repository, path)
