# SPDX-License-Identifier: MIT
"""tests/release when it cannot make a root: it skips with the reason, and leaves no file, mount or process."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap

RELEASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "release")
CANNOT = 77
NOBODY = 65534
DEAD = "http://127.0.0.1:9/debian"


class Place:
    """A cache folder, sources for apt, and a folder of programs that is first in PATH."""

    def __init__(self, folder, sources, kind="list"):
        self.folder = folder
        self.cache = self.make("cache")
        self.programs = self.make("programs")
        self.write(f"parts/test.{kind}", sources)
        self.write("apt.conf", f'Dir::Etc::sourcelist "-"; Dir::Etc::sourceparts "{folder}/parts";\n')
        os.chmod(folder, 0o755)

    def make(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def run(self, path=None, **options):
        """Runs tests/release; returns a subprocess.CompletedProcess."""
        environment = {**os.environ, "XDG_CACHE_HOME": self.cache, "APT_CONFIG": self.folder + "/apt.conf",
                       "PATH": path or f"{self.programs}:{os.environ['PATH']}"}
        return subprocess.run([RELEASE, "trixie", "quick"], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              timeout=600, **options)

    def check_skipped(self, reason, **options):
        done = self.run(**options)
        tap.ok(reason in done.stdout, f"no {reason!r} in: {done.stdout}")
        tap.equal(done.returncode, CANNOT)
        self.check_nothing_left()

    def check_nothing_left(self):
        roots = os.path.join(self.cache, "sqs-demo", "roots")
        left = os.listdir(roots) if os.path.isdir(roots) else []
        tap.equal([name for name in left if not name.endswith(".lock")], [])
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            tap.equal([line for line in mounts if roots in line], [], "mounts")


@contextlib.contextmanager
def place(*arguments, **options):
    with tempfile.TemporaryDirectory(prefix="sqs-release-test-") as folder:
        yield Place(folder, *arguments, **options)


@contextlib.contextmanager
def place_with_mirror():
    """A place with a mirror of trixie, in a folder."""
    with place("") as p:
        p.write("mirror/dists/trixie/Release", "Suite: stable\n")
        p.write("parts/test.list", f"deb [trusted=yes] file:{p.folder}/mirror bookworm main\n")
        yield p


@tap.test
def mirror_that_does_not_answer_skips_with_both_forms_of_sources():
    with place(f"deb {DEAD} bookworm main\n") as p:
        p.check_skipped(f"the mirror {DEAD} does not answer for trixie")
    with place(f"Types: deb\nURIs: {DEAD}/\nSuites: bookworm\nComponents: main\n", kind="sources") as p:
        p.check_skipped(f"the mirror {DEAD} does not answer for trixie")


@tap.test
def apt_without_debian_skips():
    with place("deb http://127.0.0.1:9/other jammy main\n") as p:
        p.check_skipped("apt has no archive of a Debian release")


@tap.test
def too_little_space_skips():
    with place(f"deb {DEAD} bookworm main\n") as p:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", p.cache], check=True)
        try:
            p.check_skipped("of free space, and")
        finally:
            subprocess.run(["umount", p.cache], check=True)


@tap.test
def missing_debootstrap_skips():
    with place(f"deb {DEAD} bookworm main\n") as p:
        for name in os.listdir("/usr/bin"):
            if name != "debootstrap":
                os.symlink("/usr/bin/" + name, os.path.join(p.programs, name))
        for name in ("debootstrap", "apt-get"):
            # Without these programs tests/release must not install the package.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(p.programs, name))
        p.check_skipped("debootstrap is not installed", path=p.programs)


@tap.test
def user_other_than_root_skips():
    with place(f"deb {DEAD} bookworm main\n") as p:
        if subprocess.run(["cat", RELEASE], user=NOBODY, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode != 0:
            raise tap.Skip("others may not read the source here")
        p.check_skipped("must be root", user=NOBODY, group=NOBODY, extra_groups=[])


@tap.test
def debootstrap_that_fails_leaves_no_folder_mount_or_process():
    with place_with_mirror() as p:
        p.write("programs/debootstrap", "#!/bin/sh\n"
                f"mkdir -p \"$4/proc\" && mount -t tmpfs tmpfs \"$4/proc\" && : >{p.folder}/mounted\n"
                f"sleep 98765.{os.getpid()} &\n"
                "echo 'E: No space left on device'\nexit 1\n", 0o755)
        p.check_skipped("debootstrap cannot make a root of trixie: E: No space left on device")
        tap.ok(os.path.exists(p.folder + "/mounted"), "the program did not run to its failure")
        left = subprocess.run(["pgrep", "-f", f"sleep 98765.{os.getpid()}"], stdout=subprocess.PIPE,
                              check=False).stdout
        tap.equal(left, b"", "processes")


if __name__ == "__main__":
    if os.geteuid() != 0:
        tap.skip_all("must be root to mount")
    if not shutil.which("debootstrap") or not shutil.which("apt-get"):
        tap.skip_all("debootstrap or apt is not installed")
    tap.main()
