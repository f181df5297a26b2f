"""rbldnsd with lists of our own, on a free port of the loopback interface.

A zone is a dictionary {type of data: lines}; the types are rbldnsd's: ip4set,
ip6trie, dnset, generic, combined.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from dnslib import QTYPE

from conftest import USER, free_port, wait_until
from lying_dns import reverse
from nsd import ask

ZONE = "bans.example"  # where there is but one

# The test points of RFC 5782, sections 2.2, 2.4 and 3.
LISTED = {"ip4set": "127.0.0.2", "ip6trie": "::ffff:7f00:2", "dnset": "TEST"}


def zone(points=True, **data):
    """
    A zone of these data, each a text of lines; with points those that RFC
    5782 wants listed in each kind of list are there as well.
    """
    return {kind: (f"{LISTED[kind]} :127.0.0.2:a test point\n"
                   if points and kind in LISTED else "") + text
            for kind, text in data.items()}


class Rbldnsd:
    """One rbldnsd in the foreground; it reads its files again when told.
    zones: {name: zone}, or the text of one combined file."""

    def __init__(self, zones):
        if isinstance(zones, str):
            zones = {ZONE: {"combined": zones}}
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-rbldnsd-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.zones, self.serial, self.process = {}, 0, None
        for name, data in zones.items():
            self.write(name, data)
        self.write("serial", {"generic": ""})
        self.dir.chmod(0o755)
        self.start()

    def start(self):
        """Serve, on the port that was served before."""
        args = [f"{name}:{kind}:{self.file(name, kind)}"
                for name, data in self.zones.items() for kind in data]
        user = ["-u", USER] if os.geteuid() == 0 else []
        binary = shutil.which("rbldnsd", path="/usr/sbin:/usr/local/sbin")
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [binary, "-n", "-c", "0", "-t", "1", *user, "-w", self.dir,
                 "-b", f"127.0.0.1/{self.port}", *args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: self.process.poll() is not None or
                       self.serves(), what="rbldnsd")
            assert self.process.poll() is None, self.log()
        except BaseException:
            self.close()
            raise

    def file(self, name, kind):
        return f"{name}.{kind}"

    def write(self, name, data):
        """The files of a zone, younger than they were: it looks at no more
        than their times and sizes."""
        self.serial += 1
        if name == "serial":
            data = {"generic": f"now A 127.0.{self.serial >> 8}."
                               f"{self.serial & 255}\n"}
        self.zones[name] = data
        for kind, text in data.items():
            path = self.dir / self.file(name, kind)
            path.write_text(text)
            path.chmod(0o644)
            os.utime(path, (1e9 + self.serial, 1e9 + self.serial))

    def serves(self):
        """Does it answer from the files as they are now?"""
        reply = ask(self.port, "now.serial")
        return reply is not None and f"127.0.{self.serial >> 8}." \
            f"{self.serial & 255}" in [str(r.rdata) for r in reply.rr]

    def change(self, name, **data):
        """Other data for a zone that is served, of the same kinds."""
        assert set(data) == set(self.zones[name])
        self.write(name, data)
        self.write("serial", {})
        self.process.send_signal(signal.SIGHUP)
        wait_until(self.serves, what="rbldnsd's new data")

    def answers(self, name, kind="A"):
        """The data of the answers; none where it is not listed."""
        reply = ask(self.port, name, kind, 5)
        assert reply.header.rcode in (0, 3), reply
        return [rr.rdata for rr in reply.rr if QTYPE[rr.rtype] == kind]

    def listed(self, address, name=ZONE):
        """(the address it gives, the text), each None where there is none."""
        labels = reverse(address).removesuffix(".in-addr.arpa")
        name = f"{labels.removesuffix('.ip6.arpa')}.{name}"
        a, txt = self.answers(name), self.answers(name, "TXT")
        assert len(a) <= 1 and len(txt) <= 1
        return (str(a[0]) if a else None,
                b"".join(txt[0].data).decode() if txt else None)

    def log(self):
        path = self.dir / "log"
        return path.read_text() if path.exists() else ""

    def stop(self):
        """From now on nobody answers."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
