# SPDX-License-Identifier: Apache-2.0
"""A private apt: the host's sources and proxies, our own state, one architecture; the host's apt is only read.

It works as any user, where apt-get update was never run, and for an architecture that the host does not have. The
sources are copies: without source packages, and without a limit to the host's architectures.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kiln import run, stamp
from kiln.errors import FetchError, Refused
from kiln.fetch.cache import Cache
from kiln.fetch.stream import Unreachable

_HELPER = Path("/usr/lib/apt/apt-helper")
_NO_NETWORK = ("resolving", "Could not connect", "Cannot initiate the connection", "Unable to connect", "timed out", "is unreachable")
# Translations, icons and the like are of no use here; hooks of update touch the host.
_KEPT = re.compile(r'^(Acquire::(?!IndexTargets|Languages|GzipIndexes|Changelogs|Snapshots)[^ ]+|Dir::Etc::trusted(parts)?|Dir::Bin::methods) "')
_SITE = re.compile(r"^'((?:https?|file):[^']*?)/dists/")
_ONE_LINE = re.compile(r"^(\s*deb\s+\[[^\]]*?)\barch\s*[+-]?=[^\]\s]*", re.M)
_CONF = """Dir::State "{root}/state";
Dir::State::status "/dev/null";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "{root}/sources";
Dir::Etc::parts "{root}/none";
Dir::Etc::main "{root}/none.conf";
Dir::Etc::preferencesparts "{root}/none";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
"""


@dataclass(frozen=True)
class Package:
    """One version of a package as the signed index lists it; `path` is below the archive's root."""

    name: str
    version: str
    path: str
    sha256: str
    size: int
    depends: str


@dataclass(frozen=True)
class Apt:
    """An apt of our own in `root`; make one with private()."""

    root: Path
    arch: str

    def sites(self) -> tuple[str, ...]:
        """The roots of the archives that the host's sources name."""
        # `indextargets` would say it in fewer words, but says nothing before the first update.
        said = (_SITE.match(line) for line in self._run(["apt-get", "update", "--print-uris"]))
        return tuple(dict.fromkeys(match[1] for match in said if match))

    def download(self, address: str, into: Path) -> Path:
        """One file by its address, through apt's own transports and proxies. Gives the file."""
        into.unlink(missing_ok=True)
        self._run([_HELPER, "download-file", address, into])
        return into

    def update(self) -> None:
        """Get the signed indexes."""
        self._run(["apt-get", "update", "-q"])

    def versions(self, name: str) -> list[Package]:
        """All versions of a package in the indexes, as apt orders them: the one it would install first."""
        try:
            return list(_packages(self._run(["apt-cache", "show", name])))
        except FetchError:
            return []

    def get(self, package: Package, into: Path) -> Path:
        """One listed package, verified by apt against the signed index. Gives the file."""
        into.mkdir(parents=True, exist_ok=True)
        self._run(["apt-get", "download", "-q", f"{package.name}:{self.arch}={package.version}"], cwd=into)
        return next(into.glob("*.deb"))

    def _run(self, argv: Sequence[str | Path], cwd: Path | None = None) -> tuple[str, ...]:
        done = run.run(argv, env={"APT_CONFIG": str(self.root / "apt.conf")}, cwd=cwd, keep=5000, ok=range(256), timeout=900)
        if done.code == 0:
            return done.tail
        if any(text in line for line in done.tail for text in _NO_NETWORK):
            raise Unreachable("the distribution's archive cannot be reached")
        raise FetchError(run.failed([os.fspath(word) for word in argv], done, None).what)


def private(cache: Cache, arch: str) -> Apt:
    """The private apt for that architecture, as the host's sources are now. Raises Refused without apt."""
    try:
        run.find("apt-get")
    except Refused as error:
        raise Refused("this pin comes from a Debian archive, and apt-get is not on this machine",
                      hint="build on Debian or Ubuntu, or give mirror=DIR of a bundle") from error
    texts = {name: _plain(text) for name, text in _sources()}
    conf = [line for line in run.run(["apt-config", "dump"], keep=5000).tail if _KEPT.match(line)]
    root = cache.root / "apt" / f"{arch}-{stamp.key(texts, conf)[:8]}"
    for folder in ("state/lists/partial", "cache/archives/partial", "sources", "none"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)  # a proxy or a source may hold a password
    for name, text in texts.items():
        stamp.write(root / name, text)
    stamp.write(root / "apt.conf", "\n".join(conf) + "\n" + _CONF.format(root=root, arch=arch))
    return Apt(root, arch)


def _sources() -> Iterator[tuple[str, str]]:
    """The host's sources that we may read: where ours will lie, and the text."""
    said = run.run(["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"]).tail
    named = dict(word.split("=", 1) for line in said for word in shlex.split(line))
    parts = Path(named.get("PARTS", "/none"))
    files = [("sources.list", Path(named.get("LIST", "/none")))]
    if parts.is_dir():
        files += [(f"sources/{file.name}", file) for file in sorted(parts.iterdir()) if file.suffix in (".list", ".sources")]
    for name, file in files:
        if file.is_file() and os.access(file, os.R_OK):
            yield name, file.read_text(errors="replace")


def _plain(text: str) -> str:
    """A sources file (either format) without source packages and without a limit to architectures."""
    text = _ONE_LINE.sub(r"\1", re.sub(r"(?m)^\s*deb-src\b.*$", "", text))
    text = re.sub(r"(?mi)^Architectures(-Add|-Remove)?:.*\n(?:[ \t]+.*\n)*", "", text)
    text = re.sub(r"(?mi)^Types:[ \t]*deb-src[ \t]*$", "Types: deb\nEnabled: no", text)
    return re.sub(r"(?mi)^(Types:.*?)[ \t]*\bdeb-src\b", r"\1", text)


def _packages(lines: Sequence[str]) -> Iterator[Package]:
    for block in "\n".join(lines).split("\n\n"):
        said = dict(line.split(": ", 1) for line in block.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if {"Package", "Version", "Filename", "SHA256", "Size"} <= said.keys() and said["Size"].isdigit():
            yield Package(said["Package"], said["Version"], said["Filename"], said["SHA256"], int(said["Size"]), said.get("Depends", ""))
