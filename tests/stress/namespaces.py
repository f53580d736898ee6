"""Networks of a test's own, which go when the program ends, however it ends: nothing has a name
outside, and nothing in them can reach the world.

    import namespaces
    namespaces.enter()                  # at the top: starts the program again in its own
    with namespaces.Cable() as cable:   # another network, joined to this one
        Daemon(..., prefix=cable.prefix, endpoint=f"http://{cable.here}:{port}")
        cable.pull()                    # "no route" over there
        cable.plug()

Needs unshare(1), nsenter(1) and ip(8), and to be root or to be let make user namespaces."""

import itertools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import tap

OUTSIDE = "TEST_NAMESPACES_OUTSIDE"


def _namespace(process="self"):
    return os.readlink(f"/proc/{process}/ns/net")


def enter():
    """Starts this program again in network and mount namespaces of its own, or skips it all."""
    if OUTSIDE not in os.environ:
        for options in ["-n", "-m"], ["-r", "-n", "-m"]:
            command = ["unshare", *options, "--"]
            try:
                if subprocess.run([*command, "ip", "link", "set", "lo", "up"], check=False,
                                  stderr=subprocess.DEVNULL).returncode != 0:
                    continue
            except OSError as error:
                tap.skip_all(f"unshare(1) cannot be run: {error}")
            os.environ[OUTSIDE] = _namespace()
            os.execvp(command[0], [*command, sys.executable, *sys.argv])
        tap.skip_all("network namespaces cannot be made here (or ip(8) is missing)")
    if _namespace() == os.environ[OUTSIDE]:
        sys.exit("this is not a network namespace of its own: nothing may be sent from here")
    _ip("link", "set", "lo", "up")


def _ip(*words, inside=()):
    subprocess.run([*inside, "ip", *words], check=True)


class Cable:
    """A network namespace joined to this one by a pair of virtual devices. `prefix` starts a command
    in there; `here` is this end's address (of those kept for documentation)."""

    _numbers = itertools.count()

    def __init__(self):
        number = next(self._numbers)
        self.here = f"192.0.2.{4 * number + 1}"
        self._address, self._far_address = f"{self.here}/30", f"192.0.2.{4 * number + 2}/30"
        self._name = f"near{number}"
        # It ends when this program does, whose end of the pipe is the only one.
        self._holder = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE)
        pid = str(self._holder.pid)
        self.prefix = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
        try:
            tap.wait_until(lambda: _namespace(pid) != _namespace(), message="its namespace")
            _ip("link", "add", self._name, "type", "veth", "peer", "name", "far", "netns", pid)
            _ip("addr", "add", self._address, "dev", self._name)
            _ip("link", "set", self._name, "up")
            self._far("link", "set", "lo", "up")
            self._far("addr", "add", self._far_address, "dev", "far")
            self._far("link", "set", "far", "up")
        except (subprocess.CalledProcessError, AssertionError) as error:
            self.close()
            raise tap.Skip(f"no pair of virtual devices can be made here: {error}")

    def _far(self, *words):
        _ip(*words, inside=self.prefix)

    def pull(self):
        """Over there the device goes down: there is no route any more."""
        self._far("link", "set", "far", "down")

    def plug(self):
        self._far("link", "set", "far", "up")

    def swallow(self):
        """What is sent from over there vanishes without an answer, as behind a dead router."""
        link = subprocess.run(["ip", "-o", "link", "show", "dev", self._name], check=True,
                              capture_output=True, text=True).stdout
        mac = link.split(" link/ether ")[1].split()[0]
        # Else the neighbour would be missed, and that is told.
        self._far("neigh", "replace", self.here, "lladdr", mac, "dev", "far", "nud", "permanent")
        _ip("addr", "del", self._address, "dev", self._name)

    def let_through(self):
        _ip("addr", "add", self._address, "dev", self._name)

    def close(self):
        self._holder.stdin.close()
        self._holder.wait()
        # The namespace, and with it the devices, may go a little later.
        subprocess.run(["ip", "link", "del", self._name], stderr=subprocess.DEVNULL,
                       check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Forwarder:
    """Joins each connection to address:port to one to 127.0.0.1:target. close() cuts all."""

    def __init__(self, address, port, target):
        self._target = target
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server((address, port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for pair in (near, far), (far, near):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        # The other direction ends, too: nobody here closes one half only.
        for end in source, sink:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self._lock:
            gone = self._open & {source, sink}
            self._open -= gone
            for end in gone:
                end.close()

    def close(self):
        # A thread in accept() would keep it listening.
        for end in [self._listener, *self._open]:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class NameServer:
    """The name server of this mount namespace, at 127.0.0.1:53: knows one name. `answer` is an
    address, "servfail", or None: no answer at all. `questions` counts what it was asked."""

    def __init__(self, name, answer=None):
        self.answer, self.questions = answer, 0
        self._name = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._replace("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        self._replace("/etc/nsswitch.conf", "hosts: files dns\n")
        threading.Thread(target=self._serve, daemon=True).start()

    @staticmethod
    def _replace(path, text):
        """For this mount namespace, which is private."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            done = subprocess.run(["mount", "--bind", file.name, path], capture_output=True,
                                  text=True, check=False)
        if done.returncode != 0:
            raise tap.Skip(f"{path} cannot be replaced here: {done.stderr.strip()}")

    def _serve(self):
        while True:
            try:
                query, sender = self._socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return  # shut down
            self.questions += 1
            if self.answer:
                try:
                    self._socket.sendto(self._reply(query), sender)
                except OSError:
                    pass  # it has gone

    def _reply(self, query):
        end = query.index(b"\0", 12) + 1
        question, kind = query[12:end + 4], struct.unpack("!H", query[end:end + 2])[0]
        code, address = 0, b""
        if self.answer == "servfail":
            code = 2
        elif query[12:end].lower() != self._name:
            code = 3
        elif kind == 1:
            address = struct.pack("!HHHIH", 0xc00c, 1, 1, 0, 4) + socket.inet_aton(self.answer)
        return (query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if address else 0, 0, 0)
                + question + address)

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        for path in "/etc/resolv.conf", "/etc/nsswitch.conf":
            subprocess.run(["umount", path], stderr=subprocess.DEVNULL, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
