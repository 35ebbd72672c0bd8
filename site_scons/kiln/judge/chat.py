# SPDX-License-Identifier: Apache-2.0
"""Chat: a person and a model, token by token. Reading and writing are the caller's; nothing is printed here.

/quit or the end of the input ends, /reset forgets what was said, Ctrl-C stops the answer that is being written.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kiln.errors import BoardError
from kiln.judge.ask import Server

HELP = "/reset forgets what was said, /quit ends, Ctrl-C stops an answer"
QUESTION_MOST = 20000                  # characters; the board's context is far smaller
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def chat(server: Server, *, read: Callable[[], str | None], write: Callable[[str], None], watch: Callable[[], None]) -> int:
    """Talk until `read` gives None or /quit; gives the number of answers. `watch` raises BoardError if the board is gone."""
    said: list[dict[str, str]] = []
    count = 0
    with interruptible():
        while True:
            line = _line(read, write)
            if line is None or line == "/quit":
                return count
            if line.startswith("/"):
                write(_command(line, said))
            elif line:
                count += _turn(server, said, line[:QUESTION_MOST], write, watch)


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt within the block, whatever the program around us made of it (SCons swallows it)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _line(read: Callable[[], str | None], write: Callable[[str], None]) -> str | None:
    while True:
        try:
            line = read()
            return line.strip() if line is not None else None
        except KeyboardInterrupt:
            write("\n(Ctrl-D or /quit ends)\n")


def _command(line: str, said: list[dict[str, str]]) -> str:
    if line == "/reset":
        said.clear()
        return "(forgotten)\n"
    return f"({HELP})\n"


def _turn(server: Server, said: list[dict[str, str]], question: str, write: Callable[[str], None], watch: Callable[[], None]) -> int:
    """One question and its answer. An answer that was stopped or failed leaves no trace in what is remembered."""
    said.append({"role": "user", "content": question})
    try:
        text = _answer(server, said, write)
    except KeyboardInterrupt:
        write(" (stopped)\n")
        said.pop()
        return 0
    except BoardError as error:
        said.pop()
        watch()
        write(f"({error})\n")
        return 0
    write("\n")
    said.append({"role": "assistant", "content": text})
    return 1


def _answer(server: Server, said: list[dict[str, str]], write: Callable[[str], None]) -> str:
    """Stream one answer; when the talk no longer fits the model's context, the oldest turn is forgotten."""
    pieces: list[str] = []
    while True:
        try:
            for piece in server.stream(said):
                text = piece if pieces else piece.lstrip()
                if text:
                    pieces.append(text)
                    write(_UNSAFE.sub("", text))
            return "".join(pieces)
        except BoardError as error:
            if "context" not in str(error) or len(said) < 3 or pieces:
                raise
            del said[:2]
