# SPDX-License-Identifier: Apache-2.0
"""What a model takes of a board: one frozen value, which the budget makes, the service is started by and the report draws."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Budget:
    """What a model needs of a board, in bytes: the parts lie in `ram` one after the other, and `free` is left (less than 0: too much).

    `copy` is what repacked weights take a second time; `droppable` of it are pages of the file, which the kernel takes back when
    it must, so they are resident and not needed. `pool` tokens of KV cache serve `slots` of `context` tokens each. `room` is
    what the partition takes of the `file`. `tokens_s` is the most that the memory's bandwidth allows, 0 where it is not known.
    """

    recipe: str
    context: int
    slots: int
    unified: bool
    pool: int
    kv_type: str
    mmap: bool
    repack: bool
    file: int
    exact: bool
    room: int
    weights: int
    copy: int
    droppable: int
    kv: int
    compute: int
    program: int
    prompts: int                       # old prompts, --cache-ram
    delegate: int
    system: int
    ram: int
    tokens_s: float

    @property
    def resident(self) -> int:
        """The most that the server will hold (VmHWM) where memory is plenty."""
        return self.weights + self.copy + self.kv + self.compute + self.program + self.prompts + self.delegate

    @property
    def needed(self) -> int:
        """What must lie in memory at once, system and all."""
        return self.resident - self.droppable + self.system

    @property
    def free(self) -> int:
        """What is left of `ram`; negative if it does not fit."""
        return self.ram - self.needed

    @property
    def fits(self) -> bool:
        """Whether the file fits its partition and the rest the memory."""
        return self.file <= self.room and self.free >= 0

    def said(self) -> dict[str, Any]:
        """All of it as JSON says it: budget.json."""
        return asdict(self) | {"needed": self.needed, "resident": self.resident, "free": self.free, "fits": self.fits}
