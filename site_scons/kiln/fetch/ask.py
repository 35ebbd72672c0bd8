# SPDX-License-Identifier: Apache-2.0
"""What a kind of pin gets beside the pin itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kiln.fetch.cache import Cache
from kiln.fetch.stream import Pace


@dataclass(frozen=True)
class Ask:
    """`data` is the folder that relative paths of pins are below; `cache` is for what a kind itself remembers."""

    cache: Cache
    data: Path
    pace: Pace = Pace()
