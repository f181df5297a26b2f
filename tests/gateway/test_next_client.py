"""Nothing of a session is there in the next one on the same worker.

There is one worker. One client has all that there is to have, stands
anywhere, and goes in any way; the next is a stranger who must find what
strangers find.
"""

import socket
import ssl
import struct

import pytest

from conftest import wait_until
from proc import busy_workers
from raw import START, RawClient, serving
from test_raw_bdat import chunk
from test_tls_hostile import client_hello
from tls import context, greeted, open_tls, pair, section

RELAY, STRANGER, BANNED = "127.0.0.9", "127.0.0.10", "127.0.0.8"
EARLY = "127.0.0.7"

HELLO = [(b"EHLO relay.example\r\n", "250")]
MAIL = HELLO + [(b"MAIL FROM:<boss@relay.example> SIZE=1000 BODY=8BITMIME"
                 b"\r\n", "250")]
RCPT = MAIL + [(b"RCPT TO:<x@foreign.example>\r\n", "250 2.1.5"),
               (b"RCPT TO:<alice@example.org>\r\n", "250 2.1.5")]
DATA = RCPT + [(b"DATA\r\n", "354")]
SECRET = b"Authentication-Results: gw.example.org; SECRET\r\nX: SECRET\r\n"

STATES = {
    "greeted": START, "helo": HELLO, "mail": MAIL, "rcpt": RCPT,
    "half a command": RCPT + [(b"RCPT TO:<x@fore", "")],
    "data": DATA,
    "header": DATA + [(SECRET + b"Authentication-Res", "")],
    "body": DATA + [(SECRET + b"\r\n.\r", "")],
    "much data": DATA + [(SECRET + b"\r\n" + b"SECRET\r\n" * 40000, "")],
    "refused message": DATA + [(SECRET + b"\0\r\n.\r\n", "550 5.6.0")],
    "handed over": DATA[:-2] + [(b"RCPT TO:<x@foreign.example>\r\n", "250"),
                                (b"DATA\r\n", "354"),
                                (SECRET + b"\r\n.\r\n", "250 2.0.0"),
                                (b"MAIL FROM:<boss@relay.example>\r\n", "250")],
    "chunk": RCPT + [(b"BDAT 900000\r\n" + SECRET * 50, "")],
    "between chunks": RCPT + [(chunk(SECRET), "250 2.0.0")],
    "errors": HELLO + [(b"BLAH\r\n" * 9, " | ".join(["500 5.5.2"] * 9))],
}
LISTS = {"relay": f"{RELAY}\n", "banned": f"{BANNED} reject\n"}


@pytest.fixture(scope="module")
def gateway():
    with serving(section(pair("usual")),
                 "workers { min = 1  max = 1  spare = 1 }",
                 "limits { per_client = 0  errors = 9  slow_ms = 0 }",
                 'test "early_talker" { mode = "on"  greet_pause = 20 }',
                 lists=LISTS) as g:
        yield g


def close(client):
    client.close()


def reset(client):
    """Whatever TLS has wrapped around the socket."""
    sock = client.sock
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def half_close(client):
    """No more comes, and the gateway is the one who ends it."""
    try:
        client.sock.shutdown(socket.SHUT_WR)
        while client.sock.recv(65536):
            pass
    except (OSError, ssl.SSLError):
        pass
    client.close()


def find_nothing(gateway, seen):
    """The stranger: what is asked, and what is told of it afterwards."""
    before = gateway.files()
    with greeted(gateway, STRANGER) as c:
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "503 5.5.1"),
                (b"RCPT TO:<x@foreign.example>\r\n", "503 5.5.1"),
                (b"DATA\r\n", "503 5.5.1"), (b"BDAT 0 LAST\r\n", "503 5.5.1"))
        assert "250-STARTTLS\n" in c.say("EHLO client.example")
        c.steps((b"RCPT TO:<x@foreign.example>\r\n", "503 5.5.1"),
                (b"MAIL FROM:<s@client.example>\r\n", "250 2.1.0"),
                (b"DATA\r\n", "554 5.5.1"),
                (b"RCPT TO:<x@foreign.example>\r\n", "550 5.7.1"),
                (b"RCPT TO:<bob@example.org>\r\n", "250 2.1.5"),
                (b"DATA\r\n", "354"),
                (b"Subject: plain\r\n\r\nx\r\n.\r\n", "250 2.0.0"))
        c.in_step()
    (mail,) = gateway.new_mails(before)
    assert mail.startswith(b"Return-Path: <s@client.example>\n"
                           b"Received: from client.example ([127.0.0.10])\n")
    assert mail.endswith(b"\nSubject: plain\n\nx\n")
    assert b"SECRET" not in mail and b"relay.example" not in mail
    assert b"TLS" not in mail and mail.count(b"\n\t") == 3
    gateway.wait_for_more("session", seen, client=STRANGER)
    line = gateway.events("session", client=STRANGER)[-1]
    assert " tls=" not in line and " helo=client.example " in line
    assert " messages=1 refusals=1 errors=7 end=quit " in line, line
    line = gateway.events("message", client=STRANGER)[-1]
    assert " size=21 " in line and " removed=" not in line, line


def stranger(gateway):
    find_nothing(gateway, len(gateway.events("session", client=STRANGER)))


@pytest.mark.parametrize("leave", [close, reset, half_close])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("state", STATES)
def test_after_a_relay_client(gateway, state, tls, leave):
    c = open_tls(gateway, RELAY) if tls else greeted(gateway, RELAY)
    c.steps(*STATES[state])
    leave(c)
    stranger(gateway)
    assert not gateway.tmp_left()


@pytest.mark.parametrize("leave", [close, reset])
@pytest.mark.parametrize("part", [0, 30, 10000])
def test_after_half_a_handshake(gateway, part, leave):
    c = greeted(gateway, RELAY)
    c.steps(*RCPT, (b"STARTTLS\r\n", "220"), (client_hello()[:part], ""))
    leave(c)
    stranger(gateway)


def test_after_one_who_was_refused_at_the_greeting(gateway):
    for source, octets in ((BANNED, b""), (EARLY, b"EHLO early.example\r\n")):
        for leave in (close, reset):
            with RawClient(gateway.port, source) as c:
                c.send(octets)
                c.expect("554")
                leave(c)
            stranger(gateway)


def test_after_a_stranger_no_less_for_the_relay_client(gateway):
    """The other way round: what was refused to one is not to the next."""
    for before in ([(b"BLAH\r\n" * 10, " | ".join(["500"] * 10 + ["421"]))],
                   [(b"EHLO x\r\n", "250"), (b"MAIL FROM:<a@b.c>\r\n", "250"),
                    (b"RCPT TO:<x@foreign.example>\r\n", "550 5.7.1")]):
        c = greeted(gateway, STRANGER)
        c.steps(*before)
        c.close()
        with greeted(gateway, RELAY) as c:
            c.steps(*RCPT)
            c.in_step()


def test_a_client_certificate_or_session_grants_nothing(gateway):
    """A stranger resumes the TLS session of a relay client."""
    ctx = context()
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2
    with open_tls(gateway, RELAY, ctx=ctx) as c:
        c.steps(*RCPT)
        session = c.sock.session
    with open_tls(gateway, STRANGER, ctx=ctx, session=session) as c:
        assert c.sock.session_reused
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
                (b"RCPT TO:<x@foreign.example>\r\n", "550 5.7.1"))
        c.in_step()


def test_it_was_one_worker_all_the_time(gateway):
    """Else the tests above would prove nothing."""
    wait_until(lambda: not busy_workers(gateway), what="idleness")
    (pid,) = gateway.workers()
    lines = gateway.events("session")
    assert len(lines) > 100
    assert all(f"lictord[{pid}]" in line for line in lines)
