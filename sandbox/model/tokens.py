# SPDX-License-Identifier: Apache-2.0
"""A SentencePiece-style tokenizer in plain Python that gives the same ids as llama.cpp's "llama" (SPM) vocabulary.

Vocabulary: <unk> <s> </s>, 256 byte tokens, the characters of the corpus, then byte-pair merges in the order found.
A merge's score is minus its rank; llama.cpp merges the adjacent pair of highest score first, leftmost among equals,
and so does `_merge`. No merge crosses a space, so a text is encoded word by word and words are remembered.
"""
import re
from collections import Counter
from collections.abc import Iterable

SIZE = 1024
SPACE = "\u2581"  # SentencePiece writes a space as this
UNK, BOS, EOS = 0, 1, 2
BYTES = 3  # id of <0x00>


def words(text: str) -> list[str]:
    """The text cut before each space, spaces escaped; joined again it is the whole text."""
    return re.findall(f"{SPACE}?[^{SPACE}]+|{SPACE}", text.replace(" ", SPACE))


def _join(pieces: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return tuple(joined)


def learn(texts: Iterable[str], size: int = SIZE) -> list[str]:
    """The vocabulary of `size` pieces from texts: letters merge with letters, punctuation stays alone."""
    counts = Counter(word for text in texts for word in words(text))
    split = Counter()
    for word, count in counts.items():
        for part in re.findall(f"{SPACE}?[A-Za-z]+|.", word, re.DOTALL):
            split[tuple(part)] += count
    characters = sorted({c for pieces in split for c in pieces} - {"\n"})
    vocabulary = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *characters]
    while len(vocabulary) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for pieces, count in split.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += count
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if "".join(best) not in vocabulary:
            vocabulary.append("".join(best))
        merged: Counter[tuple[str, ...]] = Counter()
        for pieces, count in split.items():
            merged[_join(pieces, best)] += count
        split = merged
    return vocabulary


class Tokenizer:
    """Encodes text with a vocabulary made by `learn`."""

    def __init__(self, vocabulary: list[str]) -> None:
        self.vocabulary = vocabulary
        self.ids = {piece: i for i, piece in enumerate(vocabulary)}
        self.remembered: dict[str, list[int]] = {}

    def _merge(self, word: str) -> list[int]:
        pieces = list(word)
        while True:
            found = [(self.ids[a + b], i) for i, (a, b) in enumerate(zip(pieces, pieces[1:])) if a + b in self.ids]
            if not found:
                break
            _, at = min(found)  # a lower id is a higher score
            pieces[at:at + 2] = [pieces[at] + pieces[at + 1]]
        return [i for piece in pieces for i in self._ids(piece)]

    def _ids(self, piece: str) -> list[int]:
        return [self.ids[piece]] if piece in self.ids else [BYTES + byte for byte in piece.encode()]

    def encode(self, text: str) -> list[int]:
        out: list[int] = []
        for word in words(text):
            if word not in self.remembered:
                self.remembered[word] = self._merge(word)
            out += self.remembered[word]
        return out

    def decode(self, ids: Iterable[int]) -> str:
        data = b"".join(bytes([i - BYTES]) if BYTES <= i < BYTES + 256 else self.vocabulary[i].encode() for i in ids)
        return data.decode(errors="replace").replace(SPACE, " ")
