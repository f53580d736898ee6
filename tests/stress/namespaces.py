# SPDX-License-Identifier: MIT
"""Network namespaces for one test. The kernel removes them when the program ends. They have no connection to the
network of the machine.

    import namespaces
    namespaces.enter()                  # at the top: starts the program again in a new namespace
    with namespaces.Cable() as cable:   # another namespace, connected to this one
        Daemon(..., prefix=cable.prefix, endpoint=f"http://{cable.here}:{port}")
        cable.pull()                    # no route in the other namespace
        cable.plug()

Needs unshare(1), nsenter(1) and ip(8), and root or the right to make user namespaces."""

import itertools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import tap

OUTSIDE = "TEST_NAMESPACES_OUTSIDE"


def _namespace(process="self"):
    return os.readlink(f"/proc/{process}/ns/net")


def enter():
    """Starts this program again in new network and mount namespaces, or skips all its tests."""
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
        sys.exit("this is not a new network namespace: nothing may be sent from here")
    _ip("link", "set", "lo", "up")


def _ip(*words, inside=()):
    subprocess.run([*inside, "ip", *words], check=True)


class Cable:
    """A network namespace that a pair of virtual devices connects to this one. `prefix` starts a command in it;
    `here` is the address of this end (from a range for documentation)."""

    _numbers = itertools.count()

    def __init__(self):
        number = next(self._numbers)
        self.here = f"192.0.2.{4 * number + 1}"
        self._address, self._far_address = f"{self.here}/30", f"192.0.2.{4 * number + 2}/30"
        self._name = f"near{number}"
        # The process ends when this program ends: its standard input is a pipe from here.
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
        """Sets the device of the other namespace down, so that it has no route."""
        self._far("link", "set", "far", "down")

    def plug(self):
        self._far("link", "set", "far", "up")

    def swallow(self):
        """Drops all packets from the other namespace without an answer, as behind a dead router."""
        link = subprocess.run(["ip", "-o", "link", "show", "dev", self._name], check=True,
                              capture_output=True, text=True).stdout
        mac = link.split(" link/ether ")[1].split()[0]
        # Without the entry the kernel would report that the neighbour does not answer.
        self._far("neigh", "replace", self.here, "lladdr", mac, "dev", "far", "nud", "permanent")
        _ip("addr", "del", self._address, "dev", self._name)

    def let_through(self):
        _ip("addr", "add", self._address, "dev", self._name)

    def close(self):
        self._holder.stdin.close()
        self._holder.wait()
        # The kernel may remove the namespace and its devices a little later.
        subprocess.run(["ip", "link", "del", self._name], stderr=subprocess.DEVNULL,
                       check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Silent:
    """An address and port that do not answer, not even with a reset: a listener whose queue is full, so that the
    kernel drops the packets that would open a connection."""

    def __init__(self, address, port):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(0)
        self._waiting = []
        # The queue holds one more connection than listen() says.
        for _ in range(2):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((address, port))
            self._waiting.append(client)

    def close(self):
        for one in [self._listener, *self._waiting]:
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Forwarder:
    """Forwards each connection to address:port to 127.0.0.1:target. `rate`: bytes a second of the replies on each
    connection; None: no limit. close() cuts all connections."""

    def __init__(self, address, port, target, rate=None):
        self._target, self._rate = target, rate
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
            if self._rate:
                # A larger buffer would take bytes before their time.
                near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            for ends in (near, far, None), (far, near, self._rate):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, sink, rate):
        try:
            while data := source.recv(max(1, rate // 20) if rate else 65536):
                sink.sendall(data)
                if rate:
                    time.sleep(len(data) / rate)
        except OSError:
            pass
        # End the other direction, too: no client here closes only one half.
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
        # While a thread is in accept(), close() alone would leave the socket listening.
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


def asking(*addresses):
    """Returns a prefix for a command that asks only these name servers, in this order. It makes a mount namespace
    with its own resolv.conf and nsswitch.conf."""
    servers = "".join(f"nameserver {address}\\n" for address in addresses)
    script = (f"mount -t tmpfs none /mnt; printf '{servers}' >/mnt/resolv.conf; "
              "echo 'hosts: dns' >/mnt/nsswitch.conf; "
              "for name in resolv nsswitch; do mount --bind /mnt/$name.conf /etc/$name.conf; done; "
              "umount -l /mnt; exec \"$@\"")
    return ["unshare", "-m", "sh", "-ec", script, "sh"]


def addresses_of(name, prefix=()):
    """Returns the addresses of a name for a command with this prefix, in the order in which they are tried."""
    text = ("import socket, sys; print(*(a[4][0] for a in socket.getaddrinfo(sys.argv[1], 80, "
            "socket.AF_UNSPEC, socket.SOCK_STREAM)))")
    return subprocess.run([*prefix, sys.executable, "-c", text, name], check=True, capture_output=True,
                          text=True).stdout.split()


class NameServer:
    """A name server on port 53 that knows one name. `answer`: an address, a list of addresses, "servfail", or
    None (no answer at all). `questions` counts the requests. At 127.0.0.1 it serves this mount namespace, at
    another address the commands with `prefix`. `patience_sec`: how long a program in this namespace waits for
    an answer before it asks again."""

    def __init__(self, name, answer=None, address="127.0.0.1", patience_sec=5):
        self.answer, self.questions, self.address = answer, 0, address
        self.prefix = asking(address)
        self._name = b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        if address == "127.0.0.1":
            self._replace("/etc/resolv.conf", f"nameserver 127.0.0.1\noptions timeout:{patience_sec}\n")
            self._replace("/etc/nsswitch.conf", "hosts: files dns\n")
        threading.Thread(target=self._serve, daemon=True).start()

    @staticmethod
    def _replace(path, text):
        """Replaces a file in this mount namespace only."""
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
                    pass  # the client has ended

    def _reply(self, query):
        end = query.index(b"\0", 12) + 1
        question, kind = query[12:end + 4], struct.unpack("!H", query[end:end + 2])[0]
        code, records = 0, []
        if self.answer == "servfail":
            code = 2
        elif query[12:end].lower() != self._name:
            code = 3
        elif kind == 1:
            addresses = self.answer if isinstance(self.answer, list) else [self.answer]
            records = [struct.pack("!HHHIH", 0xc00c, 1, 1, 0, 4) + socket.inet_aton(address)
                       for address in addresses]
        return (query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question
                + b"".join(records))

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        for path in ("/etc/resolv.conf", "/etc/nsswitch.conf") if self.address == "127.0.0.1" else ():
            subprocess.run(["umount", path], stderr=subprocess.DEVNULL, check=False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
