# SPDX-License-Identifier: Apache-2.0
"""A running board that is played: the stand-in hdc in front, this machine's shell behind it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

KEY = "150100424a544434520325d9a5eb7900"
OTHER = "7001005458323933328a01bb1c553900"


class Plugged:
    """The folder of the played hdc and its boards."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.logs = folder, folder / "logs"
        (folder / "hilog").write_text("")
        monkeypatch.setenv("PLAYED", str(folder))
        # The base Python by its own folder: one found through a version manager's shim takes 50 ms more for each call.
        front = (str(Path(__file__).parent / "bin"), f"{sys.base_prefix}/bin", os.environ["PATH"])
        monkeypatch.setenv("PATH", os.pathsep.join(front))
        self.play()

    def play(self, *boards: tuple[str, str], params: Mapping[str, str] | None = None, ports: Mapping[str, int] | None = None,
             fault: Mapping[str, Any] | None = None) -> None:
        """Set the scene; without a board one is connected whose service runs, as this very process."""
        mine = {"startup.service.ctl.kiln-llm": "2", "startup.service.ctl.kiln-llm.pid": str(os.getpid())}
        self.write({"boards": boards or [(KEY, "Connected")], "params": mine if params is None else params, "ports": ports or {},
                    "forwards": self.state["forwards"] if (self.folder / "hdc.json").exists() else {},
                    "away": 0, "restarts": 0, "fault": fault or {}})

    def write(self, state: Mapping[str, Any]) -> None:
        (self.folder / "hdc.json").write_text(json.dumps(state))

    def change(self, **values: Any) -> None:
        """Something changes on the board."""
        self.write({**self.state, **values})

    @property
    def state(self) -> Any:
        return json.loads((self.folder / "hdc.json").read_text())

    @property
    def calls(self) -> list[Sequence[str]]:
        """Every command that hdc was given."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def end(self) -> None:
        """Nothing of ours is left running."""
        for pid in self.state["forwards"].values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
