# SPDX-License-Identifier: Apache-2.0
"""Where our own data lies: products, vendor, patches, native, sandbox.

In a checkout and in a vendored copy they lie beside `site_scons`; in a wheel they lie in `kiln/share`.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds products/, vendor/, patches/, native/ and sandbox/."""
    packed = _HERE / "share"
    return packed if packed.is_dir() else _HERE.parent.parent


def folder(name: str) -> Path:
    """One of our data folders, as an absolute path; it need not exist (a wheel may lack an empty one)."""
    return root() / name
