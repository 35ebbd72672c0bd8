# SPDX-License-Identifier: Apache-2.0
"""Chat: what a person sees when they ask, stop, forget and leave; what the model is told of the talk before."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Any

import pytest
from judge.served import send, stream

from kiln.errors import BoardError
from kiln.judge import chat
from kiln.judge.ask import Server

pytestmark = pytest.mark.fast


def talk(server: Server, *lines: str | None, watch: Any = lambda: None, write: Any = None) -> tuple[int, str]:
    """Say these lines; what was written, and how many answers came."""
    said: list[str] = []
    waiting = iter([*lines, None])
    count = chat.chat(server, read=lambda: next(waiting), write=write or said.append, watch=watch)
    return count, "".join(said)


def echo(handler: Any, body: Any) -> None:
    stream(handler, [" ", "you", " said ", body["messages"][-1]["content"]])


def test_answers_stream_and_are_remembered(play: Any) -> None:
    played = play(echo)
    assert talk(Server(played.url), "one", "", "  two  ") == (2, "you said one\nyou said two\n")
    assert [one["content"] for one in played.asked[1]["messages"]] == ["one", "you said one", "two"]


def test_quit_reset_and_unknown_commands(play: Any) -> None:
    played = play(echo)
    count, said = talk(Server(played.url), "one", "/reset", "/what", "two", "/quit", "never")
    assert count == 2 and "(forgotten)" in said and chat.HELP in said and "never" not in said
    assert len(played.asked[1]["messages"]) == 1


def test_pieces_are_written_as_they_come(play: Any) -> None:
    got: list[str] = []
    talk(Server(play(echo).url), "x", write=got.append)
    assert got == ["you", " said ", "x", "\n"]


def test_escapes_never_reach_the_terminal(play: Any) -> None:
    played = play(lambda handler, _: stream(handler, ["a\x1b", "]0;title\x07b\x9b31m\r\n", "c"]))
    _, said = talk(Server(played.url), "x")
    assert not set(said) & {"\x1b", "\x07", "\x9b", "\r"} and "\n" in said


def test_ctrl_c_stops_the_answer_and_the_talk_goes_on(play: Any) -> None:
    played = play(lambda handler, _: stream(handler, ["w "] * 100, pause=0.02))
    said: list[str] = []

    def write(text: str) -> None:
        said.append(text)
        if said.count("w ") == 3 and text == "w ":
            os.kill(os.getpid(), signal.SIGINT)

    assert talk(Server(played.url), "one", "/reset", write=write)[0] == 0
    assert " (stopped)\n" in said and said[-1] == "(forgotten)\n" and said.count("w ") < 10


def test_ctrl_c_at_the_prompt_says_how_to_leave(play: Any) -> None:
    lines: list[Any] = [KeyboardInterrupt(), "/quit"]
    said: list[str] = []

    def read() -> str:
        one = lines.pop(0)
        if isinstance(one, KeyboardInterrupt):
            raise one
        return str(one)

    assert chat.chat(Server(play(echo).url), read=read, write=said.append, watch=lambda: None) == 0
    assert "Ctrl-D" in said[0]


def test_the_signal_handler_is_given_back(play: Any) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        talk(Server(play(echo).url), "x")
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_talk_too_long_forgets_its_beginning(play: Any) -> None:
    def short(handler: Any, body: Any) -> None:
        if len(body["messages"]) > 3:
            send(handler, {"error": {"message": "request (600 tokens) exceeds the available context size (512 tokens)"}}, 400)
        else:
            echo(handler, body)

    played = play(short)
    count, said = talk(Server(played.url), "one", "two", "three")
    assert count == 3 and said.endswith("you said three\n")
    assert [one["content"] for one in played.asked[-1]["messages"]] == ["two", "you said two", "three"]


def test_a_question_that_is_too_long_by_itself_is_told(play: Any) -> None:
    played = play(lambda handler, _: send(handler, {"error": {"message": "exceeds the available context size"}}, 400))
    count, said = talk(Server(played.url), "x" * 50000, "/reset")
    assert count == 0 and "(the server answers 400: exceeds the available context" in said
    assert len(played.asked[0]["messages"][0]["content"]) == chat.QUESTION_MOST


def test_a_board_that_is_gone_ends_the_talk() -> None:
    def watch() -> None:
        raise BoardError("the board is gone")

    with pytest.raises(BoardError, match="is gone"):
        talk(Server("http://127.0.0.1:9"), "x", watch=watch)


def test_a_failed_answer_is_not_remembered(play: Any) -> None:
    replies: Sequence[Any] = [lambda handler, _: stream(handler, ["half"], end=""), echo]
    turn = iter(replies)
    played = play(lambda handler, body: next(turn)(handler, body))
    count, said = talk(Server(played.url), "one", "two")
    assert count == 1 and "in the middle" in said and [one["content"] for one in played.asked[1]["messages"]] == ["two"]
