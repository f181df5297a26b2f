"""rbldnsd with a zone file of ours, on a free port of 127.0.0.1."""

import pathlib
import shutil
import socket
import subprocess
import tempfile

from dnslib import QTYPE, DNSRecord

from conftest import free_port, wait_until
from lying_dns import reverse

ZONE = "bans.example"


class Rbldnsd:
    """One rbldnsd in the foreground; as root it takes a user of its own."""

    def __init__(self, text):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-rbldnsd-"))
        self.dir.chmod(0o755)
        self.port = free_port()
        (self.dir / "zone").write_text(text)
        binary = shutil.which("rbldnsd", path="/usr/sbin:/usr/local/sbin")
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                [binary, "-n", "-w", self.dir, "-c", "0",
                 "-b", f"127.0.0.1/{self.port}", f"{ZONE}:combined:zone"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: self.process.poll() is not None
                       or "zones reloaded" in self.log(), what="rbldnsd")
            assert self.process.poll() is None, self.log()
        except BaseException:
            self.close()
            raise

    def log(self):
        return (self.dir / "log").read_text()

    def ask(self, address, kind):
        """The data of the answers, as text; none where it is not listed."""
        labels = reverse(address).removesuffix(".in-addr.arpa")
        name = f"{labels.removesuffix('.ip6.arpa')}.{ZONE}"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.connect(("127.0.0.1", self.port))
            s.send(DNSRecord.question(name, kind).pack())
            got = DNSRecord.parse(s.recv(65535))
        assert got.header.rcode in (0, 3), got
        return [rr.rdata for rr in got.rr if QTYPE[rr.rtype] == kind]

    def listed(self, address):
        """(the address it gives, the text), each None where there is none."""
        a, txt = self.ask(address, "A"), self.ask(address, "TXT")
        assert len(a) <= 1 and len(txt) <= 1
        return (str(a[0]) if a else None,
                b"".join(txt[0].data).decode() if txt else None)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
