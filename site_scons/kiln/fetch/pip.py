# SPDX-License-Identifier: Apache-2.0
"""What pip is set to on this machine (`pip config`, PIP_*), and a package's files in one of its sources, by unearth."""

from __future__ import annotations

import ast
import logging
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from kiln import run
from kiln.errors import FetchError, ProgramError
from kiln.fetch.stream import Unreachable

_LINE = re.compile(r"^(global|install|download|:env:)\.([a-z-]+)=(.+)$")
_LATER = ("global", "download", "install", ":env:")


@dataclass(frozen=True)
class Source:
    """An index (`simple` layout), or with `links` a folder or page of files."""

    url: str
    links: bool = False

    @property
    def local(self) -> bool:
        """It needs no network."""
        return not self.url.startswith(("http:", "https:"))


@dataclass(frozen=True)
class Settings:
    """pip's settings, those of them that say where files come from. `trusted` hosts need no valid certificate."""

    sources: tuple[Source, ...]
    certificates: str = ""
    client: str = ""
    proxy: str = ""
    trusted: tuple[str, ...] = ()
    timeout: float = 15.0

    def login(self, host: str) -> tuple[str, str] | None:
        """User and password that an index address names for that host."""
        for source in self.sources:
            split = urlsplit(source.url)
            if split.username is not None and _host(source.url) == host:
                return unquote(split.username), unquote(split.password or "")
        return None


@dataclass(frozen=True)
class Found:
    """One listed file; `sha256` is what the listing says, empty where it says nothing."""

    url: str
    sha256: str

    @property
    def host(self) -> str:
        """host, or host:port where a port is given, as pip names a trusted host."""
        return _host(self.url)


def settings() -> Settings:
    """Ask pip. Without pip (a bare virtual environment) only PIP_* of the environment counts."""
    try:
        lines = run.run([sys.executable, "-m", "pip", "config", "list"], keep=500, timeout=60).tail
    except ProgramError:
        lines = tuple(f":env:.{name[4:].lower().replace('_', '-')}={value!r}"
                      for name, value in os.environ.items() if name.startswith("PIP_"))
    return parse(lines)


def parse(lines: Iterable[str]) -> Settings:
    """The settings out of what `pip config list` prints. A later section of _LATER overrides an earlier one, as in pip."""
    said: dict[str, str] = {}
    rows = [match.groups() for line in lines if (match := _LINE.match(line))]
    for section, name, value in sorted(rows, key=lambda row: _LATER.index(row[0])):
        said[name] = _text(value)
    return Settings(sources=_sources(said), certificates=said.get("cert", ""), client=said.get("client-cert", ""),
                    proxy=said.get("proxy", ""), trusted=tuple(said.get("trusted-host", "").split()),
                    timeout=float(said["timeout"]) if said.get("timeout", "").isdigit() else 15.0)


def find(known: Settings, source: Source, package: str, file: str) -> list[Found]:
    """The addresses under which `source` lists that file. Raises FetchError (Unreachable) if it cannot be asked."""
    from unearth import PackageFinder

    with _quiet() as warnings, _client(known) as client, _told(source):
        finder = PackageFinder(client, ignore_compatibility=True)
        finder.sources = [{"url": _place(source), "type": "find_links" if source.links else "index"}]
        links = [one.link for one in finder.find_all_packages(package, allow_yanked=True)]
    found = [Found(link.url_without_fragment, (link.hash_option or {}).get("sha256", [""])[0])
             for link in links if link.filename == file]
    refused = [text for text in warnings if "Error(" in text and "(404)" not in text]
    if not found and refused and not source.local:
        raise FetchError(f"{_host(source.url)} answers {re.sub('.*Error.', '', refused[0]).replace('):', '')[:60]}")
    return found


def newest_file(known: Settings, source: Source, package: str, version: str, file: str) -> tuple[str, str, str] | None:
    """Version, file name and sha256 ("" if not listed) of the newest release with a file named as `file` is at `version`; yanked ones left out."""
    from packaging.version import InvalidVersion, Version
    from unearth import PackageFinder

    with _quiet(), _client(known) as client, _told(source):
        finder = PackageFinder(client, ignore_compatibility=True)
        finder.sources = [{"url": _place(source), "type": "find_links" if source.links else "index"}]
        listed = [(one.version or "", one.link) for one in finder.find_all_packages(package, allow_yanked=False)]
    fits = []
    for text, link in listed:
        try:
            number = Version(text)
        except InvalidVersion:
            continue
        if not number.is_prerelease and link.filename == file.replace(version, text):
            fits.append((number, text, link.filename, (link.hash_option or {}).get("sha256", [""])[0]))
    return max(fits)[1:] if fits else None


def _sources(said: Mapping[str, str]) -> tuple[Source, ...]:
    """Those on this machine first: the digest decides, and they cost nothing. pip's own default index stays the default."""
    from unearth import PackageFinder

    indexes = [] if said.get("no-index", "").lower() in ("1", "true", "yes", "on") else [
        said.get("index-url") or PackageFinder().sources[0]["url"], *said.get("extra-index-url", "").split()]
    every = [*(Source(url, links=True) for url in said.get("find-links", "").split()), *map(Source, indexes)]
    return tuple(sorted(every, key=lambda source: not source.local))


def _place(source: Source) -> str:
    return source.url if "://" in source.url else Path(source.url).expanduser().absolute().as_uri()


def _client(known: Settings) -> Any:
    import ssl

    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers import PyPIClient

    named = known.certificates or next((os.environ[name] for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
                                        if os.environ.get(name)), "")
    try:
        verify = ssl.create_default_context(cafile=named or None) if not named or Path(named).is_file() \
            else ssl.create_default_context(capath=named)
        client = PyPIClient(trusted_hosts=known.trusted, verify=verify, cert=known.client or None, timeout=known.timeout,
                            proxy=known.proxy or None)
    except (OSError, ValueError) as error:
        raise FetchError(f"pip's certificate, proxy or trusted host is no good: {error}", hint="see: pip config list") from error
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=[one.url for one in known.sources if not one.links])
    return client


@contextmanager
def _told(source: Source) -> Iterator[None]:
    """What unearth and its HTTP client raise, as one of ours. Their own classes differ between versions."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise FetchError(f"{_host(source.url) or source.url} cannot be used: {type(error).__name__}") from error
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "httpcore2", "unearth"):
            raise
        if "certificate" in str(error).lower():
            raise FetchError(f"{_host(source.url)}: certificate verify failed",
                             hint="name the right certificates: PIP_CERT=FILE") from error
        raise Unreachable(f"{_host(source.url)} does not answer") from error


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """unearth's warnings, collected: the library prints nothing."""
    kept: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: kept.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("unearth")
    spread, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield kept
    finally:
        logger.removeHandler(handler)
        logger.propagate = spread


def _host(url: str) -> str:
    split = urlsplit(url)
    return f"{split.hostname}:{split.port}" if split.port else split.hostname or ""


def _text(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (ValueError, SyntaxError):
        return value
