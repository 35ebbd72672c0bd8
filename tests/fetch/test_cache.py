# SPDX-License-Identifier: Apache-2.0
"""The cache: shared by processes, refused in another layout, honest about a changed byte and a full disk."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import faulty
from faulty import SOON
from kiln import fetch, progress
from kiln.errors import DigestError, Refused
from kiln.fetch import cache as caches
from kiln.pin import Pin

fast = pytest.mark.fast
Make = Callable[..., Pin]


def elsewhere(pin: Pin, cache: Path, before: str = "") -> subprocess.Popen[str]:
    """A process of its own that gets the pin; it prints the blob's path, or the error's line."""
    code = (f"import sys\nfrom pathlib import Path\nfrom kiln import fetch\nfrom kiln.errors import KilnError\nfrom kiln.pin import Pin\n"
            f"{before}\ntry:\n    print(fetch.get({pin!r}, Path({str(cache)!r})).path)\n"
            f"except KilnError as error:\n    sys.exit(str(error))\n")
    return subprocess.Popen([sys.executable, "-c", code], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@fast
def test_two_processes_fetch_a_digest_once(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    server.stall, pin = 0.3, pinned(url=server.url())
    both = [elsewhere(pin, cache) for _ in range(2)]
    said = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert said[0][0] == said[1][0] and Path(said[0][0].strip()).read_bytes() == body
    assert server.sent == len(body), "one of them waited for the other"


@fast
def test_another_layout_is_refused(cache: Path) -> None:
    cache.mkdir()
    (cache / "version").write_text("2\n")
    with pytest.raises(Refused, match="layout '2', this Kiln knows 1"):
        caches.open(cache)


@fast
def test_a_cache_where_none_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be used.*cache=ANOTHER"):
        caches.open(tmp_path / "file" / "cache")


def flipped(blob: Path) -> None:
    """One byte changed, and size, mtime and mode as they were."""
    seen = blob.stat()
    blob.chmod(0o644)
    with blob.open("r+b") as stream:
        stream.seek(1000)
        byte = stream.read(1)
        stream.seek(1000)
        stream.write(bytes([byte[0] ^ 1]))
    os.utime(blob, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    blob.chmod(0o444)


@fast
def test_a_flipped_byte_is_seen_and_fetched_again(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    pin = pinned(url=server.url())
    flipped(fetch.get(pin, cache, pace=SOON).path)
    with pytest.raises(Refused, match="offline=1"):
        fetch.get(pin, cache, offline=True)
    assert len(list((cache / "rejected").iterdir())) == 1
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body


@fast
def test_verify_names_a_flipped_byte(server: faulty.Faulty, pinned: Make, cache: Path) -> None:
    pin = pinned(url=server.url())
    blob = fetch.get(pin, cache, pace=SOON).path
    assert caches.verify(caches.open(cache)) == 1
    flipped(blob)
    with pytest.raises(DigestError, match=f"1 of 1 blobs .*{pin.sha256}.*rejected"):
        caches.verify(caches.open(cache))


@fast
def test_a_copied_cache_is_hashed_once_and_believed(server: faulty.Faulty, pinned: Make, cache: Path, tmp_path: Path) -> None:
    pin = pinned(url=server.url())
    fetch.get(pin, cache, pace=SOON)
    subprocess.run(["cp", "-r", cache, tmp_path / "copy"], check=True)
    assert fetch.get(pin, tmp_path / "copy", offline=True).path.exists()


@fast
def test_a_short_blob_is_not_believed(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    pin = pinned(url=server.url())
    blob = fetch.get(pin, cache, pace=SOON).path
    blob.chmod(0o644)
    os.truncate(blob, 100)
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body


@fast
def test_a_full_disk_is_one_line_and_the_rest_comes_later(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    """RLIMIT_FSIZE stands in for the full disk: it works as any user, and fails in write() as a full disk does."""
    pin = pinned(url=server.url())
    child = elsewhere(pin, cache, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))")
    line = child.communicate(timeout=60)[1]
    assert child.returncode == 1 and line.count("\n") == 1
    assert "no room left: File too large" in line and "goes on where it stopped" in line
    assert (cache / "partial" / pin.sha256).stat().st_size <= 1 << 20
    server.sent = 0
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    assert server.sent <= len(body) - (1 << 19)


@pytest.mark.ci
def test_a_small_disk_is_one_line(server: faulty.Faulty, pinned: Make, tmp_path: Path) -> None:
    """A tmpfs of 2 MiB in a mount namespace of its own (so: ci): refused before the first byte, ENOSPC in mid-download."""
    small = tmp_path / "small"
    small.mkdir()
    pin = pinned(url=server.url())
    for patched, said in (("", "are needed and"), ("from kiln.fetch.cache import Cache; Cache.room = lambda *_: None", "no room left: No space")):
        code = (f"import sys\nfrom pathlib import Path\nfrom kiln import fetch\nfrom kiln.errors import KilnError\nfrom kiln.pin import Pin\n"
                f"{patched}\ntry:\n    fetch.get({pin!r}, Path({str(small)!r}))\nexcept KilnError as error:\n    sys.exit(str(error))\n")
        done = subprocess.run(["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$1" -c "$2"',
                               small, sys.executable, code], text=True, capture_output=True)
        assert said in done.stderr and done.stderr.count("\n") == 1, done.stderr


@fast
def test_more_than_the_disk_has_is_refused_early(server: faulty.Faulty, pinned: Make, cache: Path) -> None:
    with pytest.raises(Refused, match="are needed and .* are free"):
        fetch.get(pinned(url=server.url(), size=1 << 60), cache)
    assert not server.asked


@fast
def test_a_lock_of_a_killed_process_is_gone(cache: Path) -> None:
    opened = caches.open(cache)
    code = (f"import time\nfrom pathlib import Path\nfrom kiln.fetch import cache\n"
            f"with cache.open(Path({str(cache)!r})).lock('abc'):\n    print('held', flush=True)\n    time.sleep(60)\n")
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "held\n"
    out = io.StringIO()

    @contextmanager
    def shown(total: int, what: str, unit: str = "B") -> Iterator[progress.Update]:
        yield progress.Lines(total, what, unit, out, quiet=0)

    child.send_signal(signal.SIGSTOP)
    threading.Timer(1.2, os.kill, (child.pid, signal.SIGKILL)).start()
    began = time.monotonic()
    with opened.lock("abc", shown):
        assert 1 < time.monotonic() - began < 6
    assert out.getvalue() == "kiln: another run works on abc: 1 s\n"
    child.wait()
