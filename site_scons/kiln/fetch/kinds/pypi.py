# SPDX-License-Identifier: Apache-2.0
"""A file of a Python package: by name, version and file name, from where this machine's pip would take it.

`unearth` finds the address in 0.2 s and runs nothing (`pip download` of an sdist ran its build backend for 42 s), but
reads no pip settings; so pip is asked once for them, in the action. The bytes then come through stream.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kiln.errors import FetchError
from kiln.fetch import stream
from kiln.fetch.ask import Ask
from kiln.fetch.newer import Newer, Wish
from kiln.fetch.part import Part, Wrong
from kiln.fetch.pip import Found, Settings, find, newest_file, settings
from kiln.pin import Pin


def place(pin: Pin) -> str:
    """The package and version."""
    return f"PyPI {pin.name} {pin.version}"


def fetch(pin: Pin, part: Part, ask: Ask) -> None:
    """Download it from the first index or folder that has these bytes."""
    known, failed = settings(), list[FetchError]()
    for found in _found(known, pin, failed):
        try:
            stream.download(_remote(known, found), part, ask.pace)
            return
        except FetchError as error:
            failed.append(error)
    wrong = next((one for one in failed if isinstance(one, Wrong)), None)
    if wrong:
        raise wrong
    if failed and all(isinstance(one, stream.Unreachable) for one in failed):
        raise stream.Unreachable(failed[0].what)
    raise FetchError(", ".join(dict.fromkeys(one.what for one in failed)) or f"no index lists {pin.file}")


def newest(pin: Pin, wish: Wish, ask: Ask) -> Newer:
    """The newest version that has a file of the same shape: the source package, or the wheel for the same machines."""
    known, failed = settings(), list[FetchError]()
    for source in known.sources:
        try:
            found = newest_file(known, source, pin.name, pin.version, pin.file)
        except FetchError as error:
            failed.append(error)
            continue
        if found:
            version, file, sha256 = found
            return Newer(version=version, file=file, sha256=sha256)
    if failed and all(isinstance(one, stream.Unreachable) for one in failed):
        raise stream.Unreachable(failed[0].what, hint="check the connection, and PIP_INDEX_URL")
    raise FetchError(", ".join(dict.fromkeys(one.what for one in failed)) or f"no index lists a file like {pin.file}",
                     hint="is there a version with a file of that shape? else edit the pin by hand")


def _found(known: Settings, pin: Pin, failed: list[FetchError]) -> Iterator[Found]:
    """The file where it is listed, one source after the other; why a source has none goes into `failed`."""
    for source in known.sources:
        try:
            listed = find(known, source, pin.name, pin.file)
        except FetchError as error:
            failed.append(error)
            continue
        for found in listed:
            if found.sha256 and found.sha256 != pin.sha256:
                failed.append(FetchError(f"{pin.file} is listed with sha256 {found.sha256}"))
            else:
                yield found


def _remote(known: Settings, found: Found) -> stream.Remote:
    host = found.host
    verify = False if host in known.trusted else known.certificates or True
    remote = stream.Remote(found.url, verify=verify, certificate=known.client or None, proxy=known.proxy)
    bare = stream.with_login(remote)
    return bare if bare.login else replace(bare, login=known.login(host))
