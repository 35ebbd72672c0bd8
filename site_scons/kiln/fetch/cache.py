# SPDX-License-Identifier: Apache-2.0
"""The content-addressed cache: blobs by digest, half-downloaded files, rejected files, one lock per digest.

    blobs/sha256/<aa>/<digest>   whole and verified, read-only; put there by one rename
    partial/<digest>{,.json}     a download that was cut, and what the server said of it
    rejected/<digest>-<got>      what came instead, kept for inspection
    locks/<name>                 flock; a digest's lock also holds what its blob looked like when it was last hashed
    signed/<digest>.json         which package of the signed index stands in for a pin (`accept: signed`)
    apt/<arch>-<key8>/           the private apt state
    made/<key>.tar.zst           exact derived results, see made.py

A cache is shared by products and checkouts, so every change happens under the lock of its digest. A blob is trusted
without reading it while size, mtime, ctime and inode are those of the moment it was hashed: any write changes the
ctime and no program can set it back, so this costs four numbers per use and a changed byte is still seen. Only a
disk that rots in silence is not: verify() hashes everything.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kiln import run, stamp
from kiln.errors import DigestError, FetchError, Refused
from kiln.progress import Progress, Update, amount, silent

VERSION = "1"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NAME = re.compile(r"[0-9a-z][0-9a-z_.-]{0,127}")


@dataclass(frozen=True)
class Cache:
    """An opened cache; make one with open()."""

    root: Path

    def blob(self, digest: str) -> Path:
        """Where the blob of that digest lies, or would."""
        return self.root / "blobs" / "sha256" / digest[:2] / digest

    def partial(self, digest: str) -> Path:
        """Where a download of that digest grows."""
        return self.root / "partial" / digest

    def made(self, key: str) -> Path:
        """Where the derived result of that key lies, or would."""
        return self.root / "made" / f"{key}.tar.zst"

    def signed(self, digest: str) -> Path:
        """The record of the package that stands in for the pin of that digest."""
        return self.root / "signed" / f"{digest}.json"

    @contextmanager
    def lock(self, name: str, progress: Progress = silent) -> Iterator[IO[str]]:
        """Hold the lock of that name; `progress` shows how long somebody else has held it."""
        assert _NAME.fullmatch(name), name
        with writing(self.root), (_folder(self.root / "locks") / name).open("a+", encoding="ascii") as file:
            if not _taken(file):
                with progress(0, f"another run works on {name[:12]}", "s") as update:
                    _wait(file, update)
            yield file

    def find(self, digest: str, size: int, held: IO[str], *, whole: bool = False) -> Path | None:
        """The blob, verified, or None. One that is not what its name says goes to rejected/.

        `held` is the digest's lock. `whole` hashes it whatever the record says; a `size` of 0 fits any.
        """
        blob = self.blob(digest)
        try:
            seen = _look(blob)
        except FileNotFoundError:
            return None
        right = size in (0, seen["size"])
        if not whole and right and _record(held) == seen:
            return blob
        got = stamp.digest(blob) if right else "size"
        if got == digest:
            _note(held, seen)
            return blob
        self.reject(blob, digest, got)
        return None

    def admit(self, file: Path, digest: str, held: IO[str]) -> Path:
        """A verified file becomes the blob: flushed, read-only, renamed into place. Gives the blob back."""
        blob = self.blob(digest)
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        file.chmod(0o444)
        _folder(blob.parent)
        file.replace(blob)
        _note(held, _look(blob))
        return blob

    def reject(self, file: Path, digest: str, got: str) -> Path:
        """Keep what is not what it should be, out of the way. Gives its new place."""
        place = _folder(self.root / "rejected") / f"{digest}-{got}"
        file.replace(place)
        return place

    def room(self, wanted: int) -> None:
        """Refuse early if the disk cannot take `wanted` more bytes."""
        free = shutil.disk_usage(self.root).free
        if wanted > free:
            raise Refused(f"{amount(wanted)} are needed and {amount(free)} are free", where=self.root,
                          hint="make room, or give cache=ANOTHER_FOLDER")


def open(root: Path) -> Cache:
    """The cache in that folder, made if it is not there. Refused if another version of Kiln laid it out."""
    file = root / "version"
    try:
        with writing(root):
            if not file.exists():
                stamp.write(file, f"{VERSION}\n")
        found = file.read_text(errors="replace")[:20].strip()
    except OSError as error:
        raise Refused(f"the cache cannot be used: {error.strerror}", where=root, hint="give cache=ANOTHER_FOLDER") from error
    if found != VERSION:
        raise Refused(f"the cache has layout {found!r}, this Kiln knows {VERSION}", where=root,
                      hint="give cache=ANOTHER_FOLDER, or remove this one")
    return Cache(root)


def verify(cache: Cache, *, update: Callable[[int], None] = lambda by: None) -> int:
    """Hash every blob; `update` gets the bytes read. Gives the number of blobs. Raises DigestError naming the bad."""
    bad, count = [], 0
    for blob in sorted((cache.root / "blobs" / "sha256").glob("??/*")):
        with cache.lock(blob.name) as held:
            size = blob.stat().st_size if blob.exists() else 0
            if blob.exists() and cache.find(blob.name, size, held, whole=True) is None:
                bad.append(blob.name)
        update(size)
        count += 1
    if bad:
        raise DigestError(f"{len(bad)} of {count} blobs are not what their names say: {', '.join(bad)}",
                          where=cache.root, hint=f"they are in {cache.root / 'rejected'} now; the next build fetches them again")
    return count


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Around every write: a full disk (or quota, or file size limit) becomes one line; what was half-fetched stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise FetchError(f"no room left: {error.strerror}", where=root,
                         hint="make room and run it again, the download goes on where it stopped") from error


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(file: IO[str], update: Update) -> None:
    """Asked again and again, since a thread that sleeps in flock() could not be told to stop."""
    began = told = time.monotonic()
    while not _taken(file):
        run.go_on("another run held the cache")
        time.sleep(0.05)
        seconds = int(time.monotonic() - began) - int(told - began)
        if seconds:
            told += seconds
            update(seconds)


def _look(blob: Path) -> dict[str, int]:
    seen = blob.stat()
    return {"size": seen.st_size, "mtime": seen.st_mtime_ns, "ctime": seen.st_ctime_ns, "inode": seen.st_ino}


def _record(held: IO[str]) -> Any:
    held.seek(0)
    try:
        return json.loads(held.read(1000))
    except ValueError:
        return None


def _note(held: IO[str], seen: dict[str, int]) -> None:
    held.truncate(0)
    held.write(json.dumps(seen))
    held.flush()


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
