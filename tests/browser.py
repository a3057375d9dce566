"""Open a page in a real browser, and read what the browser made of it."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Opened:
    """A page as the browser shows it, and what it complained of."""

    dom: str
    complaints: list[str]


def open_page(address: str, profile: Path, *flags: str, patience_seconds: int = 10) -> Opened:
    """Open an address in a browser that keeps its own things in a folder.

    The page's clock runs through `patience_seconds` as fast as it can. Skips the test where there
    is no browser.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not on PATH")
    opened = subprocess.run(
        [
            chromium,
            # No sandbox: it refuses to start as root, as in most containers; the pages are ours.
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            f"--user-data-dir={profile}",
            f"--virtual-time-budget={patience_seconds * 1000}",
            *flags,
            *("--dump-dom", address),
        ],
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    return Opened(opened.stdout, re.findall(r"CONSOLE.*", opened.stderr))


class _Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine alone, and yield its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
