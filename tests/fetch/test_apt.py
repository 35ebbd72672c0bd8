# SPDX-License-Identifier: Apache-2.0
"""Debian packages through a private apt, against an archive made here: exact, gone, replaced; the host untouched."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_unpack import deb, tar

import faulty
from kiln import fetch
from kiln.errors import DigestError, FetchError, Refused
from kiln.fetch import apt
from kiln.pin import Pin

pytestmark = pytest.mark.fast


class Archive:
    """A Debian archive of arm64 packages behind a server, and a host whose only source it is."""

    def __init__(self, server: faulty.Faulty) -> None:
        self.server, self.listed = server, dict[str, str]()

    def add(self, name: str, version: str, depends: str = "", listed: bool = True, body: bytes = b"") -> Pin:
        """A package in the pool, and in the index if `listed`. Gives its pin."""
        fields = f"Package: {name}\nVersion: {version}\nArchitecture: arm64\nMaintainer: x\nDescription: x\n"
        fields += f"Depends: {depends}\n" if depends else ""
        control = lzma.compress(tar(("./control", fields.encode())))
        data = deb(lzma.compress(tar(("./usr/lib/x", body or version.encode()))), control=control)
        path, digest = f"pool/{name}_{version}_arm64.deb", hashlib.sha256(data).hexdigest()
        self.server.files[f"/{path}"] = data
        if listed:
            self.listed[f"{name} {version}"] = f"{fields}Filename: {path}\nSize: {len(data)}\nSHA256: {digest}\n"
        self._index()
        return Pin(kind="deb", name=name, version=version, arch="arm64", path=path, file=path[5:], sha256=digest, size=len(data),
                   licence="MIT", pin="thing")

    def drop(self, pin: Pin, pool: bool = True) -> None:
        """Take a package out of the index, and of the pool."""
        self.listed.pop(f"{pin.name} {pin.version}", None)
        if pool:
            self.server.files.pop(f"/{pin.path}", None)
        self._index()

    def _index(self) -> None:
        packages = gzip.compress("\n".join(self.listed.values()).encode(), mtime=0)
        plain = "\n".join(self.listed.values()).encode()
        sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-arm64/Packages{suffix}\n"
                       for data, suffix in ((plain, ""), (packages, ".gz")))
        release = f"Origin: x\nSuite: stable\nCodename: stable\nArchitectures: arm64\nComponents: main\nSHA256:\n{sums}"
        for name, data in (("Release", release.encode()), ("main/binary-arm64/Packages", plain), ("main/binary-arm64/Packages.gz", packages)):
            self.server.files[f"/dists/stable/{name}"] = data


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """The host's apt has this archive as its only source, in deb822, limited to amd64, with source packages."""
    with faulty.serving() as server:
        etc = tmp_path / "etc"
        (etc / "parts").mkdir(parents=True)
        (etc / "parts" / "x.sources").write_text(
            f"Types: deb deb-src\nURIs: http://127.0.0.1:{server.port}\nSuites: stable\nComponents: main\nArchitectures: amd64\nTrusted: yes\n")
        (etc / "apt.conf").write_text(f'Dir::Etc::sourcelist "{etc}/none";\nDir::Etc::sourceparts "{etc}/parts";\nDir::State "{etc}/state";\n')
        monkeypatch.setenv("APT_CONFIG", str(etc / "apt.conf"))
        yield Archive(server)
        assert not (etc / "state").exists(), "the host's state was touched"


def test_an_exact_package_needs_no_index(archive: Archive, cache: Path) -> None:
    pin = archive.add("musl", "1.2.3-1", listed=False)
    fetched = fetch.get(pin, cache)
    assert fetched.input.pinned and fetched.input.version == "1.2.3-1"
    assert (fetch.unpack(fetched.path, cache / "un", file=pin.file) / "usr/lib/x").read_bytes() == b"1.2.3-1"
    assert not [path for path, _ in archive.server.asked if "Packages" in path]


def test_a_pin_without_a_path_comes_by_the_index(archive: Archive, cache: Path) -> None:
    assert fetch.get(replace(archive.add("musl", "1.2.3-1"), path=""), cache).input.pinned


def test_a_package_that_was_replaced_says_so(archive: Archive, cache: Path) -> None:
    pin = archive.add("musl", "1.2.3-1")
    archive.drop(pin)
    archive.add("musl", "1.2.5-3")
    with pytest.raises(FetchError, match=r"thing: .*musl 1.2.3-1 \(arm64\): is no longer in the distribution, which has 1.2.5-3 now; .*update=thing"):
        fetch.get(pin, cache)


def test_a_package_that_is_gone_says_so(archive: Archive, cache: Path) -> None:
    pin = archive.add("musl", "1.2.3-1")
    archive.drop(pin)
    with pytest.raises(FetchError, match="which has no package of that name now"):
        fetch.get(pin, cache)


def test_the_archive_has_other_bytes(archive: Archive, cache: Path) -> None:
    pin = archive.add("musl", "1.2.3-1")
    with pytest.raises(DigestError, match="kept for inspection"):
        fetch.get(replace(pin, sha256="0" * 64), cache)


def test_signed_takes_the_update_of_the_same_name_and_remembers_it(archive: Archive, cache: Path) -> None:
    pin = replace(archive.add("linux-image-6.1.0-56-cloud-arm64", "6.1.192-2"), accept="signed")
    archive.drop(pin)
    new = archive.add(pin.name, "6.1.192-3")
    for offline in (False, True):
        fetched = fetch.get(pin, cache, offline=offline)
        assert (fetched.input.version, fetched.input.sha256, fetched.input.pinned) == ("6.1.192-3", new.sha256, False)
        assert fetched.input.name == "thing"
    assert fetch.get(pin, cache / "other", mirror=cache, offline=True).input.sha256 == new.sha256


def test_signed_follows_the_metapackage_when_the_name_moved(archive: Archive, cache: Path) -> None:
    pin = replace(archive.add("linux-image-6.1.0-56-cloud-arm64", "6.1.192-2"), accept="signed")
    archive.drop(pin)
    archive.add("linux-image-cloud-arm64", "6.12.1-1", depends="linux-base, linux-image-6.12.48+deb13-cloud-arm64 (= 6.12.1-1)")
    archive.add("linux-image-6.12.48+deb13-cloud-arm64", "6.12.1-1")
    archive.add("linux-image-6.12.48+deb13-arm64", "6.12.1-1")
    assert fetch.get(pin, cache).input.version == "6.12.1-1"


def test_signed_is_exact_while_the_pool_has_it(archive: Archive, cache: Path) -> None:
    pin = replace(archive.add("linux-image-6.1.0-56-cloud-arm64", "6.1.192-2"), accept="signed")
    archive.drop(pin, pool=False)
    archive.add(pin.name, "6.1.192-3")
    assert fetch.get(pin, cache).input.pinned


def test_no_network(archive: Archive, cache: Path) -> None:
    pin = archive.add("musl", "1.2.3-1")
    sources = Path(os.environ["APT_CONFIG"]).parent / "parts" / "x.sources"
    sources.write_text(sources.read_text().replace(str(archive.server.port), "1"))
    for one in (pin, replace(pin, accept="signed")):
        with pytest.raises(FetchError, match=r"thing: no network\? .*archive cannot be reached; .*offline=1"):
            fetch.get(one, cache)


def test_without_apt(archive: Archive, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for program in ("sh", "env"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Refused, match="apt-get is not on this machine; build on Debian or Ubuntu"):
        fetch.get(archive.add("musl", "1.2.3-1"), cache)


def test_sources_of_both_formats_are_made_plain() -> None:
    assert apt._plain("deb [arch=amd64 signed-by=/k] http://a b c\ndeb-src http://a b c\n# deb x\n") == \
        "deb [ signed-by=/k] http://a b c\n\n# deb x\n"
    assert apt._plain("Types: deb deb-src\nURIs: x\nArchitectures: amd64\n i386\nSigned-By: /k\n") == "Types: deb\nURIs: x\nSigned-By: /k\n"
    assert apt._plain("Types: deb-src\nURIs: x\n") == "Types: deb\nEnabled: no\nURIs: x\n"
