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


class Notify:
    """A socket that collects in `lines` what a daemon sends to systemd. They are complete after the `with`
    block."""

    def __init__(self):
        self.path = os.path.join(tempfile.mkdtemp(prefix="sqs-notify-"), "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while text := self._socket.recv(65536).decode():
            self.lines += text.splitlines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self.path)
        self._reader.join()
        self._socket.close()
        shutil.rmtree(os.path.dirname(self.path))
