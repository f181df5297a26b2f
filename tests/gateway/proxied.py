"""PROXY headers, a gateway that takes them, and HAProxy before it."""

import contextlib
import csv
import io
import ipaddress
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile

from conftest import USER, free_port, is_free, wait_until
from raw import RawClient, serving

PROXY, STRANGER = "127.0.0.50", "127.0.0.60"
CLIENT, OURS = "192.0.2.1", "198.51.100.25"  # who is named, whom it called
POOL = "workers { min = 2  max = 16  spare = 2 }"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, UNSPEC = SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x21\0\0\0"
UNKNOWN = b"PROXY UNKNOWN\r\n"


def listener(*proxies, at="127.0.0.1:{port}", **settings):
    """The section of a listener that takes headers from these."""
    names = ", ".join(f'"{p}"' for p in proxies or [PROXY])
    rest = "".join(f'  {k} = "{v}"' for k, v in settings.items())
    return f'listener "{at}" {{ proxy_from = {{{names}}}{rest} }}'


@contextlib.contextmanager
def taking(*sections, lists=None, **settings):
    """A gateway that takes headers from PROXY."""
    if not any("workers {" in s for s in sections):
        sections += (POOL,)
    if not any("listener " in s for s in sections):
        sections += (listener(),)
    with serving(*sections, lists=lists, **settings) as g:
        yield g


def v1(source=CLIENT, destination=OURS, port=4321, to=25):
    six = ":" in source
    return (f"PROXY TCP{6 if six else 4} {source} {destination} {port} {to}"
            "\r\n").encode()


def v2(source=CLIENT, destination=OURS, port=4321, to=25, tlvs=b""):
    addresses = [ipaddress.ip_address(a).packed for a in (source, destination)]
    block = b"".join(addresses) + struct.pack(">HH", port, to) + tlvs
    family = b"\x21" if ":" in source else b"\x11"
    return SIGNATURE + b"\x21" + family + struct.pack(">H", len(block)) + block


def begin(g, header, source=PROXY, **kw):
    """A connection that begins with these octets."""
    c = RawClient(g.port, source, **kw)
    c.send(header)
    return c


def named(g, header=None, source=PROXY, **kw):
    """The same, and greeted."""
    c = begin(g, v1() if header is None else header, source, **kw)
    c.expect("220")
    return c


class Haproxy:
    """
    HAProxy in the foreground, on a free port for each of these: {name: options
    of its server line}. It asks all the time whether the gateway is there.
    """

    def __init__(self, gateway, to="127.0.0.1", source=PROXY, **servers):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-haproxy-"))
        self.dir.chmod(0o777)
        self.ports = {name: free_port() for name in servers}
        to, source = (f"[{a}]" if ":" in a else a for a in (to, source))
        parts = [f"""
global
    stats socket {self.dir}/stats mode 666
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 5s
"""]
        for name, options in servers.items():
            check, options = ("", options[5:]) \
                if options.startswith("plain") else \
                ("option smtpchk EHLO check.example", options)
            parts.append(f"""
listen {name}
    bind 127.0.0.1:{self.ports[name]}
    {check}
    server gw {to}:{gateway.port} source {source} check inter 100 {options}
""")
        (self.dir / "cfg").write_text("".join(parts))
        user = {"user": USER} if os.geteuid() == 0 else {}
        with open(self.dir / "log", "wb") as log:
            self.process = subprocess.Popen(
                [shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin"),
                 "-db", "-f", self.dir / "cfg"], cwd="/",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **user)
        for port in self.ports.values():
            wait_until(lambda: not is_free(port), what=self.log())

    def log(self):
        return (self.dir / "log").read_text()

    def status(self, name):
        """What it says of a server: its line as a dictionary."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{self.dir}/stats")
            s.sendall(b"show stat\n")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
        rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
        return next(r for r in rows
                    if r["pxname"] == name and r["svname"] == "gw")

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
