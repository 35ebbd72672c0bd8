# SPDX-License-Identifier: Apache-2.0
"""The control port of the sandbox's init (sandbox/board/README.md): one request a connection. What it says is bounded and checked."""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kiln.errors import BoardError, one_line

REPLY_MOST = (1 << 20) + 256
PIECE = 1 << 18
QUIET = 30                             # seconds that a board may be silent in the middle of a transfer
_HEAD = 4096                           # bytes of an answer's first line


@dataclass
class Control:
    """The control port, forwarded to 127.0.0.1:`port`. Raises OSError or ValueError for a board that does not answer, BoardError for a no."""

    port: int
    forwards: list[socket.socket] = field(default_factory=list)

    def ask(self, *words: str, timeout: float) -> tuple[int, str]:
        """One request: the code and the text of its answer."""
        with self._asked(words, timeout) as line:
            return _answer(_all(line))

    def send(self, file: Path, dest: str, mode: int) -> None:
        """A file onto the board, whole or not at all."""
        size = file.stat().st_size
        with file.open("rb") as stream, self._asked(("send", dest, f"{mode:04o}", str(size)), QUIET) as line:
            _ready(line)
            with suppress(ConnectionError):         # it may have said why
                line.sendfile(stream, 0, size)
            _answer(_all(line))

    def forward(self, port: int) -> int:
        """A port of 127.0.0.1 here that leads to 127.0.0.1:`port` there, until close()."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.forwards.append(listener)
        threading.Thread(target=self._listen, args=(listener, port), daemon=True).start()
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """End all forwards."""
        for listener in self.forwards:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)     # wakes the thread that accepts
            listener.close()
        self.forwards.clear()

    def _asked(self, words: tuple[str, ...], timeout: float) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        try:
            line.sendall(json.dumps(words).encode() + b"\n")
        except OSError:
            line.close()
            raise
        return line

    def _listen(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client, port), daemon=True).start()

    def _pass(self, client: socket.socket, port: int) -> None:
        with client, suppress(OSError, ValueError, BoardError), self._asked(("connect", str(port)), QUIET) as board:
            _ready(board)
            board.settimeout(None)
            back = threading.Thread(target=_pump, args=(board, client), daemon=True)
            back.start()
            _pump(client, board)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Bytes one way, to their end."""
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _ready(line: socket.socket) -> None:
    """`ready`, a byte at a time: what follows is not ours."""
    head = bytearray()
    while not head.endswith(b"\n") and len(head) < _HEAD and (piece := line.recv(1)):
        head += piece
    if head != b"ready\n":
        _answer(bytes(head))
        raise ValueError("it is not ready")


def _all(line: socket.socket) -> bytes:
    got = bytearray()
    while len(got) <= REPLY_MOST and (piece := line.recv(65536)):
        got += piece
    return bytes(got)


def _answer(reply: bytes) -> tuple[int, str]:
    """`ok CODE LENGTH` and so many bytes, or `error TEXT`."""
    head, _, body = reply.partition(b"\n")
    if head.startswith(b"error "):
        raise BoardError(f"the board refuses: {one_line(head[6:].decode('utf-8', 'replace'), 200)}")
    match = re.fullmatch(rb"ok (\d{1,3}) (\d{1,8})", head)
    if not match or len(body) != int(match[2]):
        raise ValueError(one_line(head.decode("utf-8", "replace"), 200) or "an empty answer")
    return int(match[1]), body.decode("utf-8", "replace")
