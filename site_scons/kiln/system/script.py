# SPDX-License-Identifier: Apache-2.0
"""Runs build.sh of a tree: own HOME and PATH, one at a time; success is exit code 0 and the expected files, new."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kiln import run
from kiln.errors import ProgramError, Refused
from kiln.progress import Progress, counted, silent
from kiln.system import diagnose, generations
from kiln.system.generations import Generation

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ANY = tuple(range(-64, 256))
_KEPT = 20000                  # lines; a failure's own block and what led to it


def build(tree: Path, row: Generation, product: str, targets: Sequence[str], abi: str, *, epoch: int, home: Path, log: Path,
          jobs: int, progress: Progress = silent) -> tuple[Path, dict[str, Path]]:
    """Build `targets`; gives the board's out folder and the file of each library that they must make, by name.

    Raises Refused if somebody else builds in this tree, ProgramError with the first true error if build.sh fails, or if
    it says that it did not and a file is missing or old.
    """
    home.mkdir(parents=True, exist_ok=True)
    env = {"HOME": str(home.resolve()), "PATH": PATH, "SOURCE_DATE_EPOCH": str(epoch), "LOG_FILTER": "True",
           "CCACHE_BASE": str(home.resolve()), **dict(row.env)}
    argv = generations.argv(row, product, targets, abi, jobs)
    with locked(tree):
        began = time.time() - 1          # file systems keep coarser times than time()
        with progress(0, "build.sh", "steps") as update:
            count = counted(update)
            done = run.run(argv, cwd=tree, env=env, log=log, ok=_ANY, keep=_KEPT, line=lambda text: count(diagnose.plain(text)))
        if done.code:
            how = f"was killed by signal {-done.code}" if done.code < 0 else f"failed (exit code {done.code})"
            found = diagnose.of(done.tail, fresh_log(tree, began))
            hint = f"{found.remedy}; log: {log}" if found.remedy else f"log: {log}"
            raise ProgramError(f"build.sh of {product} {how}: {found.line}", hint=hint, code=done.code)
        out = out_folder(tree, product)
        names = [name for target in targets for name in row.made_by(target)]
        return out, {name: expected(out, name, began, log) for name in names}


def out_folder(tree: Path, product: str) -> Path:
    """out/<board>, as the build itself says in out/ohos_config.json: boards and products need not have the same name."""
    file = tree / "out" / "ohos_config.json"
    try:
        said = json.loads(file.read_text())
        if said["product"] == product:
            return tree / str(said["out_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProgramError("build.sh left no word of where it built", where=file) from error
    raise ProgramError(f"build.sh built {said['product']}, not {product}", where=file)


def fresh_log(tree: Path, began: float) -> Path | None:
    """The build.log that hb wrote since `began`: out/<board>/build.log, or out/build.log where no product was known."""
    found = [file for place in ("*/build.log", "build.log") for file in (tree / "out").glob(place) if file.stat().st_mtime >= began]
    return max(found, key=lambda file: file.stat().st_mtime, default=None)


def expected(out: Path, name: str, began: float, log: Path) -> Path:
    """The stripped file of that name, newer than `began`; an older one will do where ninja ran and keeps it as its own."""
    found = [file for file in sorted(out.glob(f"*/*/{name}")) if not file.parts[len(out.parts)].endswith(".unstripped")]
    if not found:
        raise ProgramError(f"build.sh ended well, but {name} is not there", where=out, hint=f"log: {log}")
    if found[0].stat().st_mtime < began and not _kept(out, found[0], began):
        raise ProgramError(f"build.sh ended well, but {name} is older than this build", where=found[0], hint=f"log: {log}")
    return found[0]


def _kept(out: Path, file: Path, began: float) -> bool:
    """ninja ran in this build (hb starts build.log anew for each) and its own log has the file."""
    ours, record = out / "build.log", out / ".ninja_log"
    if not ours.is_file() or not record.is_file() or ours.stat().st_mtime < began:
        return False
    name = file.relative_to(out).as_posix()
    return any(line.split("\t")[3:4] == [name] for line in record.read_text(errors="replace").splitlines())


@contextmanager
def locked(tree: Path) -> Iterator[None]:
    """One build a tree: two of them would race in out/hb_args. Held by descriptor, so a killed run leaves nothing behind."""
    file = tree / "out" / ".kiln.lock"
    file.parent.mkdir(exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            who = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            raise Refused(f"process {who or '?'} builds in this tree", where=tree, hint="wait for it to end") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
