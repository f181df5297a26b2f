"""STARTTLS as it is met by people on the way, and by clients that mean ill.

Nothing that was said in the clear may be used in TLS, nothing in the clear
behind it, and nobody holds a worker longer than the deadlines say.
"""

import os
import socket
import ssl
import time

import pytest

from conftest import wait_until
from proc import cpu_seconds, status, title
from raw import serving, slowly
from tls import context, greeted, only, open_tls, pair, section

POOL = "workers { min = 2  max = 6  spare = 2 }"


@pytest.fixture(scope="module")
def gw():
    with serving(section(pair("usual")), POOL,
                 "limits { per_client = 0  errors = 1000 }",
                 "timeouts { command_secs = 20  data_secs = 20 }",
                 require_helo="false") as g:
        yield g


def client_hello(version=ssl.TLSVersion.TLSv1_3):
    """What a client says first."""
    out = ssl.MemoryBIO()
    ctx = only(version)
    tls = ctx.wrap_bio(ssl.MemoryBIO(), out)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


# ---------------------------------------------------------------- injection

INJECTED = {
    "a command": b"STARTTLS\r\nRSET\r\n",
    "several": b"STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<e@evil.example>\r\n",
    "a message": b"STARTTLS\r\nMAIL FROM:<e@evil.example>\r\n"
                 b"RCPT TO:<alice@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n"
                 b".\r\n",
    "an empty line": b"STARTTLS\r\n\r\n",
    "half a line": b"STARTTLS\r\nRS",
    "one octet": b"STARTTLS\r\n\n",
    "behind others": b"NOOP\r\nEHLO x.example\r\nSTARTTLS\r\nQUIT\r\n",
    "STARTTLS twice": b"STARTTLS\r\nSTARTTLS\r\n",
    "a ClientHello": b"STARTTLS\r\n" + client_hello(),
    "a NUL": b"STARTTLS\r\n\0",
    "much": b"STARTTLS\r\n" + b"NOOP\r\n" * 9000,
}


@pytest.mark.parametrize("octets", INJECTED.values(), ids=INJECTED)
def test_octets_behind_starttls(gw, octets):
    before = len(gw.events("session", end="tls"))
    with greeted(gw) as c:
        c.send(octets)
        replies = c.all_replies()
    at = octets.split(b"STARTTLS")[0].count(b"\r\n")
    assert [r[:3] for r in replies] == ["250"] * at + ["501"], replies
    gw.wait_for_more("session", before, end="tls")
    assert not any(b"evil" in m for m in gw.mails())


# What comes in a segment of its own, before or after the reply.
IN_CLEAR = {
    "RSET": b"RSET\r\n",
    "QUIT": b"QUIT\r\n",
    "a message": b"MAIL FROM:<e@evil.example>\r\n"
                 b"RCPT TO:<alice@example.org>\r\nDATA\r\n\r\n.\r\n",
    "HTTP": b"GET / HTTP/1.0\r\n\r\n",
    "SSLv2": bytes.fromhex("802e0100020015000000100100800200800300800400800500"
                           "80060040070060") + bytes(16),
    "zeros": bytes(100),
    "an alert": bytes.fromhex("15030300020228"),
    "application data": bytes.fromhex("1703030010") + bytes(16),
    "an empty record": bytes.fromhex("1603010000"),
    "a record too long": bytes.fromhex("160301ffff") + bytes(1000),
    "a message too long": bytes.fromhex("1603010004" "01ffffff"),
    "ServerHello": bytes.fromhex("160303002a02000026"),
}


@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
@pytest.mark.parametrize("octets", IN_CLEAR.values(), ids=IN_CLEAR)
def test_no_handshake(gw, octets, before):
    """Nothing but TLS is spoken behind 220, whenever it was sent."""
    had = len(gw.events("tls"))
    with greeted(gw) as c:
        c.send(b"EHLO client.example\r\n")
        c.expect("250")
        c.send(b"STARTTLS\r\n")
        if not before:
            c.expect("220")
        c.send(octets)
        c.sock.shutdown(socket.SHUT_WR)
        rest = c.buffer
        try:
            while data := c.sock.recv(65536):
                rest += data
        except ConnectionResetError:
            pass
    if before:
        assert rest[:4] in (b"220 ", b"501 "), rest
        rest = rest.split(b"\r\n", 1)[1]
    # TLS alerts at most; a reply would be in the clear.
    assert not rest or rest[0] == 0x15 and len(rest) <= 14, rest
    gw.wait_for_more("tls", had)
    gw.wait_event("session", end="tls")
    assert not any(b"evil" in m for m in gw.mails())


def test_failed_handshake_is_a_line(gw):
    with greeted(gw) as c:
        c.steps((b"EHLO who.example\r\n", "250"), (b"STARTTLS\r\n", "220"),
                (b"GET / HTTP/1.0\r\n\r\n", ""))
        c.sock.settimeout(10)
        with pytest.raises((ConnectionResetError, AssertionError)):
            c.reply()
            raise ConnectionResetError
    line = gw.wait_event("tls", helo="who.example", text='"http request"')
    assert " ref=" in line and " client=127.0.0.1 " in line and " ms=" in line
    ref = line.split(" ref=")[1].split()[0]
    end = gw.wait_event("session", ref=ref, end="tls")
    assert "tls=" not in end


def test_client_leaves_in_the_handshake(gw):
    hello = client_hello()
    for n in (0, 1, 5, len(hello) // 2, len(hello)):
        had = len(gw.events("tls"))
        with greeted(gw) as c:
            c.steps((b"STARTTLS\r\n", "220"), (hello[:n], ""))
            if n == len(hello):
                assert c.sock.recv(5)
        gw.wait_for_more("tls", had)


# ------------------------------------------------------------------ deadlines


@pytest.fixture(scope="module")
def hasty():
    with serving(section(pair("usual")), POOL,
                 "timeouts { command_secs = 1  data_secs = 1 }",
                 require_helo="false") as g:
        yield g


def held(c, octets, pause, most):
    """Send an octet every so often: how many go out before the end."""
    c.sock.settimeout(0.001)
    for i in range(most):
        try:
            c.sock.send(octets[i:i + 1])
        except OSError:
            return i
        time.sleep(pause)
        try:
            if c.sock.recv(100) == b"":
                return i
        except TimeoutError:
            pass
        except OSError:
            return i
    return most


def test_dripped_client_hello(hasty):
    """Octets that come do not move the deadline."""
    with greeted(hasty) as c:
        c.steps((b"STARTTLS\r\n", "220"))
        assert held(c, client_hello(), 0.05, 100) < 60
    line = hasty.wait_event("tls", text='"timed out"')
    assert 900 <= int(line.rsplit("ms=", 1)[1]) <= 3000
    hasty.wait_event("session", end="tls")


def test_silent_handshakes(hasty):
    """At each point where the client should go on, it does not."""
    hello = client_hello(ssl.TLSVersion.TLSv1_2)
    for part in (b"", hello[:1], hello[:20], hello):
        had = len(hasty.events("tls", text='"timed out"'))
        with greeted(hasty) as c:
            c.steps((b"STARTTLS\r\n", "220"), (part, ""))
            hasty.wait_for_more("tls", had, text='"timed out"')


def test_dripped_command_and_data_in_tls(hasty):
    with open_tls(hasty) as c:
        begun = time.monotonic()
        c.sock.settimeout(10)
        for octet in b"NOOP" * 100:
            try:
                c.send(bytes([octet]))
                time.sleep(0.05)
            except OSError:
                break
        assert time.monotonic() - begun < 8
    hasty.wait_event("session", end="timeout")
    with open_tls(hasty) as c:
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"),
                (b"DATA\r\n", "354"), (b"Subject: x\r\n", ""))
        c.expect("421 4.4.2")
    hasty.wait_event("session", end="timeout-data")
    assert not hasty.mails()


def test_half_a_record_holds_nobody(hasty):
    """A record that is announced and does not come."""
    with open_tls(hasty) as c:
        c.plain().send(bytes.fromhex("1703034000") + bytes(100))
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            c.expect("421")  # it comes, or the end does
            raise ssl.SSLError
    hasty.wait_event("session", end="timeout")


def test_waiting_costs_no_time(gw):
    """A client in the middle of its handshake is waited for asleep."""
    with greeted(gw) as c:
        c.steps((b"STARTTLS\r\n", "220"), (client_hello()[:30], ""))
        (pid,) = wait_until(lambda: [p for p in gw.workers() if busy(p)],
                            what="a busy worker")
        time.sleep(0.1)
        before = cpu_seconds(pid)
        time.sleep(0.3)
        assert cpu_seconds(pid) - before < 0.1
        assert status(pid)["State"][0] == "S"


def busy(pid):
    return "worker 127." in title(pid)


# -------------------------------------------------------------- the end of TLS


def in_data(gw, version):
    c = open_tls(gw, ctx=only(version))
    c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
            (b"RCPT TO:<alice@example.org>\r\n", "250"),
            (b"DATA\r\n", "354"), (b"Subject: cut short\r\n\r\nx", ""))
    return c


def rest_of(plain):
    """Everything that still comes, as it is on the wire."""
    data = b""
    try:
        while piece := plain.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    plain.close()
    return data


CLEAR = [b"\r\n.\r\n", b".\r\nQUIT\r\n", b"x", b"RSET\r\n",
         b"\r\n.\r\nMAIL FROM:<e@evil.example>\r\n"]
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("octets", CLEAR)
def test_close_notify_in_data(gw, version, octets):
    """The end of TLS is the end of the session: nothing is read behind it."""
    had = len(gw.events("session", end="lost-data"))
    c = in_data(gw, version)
    plain = c.plain()
    c.close_notify()
    try:
        plain.send(octets)
    except OSError:
        pass  # it is gone already
    rest = rest_of(plain)
    c.close()
    assert b"250" not in rest and b"\r\n" not in rest, rest
    gw.wait_for_more("session", had, end="lost-data")
    assert not any(b"cut short" in m for m in gw.mails())


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: v.name)
@pytest.mark.parametrize("octets", CLEAR)
def test_clear_octets_in_data(gw, version, octets):
    """Without a close_notify before them."""
    had = len(gw.events("session", end="lost-data"))
    c = in_data(gw, version)
    plain = c.plain()
    plain.send(octets.ljust(5, b"\n"))
    rest = rest_of(plain)
    c.close()
    assert b"250" not in rest, rest
    gw.wait_for_more("session", had, end="lost-data")
    assert not any(b"cut short" in m for m in gw.mails())


@pytest.mark.parametrize("how", ["FIN", "RST", "close_notify"])
def test_ends_in_data(gw, how):
    had = len(gw.events("session", end="lost-data"))
    c = in_data(gw, ssl.TLSVersion.TLSv1_3)
    if how == "close_notify":
        c.close_notify()
    elif how == "RST":
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          b"\1\0\0\0\0\0\0\0")
    c.close()
    gw.wait_for_more("session", had, end="lost-data")
    assert not any(b"cut short" in m for m in gw.mails())


def test_close_notify_between_commands(gw):
    c = open_tls(gw)
    ref = c.message("Subject: whole\r\n\r\nx\r\n").split("ref ")[1]
    plain = c.plain()
    c.close_notify()
    try:
        plain.send(b"EHLO evil.example\r\nNOOP\r\n")
    except OSError:
        pass
    rest = rest_of(plain)
    c.close()
    assert b"250" not in rest, rest
    gw.wait_event("session", ref=ref.split(".")[0], end="lost")


def test_our_end_is_said(gw):
    """After 221 a close_notify: the client knows that nothing is missing."""
    with open_tls(gw) as c:
        c.steps((b"QUIT\r\n", "221"))
        assert c.sock.recv(100) == b""  # not an SSLEOFError
        c.sock.unwrap()


def test_broken_record(gw):
    had = len(gw.events("session", end="lost"))
    with open_tls(gw) as c:
        c.plain().send(bytes.fromhex("1703030020") + bytes(32))
        with pytest.raises((ssl.SSLError, OSError, AssertionError)):
            c.expect("250")
    gw.wait_for_more("session", had, end="lost")


# -------------------------------------------------------------------- many


def test_many_failures_leave_nothing(gw):
    """One worker after 200 bad sessions: descriptors as before."""
    def descriptors():
        return {p: len(os.listdir(f"/proc/{p}/fd")) for p in gw.workers()}
    try:
        before = wait_until(lambda: all(not busy(p) for p in gw.workers())
                            and descriptors(), what="idle workers")
    except PermissionError:
        pytest.skip("descriptors of other processes are for root")
    hello = client_hello()
    for i in range(200):
        with greeted(gw) as c:
            c.steps((b"STARTTLS\r\n", "220"))
            c.send((hello, b"x\r\n" * 9, hello[:50], b"")[i % 4])
    wait_until(lambda: all(not busy(p) for p in gw.workers()), what="idleness")
    after = descriptors()
    assert all(after[p] <= before[p] for p in after if p in before), after


def test_certificates_are_not_asked_for(gw):
    """A client that has one is not asked to show it."""
    ctx = context()
    ctx.load_cert_chain(pair("usual").certificate, pair("usual").key)
    with open_tls(gw, ctx=ctx) as c:
        c.in_step()


def test_slow_but_honest(gw):
    """A handshake octet by octet, within the deadline, works."""
    ctx = only(ssl.TLSVersion.TLSv1_3)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(incoming, outgoing)
    with greeted(gw) as c:
        c.steps((b"STARTTLS\r\n", "220"))
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                slowly(c, outgoing.read(), 0.0005)
                incoming.write(c.sock.recv(100))
        tls.write(b"NOOP\r\n")
        slowly(c, outgoing.read(), 0.0005)
        while True:
            incoming.write(c.sock.recv(100))
            try:
                reply = tls.read(100)
                break
            except ssl.SSLWantReadError:
                pass
        assert reply.startswith(b"250 2.0.0"), reply
