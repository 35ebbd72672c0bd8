# SPDX-License-Identifier: Apache-2.0
"""What a series would make of one repository, found out in a scratch folder; the tree is only read.

The touched files are copied, git applies patch after patch to the copies, and after each one they are compared with
what the patch says. So every failure comes before the first byte of the tree is changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run
from kiln.errors import PatchError, one_line
from kiln.patch import git
from kiln.patch.content import Content, look, put
from kiln.patch.parse import Change, Hunk, Patch

Files = dict[str, Content | None]


@dataclass(frozen=True)
class Outcome:
    """What a series made of the files (by path), or the patch at which git stopped and what it said."""

    files: Files
    exact: bool = True
    stopped: Patch | None = None
    said: git.Said = git.Said(True)


def make(patches: Sequence[Patch], before: Mapping[str, Content | None], scratch: Path, refuse: Callable[[], None]) -> Files | None:
    """The files of one repository after its patches, or None if they are all applied already.

    `before` holds each file that is touched; `refuse` raises if there is somebody's work in them. Raises PatchError.
    """
    back = _tried(patches[::-1], before, scratch, back=True)
    forth = _tried(patches, before, scratch) if back.stopped is None and _tells(patches, back) else None
    if forth and not _is(patches, before, new=False):
        if forth.stopped or _is(patches, before, new=True) or (back.exact and not forth.exact):
            return None
        if back.exact == forth.exact:
            raise PatchError("can be applied and can be taken back: nobody can tell whether it is applied", where=patches[0].name,
                             hint="give the patch more lines of context, or git's index lines")
    refuse()
    forth = _tried(patches, before, scratch)
    if forth.stopped:
        raise _misfit(forth.stopped, forth, back=_reverts(forth.stopped, before, scratch))
    return forth.files


def _tells(patches: Sequence[Patch], back: Outcome) -> bool:
    """Whether lines that can be taken back say that they were put in: what only deletes fits in many another place."""
    return back.exact or all(hunk.adds for patch in patches for change in patch.changes for hunk in change.hunks)


def _tried(patches: Sequence[Patch], before: Mapping[str, Content | None], scratch: Path, *, back: bool = False) -> Outcome:
    """Patch after patch in a fresh scratch folder, each checked."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for path, content in before.items():
        put(scratch, path, Content(0o755 if content.mode & 0o100 else 0o644, content.data) if content else None, ".kiln-patch")
    now, exact = {path: look(scratch, path) for path in before}, True
    for patch in patches:
        run.go_on("patches were checked")
        said = _mode(patch, now, back) or git.apply(scratch, patch.file, back=back)
        if not said.ok:
            return Outcome(now, False, patch, said)
        was, exact = {path: now[path] for path in patch.paths}, exact and said.exact
        now.update({path: look(scratch, path) for path in patch.paths})
        for change in patch.changes:
            _verify(patch, change.reversed if back else change, was, now)
    _nothing_else(patches, now, scratch)
    return Outcome(now if back else _modes(patches, before, now), exact)


def _mode(patch: Patch, now: Files, back: bool) -> git.Said | None:
    """What git only warns of: a file whose right to run is not the one that the patch changes."""
    for change in (one.reversed if back else one for one in patch.changes):
        old = now.get(change.old or "")
        if old and all(change.modes) and (change.modes[0] == "100755") != bool(old.mode & 0o100):
            return git.Said(False, error=f"{change.old} has not the mode {change.modes[0]}")
    return None


def _verify(patch: Patch, change: Change, was: Files, now: Files) -> None:
    """What git left is what the patch says; where the blob before was the patch's own, so must the blob after be."""
    old, new = was.get(change.old or ""), now.get(change.new or "")
    wrong = bool(change.old and change.old != change.new and now[change.old]) or bool(change.new and not new)
    if new and change.new:
        wrong |= bool(change.modes[1]) and (change.modes[1] == "100755") != bool(new.mode & 0o100)
        wrong |= bool(change.hunks or change.binary) and new.data == (old.data if old else b"")
        wrong |= bool(old and change.blobs[0] and old.blob.startswith(change.blobs[0])
                      and len(change.blobs[1]) <= 40 and not new.blob.startswith(change.blobs[1]))
    if wrong:
        raise PatchError(f"git apply said yes and did not make {change.paths[-1]!r} what the patch says", where=patch.name)


def _nothing_else(patches: Sequence[Patch], now: Files, scratch: Path) -> None:
    """git touched no file that we did not expect it to touch."""
    there = {os.path.relpath(os.path.join(folder, name), scratch) for folder, _, names in os.walk(scratch) for name in names}
    others = there - {path for path, content in now.items() if content}
    if others:
        raise PatchError(f"git apply made {one_line(min(others), 100)!r}, which we did not see in the patches", where=patches[0].name)


def _modes(patches: Sequence[Patch], before: Mapping[str, Content | None], now: Files) -> Files:
    """The scratch folder knows git's two modes only: give each file the mode that it had, but for the right to run."""
    origin = {path: path for path in before}
    for change in (change for patch in patches for change in patch.changes):
        if change.old and change.new:
            origin[change.new] = origin[change.old]
        elif change.new:
            origin[change.new] = ""
    return {path: _moded(before.get(origin[path]), content) if content else None for path, content in now.items()}


def _moded(was: Content | None, now: Content) -> Content:
    if was is None or bool(was.mode & 0o100) != bool(now.mode & 0o100):
        return Content(was.mode, now.data).runnable(bool(now.mode & 0o100)) if was else now
    return Content(was.mode, now.data)


def _is(patches: Sequence[Patch], files: Mapping[str, Content | None], *, new: bool) -> bool:
    """True if every file is, by git's own names, as the series finds it (or leaves it, `new`)."""
    side: dict[str, str] = {}
    for change in (change for patch in (patches if new else patches[::-1]) for change in patch.changes):
        path = change.new if new else change.old
        if path:
            side[path] = change.blobs[new]
    contents = {path: files.get(path) for path in side}
    return bool(side) and all(blob and content and content.blob.startswith(blob) for path, blob in side.items()
                              for content in [contents[path]])


def _reverts(patch: Patch, before: Mapping[str, Content | None], scratch: Path) -> bool:
    """True if the tree has this one patch already."""
    aside = scratch.with_name(scratch.name + ".back")
    try:
        return _tried([patch], {path: before[path] for path in patch.paths}, aside, back=True).stopped is None
    except PatchError:
        return False
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _misfit(patch: Patch, outcome: Outcome, *, back: bool) -> PatchError:
    """The error of a patch that does not apply: file, hunk header, and the lines found there."""
    hint = ("the tree has this patch already, but not the whole series: take it out of the series, or out of the tree" if back
            else "the patch was made for other files: make it anew for these")
    said = outcome.said
    change = next((one for one in patch.changes if said.path in one.paths), None)
    hunk = next((one for one in change.hunks if one.start == said.start), None) if change else None
    content = outcome.files.get(said.path)
    if hunk is None or content is None:
        return PatchError(f"does not apply: {one_line(said.error.removeprefix('error: '), 300)}", where=patch.name, hint=hint)
    return PatchError(f"does not apply to {said.path} at {hunk.header}: {_found(hunk, content)}", where=patch.name, hint=hint)


def _found(hunk: Hunk, content: Content) -> str:
    """The lines where the hunk should fit, from the first that is another, at most five."""
    lines = content.data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    first = max(hunk.start - 1, 0)
    there = lines[first:first + len(hunk.lines)]
    skip = next((n for n, (one, two) in enumerate(zip(hunk.lines, there)) if one != two), len(there))
    shown = [repr(one_line(line.decode(errors="replace"), 80)) for line in there[skip:skip + 5]]
    if not shown and len(there) == len(hunk.lines):
        return "those lines are there, but not where the file begins or ends, as the hunk wants"
    if not shown:
        return f"the file ends at line {len(lines)}"
    wanted = repr(one_line(hunk.lines[skip].decode(errors="replace"), 80))
    return f"line {first + skip + 1} should be {wanted}, found {' | '.join(shown)}"
