# SPDX-License-Identifier: Apache-2.0
"""A file of bytes that neither compress nor are holes, so that a copy of it costs what a model costs."""

from __future__ import annotations

import os
from pathlib import Path

MIB = 1 << 20


def noise(file: Path, mib: int) -> Path:
    """Fill `file` with so many MiB. Gives it back."""
    with file.open("wb") as out:
        for _ in range(mib):
            out.write(os.urandom(MIB))
    return file
