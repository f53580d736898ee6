# SPDX-License-Identifier: MIT
"""Temporary keys of a role, for the stand-ins of STS, containers and the metadata service.

    keys = RoleKeys(lifetime=3600)          # invented keys, new ones after each rotate()
    keys = RoleKeys(rotate_every=3)         # rotates after every third answer
    keys = RoleKeys(fixed=(id, secret, token))
    keys.lifetime = -60                     # from now on they have expired a minute ago

Needs only the standard library."""

import datetime
import hashlib
import threading


class RoleKeys:
    def __init__(self, *, lifetime=6 * 3600, rotate_every=0, fixed=None, prefix="ASIASTANDIN"):
        self.lifetime = lifetime      # seconds from an answer to the expiry in it
        self.rotate_every = rotate_every
        self.fixed = fixed
        self.prefix = prefix
        self.serial = 1
        self.n_answers = 0
        self._lock = threading.Lock()

    def current(self):
        """(access key id, secret access key, session token)"""
        if self.fixed:
            return self.fixed
        digest = hashlib.sha256(f"{self.prefix}{self.serial}".encode()).hexdigest()
        return (f"{self.prefix}{self.serial:05d}", f"SEKRET/{digest[:33]}", f"T0KEN+{digest}==")

    def rotate(self, fixed=None):
        """Changes to the next invented keys, or to `fixed`."""
        with self._lock:
            self.serial += 1
            if fixed or self.fixed:
                self.fixed = fixed

    def next_answer(self):
        """Returns the members of a JSON answer with the keys."""
        with self._lock:
            if self.rotate_every and self.n_answers and self.n_answers % self.rotate_every == 0:
                self.serial += 1
            self.n_answers += 1
            key_id, secret, token = self.current()
        expiry = (datetime.datetime.now(datetime.timezone.utc)
                  + datetime.timedelta(seconds=self.lifetime))
        return {"AccessKeyId": key_id, "SecretAccessKey": secret, "Token": token,
                "Expiration": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")}
