# SPDX-License-Identifier: MIT
"""A stand-in for systemd at the NOTIFY_SOCKET of a daemon. Needs only the standard library.

    with Notify() as notify:
        daemon = Daemon("sqs-producerd", server, env={"NOTIFY_SOCKET": notify.path})
        ...
    notify.lines
"""

import os
import shutil
import socket
import tempfile
import threading

MARK = "the lines until here"


class Notify:
    """A socket that collects what a daemon sends to systemd."""

    def __init__(self):
        self.path = os.path.join(tempfile.mkdtemp(prefix="sqs-notify-"), "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._lines = []
        self._reached = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while text := self._socket.recv(65536).decode():
            if text == MARK:
                self._reached.release()
            else:
                self._lines += text.splitlines()

    def _send(self, text):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(text.encode(), self.path)

    @property
    def lines(self):
        """All lines that were sent before the call."""
        if self._reader.is_alive():
            self._send(MARK)
            if not self._reached.acquire(timeout=60):
                raise AssertionError("the stand-in for systemd did not read its socket within 60 s")
        return self._lines

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._send("")
        self._reader.join()
        self._socket.close()
        shutil.rmtree(os.path.dirname(self.path))
