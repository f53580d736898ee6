# SPDX-License-Identifier: MIT
"""Reads the object files of src in a build with nm(1): the symbols that each defines, and those that it calls."""
import json
import os
import subprocess

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


class Module:
    def __init__(self, path, names):
        self.path = path  # from src
        self.defined = {name for name, kind in names if kind in "TDBRVW" and name != "main"}
        self.used = {name for name, kind in names if kind in "Uvw"}

    def calls(self, modules):
        """The called functions by the module that defines them. Both daemons may define the same name."""
        found = {}
        for path, other in modules.items():
            names = self.used & other.defined
            if names and {path.split("/")[0], self.path.split("/")[0]} != {"producerd", "consumerd"}:
                found[path] = names
        return found


def of_src():
    """The modules by their path from src. Every source must be built."""
    build = os.environ["BUILD_ROOT"]
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    sources = {}
    for command in commands:
        source = os.path.realpath(os.path.join(command["directory"], command["file"]))
        if source.startswith(f"{TOP}/src/"):
            sources[os.path.join(build, command["output"])] = os.path.relpath(source, f"{TOP}/src")
    listing = subprocess.run(["nm", "--print-file-name", *sources], capture_output=True, text=True,
                             check=True).stdout
    names = {path: [] for path in sources.values()}
    for line in listing.splitlines():
        file, _, symbol = line.partition(":")
        names[sources[file]].append(symbol.split()[:-3:-1])
    modules = {path: Module(path, found) for path, found in names.items()}
    return modules
