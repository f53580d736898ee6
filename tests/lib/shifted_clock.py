# SPDX-License-Identifier: MIT
"""Sets the clocks of a daemon while it runs. Needs only the standard library."""

import mmap
import os
import struct
import tempfile

from sqs_local import BUILD_ROOT

LIBRARY = os.path.join(BUILD_ROOT, "tests", "libshifted-clock.so")


class Clock:
    """The clocks of all daemons that are started with `env`: the wall clock, and the monotonic clocks. Each is
    ahead of the real one by a number of seconds."""

    def __init__(self):
        self._file = tempfile.NamedTemporaryFile(prefix="clock-")
        self._file.write(bytes(16))
        self._file.flush()
        self._shared = mmap.mmap(self._file.fileno(), 16)
        # Otherwise a linked sanitizer requires to be the first library.
        sanitizer = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        self.env = {"SHIFTED_CLOCK": self._file.name, "LD_PRELOAD": LIBRARY, "ASAN_OPTIONS": sanitizer}

    def set(self, seconds):
        """Sets how many seconds the wall clock is ahead."""
        self._shared[:8] = struct.pack("=q", seconds)

    def run_ahead(self, seconds):
        """Sets how many seconds the monotonic clocks are ahead. It does not change timers that already run."""
        self._shared[8:] = struct.pack("=q", seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._shared.close()
        self._file.close()
