# SPDX-License-Identifier: Apache-2.0
"""Fetching a pin, hashed as it comes, against curl and sha256sum of the same file from the same server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bench.noise import noise
from bench.pairs import pairs

from kiln import fetch, stamp
from kiln.pin import Pin

pytestmark = pytest.mark.long
MIB = 512


def test_fetch(tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    digest = stamp.digest(noise(served / "f", MIB))
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    url, cache, copy = f"http://127.0.0.1:{port}/f", tmp_path / "cache", tmp_path / "copy"
    pin = Pin(kind="https", version="1", file="f", sha256=digest, size=MIB << 20, licence="MIT", pin="f", url=url)

    def ours() -> None:
        shutil.rmtree(cache, ignore_errors=True)
        fetch.get(pin, cache)

    def known() -> None:
        subprocess.run(["sh", "-c", 'curl -sS --noproxy "*" -o "$1" "$2" && sha256sum "$1"', "sh", copy, url], check=True, capture_output=True)

    server = subprocess.Popen([sys.executable, "-m", "http.server", "-b", "127.0.0.1", "-d", served, str(port)], stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        print(f"\nfetch {MIB} MiB / curl and sha256sum:", pairs(ours, known, runs=3))
    finally:
        server.kill()
        server.wait()
