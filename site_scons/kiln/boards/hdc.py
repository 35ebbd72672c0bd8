# SPDX-License-Identifier: Apache-2.0
"""hdc: a board that runs OpenHarmony, reached through the `hdc` program, whose words decide and not its exit code.

`hdc shell` gives its own exit status and never the board's, so each command prints its status behind a word that only this
call knows. Any call may start hdc's server, which would hold our pipe open: nothing here waits for the end of a pipe.
Outputs as recorded on a DAYU200 with hdc 3.2, and as its documentation has them; lines end in LF or CR LF.
"""

from __future__ import annotations

import re
import secrets
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kiln import run
from kiln.boards import _hdc as tool
from kiln.errors import BoardError, one_line
from kiln.product import Product
from kiln.results import BoardFacts, ServiceStatus

GONE, BACK = 30, 180                   # seconds until a board that restarts has gone, and until it is back
LOOK = 2.0                             # seconds between two looks at the board while somebody waits
UNSTEADY = 3                           # so often may the service have another process while somebody waits
_STATES = ("idle", "starting", "running", "running", "stopping", "stopped", "error", "suspended", "frozen", "disabled", "critical")


@dataclass
class HdcBoard:
    """A running board; the Board of boards/__init__.py."""

    hdc: tool.Hdc
    facts: BoardFacts
    service: str
    port: int = 0
    began: float = field(default_factory=time.monotonic)
    looked: float = 0
    pids: list[int] = field(default_factory=list)
    forwards: list[tuple[int, int]] = field(default_factory=list)
    up: bool = True

    @property
    def url(self) -> str:
        """Of the service, from this machine."""
        return f"http://127.0.0.1:{self.port}"

    def seconds(self) -> float:
        """Since we reached it, or since it was back after reboot()."""
        return time.monotonic() - self.began

    def watch(self) -> None:
        """Raise BoardError if the board is gone or the service does not stay up; looks at most every two seconds."""
        if time.monotonic() - self.looked < LOOK:
            return
        self.looked = time.monotonic()
        if not self.hdc.connected():
            raise BoardError(f"the board {self.hdc.key} is gone", hint=f"log: {self.hdc.log}")
        status = self.status(self.service)
        if status.exits >= UNSTEADY:
            raise self.failure(f"{self.service} does not stay up")
        if status.state not in ("starting", "running", "") and self.seconds() > 3 * LOOK:
            raise self.failure(f"{self.service} does not run, the board's init says {status.state}")

    def failure(self, what: str) -> BoardError:
        """The error, with what the board's log says of the service, and where ours lies."""
        said = " | ".join(self.console_tail(6)) or "nothing"
        return BoardError(f"{what}; the board's last words on {self.service}: {said}", hint=f"log: {self.hdc.log}")

    def console_tail(self, lines: int) -> list[str]:
        """The last lines of the board's log that name the service."""
        with suppress(BoardError):
            script = f"hilog -x 2>/dev/null | grep -F {shlex.quote(self.service)} | tail -n {lines}"
            _, text = self.run(["sh", "-c", script], timeout=15)
            return [one_line(line, 300) for line in text.splitlines()][-lines:]
        return []

    def status(self, service: str) -> ServiceStatus:
        """What init's parameters tell of a service, and /proc of its process. `exits`: how often we saw another process."""
        code = self._parameter(f"startup.service.ctl.{service}")
        state = _STATES[int(code)] if re.fullmatch(r"\d{1,2}", code) and int(code) < len(_STATES) else ""
        pid = _number(self._parameter(f"startup.service.ctl.{service}.pid")) if state in ("running", "") else 0
        if pid and (not self.pids or self.pids[-1] != pid):
            self.pids.append(pid)
        text = self.run(["cat", f"/proc/{pid}/status"], timeout=15)[1] if pid else ""
        said = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return ServiceStatus(state or ("running" if pid else ""), pid, max(0, len(self.pids) - 1), "",
                             _number(said.get("VmRSS", "")) * 1024, _number(said.get("VmHWM", "")) * 1024)

    def run(self, argv: Sequence[str], timeout: float = 120) -> tuple[int, str]:
        """Run a program as the board's shell user: its true exit code and what it printed (at most 1 MiB)."""
        nonce = secrets.token_hex(8)
        named = next((at for at, word in enumerate(argv) if "=" not in word), len(argv))
        words = [*(["env"] if named else []), *argv]
        script = f"{shlex.join(words)} </dev/null 2>&1; printf '\\n%s%s\\n' {nonce}: $?"
        said = self.hdc.say("shell", script, timeout=timeout, what=" ".join(argv[:2]))
        found = re.search(rb"\r?\n" + nonce.encode() + rb":(\d{1,3})\s*$", said.tail)
        if not found:
            raise self._lost(" ".join(argv[:2]), said)
        body = said.whole[:-len(found[0])] if said.whole else said.head
        return int(found[1]), body.decode("utf-8", "replace").replace("\r\n", "\n")

    def send(self, file: Path, dest: str, mode: int = 0o755) -> None:
        """A file onto the board: beside, its digest compared there, then renamed."""
        part, known = f"{dest}.part", {name: tool.digest(file, name) for name in ("sha256", "md5")}
        if not dest.startswith("/"):
            raise BoardError(f"cannot send {file.name} to {dest}: it must be an absolute path")
        self._must(["mkdir", "-p", dest.rpartition("/")[0] or "/"], file, dest)
        said = self.hdc.say("file", "send", str(file), part, timeout=60 + file.stat().st_size / 1e6, what="file send")
        if not any(line.startswith("FileTransfer finish") for line in said.lines):
            raise BoardError(f"cannot send {file.name} to {dest}: {said.last}", hint=tool.hint(said))
        code, text = self.run(["sha256sum", part], timeout=120)
        if code == 127:                # not every toybox has it
            text = self._must(["md5sum", part], file, dest)
        if text.split(" ")[0] not in known.values():
            raise BoardError(f"cannot send {file.name} to {dest}: it did not arrive whole")
        self._must(["chmod", f"{mode:04o}", part], file, dest)
        self._must(["mv", "-f", part, dest], file, dest)

    def forward(self, port: int) -> int:
        """A port of 127.0.0.1 of this machine that leads to the board's."""
        for last in (False, False, True):
            with socket.create_server(("127.0.0.1", 0)) as free:
                local = int(free.getsockname()[1])
            said = self.hdc.say("fport", f"tcp:{local}", f"tcp:{port}", timeout=20, what="fport")
            if "Forwardport result:OK" in said.lines:
                self.forwards.append((local, port))
                return local
            if last or "TCP Port listen failed" not in said.last:
                raise BoardError(f"cannot forward port {port} of the board: {said.last}", hint=tool.hint(said))
        raise AssertionError

    def reboot(self) -> None:
        """Start anew; a system takes a minute, and ten after its user data were erased. Forwarded ports are made again."""
        with suppress(BoardError):     # the connection may end before the answer: that the board goes is what counts
            self.hdc.say("shell", "reboot", timeout=20, what="reboot")
        self._until(False, GONE, "does not restart")
        self._until(True, BACK, "does not come back after its restart")
        self.began, self.looked, self.pids = time.monotonic(), 0, []
        for local, port in self.forwards:
            self.hdc.say("fport", f"tcp:{local}", f"tcp:{port}", timeout=20, what="fport")

    def poweroff(self) -> None:
        """Nothing: it ran before we came. Our forwards end."""
        for local, port in self.forwards:
            with suppress(BoardError):
                self.hdc.say("fport", "rm", f"tcp:{local}", f"tcp:{port}", timeout=10, what="fport")
        self.forwards.clear()

    def _until(self, connected: bool, limit: int, what: str) -> None:
        """While the board comes and goes hdc's lists may be malformed: that is no end."""
        ends = time.monotonic() + limit
        while time.monotonic() < ends:
            with suppress(BoardError):
                if self.hdc.connected() == connected:
                    return
            time.sleep(0.5)
        raise BoardError(f"the board {self.hdc.key} {what} within {limit} s", hint=f"log: {self.hdc.log}")

    def _must(self, argv: Sequence[str], file: Path, dest: str) -> str:
        code, text = self.run(argv, timeout=120)
        if code:
            raise BoardError(f"cannot send {file.name} to {dest}: {one_line(text, 200) or f'{argv[0]} ended with {code}'}")
        return text

    def _parameter(self, name: str) -> str:
        """A system parameter; right after a start an empty answer is common, and asked for again."""
        for _ in range(3):
            _, text = self.run(["param", "get", name], timeout=15)
            value = one_line(text, 200).removeprefix(name).strip().removeprefix("=").strip()
            if value:
                return value
            time.sleep(0.3)
        return ""

    def _lost(self, what: str, said: tool.Said) -> BoardError:
        """The answer to a command did not come whole."""
        with suppress(BoardError):
            if not self.hdc.connected():
                return BoardError(f"the board {self.hdc.key} went away while {what!r} ran; last it said: {said.last}", hint=f"log: {self.hdc.log}")
        return BoardError(f"hdc did not bring the answer to {what!r}: {said.last}", hint=tool.hint(said) or f"log: {self.hdc.log}")


@contextmanager
def reach(product: Product, serial: str, *, logs: Path) -> Iterator[HdcBoard]:
    """The board that is plugged in and runs, or that of several with this serial number. It is left running."""
    logs.mkdir(parents=True, exist_ok=True)
    hdc = tool.find(serial, log=run.rotate(logs / "hdc.log"))
    board = HdcBoard(hdc, BoardFacts("hdc", hdc.key, "", 0, False, ""), product.service.name)
    try:
        cores, hardware = board.run(["nproc"], timeout=20)[1], board._parameter("ohos.boot.hardware")
        board.facts = BoardFacts("hdc", hdc.key, one_line(hardware, 40), _number(cores), False, "")
        board.port = board.forward(product.service.port)
        yield board
    finally:
        board.poweroff()


def _number(text: str) -> int:
    found = re.match(r"\s*(\d{1,15})", text)
    return int(found[1]) if found else 0
