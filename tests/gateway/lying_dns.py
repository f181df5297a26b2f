"""A name server that lies as it is told.

A lie is a function of the question that gives [(seconds, octets), ...]: what
to send, and when. Lies are made by the functions below and go together:
delayed(200, truncated(ptr("a.example"))).
"""

import contextlib
import heapq
import ipaddress
import itertools
import random
import select
import socket
import struct
import threading
import time

from dnslib import QTYPE

A, PTR, CNAME, AAAA = 1, 12, 5, 28
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
POINTER = b"\xc0\x0c"  # to the name of the question


def reverse(address):
    """The name to ask for the names of an address, without the last dot."""
    return ipaddress.ip_address(address).reverse_pointer


def wire(name):
    """A name of text, or of labels, as it stands in a packet."""
    if isinstance(name, str):
        name = [label.encode("latin-1") for label in name.split(".")]
    return b"".join(bytes([len(l)]) + l for l in name if l) + b"\0"


class Question:
    """What was asked; its name may hold any octets, which dnslib refuses."""

    def __init__(self, octets):
        self.id, flags, questions = struct.unpack_from("!3H", octets)
        labels, at = [], 12
        while (length := octets[at]) != 0:
            labels.append(octets[at + 1:at + 1 + length])
            at += 1 + length
        self.type, kind = struct.unpack_from("!HH", octets, at + 1)
        assert questions == 1 and kind == 1 and not flags & 0x8000
        self.name = b".".join(labels).decode("latin-1").lower()
        self.section = octets[12:at + 5]

    def __repr__(self):
        return f"{self.name} {QTYPE.get(self.type)}"


def rr(owner, kind, data, ttl=60):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def packet(q, *rrs, flags=0x8180, number=None, section=None, id=None):
    """A reply; number is what the header says that it holds."""
    head = struct.pack("!6H", q.id if id is None else id, flags, 1,
                       len(rrs) if number is None else number, 0, 0)
    return head + (q.section if section is None else section) + b"".join(rrs)


def address_rr(owner, address):
    ip = ipaddress.ip_address(address)
    return rr(owner, A if ip.version == 4 else AAAA, ip.packed)


# ---- honest answers

def ptr(*names):
    """These names, as text or as lists of labels."""
    return lambda q: [(0, packet(q, *(rr(POINTER, PTR, wire(n))
                                      for n in names)))]


def address(*addresses):
    """Those of the addresses that are of the kind that is asked for."""
    def lie(q):
        rrs = [address_rr(POINTER, a) for a in addresses
               if (ipaddress.ip_address(a).version == 4) == (q.type == A)]
        return [(0, packet(q, *rrs))]
    return lie


def rcode(number):
    return lambda q: [(0, packet(q, flags=0x8180 | number))]


def silent(q):
    return []


def nodata(q):
    return [(0, packet(q))]


# ---- what becomes of another answer

def each(change):
    """A lie about a lie: every packet of the inner one is changed."""
    return lambda inner: lambda q: [(t, change(q, p)) for t, p in inner(q)]


def delayed(ms, inner):
    return lambda q: [(t + ms / 1000, p) for t, p in inner(q)]


truncated = each(lambda q, p: p[:2] + bytes([p[2] | 2]) + p[3:])
wrong_id = each(lambda q, p: struct.pack("!H", (q.id + 1) & 0xffff) + p[2:])
no_response_bit = each(lambda q, p: p[:2] + bytes([p[2] & 0x7f]) + p[3:])
counts_lie = each(lambda q, p: p[:4] + b"\xff\xff" * 4 + p[12:])
header_only = each(lambda q, p: p[:4] + bytes(8))
wrong_type = each(lambda q, p: p[:8 + len(q.section)] + b"\0\x10\0\1"
                  + p[12 + len(q.section):])


def wrong_name(inner):
    """The same, but about another name."""
    def lie(q):
        other = wire("not.what.was.asked.example") + q.section[-4:]
        return [(t, p[:12] + other + p[12 + len(q.section):])
                for t, p in inner(q)]
    return lie


def no_question(inner):
    """The same without its question section."""
    def lie(q):
        return [(t, p[:4] + b"\0\0" + p[6:12] + p[12 + len(q.section):])
                for t, p in inner(q)]
    return lie


def cut(octets):
    return each(lambda q, p: p[:-octets])


def flood(inner, before=0, after=1000):
    """The answer among many with a wrong id."""
    def lie(q):
        right = inner(q)
        ids = itertools.count(q.id + 1)
        wrong = [(0, struct.pack("!H", next(ids) & 0xffff) + right[0][1][2:])
                 for _ in range(before + after)]
        return wrong[:before] + right + wrong[before:]
    return lie


def repeated(times, inner):
    return lambda q: inner(q) * times


def mutated(seed, inner):
    """With some octets turned into others, the id left alone."""
    rnd = random.Random(seed)

    def change(q, p):
        p = bytearray(p)
        for _ in range(rnd.randint(1, 6)):
            at = rnd.randrange(2, len(p))
            p[at] = rnd.choice((0, 0xc0, 0xff, 0x3f, rnd.randrange(256)))
        if rnd.random() < 0.3:
            del p[rnd.randrange(2, len(p)):]
        return bytes(p)
    return each(change)(inner)


# ---- whole packets that nobody should send

def raw(octets):
    """Octets behind the id that was asked with."""
    return lambda q: [(0, struct.pack("!H", q.id) + octets)]


def empty(q):
    return [(0, b"")]


def garbage(q):
    return [(0, random.Random(q.id).randbytes(300)) for _ in range(5)]


def question_pointer(q):
    """The question's name is a pointer to the name in the answer: one that
    takes it to be uncompressed reads and writes far beyond its buffers."""
    target = 12 + 2 + 4
    rrs = rr(q.section[:-4], q.type, wire("long" * 15 + ".example")
             if q.type == PTR else bytes(4 if q.type == A else 16))
    section = struct.pack("!H", 0xc000 | target) + q.section[-4:]
    return [(0, packet(q, rrs, section=section))]


def question_pointer_many(q):
    """The same with many records behind it."""
    section = struct.pack("!H", 0xc000 | 18) + q.section[-4:]
    data = wire(".".join(["x" * 60] * 4)) if q.type == PTR else \
        bytes(4 if q.type == A else 16)
    first = rr(q.section[:-4], q.type, data)
    more = rr(struct.pack("!H", 0xc000 | 18), q.type, data)
    return [(0, packet(q, first, *[more] * 13, section=section))]


def question_loop(q):
    """The question's name is a pointer to itself."""
    return [(0, packet(q, section=POINTER + q.section[-4:]))]


def name_loop(q):
    """A record's name is a pointer to itself, and one chases the next."""
    at = 12 + len(q.section) + 12
    return [(0, packet(q, rr(POINTER, q.type, struct.pack("!H", 0xc000 | at)),
                       rr(POINTER, q.type, b"\xff\xff")))]


def bad_length(q):
    """Records whose length is not that of what they hold."""
    return [(0, packet(q, rr(POINTER, q.type, b"\x01"),
                       rr(POINTER, q.type, b""),
                       rr(POINTER, q.type, wire("a.example") + b"rest"),
                       POINTER + struct.pack("!HHIH", q.type, 1, 1, 0xffff)))]


def cname(answer, target="target.example", order=1, with_target=True):
    """An alias; answer is the record of its target: (type, octets)."""
    def lie(q):
        rrs = [rr(POINTER, CNAME, wire(target))]
        if with_target:
            rrs.append(rr(wire(target), *answer))
        return [(0, packet(q, *rrs[::order]))]
    return lie


def cname_loop(q):
    return [(0, packet(q, rr(POINTER, CNAME, wire("b.example")),
                       rr(wire("b.example"), CNAME, q.section[:-4])))]


def many_ptrs(count, size=65000, form="n{}.many.example"):
    """As many of these names as the octets of one packet hold."""
    def lie(q):
        rrs, length = [], 12 + len(q.section)
        for i in range(count):
            rrs.append(rr(POINTER, PTR, wire(form.format(i))))
            length += len(rrs[-1])
            if length > size:
                rrs.pop()
                break
        return [(0, packet(q, *rrs))]
    return lie


ODD_NAMES = {
    "blank": [b"a b", b"example"],
    "cr": [b"a\r\nX-Evil: 1", b"example"],
    "nul": [b"a\0b", b"example"],
    "less": [b"<a>", b"example"],
    "8-bit": [b"a\xe4\xff", b"example"],
    "dot": [b"a.b", b"example"],
    "quote": [b'a" evil="1', b"example"],
    "paren": [b"a) (b", b"example"],
    "backslash": [b"a\\032", b"example"],
    "escape": [b"a\x1b[2J", b"example"],
    "slash": [b"a/b", b"example"],
    "equals": [b"a=b", b"example"],
    "long": [b"x" * 63] * 3 + [b"x" * 61],    # 255 octets: the most
    "256": [b"x" * 63] * 3 + [b"x" * 62],     # one more: udns takes it
    "longer": [b"x" * 63] * 4 + [b"example"],  # 257 and more
    "all-octets": [bytes(range(0, 60)), bytes(range(200, 256)), b"example"],
    "root": [],
}


# ---- the server

class LyingDns:
    """Answers on a loopback port as self.say() has told it, else NXDOMAIN."""

    def __init__(self, default=rcode(NXDOMAIN), host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self.sock.bind((host, 0))
        self.port = self.sock.getsockname()[1]
        self.address = f"[{host}]:{self.port}" if ":" in host \
            else f"{host}:{self.port}"
        self.default = default
        self.lock = threading.Lock()
        self.clear()
        self.wake, waker = socket.socketpair()
        self.waker = waker
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def clear(self):
        """Forget the lies and what was asked."""
        with self.lock:
            self.lies = {}
            self.asked, self.times, self.sources = [], [], []

    def forget(self):
        """Forget what was asked."""
        with self.lock:
            self.asked, self.times, self.sources = [], [], []

    def say(self, name, lie, kind=None):
        """The lie for a name, or an address: its reverse name."""
        with contextlib.suppress(ValueError):
            name = reverse(name)
        self.lies[name.lower(), kind] = lie

    def host(self, name, *addresses):
        """A client as it should be: names that confirm each other."""
        self.say(name, address(*addresses))
        for a in addresses:
            self.say(a, ptr(name))

    def names(self, kind=None):
        """What was asked for, in order."""
        with self.lock:
            return [q.name for q in self.asked
                    if kind is None or q.type == kind]

    def count(self, kind=None):
        return len(self.names(kind))

    def _lie(self, q):
        for kind in (q.type, None):
            if (q.name, kind) in self.lies:
                return self.lies[q.name, kind]
        return self.default

    def _serve(self):
        due, order = [], itertools.count()
        while True:
            wait = max(0, due[0][0] - time.monotonic()) if due else None
            ready = select.select([self.sock, self.wake], [], [], wait)[0]
            if self.wake in ready:
                return
            if self.sock in ready:
                octets, source = self.sock.recvfrom(65535)
                now = time.monotonic()
                try:
                    q = Question(octets)
                except (AssertionError, IndexError, struct.error):
                    continue
                with self.lock:
                    self.asked.append(q)
                    self.times.append(now)
                    self.sources.append(source)
                for seconds, reply in self._lie(q)(q):
                    heapq.heappush(due, (now + seconds, next(order), reply,
                                         source))
            while due and due[0][0] <= time.monotonic():
                _, _, reply, source = heapq.heappop(due)
                with contextlib.suppress(OSError):
                    self.sock.sendto(reply, source)

    def close(self):
        self.waker.send(b"x")
        self.thread.join(5)
        for s in (self.sock, self.wake, self.waker):
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
