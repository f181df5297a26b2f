"""DNS lists: the settings for them, and servers that lie about clients."""

import contextlib
import re
import socket

from dnslib import DNSRecord

import rdns
from conftest import SANITIZED, wait_until
from lying_dns import (A, NXDOMAIN, POINTER, LyingDns, address, packet, rcode,
                       reverse, rr)

TXT = 16
CLEAN, LISTED = "127.0.0.1", "127.0.0.2"
PAUSE = 0.3 if SANITIZED else 0.1  # until all answers are surely there
POINTS = {CLEAN, LISTED, "::ffff:7f00:1", "::ffff:7f00:2", "test", "invalid"}


def value(v):
    if isinstance(v, (list, tuple)):
        return "{" + ", ".join(value(i) for i in v) + "}"
    return str(v) if isinstance(v, (int, float)) else f'"{v}"'


def section(kind, name, **settings):
    body = "\n".join(f"  {k} = {value(v)}" for k, v in settings.items())
    return f'{kind} "{name}" {{\n{body}\n}}'


def zone(name, **settings):
    """The section of a DNS list."""
    return section("dnsbl", name, **settings)


@contextlib.contextmanager
def asking(*servers, zones, sections=(), rdns_mode="off", lists=None,
           deadline=1000, settings=None, rdns_settings=None, **dnsbl):
    """
    A gateway that asks these servers ("address:port"); zones are sections or
    names of lists, dnsbl the settings of test dnsbl.
    """
    zones = [z if " " in z else zone(z) for z in zones]
    with rdns.asking(*servers, lists=lists, deadline=deadline,
                     settings=settings, mode=rdns_mode,
                     sections=[section("test", "dnsbl", **dnsbl), *zones,
                               *sections], **(rdns_settings or {})) as g:
        yield g


def question(what, list_name):
    """What a list is asked for: about an address or a name."""
    with contextlib.suppress(ValueError):
        what = reverse(what).removesuffix(".in-addr.arpa") \
            .removesuffix(".ip6.arpa")
    return f"{what}.{list_name}".lower()


POINT_NAMES = {question(p, "") for p in POINTS}


def txt(*strings, records=1):
    """A TXT record of these strings."""
    def lie(q):
        data = b"".join(bytes([len(s)]) + s for s in
                        (s if isinstance(s, bytes) else s.encode()
                         for s in strings))
        return [(0, packet(q, *[rr(POINTER, TXT, data)] * records))]
    return lie


class Lists(LyingDns):
    """A server of DNS lists whose test points are as they should be."""

    def __init__(self, *names, default=rcode(NXDOMAIN)):
        super().__init__(default)
        self.marks = set()
        self.healthy(*names)

    def healthy(self, *names):
        for name in names:
            for point in (LISTED, "::ffff:7f00:2", "test"):
                self.about(point, name, "127.0.0.2")

    def about(self, what, name, *answers, text=None):
        """This list lists this address or name with these replies; or, where
        the only one is a lie, that is told."""
        lie = answers[0] if answers and callable(answers[0]) \
            else address(*answers)
        self.say(question(what, name), lie, A)
        if text is not None:
            self.say(question(what, name),
                     text if callable(text) else txt(text), TXT)

    def sessions_asked(self, kind=None):
        """The names that were asked for up to now, but for the probe's."""
        self.drain()
        return [n for n in self.names(kind) if n not in self.marks
                and not any(n.startswith(p) for p in POINT_NAMES)]

    def drain(self):
        """Until all that was sent is read: what we send is behind it."""
        mark = f"mark-{len(self.marks)}.invalid"
        self.marks.add(mark)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(("127.0.0.1", self.port))
            s.send(DNSRecord.question(mark).pack())
            wait_until(lambda: mark in self.names(), what="the mark")

    def probes_asked(self, name):
        """The questions of the probe to this list."""
        return [n for n in self.names() if n.endswith("." + name) and
                any(n == p + name for p in POINT_NAMES)]


def listed(got):
    """{list: answer} of event=session."""
    lines = [l for l in got.lines if "event=session " in l]
    found = re.search(r' listed="?([^" ]+)', lines[0]) if lines else None
    if not found:
        return {}
    return dict(pair.split(":", 1) for pair in found.group(1).split(","))


def has(line, **pairs):
    """Does a line of the log bear these pairs?"""
    return all(re.search(rf' {k}="?{re.escape(v)}["\s]', line + " ")
               for k, v in pairs.items())


def refusals(got, **pairs):
    """The lines event=refuse that bear these pairs."""
    return [l for l in got.lines if "event=refuse " in l and
            has(l, **pairs)]


def rules(line):
    """The lists of rule= in their order: [(list, answer)]."""
    found = re.search(r' rule="?([^" ]+)', line)
    return [tuple(r.removeprefix("dnsbl:").rsplit(":", 1))
            for r in found.group(1).split(",")] if found else []


def zone_events(g, name, **pairs):
    return g.events("zone", zone=name, **pairs)


def wait_probed(dns, name, points=2, seconds=5):
    """Until the helper has asked the list that many test points."""
    wait_until(lambda: len(set(dns.probes_asked(name))) >= points, seconds,
               f"probe of {name}")


