"""CHUNKING: the octets of a chunk are never commands, and arrive as they were.

The next hop is always spoken to by DATA, with dots stuffed.
"""

import contextlib
import random
import re
import time

import pytest

from hop import Hop
from raw import DATA, HELLO, MAIL, RCPT, START, RawClient, serving, slowly
from test_raw_framing import PAIRS, BREAKS

BYTES = 65536
POOL = "workers { min = 4  max = 8  spare = 2 }"
MORE = f"""limits {{ errors = 1000  idle_commands = 50  line_bytes = 200000
    message_bytes = {BYTES} }}"""


@pytest.fixture(scope="module")
def hop():
    h = Hop()
    yield h
    h.close()


@pytest.fixture(scope="module")
def gateway(hop):
    with serving(POOL, MORE, lists={
            "routes": f"alice@example.org smtp:127.0.0.1:{hop.port}\n"
            "* maildir:{mail}/all\n"}) as g:
        yield g


@pytest.fixture(scope="module")
def strict(hop):
    with serving(POOL, MORE, lists={
            "routes": f"* smtp:127.0.0.1:{hop.port}\n"},
            bare_line_ends_bdat='"refuse"') as g:
        yield g


def chunk(octets, last=False):
    return b"BDAT %d%s\r\n" % (len(octets), b" LAST" * last) + octets


def on_the_wire(content):
    """What the next hop must receive of this content."""
    text = re.sub(rb"\r*\n|\r+", b"\r\n", content)
    if text and not text.endswith(b"\r\n"):
        text += b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", text)


def taken(hop):
    """The text of the one message that the hop took, its commands checked."""
    (message,) = hop.taken
    assert not hop.unsure
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", message), message
    assert [line.split()[0] for _, line in hop.lines if line != "QUIT"] == \
        ["EHLO", "MAIL", "RCPT", "DATA"]
    return re.fullmatch(rb"(?s)Received: [^\r]*\r\n(?:\t[^\r]*\r\n)+(.*)",
                        message).group(1)


def deliver(gateway, hop, *chunks):
    """These chunks, the last one as LAST, in one segment each."""
    hop.play()
    with gateway.open() as c:
        c.steps(*RCPT)
        for i, octets in enumerate(chunks):
            c.send(chunk(octets, i == len(chunks) - 1))
            c.expect("250 2.0.0")
        c.in_step()
    return taken(hop)


def test_ehlo_offers_it(gateway):
    (reply,) = gateway.play((b"EHLO x.example\r\n", "250"))
    assert "250-CHUNKING" in reply.split("\n")
    assert "BINARYMIME" not in reply


# ---- contents

CONTENTS = [
    b"", b"a", b"\r\n", b".", b".\r\n", b"\r\n.\r\n", b"..\r\n", b"a\r\n",
    b"Subject: x\r\n\r\nbody\r\n", b"Subject: x\r\n\r\nbody",
    b"body\r\n.\r\nQUIT\r\n", b"body\r\n.\r\n.\r\n.\r\n", b"\r\n.\r\n.",
    b"QUIT\r\n", b"RSET\r\nMAIL FROM:<evil@b.example>\r\n", b"BDAT 3 LAST\r\n",
    b"a\nb\n", b"a\rb\r", b"a\r\r\nb", b"\n.\n", b"\r.\r", b"a\n.\r\nQUIT\r\n",
    b"\x80\xff\xfe\r\n", b"\x1a\x04\x1b[2J\r\n", b"x" * 70 + b"\n" * 70,
]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda v: repr(v)[:40])
def test_a_chunk_arrives_as_text(gateway, hop, content):
    assert deliver(gateway, hop, content) == on_the_wire(content)
    assert deliver(gateway, hop, content, b"") == on_the_wire(content)
    assert deliver(gateway, hop, b"", content) == on_the_wire(content)


@pytest.mark.parametrize("content", CONTENTS, ids=lambda v: repr(v)[:40])
def test_the_border_of_chunks_means_nothing(gateway, hop, content):
    for at in range(1, len(content), 1 + len(content) // 12):
        assert deliver(gateway, hop, content[:at], content[at:]) == \
            on_the_wire(content)


@pytest.mark.parametrize("lead, trail", PAIRS)
def test_a_false_end_in_a_chunk(gateway, hop, lead, trail):
    content = (b"Subject: x\r\n\r\nbody" + BREAKS[lead] + b"." +
               BREAKS[trail] + b"MAIL FROM:<evil@b.example>\r\nDATA\r\n")
    assert deliver(gateway, hop, content) == on_the_wire(content)


def test_a_maildir_gets_lines(gateway):
    before = gateway.files()
    gateway.play(*MAIL, (b"RCPT TO:<bob@example.org>\r\n", "250"),
                 (chunk(b"s: x\r\n\r\n.a\n", False), "250 2.0.0"),
                 (chunk(b"..b\r\n.\r", True), "250 2.0.0"))
    (mail,) = gateway.new_mails(before)
    assert mail.endswith(b" +0000\ns: x\n\n.a\n..b\n.\n")


def test_thousands_of_chunks_of_one_octet(gateway, hop):
    content = b"Subject: x\r\n\r\n" + b"ab\r\n.c\r\n" * 500
    hop.play()
    with gateway.open() as c:
        c.steps(*RCPT)
        octets = b"".join(chunk(content[i:i + 1]) for i in range(len(content)))
        for i in range(0, len(octets), 50000):
            c.send(octets[i:i + 50000])
        c.send(chunk(b"", True))
        c.expect(" | ".join(["250 2.0.0"] * (len(content) + 1)))
        c.in_step()
    assert taken(hop) == on_the_wire(content)


@pytest.mark.parametrize("size", [8191, 8192, 8193, BYTES - 1, BYTES])
def test_a_large_chunk(gateway, hop, size):
    rng = random.Random(size)
    content = b"".join(rng.choice([b".x" * 20, b"y" * 90]) + b"\r\n"
                       for _ in range(size // 40))[:size - 2] + b"\r\n"
    content = content.replace(b"\r\r\n", b"x\r\n")
    assert deliver(gateway, hop, content) == on_the_wire(content)


def test_octet_by_octet(gateway, hop):
    hop.play()
    with gateway.open() as c:
        for octets, want in RCPT:
            slowly(c, octets, 0.0003)
            c.expect(want)
        slowly(c, chunk(b"a\r\n.\r") + chunk(b"\nb\r\n", True), 0.0003)
        c.expect("250 2.0.0 | 250 2.0.0")
        c.in_step()
    assert taken(hop) == b"a\r\n..\r\nb\r\n"


# ---- sizes that are none

BAD = [b"BDAT", b"BDAT ", b"BDAT LAST", b"BDAT -1", b"BDAT +1", b"BDAT 0x4",
       b"BDAT 4k", b"BDAT 4LAST", b"BDAT 4 FIRST", b"BDAT 0 FIRST",
       b"BDAT 4 LAST LAST", b"BDAT 4 5", b"BDAT 4 LASTX", b"bdat four"]
EVIL = b"\r\nNOOP\r\nMAIL FROM:<evil@b.example>\r\nRSET\r\nQUIT\r\n"


@pytest.mark.parametrize("line", BAD)
@pytest.mark.parametrize("lead", [START, HELLO, MAIL, RCPT],
                         ids=["start", "helo", "mail", "rcpt"])
def test_a_size_that_is_none_closes(gateway, line, lead):
    """Nobody knows where the commands go on, so none is read."""
    with gateway.open() as c:
        c.steps(*lead, (line + EVIL, "501 5.5.4 | closed"))


@pytest.mark.parametrize("line", [b"BDAT 4\0", b"BDAT\t4", b"bdat \xff",
                                  b"BDAT 4\r"])
def test_a_command_that_cannot_be_read_closes(gateway, line):
    with gateway.open() as c:
        c.steps(*RCPT, (line + EVIL, "500 5.5.2 | closed"))
    gateway.wait_event("session", end="chunk")


@pytest.mark.parametrize("size", [2 ** 31, 2 ** 32, 2 ** 63 - 1, 2 ** 63,
                                  2 ** 64, 2 ** 64 + 1, 10 ** 30])
@pytest.mark.parametrize("lead", [START, MAIL, RCPT],
                         ids=["start", "mail", "rcpt"])
def test_nobody_waits_for_a_huge_chunk(gateway, size, lead):
    with gateway.open() as c:
        c.steps(*lead, (b"BDAT %d LAST\r\nx" % size, "552 5.3.4 | closed"))


# ---- chunks that are refused are read all the same

@pytest.mark.parametrize("lead, want", [
    (START, "503 5.5.1"), (HELLO, "503 5.5.1"), (MAIL, "554 5.5.1"),
    (HELLO + [(b"MAIL FROM:<a@b.example> X=1\r\n", "555")], "503 5.5.1"),
    (MAIL + [(b"RCPT TO:<nobody@example.org>\r\n", "550")], "554 5.5.1"),
    (MAIL + [(b"RCPT TO:<x@foreign.example>\r\n", "550")], "554 5.5.1")])
@pytest.mark.parametrize("last", [False, True])
def test_chunks_without_a_transaction(gateway, hop, lead, want, last):
    hop.play()
    for octets in (b"", EVIL, b"x" * 200000):
        gateway.play(*lead, (chunk(octets, last), want),
                     (chunk(EVIL, True), want))
    assert not hop.said("DATA")


def test_pipelined_chunks_behind_a_refused_recipient(gateway, hop):
    """And the next transaction in the same segment is as good as ever."""
    hop.play()
    gateway.play(*HELLO, (
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<nobody@example.org>\r\n" +
        chunk(EVIL) + chunk(EVIL, True) +
        b"RSET\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<alice@example.org>\r\n" +
        chunk(b"good\r\n", True),
        "250 2.1.0 | 550 5.1.1 | 554 5.5.1 | 554 5.5.1 | 250 2.0.0 | "
        "250 2.1.0 | 250 2.1.5 | 250 2.0.0"))
    assert hop.taken[0].endswith(b"\r\ngood\r\n") and len(hop.taken) == 1


# ---- in company with other commands

@pytest.mark.parametrize("command, want, after", [
    (b"NOOP\r\n", "250 2.0.0", "250 2.0.0"),
    (b"VRFY x\r\n", "252", "250 2.0.0"), (b"HELP\r\n", "214", "250 2.0.0"),
    (b"BLAH\r\n", "500 5.5.2", "250 2.0.0"),
    (b"DATA\r\n", "503 5.5.1", "250 2.0.0"),
    (b"MAIL FROM:<a@b.example>\r\n", "503 5.5.1", "250 2.0.0"),
    (b"RCPT TO:<bob@example.org>\r\n", "503 5.5.1", "250 2.0.0"),
    (b"RSET\r\n", "250 2.0.0", "503 5.5.1"),
    (b"EHLO x.example\r\n", "250", "503 5.5.1"),
    (b"HELO x.example\r\n", "250", "503 5.5.1")])
def test_commands_between_chunks(gateway, hop, command, want, after):
    hop.play()
    gateway.play(*RCPT, (chunk(b"one\r\n"), "250 2.0.0"), (command, want),
                 (chunk(b"two\r\n", True), after),
                 (b"DATA\r\n", "503 5.5.1"))
    if after[0] == "2":
        assert taken(hop) == b"one\r\ntwo\r\n"
    else:
        assert not hop.taken and not hop.unsure and not hop.said("DATA")


def test_after_rset_nothing_of_the_first_message_is_left(gateway, hop):
    hop.play()
    gateway.play(*RCPT, (chunk(b"SECRET\r\n" * 20000), "552 5.3.4"),
                 *RCPT[1:], (chunk(b"SECRET\r\n" * 8000), "250 2.0.0"),
                 (b"RSET\r\n", "250"), *RCPT[1:],
                 (chunk(b"plain\r\n", True), "250 2.0.0"))
    (message,) = hop.taken
    assert b"SECRET" not in message and message.endswith(b"plain\r\n")
    gateway.play(*RCPT, (chunk(b"SECRET\r\n"), "250 2.0.0"),
                 (b"RSET\r\n", "250"), *RCPT[1:], (b"DATA\r\n", "354"),
                 (b"plain\r\n.\r\n", "250 2.0.0"))
    assert b"SECRET" not in hop.taken[1]


def test_data_and_chunks_take_turns(gateway, hop):
    hop.play()
    gateway.play(*RCPT, (chunk(b"one", True), "250 2.0.0"), *DATA[1:],
                 (b"two\r\n.\r\n", "250 2.0.0"), *RCPT[1:],
                 (chunk(b"th") + chunk(b"ree", True), "250 2.0.0 | 250 2.0.0"))
    assert [m.split(b"\r\n")[-2] for m in hop.taken] == \
        [b"one", b"two", b"three"]


def test_quit_and_loss_between_chunks(gateway, hop):
    hop.play()
    with gateway.open() as c:
        c.steps(*RCPT, (chunk(b"one\r\n"), "250 2.0.0"))
        c.in_step()
    for part in (b"BDAT 10", b"BDAT 10 LAST\r\n", b"BDAT 10 LAST\r\n123456789"):
        with gateway.open("127.0.0.5") as c:
            c.steps(*RCPT, (part, ""))
    gateway.wait_event("session", client="127.0.0.5", end="lost-data")
    gateway.wait_event("session", client="127.0.0.5", end="lost")
    gateway.play(*HELLO)
    assert not hop.taken and not hop.unsure and not hop.said("DATA")


# ---- what is wrong with a message

@pytest.mark.parametrize("chunks, want", [
    ([b"x" * 78 + b"\r\n"] * 2000, 552),
    ([b"x" * (BYTES - 2) + b"\r\n", b""], 250),
    ([b"x" * (BYTES - 2) + b"\r\n", b"y"], 552),
    ([b"x" * (BYTES + 1)], 552), ([b"x" * (BYTES - 2)], 250),
    ([b"\n" * (BYTES // 2)], 250), ([b"\n" * (BYTES // 2 + 1)], 552),
    ([b"x" * 200001], 552),
    ([b"a\0b\r\n"], "550 5.6.0"), ([b"Received: x\n" * 101], "554 5.4.6"),
    ([b"Received: x\r\n" * 50, b"Received: x\r\n" * 51, b""], "554 5.4.6"),
], ids=lambda v: repr(v)[:30])
def test_a_bad_message_is_told_with_the_chunk_that_shows_it(
        gateway, hop, chunks, want):
    """Chunks behind it are read, and the session goes on."""
    hop.play()
    want = str(want)
    with gateway.open() as c:
        c.steps(*RCPT)
        for i, octets in enumerate(chunks):
            c.send(chunk(octets, i == len(chunks) - 1))
            reply = c.reply()
            if reply[0] != "2":
                assert reply.startswith(want + " ")
                c.steps((chunk(EVIL), "503 5.5.1"),
                        (chunk(EVIL, True), "503 5.5.1"))
                break
        assert (reply[0] == "2") == (want[0] == "2")
        c.steps(*RCPT[1:], (chunk(b"good", True), "250 2.0.0"))
        c.in_step()
    assert len(hop.taken) == 1 + (want[0] == "2") and not hop.unsure


def test_bare_line_ends_in_chunks_can_be_refused(strict, hop):
    for content in (b"a\nb\r\n", b"a\rb\r\n", b"a\r", b"a\n", b"a\r\r\n"):
        hop.play()
        strict.play(*RCPT, (chunk(content, True), "550 5.6.11"))
        strict.play(*RCPT, (chunk(content), "250 2.0.0"),
                    (chunk(b"", True), "550 5.6.11"))
        assert not hop.said("DATA")
    assert deliver(strict, hop, b"a\r", b"\n.b") == b"a\r\n..b\r\n"


def test_empty_chunks_for_ever_end(gateway):
    with gateway.open() as c:
        c.steps(*RCPT)
        c.send(b"BDAT 0\r\n" * 200)
        c.expect(" | ".join(["250 2.0.0"] * 50 + ["421 4.7.0", "closed"]))


def test_silence_within_a_chunk_ends_it():
    with serving(POOL, "timeouts { data_secs = 1 }") as g:
        with g.open() as c:
            begun = time.monotonic()
            c.steps(*RCPT, (b"BDAT 10\r\n1234", "421 4.4.2 | closed"))
            assert time.monotonic() - begun < 3
        g.wait_event("session", end="timeout-data")


def test_a_client_that_was_banned_gains_nothing():
    with serving(POOL, lists={"banned": "127.0.0.9\n"}) as g:
        with RawClient(g.port, "127.0.0.9") as c:
            c.expect("554 5.7.1")
            c.steps((b"BDAT 3 LAST\r\n", "503 5.5.1"))
            c.in_step()


# ---- any split

DIALOGUES = [
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n" +
    chunk(b"a\r\n.\r\nQUIT\r\n") + b"NOOP\r\nDATA\r\n" + chunk(b"\r", True) +
    b"QUIT\r\n",
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.org>\r\n" + chunk(EVIL) +
    chunk(EVIL, True) + b"QUIT\r\n",
    b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.org>\r\n" +
    chunk(b"a\0") + chunk(b"b", True) + b"BDAT x\r\nQUIT\r\n",
]


@pytest.mark.parametrize("octets", DIALOGUES, ids=["good", "skip", "bad"])
def test_any_split_gets_the_same_replies(gateway, octets):
    from test_raw_strict import replies
    whole = replies(gateway, [octets])
    assert len(whole) > 6
    for n in (1, 2, 3, 5, 11, 40):
        pieces = [octets[i:i + n] for i in range(0, len(octets), n)]
        assert replies(gateway, pieces) == whole
    for at in range(1, len(octets), 3):
        with contextlib.suppress(BrokenPipeError):
            assert replies(gateway, [octets[:at], octets[at:]]) == whole
