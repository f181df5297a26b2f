"""NSD with zones of our own, on a free port of the loopback interface."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from dnslib import DNSRecord, RCODE

from conftest import USER, free_port, wait_until
from lying_dns import reverse

SOA = "@ 60 IN SOA ns.test. root.test. 1 3600 600 86400 60\n" \
      "@ 60 IN NS ns.test.\n"


def ask(port, name, kind="A", seconds=0.2):
    """One question to a server on this port; None without an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        s.connect(("127.0.0.1", port))
        try:
            s.send(DNSRecord.question(name, kind).pack())
            return DNSRecord.parse(s.recv(65535))
        except OSError:
            return None


def zones_of(hosts, broken=()):
    """
    The zones for a dictionary of names. hosts: {"name": ["address", ...]} are
    A and AAAA records, {"address": ["name", ...]} PTR records, and
    {"alias": "target"} CNAME records. A zone of broken is configured and
    cannot be loaded: NSD answers SERVFAIL in it.
    """
    zones = {"127.in-addr.arpa": [], "ip6.arpa": [], "example": []}
    zones.update({zone: None for zone in broken})

    def add(name, kind, data):
        zone = max((z for z in zones if zones[z] is not None
                    and f".{name}".endswith(f".{z}")), key=len)
        zones[zone].append(f"{name}. 60 IN {kind} {data}\n")

    for key, values in hosts.items():
        if isinstance(values, str):
            add(key, "CNAME", values + ".")
            continue
        address = ":" in key or key.replace(".", "").isdigit()
        for value in values:
            if address:
                add(reverse(key), "PTR", value + ".")
            else:
                add(key, "AAAA" if ":" in value else "A", value)
    return zones


class Nsd:
    """One nsd in the foreground; everything it writes is in its folder."""

    def __init__(self, zones):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-nsd-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        conf = ["server:", f"  ip-address: 127.0.0.1@{self.port}",
                f"  username: {USER}" if os.geteuid() == 0 else
                '  username: ""',
                '  chroot: ""', '  database: ""', '  pidfile: ""',
                '  xfrdfile: ""', f'  zonesdir: "{self.dir}"',
                f'  zonelistfile: "{self.dir}/zone.list"',
                f'  xfrdir: "{self.dir}"', f'  logfile: "{self.dir}/log"',
                "  server-count: 1", "  zonefiles-write: 0",
                "  rrl-ratelimit: 0", "remote-control:",
                "  control-enable: no"]
        for n, (zone, records) in enumerate(zones.items()):
            conf += ["zone:", f'  name: "{zone}"', f'  zonefile: "zone.{n}"']
            if records is not None:
                (self.dir / f"zone.{n}").write_text(SOA + "".join(records))
        (self.dir / "nsd.conf").write_text("\n".join(conf) + "\n")
        for path in (self.dir, *self.dir.iterdir()):
            if os.geteuid() == 0:
                shutil.chown(path, USER)
        binary = shutil.which("nsd", path="/usr/sbin:/usr/local/sbin")
        self.process = subprocess.Popen(
            [binary, "-d", "-c", self.dir / "nsd.conf"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.process.poll() is not None or
                       ask(self.port, next(iter(zones)), "SOA"), what="nsd")
            assert self.process.poll() is None, self.log()
        except BaseException:
            self.close()
            raise

    def log(self):
        path = self.dir / "log"
        return path.read_text() if path.exists() else ""

    def rcode(self, name, kind="PTR"):
        """What it answers, for tests that rely on it."""
        return RCODE[ask(self.port, name, kind, 2).header.rcode]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        end = time.monotonic() + 5
        while ask(self.port, "example", "SOA", 0.05) and \
                time.monotonic() < end:
            time.sleep(0.05)
        shutil.rmtree(self.dir, ignore_errors=True)
