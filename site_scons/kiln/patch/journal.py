# SPDX-License-Identifier: Apache-2.0
"""The journal beside a tree: the originals first, then what is about to be done, then the tree is touched.

    journal.json   what is under way or done: the series, and of each file the digest before and after
    before/<n>     the bytes of file n as they were
    .lock          held while somebody works on the tree

The journal is renamed into place whole, so a run killed at any moment leaves none (nothing was touched), or one by which
the next run puts everything back. It is proof against a kill, not against a power cut.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from kiln import run, stamp
from kiln.errors import PatchError
from kiln.patch.content import Content, digest, look, put, sheer

NAME, BEFORE, LOCK = "journal.json", "before", ".lock"
PATIENCE = 0.5  # s: a killed run's lock lives on in a child that it had forked and that had not yet become git


@dataclass(frozen=True)
class Entry:
    """One touched file, by its path in the tree: the original's digest and mode ("" and 0: there was none), and the patched digest."""

    path: str
    number: int
    before: str
    mode: int
    after: str

    @property
    def beside(self) -> str:
        """The name under which its new bytes are written before they take its place."""
        return f".kiln-patch-{self.number}"


@dataclass(frozen=True)
class Journal:
    """`phase` is applying, applied or removing; `folders` are those that the patches made, outermost first."""

    phase: str
    series: str
    entries: tuple[Entry, ...]
    folders: tuple[str, ...]


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """One run at a time on a tree; the kernel opens the lock of a killed one."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / LOCK).open("w") as lock:
        end = time.monotonic() + PATIENCE
        while not _taken(lock):
            if time.monotonic() > end:
                raise PatchError("another run is patching this tree", where=state, hint="wait for it")
            time.sleep(0.02)
        yield


def _taken(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read(state: Path) -> Journal | None:
    """The journal, or None if nothing is done or under way. Raises PatchError if somebody else wrote in it."""
    file = state / NAME
    if not file.is_file():
        return None
    try:
        told = json.loads(file.read_text())
        entries = tuple(Entry(**entry) for entry in told.pop("entries"))
        return Journal(entries=entries, folders=tuple(told.pop("folders")), **told)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PatchError("is damaged, so nobody knows which files were patched", where=file,
                         hint=f"the originals lie in {state / BEFORE}: put the tree right, then delete {state}") from error


def write(state: Path, journal: Journal) -> None:
    """Let the next run know."""
    stamp.write(state / NAME, json.dumps(asdict(journal), indent=1, sort_keys=True) + "\n")


def original(state: Path, entry: Entry) -> Content | None:
    """The file as it was. Raises PatchError if the kept bytes are not those."""
    if not entry.before:
        return None
    try:
        kept = Content(entry.mode, (state / BEFORE / str(entry.number)).read_bytes())
    except OSError as error:
        raise PatchError(f"the original of {entry.path} is lost: {error.strerror}", where=state) from error
    if kept.digest != entry.before:
        raise PatchError(f"the original of {entry.path} was changed", where=state / BEFORE / str(entry.number))
    return kept


def perform(tree: Path, state: Path, series: str, before: dict[str, Content | None], after: dict[str, Content | None]) -> Journal:
    """Give the files of the tree their new contents: all of them, or after any error none."""
    shutil.rmtree(state / BEFORE, ignore_errors=True)
    (state / BEFORE).mkdir(parents=True)
    entries = []
    for number, path in enumerate(after):
        was = before[path]
        if was:
            (state / BEFORE / str(number)).write_bytes(was.data)
        entries.append(Entry(path, number, digest(was), was.mode if was else 0, digest(after[path])))
    journal = Journal("applying", series, tuple(entries), _missing(tree, after))
    write(state, journal)
    try:
        for entry in entries:
            run.go_on("patches were applied")
            put(tree, entry.path, after[entry.path], entry.beside)
        for entry in entries:
            if digest(look(tree, entry.path)) != entry.after:
                raise PatchError("is not what was written there a moment ago", where=tree / entry.path)
    except BaseException:
        restore(tree, state, journal)
        raise
    done = Journal("applied", series, journal.entries, journal.folders)
    write(state, done)
    return done


def restore(tree: Path, state: Path, journal: Journal) -> None:
    """Put every original back, verify it, and forget the journal. The caller has seen that nobody else's work is lost."""
    kept = {entry: original(state, entry) for entry in journal.entries}
    write(state, Journal("removing", journal.series, journal.entries, journal.folders))
    for entry, content in kept.items():
        sheer(tree, entry.path)
        (tree / entry.path).with_name(entry.beside).unlink(missing_ok=True)
        if digest(look(tree, entry.path)) != entry.before:
            put(tree, entry.path, content, entry.beside)
            if digest(look(tree, entry.path)) != entry.before:
                raise PatchError("could not be put back", where=tree / entry.path, hint=f"its original lies in {state / BEFORE}")
    for folder in reversed(journal.folders):
        if (tree / folder).is_dir() and not any((tree / folder).iterdir()):
            (tree / folder).rmdir()
    forget(state)


def forget(state: Path) -> None:
    """Nothing of ours is in the tree any more."""
    (state / NAME).unlink(missing_ok=True)
    shutil.rmtree(state / BEFORE, ignore_errors=True)


def _missing(tree: Path, paths: Sequence[str] | dict[str, Content | None]) -> tuple[str, ...]:
    """The folders of these paths that are not there yet, outermost first."""
    above = {"/".join(parts[:n]) for parts in (path.split("/") for path in paths) for n in range(1, len(parts))}
    return tuple(sorted(folder for folder in above if not (tree / folder).exists()))
