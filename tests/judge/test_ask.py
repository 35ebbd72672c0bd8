# SPDX-License-Identifier: Apache-2.0
"""The HTTP client against a server that lies, drips, floods, hangs and hangs up."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from judge.served import message, send, stream

from kiln.errors import BoardError
from kiln.judge.ask import BODY_MOST, STREAM_MOST, Server

pytestmark = pytest.mark.fast
ASK = [{"role": "user", "content": "Which?"}]


def test_an_answer_and_its_speed(play: Any) -> None:
    played = play(lambda handler, body: send(handler, message(" Friday, the Golden Rose", 47.5)))
    answer = Server(played.url, key="secret").chat(ASK, most=9, seed=5)
    assert (answer.text, answer.rate, answer.prompt_rate) == (" Friday, the Golden Rose", 47.5, 142.5)
    assert played.asked[0] | {"messages": 0} == {"messages": 0, "temperature": 0, "seed": 5, "max_tokens": 9, "cache_prompt": True}
    assert played.headers[0]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize("body,status,well", [
    ({"status": "ok"}, 200, True), ({"error": {"message": "Loading model"}}, 503, False), (b"<html>", 200, False), ([], 200, False), (b"", 200, False)])
def test_health(play: Any, body: object, status: int, well: bool) -> None:
    assert Server(play(lambda handler, _: send(handler, body, status)).url).healthy() is well


def test_nobody_there_is_not_healthy() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    server = Server(f"http://127.0.0.1:{port}")
    assert not server.healthy()
    with pytest.raises(BoardError, match="cannot be reached: .*refused"):
        server.chat(ASK)


@pytest.mark.parametrize("body,said", [
    (b"garbage \x1b[31m", "is not JSON: garbage$"), (b"", "is not JSON"), (b"[1]", "is not a JSON object"), (b"{}", "has no message"),
    (b'{"choices":[]}', "has no message"), (b'{"choices":{"a":1}}', "has no message"), (b'{"choices":[{"message":{"content":5}}]}', "is not text"),
    (b'{"choices":[{"message":{"content":null}}]}', "is not text"), (b"[" * 200000, "is not JSON"), (b"\xff\xfe", "is not JSON"),
    (b"x" * (BODY_MOST + 1), "is larger than")])
def test_an_answer_that_is_none(play: Any, body: bytes, said: str) -> None:
    with pytest.raises(BoardError, match=said) as raised:
        Server(play(lambda handler, _: send(handler, body)).url).chat(ASK)
    assert "\n" not in str(raised.value) and "\x1b" not in str(raised.value)


@pytest.mark.parametrize("timings", [None, [], {"predicted_per_second": "fast"}, {"predicted_per_second": -1}, {"predicted_per_second": float("inf")}])
def test_a_speed_that_is_none_counts_as_zero(play: Any, timings: object) -> None:
    assert Server(play(lambda handler, _: send(handler, {**message("x"), "timings": timings})).url).chat(ASK).rate == 0


@pytest.mark.parametrize("body,said", [
    ({"error": {"message": "out of \x1b]0;memory\x07 memory"}}, "answers 500: out of  memory"), (b"\x00\x01broken", "answers 500: broken"), ({"error": 4}, "answers 500")])
def test_a_500_is_told(play: Any, body: object, said: str) -> None:
    with pytest.raises(BoardError, match=said):
        Server(play(lambda handler, _: send(handler, body, 500)).url).chat(ASK)


def test_a_redirect_is_not_followed(play: Any) -> None:
    def away(handler: Any, _: object) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.1:1/")
        handler.end_headers()

    with pytest.raises(BoardError, match="answers 302"):
        Server(play(away).url).chat(ASK)


def test_a_cut_answer(play: Any) -> None:
    with pytest.raises(BoardError, match="cannot be reached: IncompleteRead|is not JSON"):
        Server(play(lambda handler, _: send(handler, b'{"choices"', length=5000)).url).chat(ASK)


def test_silence_ends(play: Any) -> None:
    began = time.monotonic()
    with pytest.raises(BoardError, match="does not answer within 0 s|does not answer within 1 s"):
        Server(play(lambda *_: time.sleep(2)).url, limit=0.5).chat(ASK)
    assert time.monotonic() - began < 1.5


def test_a_drip_ends(play: Any) -> None:
    """A byte now and then keeps every single read alive; the whole answer has a limit of its own."""
    def drip(handler: Any, _: object) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)

    began = time.monotonic()
    with pytest.raises(BoardError, match="does not answer within"):
        Server(play(drip).url, limit=0.6).chat(ASK)
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("raw", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000,
                                 b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"])
def test_what_is_not_http(raw: bytes) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:
        def once() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                client.sendall(raw)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        with pytest.raises(BoardError):
            Server(f"http://127.0.0.1:{listener.getsockname()[1]}", limit=5).chat(ASK)
        thread.join(5)


def test_a_stream_comes_piece_by_piece(play: Any) -> None:
    played = play(lambda handler, _: stream(handler, [" Fri", "day"]))
    assert list(Server(played.url).stream(ASK)) == [" Fri", "day"] and played.asked[0]["stream"] is True


@pytest.mark.parametrize("end,said", [
    ("", "in the middle"), ("data: {\n\n", "is not JSON"), ("data: {}\n\n", "has no message"), ('data: {"choices":[{"delta":[]}]}\n\n', "has no message"),
    ('data: {"error":{"message":"no slot"}}\n\n', "gives up: no slot"), ("data: " + "x" * 70000 + "\n\n", "does not end"), (": " + "x" * 70000, "does not end")])
def test_a_stream_that_breaks(play: Any, end: str, said: str) -> None:
    got: list[str] = []
    with pytest.raises(BoardError, match=said):
        got.extend(Server(play(lambda handler, _: stream(handler, ["a"], end)).url).stream(ASK))


def test_a_stream_without_end(play: Any) -> None:
    def flood(handler: Any, _: object) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b": nothing\n" * 10000)

    with pytest.raises(BoardError, match="does not end"):
        list(Server(play(flood).url, limit=20).stream(ASK))
    assert STREAM_MOST < 1 << 30


def test_a_stream_that_is_refused(play: Any) -> None:
    with pytest.raises(BoardError, match="answers 400: too long"):
        list(Server(play(lambda handler, _: send(handler, {"error": {"message": "too long"}}, 400)).url).stream(ASK))


def test_a_stream_left_early_is_closed(play: Any) -> None:
    left: list[bool] = []

    def patient(handler: Any, _: object) -> None:
        try:
            stream(handler, ["x"] * 200, pause=0.01)
        except OSError:
            left.append(True)
            raise BrokenPipeError from None

    pieces = Server(play(patient).url).stream(ASK)
    assert next(pieces) == "x"
    pieces.close()                     # type: ignore[attr-defined]
    for _ in range(100):
        if left:
            break
        time.sleep(0.02)
    assert left


def test_a_stream_that_falls_silent(play: Any) -> None:
    def stall(handler: Any, _: object) -> None:
        stream(handler, ["a"], end="")
        handler.wfile.flush()
        time.sleep(1)

    got: list[str] = []
    with pytest.raises(BoardError, match="does not answer within"):
        got.extend(Server(play(stall).url, limit=0.3).stream(ASK))


def test_a_slow_stream_is_not_cut(play: Any) -> None:
    """A real board gives half a token a second: the limit is for silence, not for the whole answer."""
    assert len(list(Server(play(lambda handler, _: stream(handler, ["a"] * 6, pause=0.15)).url, limit=0.5).stream(ASK))) == 6
