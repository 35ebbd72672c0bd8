# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server on a loopback port that answers, or misbehaves, as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler, Any], None]


def message(text: str, rate: float = 50.0) -> dict[str, Any]:
    """A chat completion as llama-server writes it."""
    return {"choices": [{"finish_reason": "stop", "index": 0, "message": {"role": "assistant", "content": text}}],
            "timings": {"prompt_per_second": rate * 3, "predicted_per_second": rate}}


def send(handler: BaseHTTPRequestHandler, body: object, status: int = 200, length: int | None = None) -> None:
    """A whole reply; `length` lies about it."""
    blob = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(blob) if length is None else length))
    handler.end_headers()
    handler.wfile.write(blob)


def stream(handler: BaseHTTPRequestHandler, pieces: list[str], end: str = "data: [DONE]\n\n", pause: float = 0) -> None:
    """Server-sent events, one piece each."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.end_headers()
    for piece in pieces:
        event = {"choices": [{"index": 0, "delta": {"content": piece}}]}
        handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        handler.wfile.flush()
        time.sleep(pause)
    handler.wfile.write(end.encode())


class Played:
    """The server: `reply` is called with the handler and the JSON that was sent."""

    def __init__(self, reply: Reply) -> None:
        played = self
        self.asked: list[Any] = []
        self.headers: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - http.server's name
                reply(self, None)

            def do_POST(self) -> None:  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                played.asked.append(body)
                played.headers.append(dict(self.headers))
                try:
                    reply(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, format: str, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"
