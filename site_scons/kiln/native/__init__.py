# SPDX-License-Identifier: Apache-2.0
"""Native targets: what CMake and ninja build for the board or for this machine, and the gates that each file passes."""

from __future__ import annotations

from kiln.native.llama import llama_for_board, llama_for_host
from kiln.native.ours import Need, build, digest

__all__ = ["Need", "build", "digest", "llama_for_board", "llama_for_host"]
