# SPDX-License-Identifier: Apache-2.0
"""A real QEMU boots a small image: services start, die, are told of; faults end in one line with the console's last words."""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from boards import small

from kiln import boards
from kiln.boards import virt as transport
from kiln.errors import BoardError
from kiln.product import Product
from kiln.results import Boot, Images, Output

pytestmark = pytest.mark.ci
BY_NAME = "/dev/block/by-name"
FSTAB = f"""# device, folder, type, options, flags
{BY_NAME}/system /usr ext4 ro,barrier=1 wait,required
{BY_NAME}/vendor /vendor ext4 ro,barrier=1 wait,required
/dev/block/platform/a003e00.virtio_mmio/by-name/model /mnt/model ext4 ro,barrier=1 wait
{BY_NAME}/userdata /data f2fs discard,noatime,nosuid,nodev wait,check
{BY_NAME}/misc /misc none none wait,required
"""
PLAYED = "/vendor/bin/llama-server"


@dataclass(frozen=True)
class Rig:
    """What a test boots: product, RAM disk, folder of logs, and how to make a disk."""

    product: Product
    means: Boot
    folder: Path
    program: Path

    def disk(self, *services: dict[str, Any], name: str = "disk.img", fstab: str = FSTAB, vendor: dict[str, str | Path] | None = None,
             system: dict[str, str | Path] | None = None, jobs: tuple[Any, ...] = (), parts: tuple[str, ...] = ()) -> Images:
        work = self.folder / f"{name}.d"
        root = small.system(work / "system", system or {})
        files: dict[str, str | Path] = {
            "bin/llama-server": self.program, "etc/fstab.virt": fstab, "etc/kiln.cfg": small.cfg(*services),
            "etc/init.virt.cfg": small.cfg(imports=("/vendor/etc/kiln.cfg",), jobs=jobs), **(vendor or {})}
        made = {"misc": None, "system": root, "vendor": small.tree(work / "vendor", files),
                "model": small.tree(work / "model", {"model.gguf": "GGUF"}), "userdata": None}
        return small.disk(self.folder / name, {part: made[part] for part in parts or made})

    def boot(self, images: Images) -> Any:
        return transport.boot(self.product, images, self.means, logs=self.folder / "logs")

    @property
    def console(self) -> str:
        return (self.folder / "logs" / "board-console.log").read_text(errors="replace")


def until(board: transport.VirtualBoard, path: str = "/health", body: bytes | None = None, seconds: float = 40) -> bytes:
    """What the service answers, as soon as it does."""
    while True:
        board.watch()
        if board.up:
            line = http.client.HTTPConnection("127.0.0.1", board.ports.service, timeout=5)
            try:
                line.request("POST" if body else "GET", path, body)
                return line.getresponse().read()
            except (OSError, http.client.HTTPException):
                assert board.seconds() < seconds, board.console_tail(20)
            finally:
                line.close()
        time.sleep(0.05)


def reach(board: transport.VirtualBoard, service: str, state: str) -> Any:
    """The service's status once it is in that state."""
    for _ in range(100):
        if (status := board.status(service)).state == state:
            return status
        time.sleep(0.05)
    raise AssertionError(board.console_tail(20))


def server(**more: Any) -> dict[str, Any]:
    env = {"NAMED": "a name", "LLAMA_ARG_THREADS": "997"}
    return small.service("kiln-llm", PLAYED, "serve", "8080", env=[{"name": name, "value": value} for name, value in env.items()], **more)


@pytest.fixture
def rig(quick: Product, means: Boot, played: Path, tmp_path: Path) -> Rig:
    return Rig(quick, means, tmp_path, played)


@pytest.fixture(scope="module")
def running(quick: Product, means: Boot, played: Path, compiled: Any, tmp_path_factory: pytest.TempPathFactory,
            ) -> Iterator[tuple[transport.VirtualBoard, Rig]]:
    """One board with every kind of service, for the tests that only look."""
    rig = Rig(quick, means, tmp_path_factory.mktemp("running"), played)
    shared = compiled("shared")
    images = rig.disk(
        server(importance=5, cpucore=[0, 1]),
        small.service("gone", "/vendor/bin/gone", once=1),
        small.service("no-loader", "/vendor/bin/shared", once=1),
        small.service("not-elf", "/vendor/etc/kiln.cfg", once=1),
        small.service("crash", PLAYED, "crash"),
        small.service("three", PLAYED, "exit", "3", once=1),
        small.service("asleep", PLAYED, "sleep", disabled=1),
        small.service("by-job", PLAYED, "sleep", **{"start-mode": "condition"}),
        small.service("loud", PLAYED, "flood", once=1),
        small.service("escape", PLAYED, "escape", once=1),
        small.service("nobody", PLAYED, "sleep") | {"uid": "stranger"},
        small.service("long", PLAYED, *["x"] * 19),
        vendor={"bin/shared": shared},
        jobs=({"name": "boot", "cmds": ["mkdir /data/x 0750 kiln shell", "nonsense 1 2", "setparam a.b words", "write /data/x/y ${a.b} of a job",
                                        "write /data/x/z ${not.set}", "start by-job", "chmod 0600 /data/x/y", "symlink /data/x/y /data/x/l"]},))
    with rig.boot(images) as board:
        until(board)
        yield board, rig


def test_the_service_answers_through_the_relay(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, _ = running
    assert b'"status":"ok"' in until(board)


def test_the_relay_carries_a_megabyte(running: tuple[transport.VirtualBoard, Rig]) -> None:
    import socket

    board, _ = running
    with socket.create_connection(("127.0.0.1", board.ports.service), timeout=30) as line:
        line.sendall(b"POST / HTTP/1.1\r\n\r\n" + b"x" * (1 << 20))
        line.shutdown(socket.SHUT_WR)
        got = b""
        while piece := line.recv(65536):
            got += piece
    assert got.endswith(b'"bytes":%d}' % ((1 << 20) + 19))


def test_a_service_runs_as_its_cfg_says(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, rig = running
    status = board.status("kiln-llm")
    assert status.state == "running" and status.pid > 1 and status.exits == 0 and status.peak >= status.resident > 0
    assert "kiln-llm: played: listening on 8080 as uid 2345 gid 2000, NAMED=a name" in rig.console
    if not transport.kvm():            # each of 997 would wait for the others, on few processors that play more
        most = max(1, (os.cpu_count() or 2) // 2)
        assert f"service kiln-llm: {most} of its 997 threads" in rig.console and f"NAMED=a name, threads {most}\n" in rig.console.replace("\r", "")
    code, stat = board.run(["/vendor/bin/llama-server", "say", "a b", "c"])
    assert (code, stat) == (0, "a b\nc\n")
    nice = board.ask("cat", f"/proc/{status.pid}/stat")[1].rsplit(")", 1)[1].split()[16]
    assert nice == "5"


@pytest.mark.parametrize("name,why", [
    ("gone", "cannot execute /vendor/bin/gone: No such file or directory"),
    ("no-loader", "/vendor/bin/shared needs the loader /lib/ld-musl-aarch64.so.1, which is not there"),
    ("not-elf", "cannot execute /vendor/etc/kiln.cfg: Permission denied"),
    ("three", "exited with code 3"),
])
def test_a_service_that_ends_says_why(running: tuple[transport.VirtualBoard, Rig], name: str, why: str) -> None:
    board, rig = running
    assert reach(board, name, "stopped").last == why
    assert f"service {name}" in rig.console and why in rig.console


def test_four_crashes_delay_the_next_start(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, rig = running
    for _ in range(100):
        if (status := board.status("crash")).exits >= 4:
            break
        time.sleep(0.05)
    assert status.state == "restarting" and status.exits == 4 and status.last.startswith("killed by signal 6")
    assert "service crash: 4 exits in 20 s, the next start in 20 s" in rig.console


def test_a_disabled_service_waits_for_its_start(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, _ = running
    assert board.status("asleep").state == "created"
    board.ask("start", "asleep")
    reach(board, "asleep", "running")
    board.ask("stop", "asleep")
    assert reach(board, "asleep", "stopped").last.startswith("killed by signal 15")


def test_jobs_run_in_order_with_parameters(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, rig = running
    assert board.ask("cat", "/data/x/l") == (0, "words of a job")
    assert board.ask("ls", "/data/x")[1].splitlines()[1] == "100600 0 0 14 y"
    assert "040750 2345 2000" in board.ask("ls", "/data")[1]
    assert board.status("by-job").state == "running"
    assert "unknown command, passed over: nonsense 1 2" in rig.console
    assert "command write /data/x/z ${not.set}: a parameter is not set" in rig.console


def test_services_beyond_the_limits_are_dropped_with_a_word(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, rig = running
    assert "service nobody is dropped: uid stranger is not in /etc/passwd" in rig.console
    assert "service long is dropped: path has more than 19 strings" in rig.console
    with pytest.raises(BoardError, match="no such service"):
        board.status("nobody")


def test_partitions_are_mounted_as_fstab_says(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, rig = running
    mounts = board.ask("cat", "/proc/mounts")[1]
    assert "/by-name/model /mnt/model ext4 ro" in mounts and "tmpfs /data tmpfs rw,nosuid,nodev" in mounts
    assert "/data: its file system is not in this kernel; an empty tmpfs stands in" in rig.console
    assert "/usr" not in mounts and "/misc" not in mounts


def test_output_is_quoted_without_escapes(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, rig = running
    reach(board, "escape", "stopped")
    assert "\x1b]0" not in rig.console and "\x1b[31m" not in rig.console
    assert not any("\x1b" in line for line in board.console_tail(400))


@pytest.mark.parametrize("words,said", [
    (("status",), "no such service"), (("cat", "/no/such"), "No such file"), (("ls", "/no"), "No such file"), (("fly",), "unknown request"),
    ((), "array of strings"), (("run",), "run what"), (("start", "none"), "no such service")])
def test_a_bad_request_gets_an_answer(running: tuple[transport.VirtualBoard, Rig], words: tuple[str, ...], said: str) -> None:
    with pytest.raises(BoardError, match=said):
        running[0].ask(*words)


@pytest.mark.parametrize("raw", [b"", b"\n", b"nonsense\n", b'["run"', b"[" * 60000 + b"\n", b'["\\u0000"]\n', b"\xff" * 70000, b'{"a":1}\n'])
def test_hostile_requests_do_not_stop_the_board(running: tuple[transport.VirtualBoard, Rig], raw: bytes) -> None:
    import socket

    board, _ = running
    with socket.create_connection(("127.0.0.1", board.ports.control), timeout=20) as line:
        try:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            assert line.recv(100).startswith(b"error ")
        except ConnectionError:
            pass                       # it was read as far as it may be, and refused
    assert float(board.ask("uptime")[1]) > 0


def test_a_program_that_was_sent_runs(running: tuple[transport.VirtualBoard, Rig], tmp_path: Path) -> None:
    """Some MiB in about a second, whole, in a folder that was not there."""
    board, rig = running
    big = tmp_path / "played"
    big.write_bytes(rig.program.read_bytes() + random.Random(4).randbytes(4 << 20))
    began = time.monotonic()
    board.send(big, f"{boards.SCRATCH}/new/played", 0o755)
    assert time.monotonic() - began < 10, "1 s on a machine of its own"
    assert f"100755 0 0 {big.stat().st_size} played" in board.ask("ls", f"{boards.SCRATCH}/new")[1] and "part" not in board.ask("ls", f"{boards.SCRATCH}/new")[1]
    assert board.run([f"{boards.SCRATCH}/new/played", "say", "sent"]) == (0, "sent\n")
    code, text = board.run([f"{boards.SCRATCH}/new/played", "digest", f"{boards.SCRATCH}/new/played"])
    assert (code, int(text)) == (0, sum(big.read_bytes()))


def test_a_file_that_cannot_be_put_there(running: tuple[transport.VirtualBoard, Rig], tmp_path: Path) -> None:
    board, rig = running
    for dest, said in (("/vendor/x", "Read-only file system"), ("relative", "wants an absolute path"), ("/data/", "wants an absolute path"),
                       ("/data", "cannot send disk.img to /data: the board refuses")):
        with pytest.raises(BoardError, match=said):
            board.send(rig.folder / "disk.img", dest)
    with pytest.raises(BoardError, match="cannot send none to /data/x"):
        board.send(tmp_path / "none", "/data/x")
    huge = tmp_path / "huge"
    with huge.open("wb") as out:
        out.truncate(260 << 20)        # a quarter of 1 GiB RAM is /data
    with pytest.raises(BoardError, match="No space left"):
        board.send(huge, "/data/huge")
    assert "huge" not in board.ask("ls", "/data")[1]


def test_exit_codes_are_true(running: tuple[transport.VirtualBoard, Rig]) -> None:
    board, _ = running
    assert board.run([PLAYED, "exit", "7"]) == (7, "") and board.run([PLAYED, "crash"])[0] == 128 + 6
    assert board.run(["NAMED=x=y", "OTHER=", PLAYED, "env"]) == (0, "NAMED=x=y OTHER=\n")
    began = time.monotonic()
    with pytest.raises(BoardError, match=f"{PLAYED} did not end within 1 s"):
        board.run([PLAYED, "sleep"], timeout=1)
    assert time.monotonic() - began < 5
    assert board.run([PLAYED, "background"], timeout=20) == (0, "")        # its child holds the output, and nobody waits for it


def test_a_forwarded_port_leads_to_the_board(running: tuple[transport.VirtualBoard, Rig]) -> None:
    import socket

    board, _ = running
    port = board.forward(8080)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(b"POST / HTTP/1.1\r\n\r\n" + b"x" * (1 << 20))
        line.shutdown(socket.SHUT_WR)
        got = b""
        while piece := line.recv(65536):
            got += piece
    assert got.endswith(b'"bytes":%d}' % ((1 << 20) + 19))
    with socket.create_connection(("127.0.0.1", board.forward(81)), timeout=30) as line:
        assert line.recv(10) == b""    # nobody listens there


def test_it_starts_anew(rig: Rig) -> None:
    with rig.boot(rig.disk(server())) as board:
        until(board)
        board.reboot()
        assert board.seconds() < 60
        until(board)
        assert board.status("kiln-llm").exits == 0 and rig.console.count("a stand-in for") == 2
        port = board.forward(8080)
        board.ask("reboot")
        with pytest.raises(BoardError, match="the board restarted by itself"):
            while board.seconds() < 60:
                board.watch()
                time.sleep(0.05)
    assert port


def test_run_is_bounded(running: tuple[transport.VirtualBoard, Rig]) -> None:
    code, text = running[0].run([PLAYED, "flood"])
    assert len(text) == 1 << 20 and code == 128 + 13
    assert running[0].run(["/vendor/bin/none"]) == (127, "/vendor/bin/none: No such file or directory\n")


def test_it_powers_off_in_order_and_leaves_the_image_alone(rig: Rig) -> None:
    images = rig.disk(server())
    before = hashlib.sha256(images.outputs[0].file.read_bytes()).digest()
    with rig.boot(images) as board:
        until(board)
        board.poweroff()
        assert board.child.returncode == 0
        board.poweroff()               # twice is no error
    assert "service kiln-llm" in rig.console and rig.console.rstrip().endswith("Power down")
    assert hashlib.sha256(images.outputs[0].file.read_bytes()).digest() == before


def test_a_missing_library_is_named_on_the_console(rig: Rig, compiled: Any, virt: Any, tmp_path: Path) -> None:
    library = tmp_path / "libabsent.so"
    compiled("source-of-nothing", "-shared", "-fPIC", "-Wl,-soname,libabsent.so", "-o", str(library))
    program = compiled("needy", "-Wl,--no-as-needed", str(library))
    loader = next(file for file in virt.build.glob("src/musl-arm64-*/**/libc.so"))
    images = rig.disk(small.service("kiln-llm", "/vendor/bin/needy"), vendor={"bin/needy": program},
                      system={"system/lib/ld-musl-aarch64.so.1": loader, "lib": "->/system/lib"})
    with pytest.raises(BoardError, match=r"kiln-llm does not stay up.*Error loading shared library libabsent\.so"), rig.boot(images) as board:
        until(board)


@pytest.mark.parametrize("parts,said", [
    (("misc", "vendor"), "no partition named system"), (("misc", "system"), "cannot mount partition vendor")])
def test_a_disk_without_its_partitions(rig: Rig, parts: tuple[str, ...], said: str) -> None:
    images = rig.disk(server(), parts=parts)
    with pytest.raises(BoardError, match=f"{said}.*log: .*board-console.log"), rig.boot(images) as board:
        until(board)


def test_an_empty_system_partition(rig: Rig) -> None:
    images = small.disk(rig.folder / "empty.img", {"system": None})
    with pytest.raises(BoardError, match="cannot mount partition system: Invalid argument"), rig.boot(images) as board:
        until(board)


def test_a_required_row_that_cannot_be_mounted(rig: Rig) -> None:
    images = rig.disk(server(), fstab=f"{BY_NAME}/misc /mnt/misc ext4 ro wait,required\n")
    with pytest.raises(BoardError, match="a required partition cannot be mounted"), rig.boot(images) as board:
        until(board)


def test_a_critical_service_that_crashes_ends_the_board(rig: Rig) -> None:
    images = rig.disk(server(), small.service("vital", PLAYED, "crash", critical=[1, 2, 10]))
    with pytest.raises(BoardError, match="critical service does not stay up"), rig.boot(images) as board:
        until(board)
        time.sleep(3)
        board.watch()


def test_a_kernel_panic_ends_in_one_line(rig: Rig) -> None:
    (rig.folder / "initrd").write_bytes(b"not an archive")
    broken = replace(rig, means=replace(rig.means, initrd=rig.folder / "initrd"))
    with pytest.raises(BoardError, match="Kernel panic") as raised, broken.boot(rig.disk(server())) as board:
        until(board)
    assert "\n" not in str(raised.value)


def test_qemu_that_refuses_says_why(rig: Rig) -> None:
    broken = replace(rig, means=replace(rig.means, kernel=rig.folder / "no-kernel"))
    with pytest.raises(BoardError, match="QEMU: .*no-kernel"), broken.boot(rig.disk(server())) as board:
        until(board)


def test_without_an_image_nothing_starts(rig: Rig) -> None:
    nothing = Images((Output(rig.folder / "none.img", "gpt", 0, ""),), rig.folder, "")
    with pytest.raises(BoardError, match="no whole-disk image"), rig.boot(nothing):
        pass


def test_a_comma_in_a_path_is_no_option(rig: Rig) -> None:
    images = rig.disk(server(), name="a,readonly=x.img")
    with rig.boot(images) as board:
        until(board)


def test_an_error_in_the_block_ends_qemu(rig: Rig) -> None:
    with pytest.raises(ZeroDivisionError), rig.boot(rig.disk(server())) as board:
        raise ZeroDivisionError
    assert board.child.poll() is not None


def test_a_service_that_listens_to_all_needs_no_relay(rig: Rig) -> None:
    service = replace(rig.product.service, host="0.0.0.0", api_key_file="/vendor/etc/key")
    words = transport.argv(replace(rig.product, service=service), rig.folder, rig.means, transport.Ports(1, 2, 8080, 7), rig.folder)
    assert "kiln.relay" not in " ".join(words)


def test_a_port_taken_meanwhile_is_exchanged(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our choice of a free port and QEMU's start another program may take it: here one does, twice."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = transport.Ports(other.getsockname()[1], other.getsockname()[1], 8080, 7)
        free, choices = transport._ports, [taken, taken]
        monkeypatch.setattr(transport, "_ports", lambda product: choices.pop() if choices else free(product))
        with rig.boot(rig.disk(server())) as board:
            until(board)
        assert not choices
