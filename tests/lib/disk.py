# SPDX-License-Identifier: MIT
"""Small disks for one test. The kernel unmounts them when the program ends.

    import disk
    disk.enter()                     # at the top: starts the program again in a new mount namespace
    with disk.Small(256) as small:   # KiB; skips the test if nothing can be mounted
        Daemon(..., env={"STATE_DIRECTORY": small.path})
        small.fill()                 # leaves no free space
        small.free()

Needs unshare(1) and mount(8), and root or the right to make user namespaces."""

import errno
import os
import subprocess
import sys
import tempfile

import tap

OUTSIDE = "TEST_MOUNTS_OUTSIDE"


def _namespace():
    return os.readlink("/proc/self/ns/mnt")


def enter():
    """Starts this program again in a new mount namespace, if it can make one."""
    if OUTSIDE in os.environ:
        return
    for options in ["-m"], ["-r", "-m"]:
        command = ["unshare", *options, "--"]
        try:
            if subprocess.run([*command, "true"], check=False,
                              stderr=subprocess.DEVNULL).returncode != 0:
                continue
        except OSError:
            return
        os.environ[OUTSIDE] = _namespace()
        os.execvp(command[0], [*command, sys.executable, *sys.argv])


class Small:
    """A tmpfs of `size_kib` KiB. Attribute: path."""

    def __init__(self, size_kib):
        if os.environ.get(OUTSIDE, _namespace()) == _namespace():
            raise tap.Skip("no mount namespace can be made here")
        self.path = tempfile.mkdtemp(prefix="small-disk-")
        self._filler = os.path.join(self.path, "filler")
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kib}k,mode=700", "none",
                                  self.path], check=False, stderr=subprocess.PIPE, text=True)
        if mounted.returncode != 0:
            os.rmdir(self.path)
            raise tap.Skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")

    def fill(self):
        """Fills the disk."""
        with open(self._filler, "ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self):
        """Frees the space that fill() took."""
        os.unlink(self._filler)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)
        os.rmdir(self.path)
