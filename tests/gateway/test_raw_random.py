"""Random sessions against a model that is written down in a few lines.

The seeds are fixed, so that a failure comes again.
"""

import random
import time

import pytest

from raw import serving
from test_raw_framing import verdict

SESSIONS = 60


@pytest.fixture(scope="module")
def gateway():
    with serving("workers { min = 2  max = 4  spare = 1 }",
                 "limits { errors = 100000  slow_ms = 0"
                 "  idle_commands = 100000 }",
                 lists={"relay": ""}) as g:
        yield g


class Model:
    """Where a session stands, and what each command is answered."""

    def __init__(self):
        self.phase = "start"
        self.delivered = 0

    def helo(self):
        self.phase = "hello"
        return "250"

    def rset(self):
        if self.phase != "start":
            self.phase = "hello"
        return "250 2.0.0"

    def mail(self):
        if self.phase != "hello":
            return "503 5.5.1"
        self.phase = "mail"
        return "250 2.1.0"

    def bad_mail(self):
        return "501 5.1.7" if self.phase == "hello" else "503 5.5.1"

    def rcpt(self):
        if self.phase not in ("mail", "rcpt"):
            return "503 5.5.1"
        self.phase = "rcpt"
        return "250 2.1.5"

    def bad_rcpt(self):
        return "550 5.7.1" if self.phase in ("mail", "rcpt") else "503 5.5.1"

    def data(self, message):
        if self.phase == "mail":
            return "554 5.5.1"
        if self.phase != "rcpt":
            return "503 5.5.1"
        self.phase = "hello"
        reply = verdict(message)[2]
        self.delivered += reply[0] == "2"
        return "354 | " + reply

    def bdat(self, last):
        if self.phase == "mail":
            return "554 5.5.1"
        if self.phase not in ("rcpt", "bdat"):
            return "503 5.5.1"
        self.phase = "hello" if last else "bdat"
        self.delivered += last
        return "250 2.0.0"


LINES = [
    (b"EHLO a.example\r\n", Model.helo), (b"helo a.example\r\n", Model.helo),
    (b"RSET\r\n", Model.rset), (b"rset \r\n", Model.rset),
    (b"NOOP\r\n", lambda m: "250 2.0.0"),
    (b"MAIL FROM:<a@b.example>\r\n", Model.mail),
    (b"mail from: <> SIZE=9\r\n", Model.mail),
    (b"MAIL FROM:<a@>\r\n", Model.bad_mail),
    (b"RCPT TO:<alice@example.org>\r\n", Model.rcpt),
    (b"rcpt to:<@x.example:bob@example.org>\r\n", Model.rcpt),
    (b"RCPT TO:<alice@foreign.example>\r\n", Model.bad_rcpt),
    (b"BLAH\r\n", lambda m: "500 5.5.2"),
    (b"NOOP\nRSET\r\n", lambda m: "500 5.5.2"),
    (b"RSET\0\r\n", lambda m: "500 5.5.2"),
    (b"x" * 3000 + b"\r\n", lambda m: "500 5.5.2"),
    (b"QUIT x\r\n", lambda m: "501 5.5.4"),
]
WEIGHTS = [2, 1, 1, 1, 1, 4, 2, 1, 4, 2, 1, 1, 1, 1, 1, 1]
PIECES = [b"\r\n", b"\r\n", b"\r\n.", b"\r", b"\n", b".", b"..", b"QUIT", b"x",
          b"\r\n.\r", b"\n.\n", b"\xff", b" "]


def message(rng):
    data = b"".join(rng.choices(PIECES, k=rng.randrange(12)))
    return data + b"z\r\n.\r\n"


def session(rng):
    """What is sent, and the replies to it."""
    model, octets, replies = Model(), b"", []
    for _ in range(rng.randrange(5, 40)):
        if rng.random() < 0.15:
            data = message(rng)
            end = len(data) - len(verdict(data)[1])
            reply = model.data(data[:end])
            octets += b"DATA\r\n"
            if reply.startswith("354"):
                octets += data[:end]
        elif rng.random() < 0.15:
            last, data = rng.random() < 0.5, message(rng)
            octets += b"BDAT %d%s\r\n" % (len(data), b" LAST" * last) + data
            reply = model.bdat(last)
        else:
            line, answer = rng.choices(LINES, WEIGHTS)[0]
            octets += line
            reply = answer(model)
        replies.append(reply)
    return octets, " | ".join(replies), model.delivered


@pytest.mark.parametrize("seed", range(SESSIONS))
def test_a_random_session_in_random_pieces(gateway, seed):
    rng = random.Random(seed)
    octets, replies, delivered = session(rng)
    before = gateway.files()
    with gateway.open() as c:
        while octets:
            n = rng.choice([1, 2, 5, 20, 100, 1000, 100000])
            c.send(octets[:n])
            octets = octets[n:]
            if rng.random() < 0.3:
                time.sleep(0.0005)
        c.expect(replies)
        c.in_step()
    assert len(gateway.new_mails(before)) == delivered
