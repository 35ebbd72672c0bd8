# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server on loopback that misbehaves on demand, and remembers what it was asked."""

from __future__ import annotations

import hashlib
import socketserver
import ssl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kiln import fetch

SOON = fetch.Pace(tries=3, first=0.01, longest=0.02, connect=5, stall=5, after=0.05)
CERTIFICATE = Path(__file__).with_name("loopback.pem")  # for 127.0.0.1 and localhost alone, with its key; a test's, worth nothing


@dataclass
class Faulty:
    """`files` by path; the faults below hold for each request, the deques for one request each."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    cuts: deque[int] = field(default_factory=deque)         # close the connection after so many bytes of the body
    statuses: deque[int] = field(default_factory=deque)     # answer with that status instead
    heads: dict[str, str] = field(default_factory=dict)     # further headers of every answer
    posts: dict[str, bytes] = field(default_factory=dict)   # what a POST is answered with, by path
    told: list[bytes] = field(default_factory=list)         # what was posted
    redirect: dict[str, str] = field(default_factory=dict)  # path -> address
    ranges: bool = True                                     # honor Range
    shift: int = 0                                          # begin a ranged answer so many bytes later than asked
    length: int | None = None                               # what Content-Length says; None: the truth
    chunked: bool = False
    drip: float = 0.0                                       # seconds between two bytes
    stall: float = 0.0                                      # seconds of silence in mid-body
    etag: bool = True
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0                                           # body bytes that went out
    port: int = 0
    scheme: str = "http"

    def url(self, path: str = "/file", host: str = "127.0.0.1") -> str:
        """The address of a file."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(host: str = "127.0.0.1", tls: bool = False, **given: Any) -> Iterator[Faulty]:
    """A server for the block; with `tls`, under a certificate that nobody trusts unless told to: CERTIFICATE."""
    faulty = Faulty(scheme="https" if tls else "http", **given)

    class Handler(_Handler):
        what = faulty

    server = _Server((host, 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    faulty.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield faulty
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer's asks the name server who 127.0.0.1 is, for seconds where none answers
        self.server_name, self.server_port = self.server_address[:2]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    what: Faulty

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        what = self.what
        what.asked.append((self.path, dict(self.headers.items())))
        self.close_connection = True
        path = unquote(self.path.partition("?")[0])
        if what.statuses and (status := what.statuses.popleft()) != 200:
            return self._head(status, {"Content-Length": "0"})
        if path in what.redirect:
            return self._head(302, {"Location": what.redirect[path], "Content-Length": "0"})
        if path not in what.files:
            return self._head(404, {"Content-Length": "0"})
        self._file(what.files[path])

    def do_POST(self) -> None:
        what, path = self.what, unquote(self.path.partition("?")[0])
        what.asked.append((self.path, dict(self.headers.items())))
        what.told.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
        self.close_connection = True
        if what.statuses and (status := what.statuses.popleft()) != 200:
            return self._head(status, {"Content-Length": "0"})
        if path not in what.posts:
            return self._head(404, {"Content-Length": "0"})
        body = what.posts[path]
        self._head(200, {"Content-Length": str(len(body) if what.length is None else what.length)})
        self._body(body)

    def _file(self, body: bytes) -> None:
        what = self.what
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        heads = {"ETag": etag} if what.etag else {}
        wanted = self.headers.get("Range")
        status, start, end = 200, 0, len(body)
        if wanted and what.ranges and self.headers.get("If-Range", etag) == etag:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            status, start, end = 206, int(first) + what.shift, min(len(body), int(last or len(body)) + 1)
            if start >= len(body):
                return self._head(416, {"Content-Length": "0"})
            heads["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
        left = body[start:end]
        if what.chunked:
            heads["Transfer-Encoding"] = "chunked"
        else:
            heads["Content-Length"] = str(len(left) if what.length is None else what.length)
        self._head(status, heads)
        self._body(left)

    def _body(self, left: bytes) -> None:
        what = self.what
        cut = what.cuts.popleft() if what.cuts else None
        try:
            if what.stall:
                self._send(left[:len(left) // 2])
                time.sleep(what.stall)
                self._send(left[len(left) // 2:])
            elif what.drip:
                for one in left:
                    self._send(bytes([one]))
                    time.sleep(what.drip)
            else:
                self._send(left[:cut])
                if what.chunked and cut is None:
                    self.wfile.write(b"0\r\n\r\n")
        except OSError:
            pass  # the client had enough

    def _send(self, piece: bytes) -> None:
        self.what.sent += len(piece)
        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self.what.chunked and piece else piece)
        self.wfile.flush()

    def _head(self, status: int, heads: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**heads, **self.what.heads}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
