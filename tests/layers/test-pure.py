# SPDX-License-Identifier: MIT
"""The files of pure.list use no clock, random number, file, socket or event loop. The test reads the symbols of
their object files; of src, they may call only each other. """
import os
import re
import sys

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))
import objects
import tap

# Functions of the C library and of other libraries that the project links. With _FORTIFY_SOURCE a function may be
# called __NAME_chk, and NAME64 with large files.
IMPURE = {
    "clocks": r"time|clock\w*|gettimeofday|timespec_get|ftime|times|localtime\w*|mktime|tzset|strftime_l|"
              r"nanosleep|u?sleep|alarm|ualarm|timer\w*|setitimer|getitimer",
    "randomness": r"rand\w*|s?random\w*|[delmnj]rand48\w*|getrandom|getentropy|arc4random\w*|RAND_\w+|uuid_\w+",
    "files": r"f?open\w*|creat|fdopen|freopen|f?read\w*|f?write\w*|p?(?:read|write)v?\d*|close\w*|fclose|f?l?stat\w*|"
             r"access|faccessat|unlink\w*|rename\w*|mkdir\w*|rmdir|readdir\w*|opendir|realpath|readlink\w*|"
             r"mkstemp|mkostemp|f?truncate|f?sync|fdatasync|fallocate|posix_fallocate|flock|fcntl|ioctl|d?printf|v?fprintf|"
             r"puts|fputs|fputc|putchar|perror|fflush|stdout|stderr|stdin|getline|fgets|mmap|v?syslog|sqlite3_\w+",
    "sockets": r"socket\w*|connect|bind|listen|accept4?|send\w*|recv\w*|shutdown|getaddrinfo|gethostby\w*|poll|ppoll|"
               r"select|epoll_\w+|pipe2?|curl_easy_\w+|curl_multi_\w+|BIO_\w+",
    "the process": r"getenv|secure_getenv|setenv|unsetenv|environ|__environ|getpid|get[eu]?[ug]id|fork|vfork|exec[lv]\w*|[gs]etrlimit\w*|"
                   r"posix_spawn\w*|system|popen|wait\w*|kill|raise|signal|sigaction|pthread_\w+",
    "systemd": r"sd_\w+",
}


def impure(name):
    """Returns what a function uses that a pure file must not use; None: nothing."""
    plain = re.sub(r"^__(?:isoc\d+_)?(\w+?)(?:_chk|_2)?$", r"\1", name.split("@")[0])
    plain = re.sub(r"64$", "", plain)
    for what, pattern in IMPURE.items():
        if re.fullmatch(pattern, plain) or re.fullmatch(pattern, name):
            return what
    return None


def pure():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "pure.list"), encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip() and not line.startswith("#")]


MODULES = objects.of_src()
OURS = set().union(*(module.defined for module in MODULES.values()))


def is_pure(path):
    for name in sorted(MODULES[path].used - OURS):
        what = impure(name)
        tap.ok(not what, f"src/{path} calls {name}: {what}")
    for other, names in MODULES[path].calls(MODULES).items():
        tap.ok(other == path or other in PURE,
               f"src/{path} calls {', '.join(sorted(names))} of src/{other}, which is not in pure.list")


PURE = pure()


@tap.test
def files_in_the_list_are_built():
    for path in PURE:
        tap.ok(path in MODULES, f"{path} is none of src's sources")
    tap.equal(PURE, sorted(set(PURE)))


@tap.test
def impure_functions_are_recognized():
    for name in ("clock_gettime", "time", "__fdelt_chk"):
        tap.equal(impure(name), None if name == "__fdelt_chk" else "clocks", name)
    for name, what in {"sd_event_now": "systemd", "getrandom": "randomness", "fopen64": "files", "__read_chk": "files",
                       "__fprintf_chk": "files", "sendto": "sockets", "curl_easy_perform": "sockets",
                       "getenv": "the process"}.items():
        tap.equal(impure(name), what, name)
    for name in ("memcpy", "__snprintf_chk", "__memcpy_chk", "malloc", "EVP_Digest", "curl_url_get", "strtoul",
                 "json_tokener_parse_ex", "strdup", "qsort", "vasprintf", "__vasprintf_chk", "timegm", "gmtime_r"):
        tap.equal(impure(name), None, name)


for source in PURE:
    tap.add(f"{source} is pure", is_pure, source)

if __name__ == "__main__":
    tap.main()
