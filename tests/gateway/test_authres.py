"""Results of tests that bear our name are ours alone.

One that a sender wrote would be believed behind the gateway: a forged letter
with the mark of a good one. What other hosts say passes octet for octet.
"""

import re

import pytest

from hop import Hop
from raw import MAIL, serving
from test_raw_bdat import chunk

HOST = b"gw.example.org"
OURS = b"Authentication-Results: " + HOST + b"; spf=pass\r\n"
OTHER = b"Authentication-Results: mx.example.net;\r\n spf=pass (" + HOST + \
    b")\r\n"
MESSAGE = (
    OURS + b"Subject: x\r\n" + OTHER +
    b"authentication-RESULTS :\r\n\t(a (b\\)) c)\r\n GW.example.ORG 1;\r\n"
    b" dkim=pass\r\n\tspf=pass\r\n"
    b"ARC-" + OURS + b"X-" + OURS +
    b"Authentication-Results: \"gw\\.example.org\";\r\n spf=pass\r\n" + OTHER +
    b"Authentication-Results: (mx.example.net; spf=pass\r\n"
    b"Authentication-Results:" + b" (x)" * 500 + b" mx.example.net\r\n"
    b"Content-Type: message/rfc822\r\n\r\n" + OURS + OTHER +
    b"Subject: within\r\n\r\n.\xe4 line\r\n" + OURS)
LEFT = (
    b"Subject: x\r\n" + OTHER + b"ARC-" + OURS + b"X-" + OURS + OTHER +
    b"Content-Type: message/rfc822\r\n\r\n" + OURS + OTHER +
    b"Subject: within\r\n\r\n.\xe4 line\r\n" + OURS)
REMOVED = 5
BOX = MAIL + [(b"RCPT TO:<bob@example.org>\r\n", "250 2.1.5")]
HOP = MAIL + [(b"RCPT TO:<alice@example.org>\r\n", "250 2.1.5")]


@pytest.fixture(scope="module")
def hop():
    h = Hop()
    yield h
    h.close()


@pytest.fixture(scope="module", params=["refuse", "normalise"])
def gateway(request, hop):
    with serving("workers { min = 2  max = 4  spare = 1 }",
                 bare_line_ends=f'"{request.param}"', lists={
                     "routes": f"alice@example.org smtp:127.0.0.1:{hop.port}\n"
                     "* maildir:{mail}/all\n"}) as g:
        yield g


def stuffed(message):
    return re.sub(rb"(?m)^\.", b"..", message)


def by_data(message, cut):
    octets = stuffed(message) + b".\r\n"
    steps = [(b"DATA\r\n", "354")]
    steps += [(octets[i:i + cut], "") for i in range(0, len(octets), cut)]
    return steps[:-1] + [(steps[-1][0], "250 2.0.0")]


def by_bdat(message, cut):
    pieces = [message[i:i + cut] for i in range(0, len(message), cut)]
    return [(chunk(piece, i == len(pieces) - 1), "250 2.0.0")
            for i, piece in enumerate(pieces)]


def trace(text):
    """The text without the header fields that are the gateway's."""
    own = rb"(?:Return-Path: [^\n]*\n)?Received: [^\n]*\n(?:\t[^\n]*\n)+"
    match = re.match(own, text)
    assert match, text
    return text[match.end():]


@pytest.mark.parametrize("cut", [1, 7, 100, 100000])
@pytest.mark.parametrize("way", [by_data, by_bdat])
def test_what_bears_our_name_is_left_out(gateway, hop, way, cut):
    hop.play()
    gateway.play(*HOP, *way(MESSAGE, cut))
    assert trace(hop.taken[0]) == stuffed(LEFT)
    before = gateway.files()
    gateway.play(*BOX, *way(MESSAGE, cut))
    (mail,) = gateway.new_mails(before)
    assert trace(mail) == LEFT.replace(b"\r\n", b"\n")


def test_the_log_tells_how_many(gateway, hop):
    (*_, reply) = gateway.play(*BOX, *by_data(MESSAGE, 100000))
    line = gateway.wait_event("message", ref=reply.split("ref ")[1])
    assert f" removed={REMOVED} " in line
    (*_, reply) = gateway.play(*BOX, *by_data(LEFT, 100000))
    line = gateway.wait_event("message", ref=reply.split("ref ")[1])
    assert "removed=" not in line


def test_a_large_message_is_whole(gateway, hop):
    """More than memory holds of it, and many fields of ours."""
    body = b"".join(b"%07d %s\r\n" % (i, b"x" * 60) for i in range(9000))
    head = b"".join(b"X-%d: y\r\n" % i + OURS for i in range(400))
    left = head.replace(OURS, b"") + b"\r\n" + OURS + body
    for way in (by_data, by_bdat):
        hop.play()
        gateway.play(*HOP, *way(head + b"\r\n" + OURS + body, 50000))
        assert trace(hop.taken[0]) == left


def test_nothing_but_ours(gateway, hop):
    for way in (by_data, by_bdat):
        for message, left in ((OURS, b""), (OURS * 3 + b"\r\n", b"\r\n"),
                              (OURS + b"\r\n" + OURS, b"\r\n" + OURS)):
            hop.play()
            gateway.play(*HOP, *way(message, 100000))
            assert trace(hop.taken[0]) == left


def test_an_unfinished_one_is_not_the_next_message_s(gateway, hop):
    """A session goes on behind a message that ended in the middle of one."""
    gateway.play(
        *HOP, (chunk(b"Authentication-Results: (gw"), "250"),
        (b"RSET\r\n", "250"), *HOP[1:], (chunk(b"Authent"), "250"),
        (chunk(b"icated: x", True), "250"))
    assert trace(hop.taken[-1]) == b"Authenticated: x\r\n"


def test_a_dot_that_is_stuffed_hides_nothing(gateway, hop):
    hop.play()
    gateway.play(*HOP, (b"DATA\r\n", "354"),
                 (b"." + OURS + b"Authentication-Results:\r\n. " + HOST +
                  b"\r\n.\tx\r\nSubject: x\r\n\r\n." + OURS + b".\r\n", "250"))
    text = trace(hop.taken[0]).replace(b"\r\n.A", b"\r\nA")
    assert text == b"Subject: x\r\n\r\n" + OURS
