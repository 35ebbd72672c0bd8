# SPDX-License-Identifier: Apache-2.0
"""Pins against servers that cut, lie, stall and refuse; mirrors, offline, the mirror folder; one line for each failure."""

from __future__ import annotations

import hashlib
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import faulty
from faulty import SOON
from kiln import fetch
from kiln.errors import DigestError, FetchError, KilnError, Refused
from kiln.pin import Mirror, Pin

pytestmark = pytest.mark.fast
Make = Callable[..., Pin]


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_it_comes_and_the_second_time_out_of_the_cache(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    pin = pinned(url=server.url())
    first = fetch.get(pin, cache, pace=SOON)
    assert first.path.read_bytes() == body and first.input.pinned and first.input.name == "thing"
    assert first.path == cache / "blobs" / "sha256" / pin.sha256[:2] / pin.sha256
    assert first.path.stat().st_mode & 0o777 == 0o444
    assert fetch.get(pin, cache, pace=SOON) == first and len(server.asked) == 1
    assert not list((cache / "partial").iterdir())


def test_a_download_cut_twenty_times_fetches_little_again(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    server.cuts = deque(random.Random(3).randrange(1, 2 * len(body) // 20) for _ in range(20))
    assert fetch.get(pinned(url=server.url()), cache, pace=SOON).path.read_bytes() == body
    assert len(server.asked) == 21
    assert server.sent == len(body), "each byte was sent once"


def test_a_killed_download_goes_on_where_it_was(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    """kill -9 in mid-download: a process of its own, killed when half of it has come."""
    server.stall, pin = 60, pinned(url=server.url())
    code = f"from pathlib import Path; from kiln import fetch, pin; fetch.get({pin!r}, Path({str(cache)!r}))"
    child = subprocess.Popen([sys.executable, "-c", "from kiln.pin import Pin; " + code])
    partial = cache / "partial" / pin.sha256
    until = time.monotonic() + 20
    while not (partial.exists() and partial.stat().st_size > len(body) // 3) and time.monotonic() < until:
        time.sleep(0.02)
    child.kill()
    child.wait()
    had, server.stall, server.sent = partial.stat().st_size, 0, 0
    assert had > len(body) // 3
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    assert server.sent == len(body) - had


def test_a_partial_of_other_bytes_is_fetched_whole(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    """A machine that crashed left zeros where bytes should be."""
    pin = pinned(url=server.url())
    (cache / "partial").mkdir(parents=True)
    (cache / "partial" / pin.sha256).write_bytes(bytes(100_000))
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    assert server.sent == 2 * len(body) - 100_000


def test_a_file_that_changed_there_is_not_mixed(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    """The first half came from other bytes of the same length: If-Range makes the server send all of it."""
    pin, other = pinned(url=server.url()), bytes(len(body))
    server.files["/file"], server.cuts, server.statuses = other, deque([1000]), deque([200, 404])
    with pytest.raises(FetchError):
        fetch.get(pin, cache, pace=SOON)
    server.files["/file"] = body
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    assert "If-Range" in server.asked[-1][1] and server.asked[-1][1]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("fault", ["no ranges", "shifted", "chunked", "no etag", "says gzip"])
def test_servers_that_resume_badly(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes, fault: str) -> None:
    server.cuts = deque([700_000])
    server.ranges, server.chunked, server.etag = fault != "no ranges", fault == "chunked", fault != "no etag"
    server.shift = 5 if fault == "shifted" else 0
    server.heads = {"Content-Encoding": "gzip"} if fault == "says gzip" else {}
    assert fetch.get(pinned(url=server.url()), cache, pace=SOON).path.read_bytes() == body


def test_503_then_well_and_retry_after_is_followed(server: faulty.Faulty, pinned: Make, cache: Path) -> None:
    server.statuses, server.heads = deque([503, 429]), {"Retry-After": "1"}
    began = time.monotonic()
    fetch.get(pinned(url=server.url()), cache, pace=fetch.Pace(first=5, after=0.2))
    assert 0.4 <= time.monotonic() - began < 4


FAULTS = {
    "404": ("404 Not Found", lambda s: s.statuses.extend([404] * 9), 1),
    "403": ("403 Forbidden", lambda s: s.statuses.extend([403] * 9), 1),
    "503": ("503 Service Unavailable, 3 times", lambda s: s.statuses.extend([503] * 9), 3),
    "too long": ("(9999999 bytes) long there", lambda s: setattr(s, "length", 9999999), 1),
    "too short": ("(5 bytes) long there", lambda s: setattr(s, "length", 5), 1),
    "endless": ("sends more than the", lambda s: (setattr(s, "chunked", True), s.files.update({"/file": bytes(9 << 20)})), 1),
    "cut at nothing": ("cut the connection at 0 of", lambda s: s.cuts.extend([0] * 9), 3),
    "stall": ("stalls, 3 times", lambda s: (setattr(s, "stall", 0.6), setattr(s, "ranges", False)), None),
    "redirects": ("redirects more than 10 times", lambda s: s.redirect.update({"/file": "/file"}), 11),
    "to a file": ("redirects to 'file'", lambda s: s.redirect.update({"/file": "file:///etc/hostname"}), 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_refuses_or_lies_is_one_line(server: faulty.Faulty, pinned: Make, cache: Path, fault: str) -> None:
    said, break_it, times = FAULTS[fault]
    break_it(server)
    with pytest.raises(FetchError) as told:
        fetch.get(pinned(url=server.url() + "?key=geheim"), cache, pace=replace(SOON, stall=0.15) if fault == "stall" else SOON)
    line = str(told.value)
    assert said in line and line.startswith("thing: ") and "\n" not in line
    assert f"127.0.0.1:{server.port}/file" in line and "geheim" not in line
    assert times is None or len(server.asked) == times
    assert not list((cache / "blobs").rglob("*"))


def test_a_server_that_drips_does_not_hold_us(server: faulty.Faulty, pinned: Make, cache: Path) -> None:
    server.drip = 0.05
    with pytest.raises(FetchError, match="is slower than 1 KiB/s"):
        fetch.get(pinned(url=server.url()), cache, pace=fetch.Pace(tries=1, most=1, first=0.01, stall=0.1))


def test_other_bytes_are_kept_and_named(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    other = bytes(len(body))
    server.files["/file"] = other
    pin, got = pinned(url=server.url()), hashlib.sha256(other).hexdigest()
    with pytest.raises(DigestError) as told:
        fetch.get(pin, cache, pace=SOON)
    kept = cache / "rejected" / f"{pin.sha256}-{got}"
    assert kept.read_bytes() == other
    for word in ("thing", pin.sha256, got, str(kept)):
        assert word in str(told.value)
    assert not list((cache / "blobs").rglob("*")) and not list((cache / "partial").iterdir())


def test_mirrors_in_order_and_the_first_good_one_ends_it(server: faulty.Faulty, pinned: Make, cache: Path, body: bytes) -> None:
    server.files["/bad"] = bytes(len(body))
    mirrors = tuple(Mirror("https", url=server.url(path)) for path in ("/bad", "/file", "/never"))
    assert fetch.get(pinned(url=server.url("/gone"), mirrors=mirrors), cache, pace=SOON).path.read_bytes() == body
    assert [path for path, _ in server.asked] == ["/gone", "/bad", "/file"]


def test_when_all_fail_each_place_is_named(server: faulty.Faulty, pinned: Make, cache: Path, tmp_path: Path) -> None:
    mirrors = (Mirror("https", url=server.url("/b")), Mirror("path", path=str(tmp_path / "none")))
    with pytest.raises(FetchError) as told:
        fetch.get(pinned(url=server.url("/a"), mirrors=mirrors), cache, pace=SOON)
    assert re.search(r"/a: 404 Not Found; .*/b: 404 Not Found; .*none: cannot be read: No such file", str(told.value))


def test_no_network_says_so(pinned: Make, cache: Path) -> None:
    with pytest.raises(FetchError, match=r"no network\?.*cannot connect.*offline=1"):
        fetch.get(pinned(url=f"http://127.0.0.1:{closed_port()}/x"), cache, pace=SOON)


def test_offline_takes_the_cache_and_the_mirror_folder_only(server: faulty.Faulty, pinned: Make, cache: Path, tmp_path: Path) -> None:
    pin = pinned(url=server.url())
    with pytest.raises(Refused, match="offline=1.*mirror=DIR"):
        fetch.get(pin, cache, offline=True)
    bundle = tmp_path / "bundle"
    fetch.get(pin, bundle, pace=SOON)
    asked = len(server.asked)
    assert fetch.get(pin, cache, offline=True, mirror=bundle).input.pinned
    assert fetch.get(pin, cache, offline=True).path.exists() and len(server.asked) == asked


def test_a_mirror_folder_with_other_bytes_is_not_believed(pinned: Make, cache: Path, tmp_path: Path, body: bytes) -> None:
    pin = pinned()
    blob = tmp_path / "bundle" / "blobs" / "sha256" / pin.sha256[:2] / pin.sha256
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(len(body)))
    with pytest.raises(DigestError, match="bundle"):
        fetch.get(pin, cache, offline=True, mirror=tmp_path / "bundle")
    assert blob.exists(), "the mirror is only read"


def test_a_token_goes_to_the_first_host_alone(server: faulty.Faulty, pinned: Make, cache: Path, monkeypatch: pytest.MonkeyPatch,
                                               body: bytes) -> None:
    monkeypatch.setenv("KILN_TEST_TOKEN", "hf_geheim")
    with faulty.serving(files={"/there": body}) as other:
        server.redirect = {"/file": "/again", "/again": other.url("/there")}
        fetch.get(pinned(url=server.url(), token="KILN_TEST_TOKEN"), cache, pace=SOON)
        assert [heads.get("Authorization") for _, heads in server.asked] == ["Bearer hf_geheim"] * 2
        assert [heads.get("Authorization") for _, heads in other.asked] == [None]
        other.files.clear()
        with pytest.raises(FetchError) as told:
            fetch.get(pinned(url=server.url(), token="KILN_TEST_TOKEN", sha256="0" * 64), cache, pace=SOON)
    shown = [*map(str, cache.rglob("*")), str(told.value), repr(told.value.__cause__)]
    assert "geheim" not in " ".join(shown)
    assert not any(b"geheim" in file.read_bytes() for file in cache.rglob("*") if file.is_file())


def test_a_netrc_does_not_replace_the_token(server: faulty.Faulty, pinned: Make, cache: Path, monkeypatch: pytest.MonkeyPatch,
                                             tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("KILN_TEST_TOKEN", "hf_geheim")
    fetch.get(pinned(url=server.url(), token="KILN_TEST_TOKEN"), cache, pace=SOON)
    assert server.asked[0][1]["Authorization"] == "Bearer hf_geheim"


def test_proxy_variables_are_honored(server: faulty.Faulty, pinned: Make, cache: Path, monkeypatch: pytest.MonkeyPatch,
                                      body: bytes, tmp_path: Path) -> None:
    """The server plays the proxy: it is asked for the whole address. NO_PROXY goes past it, to nobody."""
    address = "http://kiln.invalid/file"
    server.files[address] = body
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    fetch.get(pinned(url=address), cache, pace=SOON)
    assert server.asked[0][0] == address
    monkeypatch.setenv("no_proxy", "kiln.invalid")
    with pytest.raises(FetchError, match=r"no network\?"):
        fetch.get(pinned(url=address), tmp_path / "other", pace=SOON)


def test_the_path_kind(pinned: Make, cache: Path, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "here.bin").write_bytes(body)
    assert fetch.get(pinned(kind="path", path=str(tmp_path / "here.bin")), cache, offline=True).path.read_bytes() == body
    with pytest.raises(FetchError, match="is 5 B"):
        (tmp_path / "here.bin").write_bytes(b"other")
        fetch.get(pinned(kind="path", path=str(tmp_path / "here.bin"), sha256="1" * 64), cache)


def test_an_empty_file_is_a_file(pinned: Make, cache: Path, server: faulty.Faulty) -> None:
    server.files["/file"] = b""
    pin = pinned(url=server.url(), size=0, sha256=hashlib.sha256(b"").hexdigest())
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == b""


def test_a_kind_that_is_not_there_names_those_that_are(pinned: Make, cache: Path) -> None:
    with pytest.raises(KilnError, match="unknown kind 'ftp'.*known: daily, deb, git, https, path, pypi"):
        fetch.get(pinned(kind="ftp"), cache)


CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.mark.parametrize("variable", CERTIFICATES)
def test_certificate_variables_are_honored(pinned: Make, cache: Path, monkeypatch: pytest.MonkeyPatch, body: bytes, variable: str) -> None:
    for name in CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    with faulty.serving(tls=True, files={"/file": body}) as server:
        with pytest.raises(FetchError, match="certificate verify failed: self-signed certificate; .*REQUESTS_CA_BUNDLE"):
            fetch.get(pinned(url=server.url()), cache, pace=SOON)
        monkeypatch.setenv(variable, str(faulty.CERTIFICATE))
        assert fetch.get(pinned(url=server.url()), cache, pace=SOON).path.read_bytes() == body


def test_told_to_stop_it_stops_in_mid_download(server: faulty.Faulty, pinned: Make, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SCons waits for a running action after Ctrl-C; a download of gigabytes must not make it wait long."""
    from kiln import run
    from kiln.errors import ProgramError

    stop = threading.Event()
    monkeypatch.setattr(run, "_interrupted", stop)
    server.stall, pin = 0.1, pinned(url=server.url())
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(ProgramError, match="interrupted"):
        fetch.get(pin, cache, pace=SOON)
    assert (cache / "partial" / pin.sha256).stat().st_size < pin.size
