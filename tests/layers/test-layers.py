# SPDX-License-Identifier: MIT
"""Files of src include only headers of folders that their own folder may use: the line "# May use:" of its
meson.build.

The linker checks the same for functions, but not for headers with only types and inline functions. Also, no two
files may need each other: a file needs those that it includes, and those whose functions it calls. """
import collections
import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import objects
import tap

SRC = os.path.realpath(os.path.join(TESTS, "..", "src"))


def files():
    """The paths of all C files and headers, from src."""
    return sorted(os.path.relpath(os.path.join(folder, name), SRC) for folder, _, names in os.walk(SRC)
                  for name in names if name.endswith((".c", ".h")))


def folder_of(path):
    """"sqs" for common/sqs/client.h, "producerd/spool" for producerd/spool/groups.h."""
    return os.path.dirname(path).removeprefix("common/")


def may_use(path):
    """The folders and headers that a file may use, by the meson.build of its folder."""
    with open(os.path.join(SRC, os.path.dirname(path), "meson.build"), encoding="utf-8") as file:
        line = re.search(r"^# May use: (.*)\.$", file.read(), re.M)
    tap.ok(line, f"the meson.build beside {path} does not say what its folder may use")
    return set(re.split(r"[;,] ", line[1]))


def includes(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as file:
        return re.findall(r'^#include "([^"]+)"', file.read(), re.M)


def found(name):
    """The path of the header that this name includes; None: no header of src."""
    for path in (f"common/{name}", name):
        if os.path.exists(os.path.join(SRC, path)):
            return path
    return None


@tap.test
def includes_are_written_with_their_folder():
    for path in files():
        for name in includes(path):
            tap.ok("/" in name and found(name), f'src/{path} includes "{name}": write its folder before it, '
                                                'from src/common or from src')


@tap.test
def no_file_includes_what_its_folder_may_not_use():
    for path in files():
        folder = folder_of(path)
        allowed = may_use(path)
        for name in includes(path):
            header = found(name)
            tap.ok(folder_of(header) == folder or folder_of(header) in allowed or header in allowed,
                   f'src/{path} includes "{name}", but the meson.build beside it says that it may use '
                   f'{", ".join(sorted(allowed))}')


def circles(needs):
    """Sets of files that need each other."""
    reached = {}
    for start in needs:
        todo, seen = [start], set()
        while todo:
            for near in needs.get(todo.pop(), ()):
                if near not in seen:
                    seen.add(near)
                    todo.append(near)
        reached[start] = seen
    return {frozenset(b for b in needs if b in reached[a] and a in reached.get(b, ()))
            for a in needs if a in reached[a]}


@tap.test
def no_two_files_need_each_other():
    needs = collections.defaultdict(set)
    modules = objects.of_src()
    for path in files():
        needs[path] |= {found(name) for name in includes(path)}
    for path, module in modules.items():
        for other, symbols in module.calls(modules).items():
            if other != path:
                needs[path].add(other)
    lines = [" - ".join(sorted(circle)) for circle in circles(needs)]
    tap.ok(not lines, "files that need each other:\n" + "\n".join(lines))


if __name__ == "__main__":
    tap.main()
