# SPDX-License-Identifier: Apache-2.0
"""virt: an arm64 machine of QEMU that boots the whole-disk image. The image is never written to.

cortex-a76 has exactly the RK3568's features (facts: QEMU 7.2 knows no cortex-a55, and `max` boots at half the speed).
The service binds 127.0.0.1 in the guest; the sandbox's init relays the forwarded port to it, and answers on a second
forwarded port about itself (sandbox/board/README.md).
"""

from __future__ import annotations

import ipaddress
import math
import os
import platform
import re
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kiln import run
from kiln.boards._control import Control
from kiln.errors import BoardError, one_line
from kiln.product import Product
from kiln.results import BoardFacts, Boot, Images, ServiceStatus

QEMU = "qemu-system-aarch64"
GUEST = "10.0.2.15"
KEPT = 400                             # console lines that we remember
REBOOT = 60                            # seconds until init begins again
_PANIC = re.compile(r"\[ *[\d.]+\] Kernel panic - not syncing")    # init's and services' lines name who speaks
# What init says of a mount or a service that cannot be, and how programs complain.
_CAUSE = re.compile(r"\] init: ((?:\S*: )?.*(?:no such device after|cannot mount|is dropped:|cannot execute|needs the loader|has no SELinux label|"
                    r"no service \S+ is configured|\.cfg: (?!.*conditions are)).*)")
_ERROR = re.compile(r"error|fail|cannot|Error|not found|invalid", re.I)
_PORT_TAKEN = "Could not set up host forwarding rule"


@dataclass(frozen=True)
class Ports:
    """The two forwarded ports, on 127.0.0.1 of this machine and in the guest."""

    service: int
    control: int
    guest_service: int
    guest_control: int


@dataclass
class Console:
    """The console's log as it grows: raw bytes in the file, clean lines here. `starts` is how often init began."""

    file: Path
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    offset: int = 0
    rest: bytes = b""
    starts: int = 0

    def fresh(self) -> list[str]:
        """The whole lines that came since the last call."""
        with self.file.open("rb") as stream:
            stream.seek(self.offset)
            got = stream.read(1 << 20)
        self.offset += len(got)
        *whole, self.rest = (self.rest + got).split(b"\n")
        self.rest = self.rest[-4096:]
        new = [text for line in whole if (text := one_line(line.decode("utf-8", "replace"), 500))]
        self.lines.extend(new)
        self.starts += sum("] init: a stand-in for OpenHarmony's init" in line for line in new)
        return new


@dataclass
class VirtualBoard:
    """A running QEMU; the Board of boards/__init__.py."""

    child: subprocess.Popen[bytes]
    ports: Ports
    console: Console
    facts: BoardFacts
    service: str
    began: float
    said: list[str]
    control: Control
    up: bool = False
    starts: int = 1
    causes: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of the service, from this machine."""
        return f"http://127.0.0.1:{self.ports.service}"

    def seconds(self) -> float:
        """Since power-on."""
        return time.monotonic() - self.began

    def watch(self) -> None:
        """Raise BoardError if QEMU has ended or the service does not stay up."""
        dead, panic = self.child.poll() is not None, ""
        for line in self.console.fresh():
            panic = panic or (line if _PANIC.match(line) else "")
            self.up = self.up or "init: the network is up" in line
            if (found := _CAUSE.search(line)) and len(self.causes) < 8:
                self.causes.append(found[1])
            if (found := re.search(rf"\] {re.escape(self.service)}: (.*)", line)) and _ERROR.search(line):
                self.complaints.append(found[1])
            if re.search(rf"init: (service {re.escape(self.service)}: \d+ exits in|no service {re.escape(self.service)} is|.*service {re.escape(self.service)} is dropped:)", line):
                raise self.failure(f"{self.service} does not stay up: {self._cause()}")
        if dead or panic or self.console.starts > self.starts:
            why = f"QEMU: {' '.join(self.said)}" if self.said else panic or f"the board {'switched itself off' if dead else 'restarted by itself'}"
            raise self.failure(one_line(why, 400))

    def _cause(self) -> str:
        """What init said of it first, or the mount that failed and what the service itself said."""
        mine = [line for line in self.causes if self.service in line]
        return one_line("; ".join(mine[:1] or [*self.causes[:1], *self.complaints[:1]]), 400) or "it does not say why"

    def failure(self, what: str) -> BoardError:
        """The error, with the last console lines and the log's path."""
        self.console.fresh()
        last = " | ".join(self.console_tail(6)) or "nothing"
        return BoardError(f"{what}; the console's last lines: {last}", hint=f"log: {self.console.file}")

    def console_tail(self, lines: int) -> list[str]:
        """The last lines of the console that say anything, without escapes."""
        return list(self.console.lines)[-lines:]

    def status(self, service: str) -> ServiceStatus:
        """What the board's init knows of a service."""
        _, text = self.ask("status", service)
        said = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return ServiceStatus(said.get("state", "").strip(), _number(said.get("pid")), _number(said.get("exits")),
                             one_line(said.get("last", "")), _number(said.get("VmRSS")) * 1024, _number(said.get("VmHWM")) * 1024)

    def run(self, argv: Sequence[str], timeout: float = 120) -> tuple[int, str]:
        """Run a program on the board as root: its exit code and what it printed (at most 1 MiB)."""
        return self.ask("run", str(math.ceil(timeout)), *argv, timeout=timeout + 10)

    def send(self, file: Path, dest: str, mode: int = 0o755) -> None:
        """A file onto the board."""
        try:
            self.control.send(file, dest, mode)
        except BoardError as error:
            raise BoardError(f"cannot send {file.name} to {dest}: {error}") from error
        except (OSError, ValueError) as error:
            raise self.failure(f"cannot send {file.name} to {dest}: {error}") from error

    def forward(self, port: int) -> int:
        """A port of 127.0.0.1 of this machine that leads to the board's."""
        return self.control.forward(port)

    def ask(self, *words: str, timeout: float = 10) -> tuple[int, str]:
        """One request to the control port: the code and the text of its answer."""
        try:
            return self.control.ask(*words, timeout=timeout)
        except (OSError, ValueError) as error:
            raise self.failure(f"the board does not answer {' '.join(words[:3])!r} on its control port: {error}") from error

    def reboot(self) -> None:
        """Start anew, in order: what was written to /data is gone, for it lies in memory. The clock of seconds() starts again."""
        self.ask("reboot")
        self.up, self.began = False, time.monotonic()
        self.starts += 1
        while self.console.starts < self.starts:
            self.watch()
            if self.seconds() > REBOOT:
                raise self.failure(f"the board does not start again within {REBOOT} s")
            time.sleep(0.05)

    def poweroff(self) -> None:
        """Switch off in order and wait for the end."""
        if self.child.poll() is not None:
            return
        self.ask("poweroff")
        try:
            self.child.wait(timeout=15)
        except subprocess.TimeoutExpired as error:
            raise self.failure("the board does not power off") from error
        self.console.fresh()


@contextmanager
def boot(product: Product, images: Images, means: Boot, *, logs: Path) -> Iterator[VirtualBoard]:
    """The board, with power on. It is switched off in order when the block ends well, killed when it does not."""
    disk = next((output.file for output in images.outputs if output.format == "gpt"), None)
    if disk is None or not disk.is_file():
        raise BoardError("there is no whole-disk image to boot", hint="image.formats of the product must hold gpt")
    console = Console(run.rotate(logs / "board-console.log"))
    console.file.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, False, True):
        console.file.write_bytes(b"")
        ports, began = _ports(product), time.monotonic()
        with run.started(argv(product, disk, means, ports, console.file), env={"TMPDIR": str(logs)}) as child:
            said = _listened(child)
            if not last and _port_taken(child, said):
                continue
            control = Control(ports.control)
            board = VirtualBoard(child, ports, console, facts(product), product.service.name, began, said, control)
            try:
                yield board
                board.poweroff()
            finally:
                control.close()
            return


def argv(product: Product, disk: Path, means: Boot, ports: Ports, console: Path) -> list[str]:
    """QEMU's command line."""
    local = ipaddress.ip_address(product.service.host).is_loopback
    words = ["console=ttyAMA0", "quiet", f"ohos.boot.hardware={product.system.name}", f"kiln.control={ports.guest_control}", f"kiln.service={product.service.name}"]
    if not kvm():                      # threads that spin for each other take a minute for what one does in a second
        words.append(f"kiln.threads={max(1, (os.cpu_count() or 2) // 2)}")
    if local:
        words.append(f"kiln.relay={ports.guest_service}")
    net = ["user", "id=n0", "restrict=on", f"hostfwd=tcp:127.0.0.1:{ports.service}-{GUEST}:{ports.guest_service}",
           f"hostfwd=tcp:127.0.0.1:{ports.control}-{GUEST}:{ports.guest_control}"]
    machine = ("virt,gic-version=host", "-accel", "kvm", "-cpu", "host") if kvm() else \
        ("virt,gic-version=3", "-accel", "tcg,thread=multi", "-cpu", "cortex-a76")
    return [run.find(QEMU), "-M", *machine,
            "-smp", str(product.board.cpus), "-m", f"{product.board.ram >> 20}M", "-nodefaults", "-display", "none",
            "-chardev", f"file,id=c0,path={_comma(console)}", "-serial", "chardev:c0",
            "-kernel", str(means.kernel), "-initrd", str(means.initrd), "-append", " ".join(words),
            "-drive", f"if=none,id=d0,file={_comma(disk)},format=raw,snapshot=on,cache=unsafe",
            "-device", "virtio-blk-device,drive=d0", "-netdev", ",".join(net), "-device", "virtio-net-device,netdev=n0"]


def kvm() -> bool:
    """Whether this machine can run the board's processor as its own."""
    return platform.machine() in ("aarch64", "arm64") and os.access("/dev/kvm", os.R_OK | os.W_OK)


def facts(product: Product) -> BoardFacts:
    """What the card says about this board."""
    version = run.run([run.find(QEMU), "--version"]).text
    found = re.search(r"version ([0-9][\w.]*)", version)
    return BoardFacts("virt", "", "host" if kvm() else "cortex-a76", product.board.cpus, kvm(), found[1] if found else "unknown")


def _ports(product: Product) -> Ports:
    """Two free ports. Another program may take one before QEMU does; boot() then tries again."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return Ports(one.getsockname()[1], two.getsockname()[1], product.service.port, 7 if product.service.port != 7 else 9)


def _port_taken(child: subprocess.Popen[bytes], said: list[str]) -> bool:
    try:
        child.wait(timeout=0.3)        # the board needs longer than that to start, so nobody waits for us
    except subprocess.TimeoutExpired:
        return False
    time.sleep(0.1)
    return any(_PORT_TAKEN in line for line in said)


def _listened(child: subprocess.Popen[bytes]) -> list[str]:
    """What QEMU itself prints, as it comes: its last 20 lines."""
    said: list[str] = []

    def listen() -> None:
        assert child.stdout is not None
        try:
            for raw in child.stdout:
                said[:] = [*said, one_line(raw.decode("utf-8", "replace"), 300)][-20:]
        except ValueError:             # closed under us: the board was ended
            return

    threading.Thread(target=listen, daemon=True).start()
    return said


def _number(text: str | None) -> int:
    found = re.match(r"\s*(\d{1,15})", text or "")
    return int(found[1]) if found else 0


def _comma(path: Path) -> str:
    """A path inside a QEMU option: a comma is doubled."""
    return str(path).replace(",", ",,")
