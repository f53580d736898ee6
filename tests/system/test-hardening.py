# SPDX-License-Identifier: MIT
"""The hardening of the linked daemons: test-hardening.py fortified|plain PROGRAM..."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import tap

IS_FORTIFIED = sys.argv[1] == "fortified"
PROGRAMS = sys.argv[2:]


def readelf(option, program):
    return subprocess.run(["readelf", "--wide", option, program], stdout=subprocess.PIPE, text=True,
                          check=True).stdout


def is_position_independent(program):
    tap.ok(re.search(r"^\s*Type:\s+DYN", readelf("--file-header", program), re.M), "no PIE")
    tap.ok(re.search(r"\(FLAGS_1\).*\bPIE\b", readelf("--dynamic", program)), "no PIE")


def has_relocations_bound_at_start_and_read_only(program):
    tap.ok(re.search(r"\(FLAGS(_1)?\).*\b(BIND_)?NOW\b", readelf("--dynamic", program)), "no BIND_NOW")
    tap.ok("GNU_RELRO" in readelf("--program-headers", program), "no RELRO")


def has_no_executable_stack(program):
    stack = re.search(r"GNU_STACK(?:\s+0x\w+){5}\s+([RWE]+)", readelf("--program-headers", program))
    tap.equal(stack.group(1), "RW")


def has_stack_protector_and_fortified_functions(program):
    imported = set(re.findall(r"UND\s+(\w+)", readelf("--dyn-syms", program)))
    tap.ok("__stack_chk_fail" in imported or "__stack_chk_guard" in imported, "no stack protector")
    if not IS_FORTIFIED:
        raise tap.Skip("_FORTIFY_SOURCE needs an optimizer and no sanitizer")
    tap.ok([name for name in imported if re.fullmatch(r"__(?!stack)\w+_chk", name)], "no _FORTIFY_SOURCE")


for path in PROGRAMS:
    for test in (is_position_independent, has_relocations_bound_at_start_and_read_only, has_no_executable_stack,
                 has_stack_protector_and_fortified_functions):
        tap.add(f"{os.path.basename(path)} {test.__name__.replace('_', ' ')}", test, path)

if __name__ == "__main__":
    sys.argv[1:] = []  # tap would select tests by these words
    tap.main()
