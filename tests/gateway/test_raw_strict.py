"""Bare line ends mended or refused, other protocols, long lines, any split.

What is mended is proved by what the next hop received: one message, whole line
ends, and no command that was not ours.
"""

import random
import re
import time

import pytest

from hop import Hop
from raw import DATA, HELLO, RCPT, RawClient, serving
from test_raw_framing import BREAKS, IMPORTANT, PAIRS, REAL, SMUGGLED, verdict

POOL = "workers { min = 4  max = 8  spare = 2 }"
MORE = "limits { errors = 1000  idle_commands = 1000  line_bytes = 2000 }"


@pytest.fixture(scope="module")
def hop():
    h = Hop()
    yield h
    h.close()


@pytest.fixture(scope="module")
def gateway(hop):
    routes = f"* smtp:127.0.0.1:{hop.port}\n"
    with serving(POOL, MORE, lists={"routes": routes},
                 bare_line_ends='"normalise"') as g:
        yield g


@pytest.fixture(scope="module")
def strict(hop):
    """As it comes, but for one network."""
    routes = f"* smtp:127.0.0.1:{hop.port}\n"
    with serving(POOL, MORE, lists={"routes": routes},
                 normalise_from='{"127.0.0.8/31", "192.0.2.0/24"}') as g:
        yield g


def mended(message):
    """The message by the book, as it must go over the wire."""
    text = re.sub(rb"(\A|\r\n)\.", rb"\1", message)
    text = re.sub(rb"\r*\n|\r+", b"\r\n", text)
    return re.sub(rb"(?m)^\.", b"..", text)


def deliver(gateway, hop, data, pieces=None, source=None):
    """DATA; the one message that the hop took, behind our Received field."""
    hop.play()
    with gateway.open(source) as c:
        c.steps(*DATA)
        for piece in pieces or [data]:
            c.send(piece)
            if pieces:
                time.sleep(0.001)
        c.expect("250 2.0.0")
        c.in_step()
    (taken,) = hop.taken
    assert not hop.unsure
    # A QUIT may be that of the session before, or be yet to come.
    assert [line.split()[0] for _, line in hop.lines if line != "QUIT"] == \
        ["EHLO", "MAIL", "RCPT", "DATA"]
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", taken), taken
    head, text = re.fullmatch(rb"(?s)(Received: [^\r]*\r\n(?:\t[^\r]*\r\n)+)"
                              rb"(.*)", taken).groups()
    return text


@pytest.mark.parametrize("lead, trail", PAIRS)
@pytest.mark.parametrize("end", ["CRLF", "CR", "LF"])
def test_what_was_smuggled_arrives_as_text(gateway, hop, lead, trail, end):
    """One message, in which the false end and all behind it is text."""
    evil = SMUGGLED.replace(b"%(e)s", BREAKS[end])
    data = b"Subject: x\r\n\r\nbody" + BREAKS[lead] + b"." + BREAKS[trail]
    if (lead, trail) not in REAL:
        data += evil + b"\r\n.\r\n"
    message, rest, _ = verdict(data)
    assert rest == b""
    text = deliver(gateway, hop, data)
    assert text == mended(message)
    assert (b"\r\nMAIL FROM:<evil@b.example>" in text) == \
        ((lead, trail) not in REAL)


@pytest.mark.parametrize("data", IMPORTANT, ids=lambda v: repr(v)[:40])
def test_a_cut_changes_nothing_in_what_is_mended(gateway, hop, data):
    message, _, _ = verdict(data)
    assert deliver(gateway, hop, data) == mended(message)
    for at in range(1, len(data), 3):
        assert deliver(gateway, hop, data, [data[:at], data[at:]]) == \
            mended(message)


@pytest.mark.parametrize("size", [8190, 8191, 8192, 8193, 65535, 65536, 200000])
def test_a_large_message_is_mended(gateway, hop, size):
    """Line ends across the pieces in which it is worked on, and the spool."""
    rng = random.Random(size)
    data = b"s: x\r\n\r\n"
    while len(data) < size:
        data += rng.choice([b"\n.", b"\r.", b"\r\n..", b"\r\r\n", b"\n\n"]) + \
            b"x" * rng.randrange(60)
    data = data[:size].rstrip(b"\r\n.") + b"\r\n.\r\n"
    assert deliver(gateway, hop, data) == mended(data[:-3])


def test_header_fields_are_seen_as_the_next_hop_sees_them(gateway, hop):
    """A loop does not hide behind bare line ends."""
    gateway.play(*DATA, (b"Received: x\n" * 101 + b"\n.\r\n.\r\n",
                         "554 5.4.6"))
    deliver(gateway, hop, b"Message-ID: <1@x>\nMessage-ID: <2@x>\r\n\r\n.\r\n")
    gateway.wait_event("message", message_id="<1@x>", mended="bare-lf")


def test_nul_is_never_mended(gateway):
    gateway.play(*DATA, (b"a\nb\0\r\n.\r\n", "550 5.6.0"))


def test_the_log_tells_what_was_mended(gateway, hop):
    deliver(gateway, hop, b"a\rb\nc\r\n.\r\n", source="127.0.0.5")
    gateway.wait_event("message", client="127.0.0.5",
                       mended="bare-lf,bare-cr")
    deliver(gateway, hop, b"a\r\n.\r\n", source="127.0.0.6")
    line = gateway.wait_event("message", client="127.0.0.6")
    assert "mended=" not in line


def test_one_network_may_what_others_may_not(strict, hop):
    for source in ("127.0.0.8", "127.0.0.9"):
        assert deliver(strict, hop, b"a\nb\r\n.\r\n", source=source) == \
            b"a\r\nb\r\n"
    hop.play()
    strict.play(*DATA, (b"a\nb\r\n.\r\n", "550 5.6.11"), source="127.0.0.7")
    strict.play(*DATA, (b"a\nb\r\n.\r\n", "550 5.6.11"), source="127.0.0.10")
    assert not hop.taken and not hop.unsure


@pytest.mark.parametrize("lead, trail", PAIRS)
def test_what_is_refused_never_reaches_the_next_hop(strict, hop, lead, trail):
    """The transcript at the hop: asked for the recipient, and no more."""
    hop.play()
    data = b"body" + BREAKS[lead] + b"." + BREAKS[trail]
    if (lead, trail) not in REAL:
        data += b"RSET\r\n\r\n.\r\n"
    strict.play(*DATA, (data, verdict(data)[2]))
    good = (lead, trail) == ("CRLF", "CRLF")
    assert len(hop.taken) == good and not hop.unsure
    assert bool(hop.said("DATA")) == good


# ---- long lines

@pytest.mark.parametrize("length, want", [
    (998, "250 2.0.0"), (1000, "250 2.0.0"), (1999, "250 2.0.0"),
    (2000, "250 2.0.0"), (2001, "554 5.6.0"), (70000, "554 5.6.0")])
@pytest.mark.parametrize("lead", [b"", b"s: x\r\n\r\n", b"s: x\r\n\r\n."])
def test_a_long_line(strict, gateway, hop, length, want, lead):
    for g in (strict, gateway):
        hop.play()
        data = lead + b"y" * length + b"\r\nz\r\n.\r\n"
        g.play(*DATA, (data, want))
        if want[0] == "2":
            assert hop.taken[0].endswith(b"y" * length + b"\r\nz\r\n")


def test_a_line_that_is_mended_into_short_ones(gateway, hop):
    data = (b"y" * 1500 + b"\n") * 4 + b"\r\n.\r\n"
    assert deliver(gateway, hop, data) == (b"y" * 1500 + b"\r\n") * 4 + b"\r\n"


# ---- other protocols

TEXTS = [b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"HEAD / HTTP/1.0\r\n",
         b"PUT / HTTP/1.1\r\n", b"DELETE /x\r\n", b"OPTIONS * HTTP/1.1\r\n",
         b"CONNECT 127.0.0.1:25 HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n",
         b"OPTIONS sip:nm SIP/2.0\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n",
         b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n", b"POST /\0\xff\r\n"]
BEHIND = (b"Host: x\r\n\r\nEHLO x.example\r\nMAIL FROM:<a@b.example>\r\n"
          b"RCPT TO:<alice@example.org>\r\nDATA\r\nevil\r\n.\r\nQUIT\r\n")


@pytest.mark.parametrize("line", TEXTS, ids=lambda v: repr(v)[:24])
@pytest.mark.parametrize("lead", [[], HELLO, RCPT], ids=["", "helo", "rcpt"])
def test_a_request_of_another_protocol_ends_it_at_once(
        strict, hop, line, lead):
    """One reply, and what stands behind it is never read as commands."""
    hop.play()
    for pieces in ([line + BEHIND], [line, BEHIND],
                   [line[:3], line[3:] + BEHIND]):
        with strict.open() as c:
            c.steps(*lead)
            for piece in pieces:
                try:
                    c.send(piece)
                except OSError:
                    break  # it was cut off in time
                time.sleep(0.001)
            c.expect("554 5.5.1 | closed")
    assert not hop.taken
    strict.wait_event("refuse", test="protocol")
    strict.wait_event("session", end="other-protocol")


@pytest.mark.parametrize("octets, reason", [
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls"),
    (b"\x16", "tls"),
    (b"\x04\x01\x00\x19\x7f\x00\x00\x01\x00", "socks"),
    (b"\x05\x01\x00", "socks"),
    (b"\x03\x00\x00\x13\x0e\xe0\x00\x00", "binary"),
    (b"\x80\x2e\x01\x00\x02", "binary"),
    (b"\0\0\0\x85\xffSMBr", "binary"),
    (b"\xff\xfb\x01", "binary"),
    (b"\x1b[2J", "binary"),
])
def test_what_is_no_text_is_cut_off_without_a_word(strict, octets, reason):
    """No line end ever comes: the first octet is enough."""
    before = len(strict.events("refuse", test="protocol", reason=reason))
    begun = time.monotonic()
    with strict.open() as c:
        c.send(octets)
        c.expect("closed")
    assert time.monotonic() - begun < 1
    strict.wait_for_more("refuse", before, test="protocol", reason=reason,
                         reply="drop")


def test_smtp_may_begin_with_an_empty_line(strict):
    for first in (b"\r\n", b"\n\r\n", b" \r\n", b"\tx\r\n"):
        strict.play((first, "500 5.5.2"), *HELLO)


# ---- the same octets in any segments are answered in the same way

MAIL_1 = (b"EHLO client.example\r\nMAIL FROM:<s@client.example> SIZE=99\r\n"
          b"RCPT TO:<alice@example.org>\r\nRCPT TO:<nobody@example.org>\r\n"
          b"DATA\r\n")
DIALOGUES = [
    MAIL_1 + b"Subject: x\r\n\r\n..body\r\n.\r\nQUIT\r\n",
    MAIL_1 + b"a\nb\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n",
    MAIL_1 + b"a\r\n.\r\r\nb\0\r\n.\r\n" + MAIL_1[22:] + b".\r\nQUIT\r\n",
    b"NOOP\r\nMAIL FROM:<>\r\nEHLO x\r\nMAIL FROM:<a@\r\nMAIL FROM:<>\r\n"
    b"DATA\r\nRCPT TO:<x@foreign.example>\r\nRSET x\r\nVRFY x\r\nQUIT\r\n",
    b"EHLO\r\nHELO x\r\n\r\n\n\r\n\r\r\nNOOP\nRSET\r\n\xff\r\nQUIT \r\n",
    b"EHLO x\r\n" + b"x" * 2046 + b"\r\n" + b"NOOP " + b"x" * 2041 + b"\r\n" +
    b"y" * 2047 + b"\rQUIT\r\nQUIT\r\n",
    b"HELO x\r\nMAIL FROM:<" + b"a" * 3000 + b"@x>\r\nHELP\r\nQUIT\r\nNOOP\r\n",
    b"EHLO x\r\nGET / HTTP/1.1\r\nQUIT\r\n",
    b"\x16\x03\x01EHLO x\r\nQUIT\r\n",
    b"EHLO x\r\nNOOP\r\nDATA\r\nQUIT\r\nEHLO y\r\n",
]


def replies(gateway, pieces):
    """All that is said, references and sizes of pauses left out."""
    with RawClient(gateway.port) as c:
        for piece in pieces:
            try:
                c.send(piece)
            except OSError:
                break  # the session is over
            if len(pieces) > 1:
                time.sleep(0.0004)
        said = []
        while (reply := c.reply()) is not None:
            said.append(re.sub(r"ref \w+(\.\d+)?", "ref", reply))
    return said


@pytest.mark.parametrize("octets", DIALOGUES, ids=lambda v: repr(v)[-30:])
@pytest.mark.parametrize("mode", ["refuse", "normalise"])
def test_any_split_gets_the_same_replies(request, octets, mode):
    g = request.getfixturevalue("strict" if mode == "refuse" else "gateway")
    whole = replies(g, [octets])
    assert len(whole) > 1 or octets[0] == 0x16
    rng = random.Random(len(octets))
    splits = [[octets[i:i + n] for i in range(0, len(octets), n)]
              for n in (3, 7, 50, 1000) if len(octets) / n < 400]
    if len(octets) < 400:
        splits.append([octets[i:i + 1] for i in range(len(octets))])
    for _ in range(30):
        at = sorted(rng.sample(range(1, len(octets)), 3))
        splits.append([octets[a:b] for a, b in
                       zip([0] + at, at + [len(octets)])])
    for pieces in splits:
        assert replies(g, pieces) == whole, pieces
