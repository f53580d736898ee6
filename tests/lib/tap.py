# SPDX-License-Identifier: MIT
"""A small TAP (Test Anything Protocol) runner for the Python tests; needs only the standard library.

    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
    import tap

    @tap.test
    def messages_come_in_order():
        tap.equal(received, sent)

    @tap.test("the name may be a sentence of its own")
    def whatever():
        if not os.path.exists("/dev/kvm"):
            raise tap.Skip("no /dev/kvm here")
        tap.ok(1 + 1 == 2, "arithmetic is broken")

    if __name__ == "__main__":
        tap.main()

A test fails when it raises any exception but Skip; the traceback is printed as TAP comments. Tests run in the order
of their registration, also after a failure. Words on the command line select the tests whose names contain one of
them.

In meson: test(..., protocol: 'tap'). A program that skips must print that in TAP and exit with 0: meson takes 77
from a TAP program for an error.
"""

import fnmatch
import sys
import time
import traceback

_tests = []


class Skip(Exception):
    """A test raises this to be skipped; the argument is the reason."""


def test(function_or_name):
    """Registers a test: `@test`, whose name is the function's with spaces, or `@test("a name")`."""

    def register(function, name):
        _tests.append((name, function))
        return function

    if callable(function_or_name):
        return register(function_or_name, function_or_name.__name__.replace("_", " "))
    return lambda function: register(function, function_or_name)


def add(name, function, *args, **kwargs):
    """Registers a call as a test with this name; for tables of cases."""
    _tests.append((name, lambda: function(*args, **kwargs)))


def comment(text):
    """Prints lines as TAP comments. A test must not call print(): its output would not be TAP."""
    for line in str(text).splitlines() or [""]:
        print("#", line, flush=True)


def skip_all(reason):
    """Skips all tests of the program, and ends it."""
    print("1..0 # SKIP", _one_line(reason), flush=True)
    sys.exit(0)


def ok(condition, message="the condition does not hold"):
    """Fails the test with the message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def equal(found, wanted, message=""):
    """Fails the test, showing both values, unless they are equal."""
    if found != wanted:
        raise AssertionError(f"{message + ': ' if message else ''}found {found!r}, wanted {wanted!r}")


def matches(found, pattern, message=""):
    """Fails the test unless the text matches the shell-style pattern ("*" for anything)."""
    if not fnmatch.fnmatchcase(found, pattern):
        raise AssertionError(f"{message + ': ' if message else ''}found {found!r}, wanted {pattern!r}")


def wait_until(condition, seconds=60.0, message="the condition"):
    """Calls `condition` every 20 ms until it returns a true value, and returns that. Fails the test after
    `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{message} did not come true within {seconds} s")
        time.sleep(0.02)


def main():
    """Runs the registered tests, and exits: with 0 if none failed, else with 1."""
    words = sys.argv[1:]
    chosen = [t for t in _tests if not words or any(word in t[0] for word in words)]
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        name = _one_line(name).replace("#", "\\#")
        start = time.monotonic()
        try:
            function()
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {_one_line(reason)}", flush=True)
            continue
        except (Exception, SystemExit):
            failed += 1
            comment(traceback.format_exc())
            print(f"not ok {number} - {name}", flush=True)
            continue
        took = time.monotonic() - start
        if took >= 1:
            comment(f"took {took:.1f} s")
        print(f"ok {number} - {name}", flush=True)
    print(f"1..{len(chosen)}", flush=True)
    sys.exit(1 if failed else 0)


def _one_line(text):
    return " ".join(str(text).split())
