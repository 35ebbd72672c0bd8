# SPDX-License-Identifier: Apache-2.0
"""One program: argv, cwd, environment, log, progress, tail. Nothing of ours starts a process in another way.

The child gets a clean locale, time zone, hash seed and umask, its own process group, and a watcher that ends the
whole group should we be killed: a pipe that we hold open tells the watcher that we live.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kiln.errors import ProgramError, Refused, one_line

CLEAN = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8", "LANGUAGE": "C", "TZ": "UTC", "PYTHONHASHSEED": "0"}
TAIL = 60
_children: set[subprocess.Popen[bytes]] = set()
_interrupted = threading.Event()
_WATCH = 'read -r word || kill -s KILL -- "-$1"'

# Which package of Debian and Ubuntu brings a program that we may miss; doctor installs the same.
PACKAGES = {
    "qemu-system-aarch64": "qemu-system-arm", "mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "e2fsck": "e2fsprogs",
    "resize2fs": "e2fsprogs", "dumpe2fs": "e2fsprogs", "sgdisk": "gdisk", "ccache": "ccache", "git": "git",
    "apt-get": "apt", "dpkg-deb": "dpkg", "rkdeveloptool": "rkdeveloptool", "qemu-aarch64-static": "qemu-user-static", "sfdisk": "fdisk",
    "simg2img": "android-sdk-libsparse-utils", "rkunpack": "rkflashtool", "rkcrc": "rkflashtool",
}
# Programs that no package brings.
ELSEWHERE = {"hdc": "it is part of the ohos-sdk: put the folder with toolchains/hdc on your PATH"}


@dataclass(frozen=True)
class Finished:
    """What a program left: its exit code and the last lines that it printed (stdout and stderr together)."""

    code: int
    tail: tuple[str, ...]

    @property
    def text(self) -> str:
        """The kept lines as one text."""
        return "\n".join(self.tail)


def find(program: str) -> str:
    """The absolute path of a host program, also beside our Python and in the sbin folders. Raises Refused naming the package."""
    # pip's programs (cmake, ninja) lie beside our Python, which a wrapper runs without its folder on the PATH.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    found = shutil.which(program, path=path)
    if found is None:
        how = ELSEWHERE.get(program) or f"install it: apt-get install {PACKAGES.get(program, program)}, or run: scons doctor"
        raise Refused(f"{program} is not on this machine", hint=how)
    return found


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment with the locale, time zone and hash seed fixed, then the caller's changes."""
    return {**os.environ, **CLEAN, **(changes or {})}


def threads() -> int:
    """For programs whose threads spin while they wait for each other, as llama.cpp's do: all cores, or one of a busy machine.

    Two spinning threads beside another load were six times slower than one.
    """
    cores = len(os.sched_getaffinity(0))
    return cores if os.getloadavg()[0] < cores else 1


def run(argv: Sequence[str | os.PathLike[str]], *, cwd: Path | None = None, env: Mapping[str, str] | None = None,
        log: Path | None = None, ok: Sequence[int] = (0,), stdin: str | None = None, keep: int = TAIL,
        line: Callable[[str], None] | None = None, timeout: float | None = None) -> Finished:
    """Run one program to its end and give back its exit code and last lines.

    `log` gets the command, cwd and environment changes, then everything printed; `line` is called for each line
    (progress); `keep` lines are kept. An exit code not in `ok` raises ProgramError with the first true error. A
    run past `timeout` seconds is killed with its whole group.
    """
    words = [os.fspath(word) for word in argv]
    if os.sep not in words[0]:
        words[0] = find(words[0])
    kept: deque[str] = deque(maxlen=keep)
    late = threading.Event()
    with _opened(log, words, cwd, env) as sink, started(words, cwd=cwd, env=env, stdin=stdin) as child:
        timer = threading.Timer(timeout, _too_late, (child, late)) if timeout else None
        if timer:
            timer.start()
        for text in _lines(child):
            kept.append(text)
            sink(text)
            if line:
                line(text)
        code = child.wait()
        if timer:
            timer.cancel()
    done = Finished(code, tuple(kept))
    if _interrupted.is_set():
        raise ProgramError(f"interrupted while {words[0].rsplit('/', 1)[-1]} ran", hint="run it again: what was finished stays", code=code)
    if late.is_set():
        raise ProgramError(f"{_short(words)} did not end within {timeout:.0f} s", where=log or "", code=code)
    if code not in ok:
        raise failed(words, done, log)
    return done


@contextmanager
def started(argv: Sequence[str | os.PathLike[str]], *, cwd: Path | None = None, env: Mapping[str, str] | None = None,
            stdin: str | None = None, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """A running child in its own process group, ended (the whole group) when the block ends or we are killed."""
    words = [os.fspath(word) for word in argv]
    try:
        child = subprocess.Popen(  # noqa: S603 - argv, never a shell
            words, cwd=cwd, env=environment(env), stdout=stdout, stderr=subprocess.STDOUT, umask=0o022,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        raise ProgramError(f"cannot start {words[0]}: {error.strerror}") from error
    watcher = subprocess.Popen(["/bin/sh", "-c", _WATCH, "sh", str(child.pid)], stdin=subprocess.PIPE,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    if stdin is not None and child.stdin:
        threading.Thread(target=_feed, args=(child, stdin), daemon=True).start()
    _children.add(child)
    try:
        yield child
    finally:
        _children.discard(child)
        kill(child)
        child.wait()
        if child.stdout:
            child.stdout.close()
        watcher.communicate(b"done\n")


def kill(child: subprocess.Popen[bytes]) -> None:
    """End the child's whole process group; those already gone are no error."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def interrupt() -> None:
    """End every running child, because we were told to stop; what waits for one raises that it was interrupted."""
    _interrupted.set()
    for child in tuple(_children):
        kill(child)


def go_on(what: str) -> None:
    """Raise if we were told to stop: long work of our own, which is no child, asks between its pieces."""
    if _interrupted.is_set():
        raise ProgramError(f"interrupted while {what}", hint="run it again: what was finished stays")


def _too_late(child: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    kill(child)


def failed(argv: Sequence[str], done: Finished, log: Path | None) -> ProgramError:
    """The error of a program that failed: command, how it ended, the first line that looks like the cause, the log."""
    how = f"was killed by {signal.Signals(-done.code).name}" if done.code < 0 else f"failed (exit code {done.code})"
    return ProgramError(f"{_short(argv)} {how}: {first_error(done.tail)}",
                        hint=f"log: {log}" if log else "", code=done.code)


def first_error(lines: Sequence[str]) -> str:
    """The first line that names an error, else the last that says anything.

    ninja says FAILED before the compiler's own message, so a line that gives the cause comes before one that only says so.
    """
    causes = ("error:", "fatal:", "Error:", "No space left", "undefined symbol")
    marks = (*causes, "ERROR", "FAILED", "cannot ", "not found")
    said = [one_line(text, 300) for text in lines if text.strip()]
    named = [text for text in said if any(mark in text for mark in marks)]
    first = next((text for text in named if any(mark in text for mark in causes)), named[0] if named else "")
    return first or (said[-1] if said else "it printed nothing")


def _short(argv: Sequence[str]) -> str:
    words = [Path(argv[0]).name, *argv[1:]]
    text = shlex.join(words)
    return text if len(text) <= 160 else text[:159] + "…"


def _lines(child: subprocess.Popen[bytes]) -> Iterator[str]:
    assert child.stdout is not None
    for raw in child.stdout:
        yield raw.decode("utf-8", "replace").rstrip("\n")


def _feed(child: subprocess.Popen[bytes], text: str) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(text.encode())
        child.stdin.close()
    except BrokenPipeError:
        pass


@contextmanager
def _opened(log: Path | None, argv: Sequence[str], cwd: Path | None,
            env: Mapping[str, str] | None) -> Iterator[Callable[[str], None]]:
    """The log of one step, appended to; its head names the command, the folder and what we changed in the environment."""
    if log is None:
        yield lambda text: None
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8", errors="replace", buffering=1) as out:
        changed = " ".join(f"{name}={shlex.quote(value)}" for name, value in sorted({**CLEAN, **(env or {})}.items()))
        out.write(f"$ cd {cwd or Path.cwd()} && env {changed} {shlex.join(argv)}\n")
        began = time.monotonic()
        yield lambda text: print(text, file=out)
        out.write(f"# {time.monotonic() - began:.1f} s\n")


def rotate(log: Path) -> Path:
    """Start a log anew: the one that lies there becomes `.1`, once. Gives the path back."""
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    return log
