"""Every way of smuggling, against a raw sink that is taken in by all of them.

It ends a message at a dot between any two of CR and LF, and keeps what it
hears. It must hear one message for each that was accepted, none for one that
was refused, and never a CR or an LF that is not of a CRLF.
"""

import itertools
import re
import socket

import pytest

from conftest import wait_until
from raw import DATA, RCPT, serving
from sloppy import Sloppy
from test_raw_bdat import chunk
from test_raw_framing import BREAKS, PAIRS, SMUGGLED, verdict
from tls import open_tls, pair, section

POOL = "workers { min = 4  max = 8  spare = 2 }"
MORE = "limits { per_client = 0  errors = 1000  idle_commands = 1000 }"
EDGES = [998, 1000, 1022, 1023, 1024, 2046, 2047, 2048, 4095, 4096, 8190, 8191,
         8192, 8193, 16383, 16384, 65535, 65536, 131071, 131072]
FALSE_ENDS = {f"{a}.{b}": BREAKS[a] + b"." + BREAKS[b]
              for a, b in PAIRS if (a, b) not in
              (("CRLF", "CRLF"), ("CRCRLF", "CRLF"))}
# With other octets around the dot, which some take for nothing or for ends.
FALSE_ENDS |= {repr(octets): octets for octets in (
    b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\0\n.\n\0", b"\r\0\n.\r\0\n",
    b"\r\n. \r\n", b"\r\n .\r\n", b"\r\n.\t\r\n", b"\r\n..\r\n", b"\n..\n",
    b"\r..\r", b"\n..\r\n", b"\r\n..\n", b"\r\n.\r.\r\n.x\r\n", b"\n\n.\n\n",
    b"\r\n.\x85\r\n", b"\x85.\x85", b"\x0b.\x0b", b"\x0c.\x0c",
    b"\xe2\x80\xa8.\xe2\x80\xa8", b"\r\n\xff.\r\n", b"\r\n.\x1a\r\n",
    b"\r\n\b.\r\n")}


def reply_to(data, gateway):
    """By the book and the settings, to data that hold one whole message."""
    message, _, reply = verdict(data)
    if gateway.settings["bare_line_ends"] == '"normalise"':
        reply = "250 2.0.0"
    return "550 5.6.0" if b"\0" in message and reply[0] == "2" else reply


@pytest.fixture(scope="module")
def sink():
    s = Sloppy()
    yield s
    s.close()


@pytest.fixture(scope="module", params=["refuse", "normalise"])
def gateway(request, sink):
    with serving(POOL, MORE, section(pair("usual")),
                 bare_line_ends=f'"{request.param}"',
                 lists={"routes": f"* smtp:127.0.0.1:{sink.port}\n"}) as g:
        yield g


def test_the_sink_is_taken_in(sink):
    """Else the tests below would prove nothing."""
    for octets in BREAKS.values():
        sink.clear()
        with socket.create_connection(("127.0.0.1", sink.port), 10) as s:
            s.sendall(b"DATA\r\nx" + octets + b"." + octets +
                      b"MAIL FROM:<evil@b.example>" + octets + b"x")
            wait_until(lambda: len(sink.commands) > 1 and sink.messages)
        assert sink.messages[0].startswith(b"x")
        assert b"MAIL FROM:<evil@b.example>" in sink.commands


def heard(sink, accepted):
    """Exactly this much, whole; the transcript is the proof."""
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", sink.wire), sink.wire
    assert len(sink.messages) == accepted
    # A QUIT may be that of the session before, or be yet to come.
    lines = [line for line in sink.commands if line != b"QUIT"]
    usual = [b"EHLO", b"MAIL", b"RCPT"]
    assert [line[:4] for line in lines] == \
        (usual + [b"DATA"] if accepted else usual), lines
    assert lines[1].startswith(b"MAIL FROM:<s@client.example>")
    assert sink.wire.count(b"\r\n.\r\n") == accepted


def by_data(gateway, sink, data):
    """Octets that hold one message by the book; what came of them."""
    assert verdict(data)[1] == b""
    reply = reply_to(data, gateway)
    sink.clear()
    gateway.play(*DATA, (data, reply))
    heard(sink, reply[0] == "2")


CASES = list(itertools.product(FALSE_ENDS, ("CRLF", "CR", "LF")))


def attempt(name, end):
    evil = SMUGGLED.replace(b"%(e)s", BREAKS[end])
    return b"Subject: x\r\n\r\nbody" + FALSE_ENDS[name] + evil


@pytest.mark.parametrize("name, end", CASES)
def test_by_data(gateway, sink, name, end):
    by_data(gateway, sink, attempt(name, end) + b"\r\n.\r\n")


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_in_the_header(gateway, sink, name):
    """Also where fields are looked at, and some held back."""
    evil = attempt(name, "CRLF")
    for head in (b"", b"Authentication-Results:",
                 b"Authentication-Results: gw.example.org; x"):
        by_data(gateway, sink, head + evil[18:] + b"\r\n.\r\n")


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_by_bdat(gateway, sink, name):
    """In a chunk, and with the border of chunks within the false end."""
    data = attempt(name, "LF")
    at = data.index(FALSE_ENDS[name])
    nul = b"\0" in data
    for cut in (len(data), at + 1, at + 2, len(data) - 1):
        sink.clear()
        pieces = [data[:cut], data[cut:] + b"\r\n.\r\n"]
        early = nul and b"\0" in pieces[0]
        gateway.play(*RCPT, (
            chunk(pieces[0]) + chunk(pieces[1], True),
            "550 5.6.0 | 503 5.5.1" if early else
            "250 2.0.0 | 550 5.6.0" if nul else "250 2.0.0 | 250 2.0.0"))
        heard(sink, not nul)


@pytest.mark.parametrize("name", FALSE_ENDS)
def test_in_tls(gateway, sink, name):
    c = open_tls(gateway)
    message = attempt(name, "CRLF") + b"\r\n.\r\n"
    reply = reply_to(message, gateway)
    sink.clear()
    c.steps(*DATA[1:], (message, reply))
    c.in_step()
    c.close()
    heard(sink, reply[0] == "2")


@pytest.mark.parametrize("size", EDGES)
def test_a_dot_at_the_edge_of_a_buffer(gateway, sink, size):
    """A line that is cut there must not leave a line that is a dot."""
    evil = SMUGGLED.replace(b"%(e)s", b"\r\n")
    for lead, tail in ((b"\r\n", b".\r\n"), (b"X: ", b".\r\n"),
                       (b"\r\n", b"\n.\r\n"), (b"\r\n", b"\r.\r\n"),
                       (b"\r\n", b"\r\n.\n")):
        by_data(gateway, sink, lead + b"y" * (size - len(lead)) + tail +
                evil + b"\r\n.\r\n")


@pytest.mark.parametrize("octets", [b".", b".\r\n", b"\r\n.\r\n", b".\r\n.\r\n",
                                    b"\n.\n", b"\r.\r"])
def test_chunks_that_are_nothing_else(gateway, sink, octets):
    for pieces in ([octets], [octets, b""], [b"", octets], [octets, octets],
                   [octets[i:i + 1] for i in range(len(octets))]):
        sink.clear()
        gateway.play(*RCPT, (
            b"".join(chunk(p, i == len(pieces) - 1)
                     for i, p in enumerate(pieces)),
            " | ".join(["250 2.0.0"] * len(pieces))))
        heard(sink, 1)
