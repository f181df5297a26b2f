"""Which command may come when, and what is left behind by each."""

import contextlib
import time

import pytest

from raw import DATA, HELLO, MAIL, PHASES, RCPT, START, serving

ALLOWED = {"start": "503 5.5.1", "done": "250 2.1.0"}
MESSAGE = b"Subject: x\r\n\r\nbody\r\n.\r\n"


@pytest.fixture(scope="module")
def gateway():
    lists = {"relay": "127.0.0.2\n"}
    with serving("workers { min = 1  max = 1  spare = 1 }",
                 "limits { errors = 1000  slow_ms = 0  idle_commands = 1000 }",
                 lists=lists) as g:
        yield g


# command, then its reply in each phase: start, hello, mail, rcpt, done.
MATRIX = [
    (b"HELO client.example", "250", "250", "250", "250", "250"),
    (b"EHLO client.example", "250", "250", "250", "250", "250"),
    (b"MAIL FROM:<a@b.example>",
     "503 5.5.1", "250 2.1.0", "503 5.5.1", "503 5.5.1", "250 2.1.0"),
    (b"MAIL FROM:<>",
     "503 5.5.1", "250 2.1.0", "503 5.5.1", "503 5.5.1", "250 2.1.0"),
    (b"RCPT TO:<alice@example.org>",
     "503 5.5.1", "503 5.5.1", "250 2.1.5", "250 2.1.5", "503 5.5.1"),
    (b"RCPT TO:<x@foreign.example>",
     "503 5.5.1", "503 5.5.1", "550 5.7.1", "550 5.7.1", "503 5.5.1"),
    (b"DATA", "503 5.5.1", "503 5.5.1", "554 5.5.1", "354", "503 5.5.1"),
    (b"RSET", "250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0",
     "250 2.0.0"),
    (b"NOOP", "250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0",
     "250 2.0.0"),
    (b"VRFY alice", "252", "252", "252", "252", "252"),
    (b"EXPN staff", "502", "502", "502", "502", "502"),
    (b"HELP", "214", "214", "214", "214", "214"),
    (b"STARTTLS", "500 5.5.2", "500 5.5.2", "500 5.5.2", "500 5.5.2",
     "500 5.5.2"),
    (b"BDAT 0", "503 5.5.1", "503 5.5.1", "554 5.5.1", "250 2.0.0",
     "503 5.5.1"),
    (b"BDAT 0 LAST", "503 5.5.1", "503 5.5.1", "554 5.5.1", "250 2.0.0",
     "503 5.5.1"),
    (b"", "500 5.5.2", "500 5.5.2", "500 5.5.2", "500 5.5.2", "500 5.5.2"),
    (b".", "500 5.5.2", "500 5.5.2", "500 5.5.2", "500 5.5.2", "500 5.5.2"),
    (b"HELO", "501 5.5.4", "501 5.5.4", "501 5.5.4", "501 5.5.4",
     "501 5.5.4"),
    (b"QUIT now", "501 5.5.4", "501 5.5.4", "501 5.5.4", "501 5.5.4",
     "501 5.5.4"),
]
CASES = [(row[0], phase, row[1 + i]) for row in MATRIX
         for i, phase in enumerate(PHASES)]


@pytest.mark.parametrize("command, phase, want", CASES)
def test_every_command_in_every_phase(gateway, command, phase, want):
    steps = [*PHASES[phase], (command + b"\r\n", want)]
    if want == "354":
        steps.append((b".\r\n", "250 2.0.0"))
    gateway.play(*steps)


@pytest.mark.parametrize("phase", PHASES)
def test_quit_ends_the_session_in_every_phase(gateway, phase):
    before = gateway.files()
    gateway.play(*PHASES[phase])
    assert len(gateway.new_mails(before)) == (phase == "done")


# What a command in the middle of a transaction does to it. "kept": DATA goes
# through; "gone": MAIL is wanted first.
KEPT, GONE = "354", "503 5.5.1"
AFTER = [
    (b"NOOP", "250", KEPT), (b"VRFY alice", "252", KEPT),
    (b"EXPN staff", "502", KEPT), (b"HELP", "214", KEPT),
    (b"BLAH", "500", KEPT), (b"", "500", KEPT),
    (b"RSET now", "501", KEPT), (b"DATA now", "501", KEPT),
    (b"EHLO", "501", KEPT), (b"HELO a b", "501", KEPT),
    (b"QUIT now", "501", KEPT),
    (b"MAIL FROM:<a@b.example>", "503", KEPT), (b"MAIL", "503", KEPT),
    (b"RCPT TO:<x@foreign.example>", "550", KEPT),
    (b"RCPT TO:<nobody@example.org>", "550", KEPT),
    (b"RCPT TO:<", "501", KEPT), (b"RCPT", "501", KEPT),
    (b"RCPT TO:<alice@example.org> X=1", "555", KEPT),
    (b"NOOP \0", "500", KEPT), (b"x" * 5000, "500", KEPT),
    (b"RSET", "250", GONE), (b"EHLO again.example", "250", GONE),
    (b"HELO again.example", "250", GONE),
]


@pytest.mark.parametrize("command, want, data", AFTER,
                         ids=lambda v: repr(v)[:30])
def test_only_rset_and_helo_end_a_transaction(gateway, command, want, data):
    before = gateway.files()
    steps = [*RCPT, (command + b"\r\n", want), (b"DATA\r\n", data)]
    if data == KEPT:
        steps += [(MESSAGE, "250 2.0.0"),
                  (b"RCPT TO:<alice@example.org>\r\n", "503 5.5.1")]
    gateway.play(*steps)
    mails = gateway.new_mails(before)
    assert len(mails) == (data == KEPT)
    for mail in mails:
        assert mail.startswith(b"Return-Path: <s@client.example>\n")


# Whatever is answered at the end of data, the transaction is over.
ENDS = [
    (b"body\r\n.\r\n", "250 2.0.0"),
    (b".\r\n", "250 2.0.0"),
    (b"bare\nlf\r\n.\r\n", "550 5.6.11"),
    (b"bare\rcr\r\n.\r\n", "550 5.6.11"),
    (b"nul\0\r\n.\r\n", "550 5.6.0"),
    (b"Received: x\r\n" * 101 + b"\r\n.\r\n", "554 5.4.6"),
]
NEXT = [(b"DATA\r\n", "503 5.5.1"),
        (b"RCPT TO:<alice@example.org>\r\n", "503 5.5.1"),
        (b"DATA\r\n", "503 5.5.1")]


@pytest.mark.parametrize("data, want", ENDS, ids=lambda v: repr(v)[:30])
def test_after_the_end_of_data_mail_comes_first(gateway, data, want):
    before = gateway.files()
    gateway.play(*DATA, (data, want), *NEXT, *RCPT[1:], (b"DATA\r\n", "354"),
                 (MESSAGE, "250 2.0.0"))
    assert len(gateway.new_mails(before)) == (2 if want[0] == "2" else 1)


def test_a_refused_mail_opens_nothing(gateway):
    for bad, want in [(b"<a", "501"), (b"<a@b.example> SIZE=99999999999",
                                       "552"),
                      (b"<a@b.example> X", "555"), (b"<\0>", "500")]:
        gateway.play(*HELLO, (b"MAIL FROM:" + bad + b"\r\n", want), *NEXT)


def test_what_a_refused_mail_said_is_not_kept(gateway):
    """The sender of the refused MAIL must not become that of the next."""
    before = gateway.files()
    gateway.play(*HELLO,
                 (b"MAIL FROM:<evil@b.example> BODY=8BITMIME X=1\r\n", "555"),
                 (b"MAIL FROM:<>\r\n", "250"),
                 (b"RCPT TO:<alice@example.org>\r\n", "250"),
                 (b"DATA\r\n", "354"), (MESSAGE, "250"))
    (mail,) = gateway.new_mails(before)
    assert mail.startswith(b"Return-Path: <>\n") and b"evil" not in mail


def test_recipients_of_an_aborted_transaction_are_forgotten(gateway):
    before = gateway.files()
    gateway.play(*RCPT, (b"RSET\r\n", "250"), *MAIL[1:],
                 (b"DATA\r\n", "554 5.5.1"),
                 (b"RCPT TO:<bob@example.org>\r\n", "250"),
                 (b"DATA\r\n", "354"), (MESSAGE, "250"))
    (mail,) = gateway.new_mails(before)
    assert b"for <bob@example.org>" in mail and b"alice" not in mail


def test_relay_permission_is_not_kept_by_the_worker(gateway):
    foreign = (b"RCPT TO:<x@foreign.example>\r\n")
    for _ in range(3):
        gateway.play(*MAIL, (foreign, "250 2.1.5"), source="127.0.0.2")
        gateway.play(*MAIL, (foreign, "550 5.7.1"), source="127.0.0.3")
    # Nor does the name, nor a transaction, of a client that just vanished.
    c = gateway.open("127.0.0.2")
    c.steps(*MAIL, (foreign, "250 2.1.5"))
    c.close()
    gateway.play((b"RCPT TO:<x@foreign.example>\r\n", "503 5.5.1"),
                 (b"MAIL FROM:<a@b.example>\r\n", "503 5.5.1"),
                 source="127.0.0.3")


# Groups in one segment: all replies, in order.
GROUPS = [
    (HELLO, b"NOOP\r\n" * 50, " | ".join(["250 2.0.0"] * 50)),
    (HELLO, b"NOOP\r\nBLAH\r\nVRFY x\r\nRSET\r\nEXPN x\r\n",
     "250 2.0.0 | 500 5.5.2 | 252 | 250 2.0.0 | 502"),
    (HELLO, b"MAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n"
     b"RCPT TO:<nobody@example.org>\r\nRCPT TO:<x@foreign.example>\r\n"
     b"RCPT TO:<bob@example.org>\r\nDATA\r\n",
     "250 2.1.0 | 250 2.1.5 | 550 5.1.1 | 550 5.7.1 | 250 2.1.5 | 354"),
    (HELLO, b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\n"
     b"DATA\r\n", "250 2.1.0 | 550 5.1.1 | 554 5.5.1"),
    (HELLO, b"MAIL FROM:<a@b.example> X=1\r\nRCPT TO:<alice@example.org>\r\n"
     b"DATA\r\n", "555 5.5.4 | 503 5.5.1 | 503 5.5.1"),
    (MAIL, b"RCPT TO:<alice@example.org>\r\n" * 30,
     " | ".join(["250 2.1.5"] * 30)),
    (RCPT, b"RSET\r\nMAIL FROM:<a@b.example>\r\n"
     b"RCPT TO:<alice@example.org>\r\nDATA\r\n",
     "250 2.0.0 | 250 2.1.0 | 250 2.1.5 | 354"),
    (START, b"EHLO a.example\r\nMAIL FROM:<a@b.example>\r\n"
     b"RCPT TO:<alice@example.org>\r\nDATA\r\n",
     "250 | 250 2.1.0 | 250 2.1.5 | 354"),
]


@pytest.mark.parametrize("lead, octets, want", GROUPS,
                         ids=[str(i) for i in range(len(GROUPS))])
def test_a_group_is_answered_in_order_and_in_one_write(
        gateway, lead, octets, want):
    with gateway.open() as c:
        c.steps(*lead)
        c.send(octets)
        first = c.sock.recv(65536)
        c.buffer = first
        c.expect(want)
        assert c.buffer == b""
        # All of it was in what came first.
        assert first.count(b"\r\n") >= want.count("|") + 1


# The body, the dot and more behind DATA in the same segment.
BEHIND = [
    (b"DATA\r\nbody\r\n.\r\nQUIT\r\n", "354 | 250 2.0.0 | 221 | closed", 1),
    (b"DATA\r\n.\r\nQUIT\r\n", "354 | 250 2.0.0 | 221 | closed", 1),
    (b"DATA\r\n.\r\n.\r\nQUIT\r\n",
     "354 | 250 2.0.0 | 500 5.5.2 | 221 | closed", 1),
    (b"DATA\r\nbody\r\n.\r\nNOOP\r\nBLAH\r\nDATA\r\nQUIT\r\n",
     "354 | 250 2.0.0 | 250 2.0.0 | 500 5.5.2 | 503 5.5.1 | 221 | closed", 1),
    (b"DATA\r\none\r\n.\r\nMAIL FROM:<a@b.example>\r\n"
     b"RCPT TO:<bob@example.org>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n",
     "354 | 250 2.0.0 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | 221 | "
     "closed", 2),
    (b"DATA\r\na\nb\r\n.\r\nMAIL FROM:<a@b.example>\r\n"
     b"RCPT TO:<bob@example.org>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\n",
     "354 | 550 5.6.11 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | 221 | "
     "closed", 1),
    (b"DATA\r\nQUIT\r\nRSET\r\n.\r\nQUIT\r\n",
     "354 | 250 2.0.0 | 221 | closed", 1),
    (b"QUIT\r\nNOOP\r\nNOOP\r\n", "221 | closed", 0),
    (b"RSET\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n",
     "250 | 503 5.5.1 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 221 | "
     "closed", 0),
]


@pytest.mark.parametrize("octets, want, mails", BEHIND,
                         ids=[str(i) for i in range(len(BEHIND))])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_what_stands_behind_data_in_the_same_segment(
        gateway, octets, want, mails, cut):
    before = gateway.files()
    with gateway.open() as c:
        c.steps(*RCPT)
        for i in range(0, len(octets), 7 if cut else len(octets)):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                c.send(octets[i:i + 7] if cut else octets)
            time.sleep(0.0005)
        c.expect(want)
    assert len(gateway.new_mails(before)) == mails


def test_many_messages_in_one_session(gateway):
    before = gateway.files()
    gateway.play(*HELLO, *((RCPT[1:] + DATA[3:] + [(MESSAGE, "250 2.0.0")])
                           * 20))
    assert len(gateway.new_mails(before)) == 20


def test_without_require_helo_mail_may_come_first():
    with serving("workers { min = 1  max = 2  spare = 1 }",
                 require_helo="false") as g:
        g.play(*RCPT[1:], (b"DATA\r\n", "354"), (MESSAGE, "250 2.0.0"))
        (mail,) = g.mails()
        assert b"\nReceived: from unknown ([127.0.0.1])\n" in mail
        assert b" with SMTP id " in mail
