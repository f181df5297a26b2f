"""A client may vanish after any octet; nobody else may notice."""

import contextlib
import socket
import struct
import time

import pytest

from conftest import wait_until
from raw import DATA, HELLO, RawClient, serving

SESSION = [
    (b"EHLO client.example\r\n", "250"),
    (b"MAIL FROM:<s@client.example> SIZE=30 BODY=8BITMIME\r\n", "250"),
    (b"RCPT TO:<alice@example.org>\r\n", "250"),
    (b"RCPT TO:<nobody@example.org>\r\n", "550"),
    (b"DATA\r\n", "354"),
    (b"Subject: cut\r\n\r\n..one\r\nbody\r\n.\r\n", "250"),
    (b"RSET\r\n", "250"),
    (b"QUIT\r\n", "221"),
]
ALL = b"".join(octets for octets, _ in SESSION)
DOT = ALL.index(b"\r\n.\r\n") + 5  # the message is complete behind this many


@pytest.fixture(scope="module")
def gateway():
    with serving("workers { min = 2  max = 4  spare = 1 }") as g:
        yield g


def reset(client):
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
    client.close()


def send_first(client, n):
    """The session up to its octet n, taking the replies as they are due."""
    client.expect("220")
    for octets, want in SESSION:
        client.send(octets[:n])
        if n < len(octets):
            return
        n -= len(octets)
        client.expect(want)


def settled(gateway, seen):
    """Wait until as many sessions as these are over."""
    wait_until(lambda: len(gateway.events("session")) >= seen,
               what="end of session")


@pytest.mark.parametrize("leave", [RawClient.close, reset],
                         ids=["close", "reset"])
def test_a_client_that_leaves_after_every_octet(gateway, leave):
    before, seen = gateway.files(), len(gateway.events("session"))
    pids = set(gateway.workers())
    for n in range(len(ALL) + 1):
        with RawClient(gateway.port) as c:
            send_first(c, n)
            leave(c)
    settled(gateway, seen + len(ALL) + 1)
    assert not gateway.events("worker")
    assert pids <= set(gateway.workers())
    # The reply to a complete message was read, so each of these is there.
    mails = gateway.new_mails(before)
    assert len(mails) == len(ALL) + 1 - DOT
    assert all(m.endswith(b"\n\n.one\nbody\n") for m in mails)
    assert not gateway.tmp_left()
    gateway.play(*DATA, (b".\r\n", "250"))


@pytest.mark.parametrize("leave", [RawClient.close, reset],
                         ids=["close", "reset"])
def test_a_client_that_never_reads_and_leaves(gateway, leave):
    """Everything pipelined, cut anywhere: complete messages only."""
    before, seen = gateway.files(), len(gateway.events("session"))
    for n in range(0, len(ALL) + 1):
        with RawClient(gateway.port) as c:
            c.send(ALL[:n])
            leave(c)
    settled(gateway, seen + (len(ALL) + 1 if leave is not reset else 0))
    gateway.play(*DATA, (b".\r\n", "250"))
    for mail in gateway.new_mails(before):
        assert mail.endswith((b"\n\n.one\nbody\n", b" +0000\n"))
    assert not gateway.events("worker")


def test_half_a_close_after_every_octet(gateway):
    """Who has only stopped writing still gets all that is due."""
    before = gateway.files()
    for n in range(len(ALL) + 1):
        with RawClient(gateway.port) as c:
            c.send(ALL[:n])
            c.sock.shutdown(socket.SHUT_WR)
            want, left = ["220"], n
            for octets, code in SESSION:
                left -= len(octets)
                if left >= 0:
                    want.append(code)
            c.expect(" | ".join(want + ["closed"]))
    assert len(gateway.new_mails(before)) == len(ALL) + 1 - DOT
    assert not gateway.tmp_left()


def test_connect_and_leave(gateway):
    for leave in [RawClient.close, reset] * 50:
        leave(RawClient(gateway.port))
    gateway.play(*HELLO)
    assert not gateway.events("worker")


def test_a_reset_in_the_middle_of_much_data(gateway):
    before = gateway.files()
    for size in (1, 70000, 300000, 2000000):
        with gateway.open() as c:
            c.steps(*DATA)
            with contextlib.suppress(OSError):
                c.send(b"x" * size)
            reset(c)
        with gateway.open() as c:
            c.steps(*DATA)
            c.send(b"x\r\n" * (size // 3))
            c.close()
    gateway.play(*HELLO)
    assert not gateway.new_mails(before) and not gateway.tmp_left()
    assert not gateway.events("worker")


def test_the_lost_are_logged_as_such(gateway):
    with gateway.open() as c:
        c.steps(*HELLO)
    gateway.wait_event("session", end="lost")
    with gateway.open() as c:
        c.steps(*DATA)
    gateway.wait_event("session", end="lost-data")


def test_urgent_data_is_no_way_in(gateway):
    """An out-of-band octet neither ends nor joins a line."""
    with gateway.open() as c:
        c.steps(*HELLO)
        c.send(b"NO")
        c.sock.send(b"!", socket.MSG_OOB)
        time.sleep(0.005)
        c.send(b"OP\r\n")
        c.expect("250 2.0.0")
        c.in_step()
