# SPDX-License-Identifier: Apache-2.0
"""The table as the board itself holds it, read from the first sectors of its disk: it says where partitions end, which the tool does not.

UEFI 2.10, 5.3.2 and 5.3.3. The bytes are a stranger's.
"""

from __future__ import annotations

import struct

from kiln.errors import BoardError
from kiln.results import SECTOR

FIRST, SECTORS = 1, 33                 # the head, and 128 rows of 128 bytes
_HEAD = struct.Struct("<8s64xQII")     # signature, then at 72: sector of the rows, how many, bytes of each
_ROW = struct.Struct("<16s16sQQQ72s")


def rows(raw: bytes) -> dict[str, tuple[int, int]]:
    """Name to first and last sector. Raises BoardError for sectors that are no such table."""
    if len(set(raw[:SECTOR])) == 1:
        raise BoardError(f"the board's sector {FIRST} cannot be read: every byte of it is {raw[0]:#04x}",
                         hint="bring it into Loader mode anew; a board whose disk was erased needs a table first, which takes Maskrom mode")
    signature, at, count, size = _HEAD.unpack_from(raw)
    if signature != b"EFI PART" or at != FIRST + 1 or size != _ROW.size or count > 128:
        raise BoardError("the board's disk does not begin with a GPT of 128 rows", hint="nothing else was ever seen on this board")
    found = {}
    for number in range(count):
        kind, _, first, last, _, name = _ROW.unpack_from(raw, SECTOR + number * size)
        if any(kind):
            found[name.decode("utf-16-le", "replace").rstrip("\0")] = (first, last)
    return found
