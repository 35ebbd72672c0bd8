# SPDX-License-Identifier: Apache-2.0
"""The same questions on this machine: a recipe that forgets too much is refused before an image is packed."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kiln import run
from kiln.errors import ModelError, one_line
from kiln.judge import check
from kiln.judge.ask import Server
from kiln.judge.card import Question

CONTEXT = 512                          # tokens, for a product that leaves its own to the budget
START = 60                             # seconds that a model may take to load


def answers(server: Path, gguf: Path, asked: Sequence[Question], *, log: Path, context: int) -> list[bool]:
    """Which of the questions the model answers as the card says. Raises ModelError if the server does not run."""
    with served(server, gguf, log=log, context=context) as at:
        return [check.same(one.a, at.chat([{"role": "user", "content": one.q}]).text) for one in asked]


@contextmanager
def served(server: Path, gguf: Path, *, log: Path, context: int) -> Iterator[Server]:
    """A llama-server with this model on a free port of 127.0.0.1, ended with the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, False, True):
        port = _port()
        argv = (server, "-m", gguf, "--host", "127.0.0.1", "--port", str(port), "-c", str(context), "-t", "2", "-np", "1", "--no-warmup")
        run.rotate(log)
        at = Server(f"http://127.0.0.1:{port}")
        with run.started([str(word) for word in argv]) as child:
            writer = threading.Thread(target=_keep, args=(child, log), daemon=True)
            writer.start()
            began = time.monotonic()
            while not at.healthy() and child.poll() is None and time.monotonic() - began < START:
                time.sleep(0.02)
            if child.poll() is None and time.monotonic() - began < START:
                yield at
                return
            run.kill(child)
            writer.join(5)
            if last or "bind" not in _said(log):
                raise ModelError(f"{server.name} does not serve {gguf.name}: {_reason(log, child.returncode)}", hint=f"log: {log}")


def _keep(child: subprocess.Popen[bytes], log: Path) -> None:
    """What the server prints, into its log."""
    assert child.stdout is not None
    with log.open("ab", buffering=0) as out:
        try:
            for line in child.stdout:
                out.write(line)
        except ValueError:             # closed under us: the server was ended
            return


def _port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def _said(log: Path) -> str:
    return log.read_text(errors="replace")[-20000:] if log.is_file() else ""


def _reason(log: Path, code: int | None) -> str:
    if code is None:
        return f"not ready within {START} s"
    return one_line(run.first_error(_said(log).splitlines()), 300) + f" (exit code {code})"
