"""Rows of octets: what is sent, and which replies must come back.

A dialogue is a list of steps; a step is (octets, replies). Replies are
written as "250 2.1.0 | 354": one code (and enhanced code, where RFC 5321, RFC
3463 or the manual fixes it) for each reply, in order. CLOSED is the end of
the connection. After its steps a row must still be in step: QUIT gets 221 and
nothing else comes, so a reply too many or too few is seen.
"""

import contextlib
import re
import shutil
import time

import pytest

from conftest import Client, Gateway, wait_gone

CLOSED = "closed"
BANNED_REPLY = re.compile(r"[^\x20-\x7e]")
LOG_LINE = re.compile(r"lictord\[\d+\]: event=[a-z]+( [a-z_]+="
                      r'([\x21\x23-\x5b\x5d-\x7e]+|"([\x20\x21\x23-\x5b'
                      r'\x5d-\x7e]|\\["\\]|\\x[0-9a-f]{2})*"))*$')


class RawClient(Client):
    """As Client; keeps the rules for reply lines that hold everywhere."""

    def line(self):
        line = super().line()
        if line is not None:
            assert not BANNED_REPLY.search(line), line
        return line

    def reply(self):
        reply = super().reply()
        if reply is not None:
            codes = {l[:3] for l in reply.split("\n")}
            assert len(codes) == 1, reply
        return reply

    def expect(self, want):
        """The replies that must come now."""
        got = []
        for code in want.split("|") if want else []:
            code = code.strip()
            reply = self.reply()
            got.append(reply)
            if code == CLOSED:
                assert reply is None, f"wanted the end, got {reply!r}"
            else:
                assert reply is not None, f"wanted {code}, got the end"
                assert (reply + " ").startswith((code + " ", code + "-")), \
                    f"wanted {code}, got {reply!r}"
        return got

    def steps(self, *steps):
        got = []
        for octets, want in steps:
            self.send(octets)
            got += self.expect(want)
        return got

    def in_step(self):
        """Nothing is left over, and the session can be ended."""
        self.send(b"QUIT\r\n")
        self.expect("221 2.0.0 | closed")
        assert self.buffer == b""


class RawGateway(Gateway):
    """A gateway that many rows share."""

    kills = False  # do we end processes of its?

    def open(self, source=None, **kw):
        """Connect and take the greeting."""
        c = RawClient(self.port, source, **kw)
        c.expect("220")
        return c

    def play(self, *steps, source=None, quit=True):
        with self.open(source) as c:
            got = c.steps(*steps)
            if quit:
                c.in_step()
        return got

    def count(self, box="all"):
        return len(list((self.mail / box / "new").glob("*")))

    def tmp_left(self, box="all"):
        return list((self.mail / box / "tmp").glob("*"))

    def new_mails(self, before, box="all"):
        """The messages that are not among these files."""
        files = set((self.mail / box / "new").glob("*")) - before
        return [f.read_bytes() for f in sorted(files)]

    def files(self, box="all"):
        return set((self.mail / box / "new").glob("*"))

    def check(self):
        """What must hold whatever the clients said."""
        for line in self.log().splitlines():
            assert line.isascii() and line.isprintable(), line
            assert LOG_LINE.match(line), line
        assert self.kills or not self.events("worker"), self.events("worker")
        log = self.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log


@contextlib.contextmanager
def serving(*sections, lists=None, **settings):
    """A gateway for a whole module."""
    g = RawGateway()
    try:
        g.write_lists(**(lists or {}))
        g.start(*sections, **settings)
        yield g
        assert g.process.poll() is None, g.log()[-2000:]
        g.stop()
        left = wait_gone(g.dir)
        assert not left, f"processes are left: {left}"
        g.check()
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


def slowly(client, octets, pause=0.001):
    """Every octet in a segment of its own."""
    for i in range(len(octets)):
        client.send(octets[i:i + 1])
        time.sleep(pause)


# Steps that lead into each phase of a session.
START = []
HELLO = [(b"EHLO client.example\r\n", "250")]
MAIL = HELLO + [(b"MAIL FROM:<s@client.example>\r\n", "250 2.1.0")]
RCPT = MAIL + [(b"RCPT TO:<alice@example.org>\r\n", "250 2.1.5")]
DATA = RCPT + [(b"DATA\r\n", "354")]
DONE = DATA + [(b"Subject: x\r\n\r\nbody\r\n.\r\n", "250 2.0.0")]
PHASES = {"start": START, "hello": HELLO, "mail": MAIL, "rcpt": RCPT,
          "done": DONE}
