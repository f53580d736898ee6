# SPDX-License-Identifier: MIT
"""Reads the SQLite files of a running daemon from a copy: the daemon locks its own. Needs only the standard
library."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time

LOG_HEADER_BYTES = 32


def _version(path):
    """Changes when the daemon moves pages from the write-ahead log to the file, or begins the log anew."""
    try:
        with open(path + "-wal", "rb") as log:
            header = log.read(LOG_HEADER_BYTES)
    except FileNotFoundError:
        header = None
    status = os.stat(path)
    return header, status.st_ino, status.st_mtime_ns


def _copy(path, to):
    """Copies both files. They belong together only if neither was begun anew meanwhile."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        before = _version(path)
        shutil.copy(path, to)
        try:
            shutil.copy(path + "-wal", to + "-wal")
        except FileNotFoundError:
            pass
        if _version(path) == before:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(to + "-wal")
    raise AssertionError(f"{path} changed during each copy")


def rows(path, sql, *parameters):
    """Returns the rows of a query."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "copy.db")
        _copy(path, copy)
        with contextlib.closing(sqlite3.connect(copy)) as database:
            return database.execute(sql, parameters).fetchall()
