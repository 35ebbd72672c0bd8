# SPDX-License-Identifier: Apache-2.0
"""The HTTP client of llama-server. What it says is from outside: bounded in size and time, and checked.

No proxy is asked and no redirect followed: the server is a port of this machine.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kiln.errors import BoardError, one_line

BODY_MOST = 1 << 20
LINE_MOST = 1 << 16
STREAM_MOST = 16 << 20
Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Answer:
    """What the model said, and how fast by the server's own clock (tokens a second; 0 where it does not say)."""

    text: str
    seconds: float
    prompt_rate: float
    rate: float


@dataclass(frozen=True)
class Server:
    """A llama-server at `url`; `limit` is how many seconds one answer may take."""

    url: str
    key: str = ""
    limit: float = 60

    def healthy(self, timeout: float = 1) -> bool:
        """True once the model is loaded and the server answers; a server that is not there yet is no error."""
        try:
            with self._asked("GET", "/health", None, timeout) as reply:
                return reply.status == 200 and _object(_body(reply)).get("status") == "ok"
        except BoardError:
            return False

    def chat(self, messages: Messages, *, most: int = 64, seed: int = 1) -> Answer:
        """The whole answer, the likeliest words (temperature 0), at most `most` tokens."""
        began = time.monotonic()
        with self._asked("POST", "/v1/chat/completions", _wanted(messages, most, seed), self.limit) as reply:
            said = _object(_good(reply))
        timings = said.get("timings")
        try:
            text = said["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise BoardError(f"the server's answer has no message: {one_line(json.dumps(said), 200)}") from error
        if not isinstance(text, str):
            raise BoardError("the server's answer is not text")
        return Answer(text, time.monotonic() - began, _rate(timings, "prompt_per_second"), _rate(timings, "predicted_per_second"))

    def stream(self, messages: Messages, *, most: int = 512, seed: int = 1) -> Iterator[str]:
        """The answer piece by piece; `limit` is for each piece. Closing the iterator closes the connection, and the server stops."""
        wanted = {**_wanted(messages, most, seed), "stream": True}
        with self._asked("POST", "/v1/chat/completions", wanted, self.limit, whole=False) as reply:
            if reply.status != 200:
                _good(reply)
            done = False
            for event in _events(reply):
                if event == b"[DONE]":
                    done = True
                    break
                yield from _piece(_object(event))
            if not done:
                raise BoardError("the server ended its answer in the middle")

    @contextmanager
    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None, limit: float, *,
               whole: bool = True) -> Iterator[http.client.HTTPResponse]:
        """One request on a connection of its own. A `whole` one is cut off after `limit` seconds: a drip is as bad as silence."""
        parts = urlsplit(self.url)
        line = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=limit)
        late, reply, timer = threading.Event(), None, None
        try:
            line.connect()
            # the socket itself: http.client forgets it as soon as a reply without keep-alive begins
            timer = threading.Timer(limit, _cut, (line.sock, late))
            timer.daemon = True
            if whole:
                timer.start()
            line.request(method, path, None if body is None else json.dumps(body).encode(),
                         {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})})
            reply = line.getresponse()
            yield reply
            if late.is_set():
                raise TimeoutError
        except (OSError, http.client.HTTPException, ValueError) as error:
            how = f"does not answer within {limit:.0f} s" if late.is_set() or isinstance(error, TimeoutError) else \
                f"cannot be reached: {one_line(str(error), 200) or type(error).__name__}"
            raise BoardError(f"the server at {self.url} {how}") from error
        finally:
            if timer:
                timer.cancel()
            if reply:
                reply.close()
            line.close()


def _wanted(messages: Messages, most: int, seed: int) -> dict[str, Any]:
    return {"messages": [dict(message) for message in messages], "temperature": 0, "seed": seed, "max_tokens": most, "cache_prompt": True}


def _cut(line: socket.socket, late: threading.Event) -> None:
    late.set()
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _body(reply: http.client.HTTPResponse) -> bytes:
    blob = reply.read(BODY_MOST + 1)
    if len(blob) > BODY_MOST:
        raise BoardError(f"the server's answer is larger than {BODY_MOST} bytes")
    if reply.length:                   # read(n) says nothing of an answer that was cut
        raise http.client.IncompleteRead(blob, reply.length)
    return blob


def _good(reply: http.client.HTTPResponse) -> bytes:
    blob = _body(reply)
    if reply.status != 200:
        raise BoardError(f"the server answers {reply.status}: {one_line(_complaint(blob), 300)}")
    return blob


def _complaint(blob: bytes) -> str:
    try:
        return str(json.loads(blob)["error"]["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return blob[:1000].decode("utf-8", "replace")


def _object(blob: bytes) -> dict[str, Any]:
    try:
        said = json.loads(blob)
    except (ValueError, RecursionError) as error:
        raise BoardError(f"the server's answer is not JSON: {one_line(blob[:200].decode('utf-8', 'replace'))}") from error
    if not isinstance(said, dict):
        raise BoardError("the server's answer is not a JSON object")
    return said


def _events(reply: http.client.HTTPResponse) -> Iterator[bytes]:
    """The data of server-sent events, one a line as llama-server writes them."""
    total = 0
    while line := reply.readline(LINE_MOST + 1):
        total += len(line)
        if len(line) > LINE_MOST or total > STREAM_MOST:
            raise BoardError("the server's answer does not end")
        if line.startswith(b"data:"):
            yield line[5:].strip()


def _piece(said: Mapping[str, Any]) -> Iterator[str]:
    if "error" in said:
        raise BoardError(f"the server gives up: {one_line(_complaint(json.dumps(said).encode()), 300)}")
    try:
        text = said["choices"][0]["delta"].get("content")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise BoardError("the server's answer has no message") from error
    if isinstance(text, str) and text:
        yield text


def _rate(timings: object, name: str) -> float:
    value = timings.get(name) if isinstance(timings, dict) else None
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e9 else 0.0
