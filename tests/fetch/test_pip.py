# SPDX-License-Identifier: Apache-2.0
"""Files of Python packages: from wherever this machine's pip is told to look, by digest and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import faulty
from faulty import SOON
from kiln import fetch
from kiln.errors import DigestError, FetchError
from kiln.fetch import pip
from kiln.pin import Pin

pytestmark = pytest.mark.fast
FILE = "thing-1.0-py3-none-manylinux_2_17_riscv64.whl"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of this machine's pip settings, and no index but the test's own."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")


@pytest.fixture
def pin(pinned: Callable[..., Pin]) -> Pin:
    """The body as a wheel for another machine than this."""
    return pinned(kind="pypi", name="Thing", version="1.0", file=FILE, pin="thing")


def page(server: faulty.Faulty, body: bytes, digest: str = "", at: str = "/simple/thing/", file: str = FILE) -> None:
    """List the body in the server's index."""
    server.files[at] = f'<html><a href="../../files/{FILE}{digest and "#sha256=" + digest}">{file}</a></html>'.encode()
    server.files[f"/files/{FILE}"] = body
    server.heads["Content-Type"] = "text/html"


def test_by_name_from_an_index(server: faulty.Faulty, pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    page(server, body, pin.sha256)
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    assert [path for path, _ in server.asked] == ["/simple/thing/", f"/files/{FILE}"]


def test_cut_and_resumed_like_every_kind(server: faulty.Faulty, pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    page(server, body)
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    server.cuts.extend([10_000_000, 1000])
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    assert server.asked[-1][1]["Range"] == "bytes=1000-"


def test_from_a_folder_and_from_an_index_in_files(pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    links, simple = tmp_path / "links", tmp_path / "py pi" / "simple" / "thing"
    for folder, name in ((links, FILE), (simple, "index.html"), (tmp_path / "py pi" / "files", FILE)):
        folder.mkdir(parents=True)
        (folder / name).write_bytes(f'<a href="../../files/{FILE}#sha256={pin.sha256}">{FILE}</a>'.encode() if name == "index.html" else body)
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file://{tmp_path}/none/simple {(tmp_path / 'py pi' / 'simple').as_uri()}")
    assert fetch.get(pin, tmp_path / "cache2", pace=SOON).path.read_bytes() == body


def test_the_digest_decides_between_sources(server: faulty.Faulty, pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch,
                                             tmp_path: Path) -> None:
    """A folder has other bytes under the name, one index lists another digest, the next has the file."""
    (tmp_path / FILE).write_bytes(bytes(len(body)))
    page(server, body, "0" * 64)
    page(server, body, pin.sha256, at="/second/thing/")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", server.url("/second"))
    assert fetch.get(pin, cache, pace=SOON).path.read_bytes() == body


def test_other_bytes_everywhere_is_a_digest_error(pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(bytes(len(body)))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DigestError, match=f"thing: PyPI Thing 1.0: has sha256 .* {pin.sha256} is pinned; kept"):
        fetch.get(pin, cache, pace=SOON)


def test_not_listed_and_no_network(server: faulty.Faulty, pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match=r"thing: no network\? PyPI Thing 1.0: 127.0.0.1:1 does not answer"):
        fetch.get(pin, cache, pace=SOON)
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
    with pytest.raises(FetchError, match=f"thing: cannot be had: PyPI Thing 1.0: no index lists {FILE}"):
        fetch.get(pin, cache, pace=SOON)
    page(server, body, "0" * 64)
    with pytest.raises(FetchError, match=f"is listed with sha256 {'0' * 64}"):
        fetch.get(pin, cache, pace=SOON)
    server.statuses.append(503)
    with pytest.raises(FetchError, match=f"127.0.0.1:{server.port} answers 503 Service Unavailable"):
        fetch.get(pin, cache, pace=SOON)


def test_a_password_in_the_index_address(server: faulty.Faulty, pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to the index and its files, and is in no line."""
    page(server, body, pin.sha256)
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:geheim@127.0.0.1:{server.port}/simple")
    server.statuses.extend([200, 404])
    with pytest.raises(FetchError) as told:
        fetch.get(pin, cache, pace=SOON)
    assert "geheim" not in str(told.value)
    fetch.get(pin, cache, pace=SOON)
    assert all(heads.get("Authorization", "").startswith("Basic ") for _, heads in server.asked)


def test_certificates_of_pip(pin: Pin, cache: Path, body: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with faulty.serving(tls=True) as server:
        page(server, body, pin.sha256)
        monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple"))
        with pytest.raises(FetchError, match="certificate"):
            fetch.get(pin, cache, pace=SOON)
        monkeypatch.setenv("PIP_CERT", str(faulty.CERTIFICATE))
        fetch.get(pin, cache, pace=SOON)
        monkeypatch.delenv("PIP_CERT")
        monkeypatch.setenv("PIP_TRUSTED_HOST", f"127.0.0.1:{server.port}")
        fetch.get(pin, tmp_path / "other", pace=SOON)


def test_the_sections_override_as_in_pip() -> None:
    known = pip.parse(["install.index-url='https://b/simple'", ":env:.find-links='/c'", "global.index-url='https://a/simple'",
                       "global.find-links='/a /b'", "global.extra-index-url='\\nhttps://x/simple\\nfile:///y'", "noise", "list.format='json'"])
    assert [(one.url, one.links) for one in known.sources] == [
        ("/c", True), ("file:///y", False), ("https://b/simple", False), ("https://x/simple", False)]


def test_no_index_leaves_the_folders() -> None:
    assert [one.url for one in pip.parse([":env:.no-index='1'", "global.find-links='/a'", "global.index-url='https://a'"]).sources] == ["/a"]


def test_without_pip_settings_there_is_a_default_index() -> None:
    assert len(pip.parse([]).sources) == 1
