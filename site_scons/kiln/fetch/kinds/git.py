# SPDX-License-Identifier: Apache-2.0
"""One commit of one repository: `url`, and as `version` the commit's whole name; what comes is a tar of its files.

The tar is made here and not by `git archive`, so that it is the same bytes whatever git's version and the repository's attributes say:
files in order, mode 0755 or 0644, links, no owner, no time. Submodules are left out. Objects are checked as they come; hooks,
filters and other transports have no way in.
"""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kiln import git, run
from kiln.errors import FetchError, one_line
from kiln.fetch import stream
from kiln.fetch.ask import Ask
from kiln.fetch.part import Part, copy
from kiln.fetch.stream import Unreachable
from kiln.pin import Pin

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SCHEME = re.compile(r"(https|http|file)://[^\s\x00-\x1f]+")
_AWAY = ("Could not resolve", "Connection refused", "Connection timed out", "Failed to connect", "unable to access", "Operation too slow")
_ENTRY = re.compile(r"(\d{6}) (\w+) ([0-9a-f]{40,64})\t(.+)", re.S)
_PIECE = 1 << 20


def place(pin: Pin) -> str:
    """Where the repository is, and the commit."""
    return f"{stream.shown(pin.url)} at {pin.version[:12]}"


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Bring the commit, as shallow as can be, and pack its files."""
    known = _SCHEME.fullmatch(pin.url)
    if known is None:
        raise FetchError("its url is not https:, http: or file:")
    if not _COMMIT.fullmatch(pin.version):
        raise FetchError("its version is not the whole name of a commit", hint="a branch or a tag can move; git ls-remote tells its commit")
    (ask.cache.root / "partial").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="git-", dir=ask.cache.root / "partial") as scratch:
        repository, packed = Path(scratch) / "bare", Path(scratch) / "tar"
        run.run(git.argv(["init", "-q", "--bare", "--template=", str(repository)], Path(scratch)))
        _bring(repository, pin, known[1])
        with packed.open("wb") as out:
            pack(repository, pin.version, out, pin.size)
        copy(packed, part)


def pack(repository: Path, commit: str, out: IO[bytes], limit: int) -> None:
    """The files of a commit as a tar of at most `limit` bytes. Raises FetchError."""
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        entries = [entry for entry in _entries(repository, commit) if entry[1] == "blob"]
        for (mode, _, _, name), data in zip(entries, _blobs(repository, [entry[2] for entry in entries]), strict=True):
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if mode == "100755" else 0o644
            if mode == "120000":
                info.type, info.linkname = tarfile.SYMTYPE, data.decode("utf-8", "surrogateescape")
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            if out.tell() > limit:
                raise FetchError(f"holds more than the {limit} bytes that are pinned")


def _bring(repository: Path, pin: Pin, scheme: str) -> None:
    allowed = [word for name in {scheme, "https"} for word in ("-c", f"protocol.{name}.allow=always")]
    words = ["-c", "protocol.allow=never", *allowed, "-c", "protocol.version=2", "-c", "transfer.fsckObjects=true",
             "-c", "credential.helper=", "-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60",
             "fetch", "-q", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-auto-maintenance", "--", pin.url, pin.version]
    done = run.run(git.argv(words, repository), cwd=repository, ok=range(256))
    if done.code:
        said = next((line for line in done.tail if "fatal: " in line or "error: " in line), "git says nothing")
        kind = Unreachable if any(word in done.text for word in _AWAY) else FetchError
        raise kind(f"git fetch: {one_line(said.removeprefix('fatal: ').removeprefix('error: '), 200)}",
                   hint="is the commit there, and does the server give single commits?")


def _entries(repository: Path, commit: str) -> Iterator[tuple[str, str, str, str]]:
    """Mode, type, object and name of everything in a commit, by name."""
    words = ["ls-tree", "-r", "-z", "--full-tree", commit]
    with run.started(git.argv(words, repository), cwd=repository) as child:
        assert child.stdout
        text = child.stdout.read().decode("utf-8", "surrogateescape")
    for entry in sorted(filter(None, text.split("\0")), key=lambda line: line.partition("\t")[2]):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise FetchError(f"git ls-tree: {one_line(entry, 200)}")
        yield found[1], found[2], found[3], found[4]


def _blobs(repository: Path, names: list[str]) -> Iterator[bytes]:
    with run.started(git.argv(["cat-file", "--batch"], repository), cwd=repository, stdin="".join(f"{name}\n" for name in names)) as child:
        assert child.stdout
        for name in names:
            head = child.stdout.readline().decode().split()
            if head[:2] != [name, "blob"]:
                raise FetchError(f"has no object {name}")
            yield child.stdout.read(int(head[2]) + 1)[:-1]
