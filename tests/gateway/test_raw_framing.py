"""Only CRLF.CRLF ends a message, whatever stands around the other dots."""

import re
import time

import pytest

from raw import DATA, RCPT, serving, slowly

BREAKS = {"CRLF": b"\r\n", "CR": b"\r", "LF": b"\n", "CRCRLF": b"\r\r\n",
          "LFCR": b"\n\r"}
SMUGGLED = (b"MAIL FROM:<evil@b.example>%(e)s"
            b"RCPT TO:<bob@example.org>%(e)s"
            b"DATA%(e)sSubject: smuggled%(e)s%(e)sevil%(e)s")


@pytest.fixture(scope="module")
def gateway():
    with serving("workers { min = 4  max = 16  spare = 2 }",
                 "limits { errors = 1000  slow_ms = 0"
                 "  idle_commands = 1000 }") as g:
        yield g


def verdict(data):
    """By the book: the message, what is left behind its end, the reply."""
    at = (b"\r\n" + data).find(b"\r\n.\r\n")
    assert at != -1
    message, rest = data[:at], data[at + 3:]
    if re.search(rb"(?<!\r)\n|\r(?!\n)", message):
        return message, rest, "550 5.6.11"
    return message, rest, "250 2.0.0"


def stored(message):
    """What a Maildir must hold of it, behind the Received field."""
    return re.sub(rb"(^|\n)\.", rb"\1", message.replace(b"\r\n", b"\n"))


def play(gateway, data, replies, pieces=None, pause=0.002):
    """DATA, the octets, QUIT: these replies and nothing else."""
    before = gateway.files()
    with gateway.open() as c:
        c.steps(*DATA)
        for piece in pieces or [data]:
            c.send(piece)
            if pieces:
                time.sleep(pause)
        c.expect(replies)
        c.in_step()
    mails = gateway.new_mails(before)
    assert not gateway.tmp_left()
    assert not any(b"evil@b.example" in m.split(b"\n")[0] for m in mails)
    return mails


def check(gateway, data, pieces=None):
    message, rest, want = verdict(data)
    assert rest == b""
    mails = play(gateway, data, want, pieces)
    assert len(mails) == (want[0] == "2")
    for mail in mails:
        head, text = re.match(rb"(?s)(Return-Path: .*?\nReceived: [^\n]*\n"
                              rb"(?:\t[^\n]*\n)+)(.*)", mail).groups()
        assert text == stored(message)


# ---- every pair of line ends around a dot

PAIRS = [(a, b) for a in BREAKS for b in BREAKS]
# Both of these hold CRLF.CRLF; in the second a bare CR stands before it.
REAL = {("CRLF", "CRLF"), ("CRCRLF", "CRLF")}
CODE = {("CRLF", "CRLF"): "250 2.0.0"}


@pytest.mark.parametrize("lead, trail", PAIRS)
@pytest.mark.parametrize("end", ["CRLF", "CR", "LF"])
def test_a_dot_between_any_line_ends(gateway, lead, trail, end):
    """Nothing that stands behind a false end is ever a command."""
    evil = SMUGGLED.replace(b"%(e)s", BREAKS[end])
    data = b"Subject: x\r\n\r\nbody" + BREAKS[lead] + b"." + BREAKS[trail]
    want = CODE.get((lead, trail), "550 5.6.11")
    if (lead, trail) in REAL:
        mails = play(gateway, data, want)
        assert len(mails) == (want[0] == "2")
    else:
        mails = play(gateway, data + evil + b"\r\n.\r\n", want)
        assert mails == []


@pytest.mark.parametrize("lead, trail", PAIRS)
def test_a_dot_between_any_line_ends_alone(gateway, lead, trail):
    """Without anything smuggled, and the real end in another segment."""
    data = b"Subject: x\r\n\r\nbody" + BREAKS[lead] + b"." + BREAKS[trail]
    want = CODE.get((lead, trail), "550 5.6.11")
    if (lead, trail) in REAL:
        play(gateway, data, want, pieces=[data])
    else:
        play(gateway, data, want, pieces=[data, b"tail\r\n.\r\n"])


@pytest.mark.parametrize("lead, trail", PAIRS)
def test_a_dot_between_any_line_ends_octet_by_octet(gateway, lead, trail):
    evil = b"NOOP\r\n"
    data = b"body" + BREAKS[lead] + b"." + BREAKS[trail]
    want = CODE.get((lead, trail), "550 5.6.11")
    if (lead, trail) not in REAL:
        data += evil + b"\r\n.\r\n"
    play(gateway, data, want, [data[i:i + 1] for i in range(len(data))],
         0.0008)


@pytest.mark.parametrize("lead, trail", PAIRS)
def test_the_first_line_may_be_a_false_dot(gateway, lead, trail):
    """DATA's own CRLF counts as the one before the dot."""
    data = b"." + BREAKS[trail] + b"x" + BREAKS[lead] + b"y\r\n.\r\n"
    if trail == "CRLF":
        mails = play(gateway, b".\r\n", "250 2.0.0")
        assert len(mails) == 1
    else:
        assert play(gateway, data, "550 5.6.11") == []


# ---- the important ones, cut at every octet

IMPORTANT = [
    b"body\r\n.\r\n",
    b".\r\n",
    b"\r\n.\r\n",
    b"..\r\n.\r\n",
    b"\r\n..\r\n.\r\n",
    b"a\r\n.b\r\n..\r\n...\r\n.\r\n",
    b"body\n.\r\nQUIT\r\n.\r\n",
    b"body\r\n.\nQUIT\r\n.\r\n",
    b"body\n.\nQUIT\r\n.\r\n",
    b"body\r.\rQUIT\r\n.\r\n",
    b"body\r\n.\rQUIT\r\n.\r\n",
    b"body\r.\r\nQUIT\r\n.\r\n",
    b"body\r\n.\r\r\nQUIT\r\n.\r\n",
    b"body\r\r\n.\r\n",
    b"\r.\r\nx\r\n.\r\n",
    b"\n.\r\nx\r\n.\r\n",
    b".\n.\r.\r\n..\r\n.\r\n",
    b"\r\r\r\n\r\r.\r\n.\r\n",
    b"x\r\n.\r.\r\n.\r\n",
    b".\r.\r\n.\r\n",
]
CUT = [(data, at) for data in IMPORTANT for at in range(1, len(data))]


@pytest.mark.parametrize("data, at", CUT, ids=lambda v: repr(v)[:40])
def test_a_cut_changes_nothing(gateway, data, at):
    check(gateway, data, [data[:at], data[at:]])


@pytest.mark.parametrize("data", IMPORTANT, ids=lambda v: repr(v)[:40])
def test_in_one_segment(gateway, data):
    check(gateway, data)


# ---- dots, NUL and other company

OTHERS = [
    # stuffing
    (b"..\r\n.\r\n", "250 2.0.0", b".\n"),
    (b"...\r\n.\r\n", "250 2.0.0", b"..\n"),
    (b".x\r\n.\r\n", "250 2.0.0", b"x\n"),
    (b". \r\n.\r\n", "250 2.0.0", b" \n"),
    (b" .\r\n.\r\n", "250 2.0.0", b" .\n"),
    (b"x.\r\n.\r\n", "250 2.0.0", b"x.\n"),
    (b".\t\r\n.\r\n", "250 2.0.0", b"\t\n"),
    (b"\r\n\r\n.\r\n", "250 2.0.0", b"\n\n"),
    (b"..\r\n..\r\n..\r\n.\r\n", "250 2.0.0", b".\n.\n.\n"),
    (b"x\r\n\r\n..\r\n\r\n.\r\n", "250 2.0.0", b"x\n\n.\n\n"),
    (b"From x\r\n>From y\r\n.\r\n", "250 2.0.0", b"From x\n>From y\n"),
    (b".QUIT\r\n.\r\n", "250 2.0.0", b"QUIT\n"),
    # NUL around the dot
    (b"x\r\n.\0\r\nQUIT\r\n.\r\n", "550 5.6.0", None),
    (b"x\r\n\0.\r\nQUIT\r\n.\r\n", "550 5.6.0", None),
    (b"x\0\r\n.\r\n", "550 5.6.0", None),
    (b"\0\r\n.\r\n", "550 5.6.0", None),
    (b"x\r\0\n.\r\nQUIT\r\n.\r\n", "550 5.6.11", None),
    (b"x\r\n.\r\0\nQUIT\r\n.\r\n", "550 5.6.11", None),
    (b"x\r\n.\0\nQUIT\r\n.\r\n", "550 5.6.11", None),
    # 8-bit, other controls and other line ends of the world pass
    (b"\x80\xff\xfe\r\n.\r\n", "250 2.0.0", b"\x80\xff\xfe\n"),
    (b"\x0b.\x0b\r\n.\r\n", "250 2.0.0", b"\x0b.\x0b\n"),
    (b"\x0c.\x0c\r\n.\r\n", "250 2.0.0", b"\x0c.\x0c\n"),
    (b"\x85.\x85\r\n.\r\n", "250 2.0.0", b"\x85.\x85\n"),
    (b"\xe2\x80\xa8.\xe2\x80\xa8\r\n.\r\n", "250 2.0.0",
     b"\xe2\x80\xa8.\xe2\x80\xa8\n"),
    (b"\x1a\r\n.\r\n", "250 2.0.0", b"\x1a\n"),
    (b"\x04\r\n.\r\n", "250 2.0.0", b"\x04\n"),
    (b"\x8d\x8a.\x8d\x8a\r\n.\r\n", "250 2.0.0", b"\x8d\x8a.\x8d\x8a\n"),
]


@pytest.mark.parametrize("data, want, text", OTHERS,
                         ids=lambda v: repr(v)[:40])
def test_dots_in_other_company(gateway, data, want, text):
    mails = play(gateway, data, want)
    assert len(mails) == (text is not None)
    if mails:
        assert mails[0].endswith(b" +0000\n" + text), mails[0]


# ---- where a buffer might cut a long line before a dot (1023 octets and so on)

EDGES = sorted({n + d for n in (76, 512, 998, 1000, 1022, 1024, 2048, 4096,
                                8192, 16384, 32768, 65536)
                for d in (-2, -1, 0, 1, 2)})


@pytest.mark.parametrize("length", EDGES)
def test_a_dot_behind_a_cut_line_is_no_end(gateway, length):
    for tail in (b".\r\nQUIT\r\n.\r\n", b".\r\nRSET\r\n.\r\n"):
        data = b"s: x\r\n\r\n" + b"x" * (length - 8) + tail
        check(gateway, data)


@pytest.mark.parametrize("length", EDGES)
def test_the_end_across_the_end_of_a_buffer(gateway, length):
    data = b"s: x\r\n\r\n" + b"x" * (length - 8) + b"\r\n.\r\n"
    check(gateway, data, [data])


@pytest.mark.parametrize("length", EDGES)
def test_a_stuffed_dot_across_the_end_of_a_buffer(gateway, length):
    data = b"s: x\r\n\r\n" + b"x" * (length - 8) + b"\r\n..\r\n.y\r\n.\r\n"
    check(gateway, data)


@pytest.mark.parametrize("length", EDGES)
def test_a_false_end_across_the_end_of_a_buffer(gateway, length):
    for lead in (b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r\r\n"):
        data = b"s: x\r\n\r\n" + b"x" * (length - 8) + lead + \
            b"QUIT\r\n.\r\n"
        check(gateway, data)


# ---- what comes behind a real end is a command, and answered as one

@pytest.mark.parametrize("bad, want", [
    (b"a\nb\r\n.\r\n", "550 5.6.11"), (b"a\rb\r\n.\r\n", "550 5.6.11"),
    (b"\0\r\n.\r\n", "550 5.6.0"), (b"ok\r\n.\r\n", "250 2.0.0")])
def test_commands_behind_the_end(gateway, bad, want):
    before = gateway.files()
    gateway.play(*DATA, (bad + b"MAIL FROM:<a@b.example>\r\n"
                         b"RCPT TO:<bob@example.org>\r\nDATA\r\ntwo\r\n.\r\n",
                         want + " | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0"))
    assert len(gateway.new_mails(before)) == 1 + (want[0] == "2")


def test_a_refused_message_is_answered_at_its_end_only(gateway):
    with gateway.open() as c:
        c.steps(*DATA)
        c.send(b"bare\nlf\r\n" + b"x\r\n" * 1000)
        c.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            c.sock.recv(1)
        c.sock.settimeout(10)
        slowly(c, b".\r\n")
        c.expect("550 5.6.11")
        c.in_step()


def test_a_session_without_any_crlf_is_one_line(gateway):
    with gateway.open() as c:
        c.send(b"EHLO x\nMAIL FROM:<a@b.example>\nRCPT TO:<alice@example.org>"
               b"\nDATA\nx\n.\nQUIT\n")
        c.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            c.sock.recv(1)
        c.sock.settimeout(10)
        c.send(b"\r\n")
        c.expect("500 5.5.2")
        c.in_step()


def test_data_over_commands_with_bare_line_ends(gateway):
    """Each bare end in each command of a transaction: 500, and no effect."""
    for end in (b"\n", b"\r", b"\n\r"):
        gateway.play(*RCPT, (b"DATA" + end + b"x\r\n", "500 5.5.2"),
                     (b"RSET" + end + b"x\r\n", "500 5.5.2"),
                     (b"DATA\r\n", "354"), (b".\r\n", "250 2.0.0"))
