# SPDX-License-Identifier: MIT
"""Certificates for tests, made with openssl in a temporary folder.

    with Authority() as authority:
        with SqsLocal(tls=authority.certificate()) as server:
            ...

Needs only the standard library and openssl.
"""

import os
import shutil
import subprocess
import tempfile


class Certificate:
    """Attributes, all paths of PEM files: path, key, and authority (the certificate that has signed this one)."""

    def __init__(self, path, key, authority):
        self.path = path
        self.key = key
        self.authority = authority


class Authority:
    """A certificate authority. Attributes: path (its own certificate, in PEM)."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="certificates-")
        self.path = os.path.join(self.folder, "authority.pem")
        self._key = os.path.join(self.folder, "authority.key")
        self._count = 0
        self._openssl("req", "-x509", "-new", *self._new_key(self._key), "-out", self.path,
                      "-days", "2", "-subj", "/CN=Authority " + os.path.basename(self.folder),
                      "-addext", "basicConstraints=critical,CA:TRUE",
                      # Python 3.13 refuses an authority without keyUsage.
                      "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def certificate(self, name="IP:127.0.0.1", expired=False):
        """Makes a server's certificate for a name ("DNS:localhost", "IP:127.0.0.1")."""
        self._count += 1
        stem = os.path.join(self.folder, f"server-{self._count}")
        self._openssl("req", "-new", *self._new_key(stem + ".key"), "-out", stem + ".csr",
                      "-subj", "/CN=server")
        with open(stem + ".ext", "w", encoding="utf-8") as file:
            file.write(f"basicConstraints=critical,CA:FALSE\nsubjectAltName={name}\n")
        if expired:
            self._sign_expired(stem)
        else:
            self._openssl("x509", "-req", "-in", stem + ".csr", "-CA", self.path, "-CAkey", self._key,
                          "-set_serial", str(self._count), "-days", "2",
                          "-extfile", stem + ".ext", "-out", stem + ".pem")
        return Certificate(stem + ".pem", stem + ".key", self.path)

    def _sign_expired(self, stem):
        """Signs for two days in the past. `openssl x509` has dates only since 3.4, and negative days only before
        3.5; `openssl ca` has dates in every version."""
        with open(stem + ".index", "w", encoding="utf-8"):
            pass
        with open(stem + ".cnf", "w", encoding="utf-8") as file:
            file.write("[ca]\ndefault_ca = authority\n[authority]\n"
                       f"database = {stem}.index\nnew_certs_dir = {self.folder}\nrand_serial = yes\n"
                       "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        self._openssl("ca", "-batch", "-notext", "-config", stem + ".cnf", "-in", stem + ".csr",
                      "-cert", self.path, "-keyfile", self._key, "-extfile", stem + ".ext",
                      "-startdate", "20200101000000Z", "-enddate", "20200103000000Z",
                      "-out", stem + ".pem")

    def close(self):
        """Removes all files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def _new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", path]

    @staticmethod
    def _openssl(*arguments):
        run = subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             check=False)
        if run.returncode != 0:
            raise RuntimeError(f"openssl {' '.join(arguments)}: {run.stdout}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
