# SPDX-License-Identifier: Apache-2.0
"""The front of a hostile file, read in pieces as a parser asks for it; no length is believed before its bytes are there."""

from __future__ import annotations

import struct
from typing import BinaryIO

from kiln.errors import ModelError

FRONT = 64 << 20       # bytes of header; the longest seen (262,000 tokens with merges) are 16 MiB
TEXT = 1 << 16         # characters of a string that we keep: chat templates are 20 KiB
_PIECE = 1 << 18


class Short(ModelError):
    """The header goes on beyond the bytes that are here: of a file that is whole, it is cut short."""


class Front:
    """Little-endian numbers and length-prefixed strings out of a stream; `at` is the next byte, `size` that of the file."""

    def __init__(self, stream: BinaryIO, size: int, where: str) -> None:
        self.stream, self.size, self.where = stream, size, where
        self.bytes, self.at = bytearray(), 0

    def bad(self, what: str, hint: str = "") -> ModelError:
        return ModelError(what, where=self.where, hint=hint)

    def need(self, count: int, what: str) -> int:
        """Have `count` more bytes at hand; gives where they begin and steps over them."""
        begin, end = self.at, self.at + count
        if end > self.size:
            raise self.bad(f"{what} ends at byte {end}, the file has {self.size}", "it is cut short or not a GGUF: fetch it again")
        if end > FRONT:
            raise self.bad(f"{what} ends at byte {end}, a header of more than {FRONT} bytes is not taken")
        while end > len(self.bytes):
            piece = self.stream.read(max(_PIECE, min(len(self.bytes), end - len(self.bytes))))
            if not piece:
                raise Short(f"{what} ends at byte {end}, the file gave {len(self.bytes)}", where=self.where, hint="it is cut short: fetch it again")
            self.bytes += piece
        self.at = end
        return begin

    def number(self, code: str, what: str) -> int | float:
        kind = struct.Struct("<" + code)
        value: int | float = kind.unpack_from(self.bytes, self.need(kind.size, what))[0]
        return value

    def count(self, code: str, what: str, limit: int) -> int:
        value = int(self.number(code, what))
        if value > limit:
            raise self.bad(f"{what} is {value}, at most {limit} are taken")
        return value

    def text(self, what: str) -> bytes:
        length = int(self.number("Q", f"the length of {what}"))
        begin = self.need(length, what)
        return bytes(self.bytes[begin:begin + min(length, 4 * TEXT)])

    def name(self, what: str, limit: int) -> str:
        length = self.count("Q", f"the length of {what}", limit)
        begin = self.need(length, what)
        try:
            return self.bytes[begin:begin + length].decode()
        except UnicodeDecodeError as error:
            raise self.bad(f"{what} is not UTF-8") from error

    def skip_texts(self, count: int, what: str) -> None:
        """Step over `count` strings; half a million (a vocabulary and its merges) take 0.1 s."""
        unpack, at, have = struct.Struct("<Q").unpack_from, self.at, len(self.bytes)
        for _ in range(count):
            if at + 8 > have or (after := at + 8 + unpack(self.bytes, at)[0]) > have:
                self.at = at
                length = int(self.number("Q", what))
                self.need(length, what)
                after, have = self.at, len(self.bytes)
            at = after
        self.at = at
