"""Clients that were refused at the greeting hold no worker until they go."""

import os
import socket
import threading
import time

import pytest

from conftest import wait_until
from torture_lane import set_limit

BANNED = "127.0.0.9"
NO = "503 5.5.1 you were refused, say QUIT"


def serve(gateway, workers, *sections, **lists):
    gateway.write_lists(banned=f"{BANNED}\n", **lists)
    gateway.start(f"workers {{ {workers} }}", *sections)


def refused(gateway):
    client = gateway.connect(BANNED)
    assert client.reply().startswith("554 5.7.1 ")
    return client


def test_others_are_served_meanwhile(gateway):
    """One worker, and it hears the one whatever the other makes it do."""
    serve(gateway, "min = 1 max = 1 spare = 1")
    a, b = refused(gateway), refused(gateway)
    with gateway.connect() as c:
        c.helo()
        assert a.say("EHLO x") == NO
        assert b.say("QUIT").startswith("221 2.0.0 ")
        assert b.reply() is None
        assert c.say("MAIL FROM:<a@b.example>").startswith("250")
        assert a.say("NOOP") == NO
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("DATA").startswith("354")
        c.send("Subject: x\r\n\r\n")
        assert a.say("NOOP") == NO
        assert c.say(".").startswith("250 2.0.0 ")
        assert c.say("QUIT").startswith("221")
    assert a.say("quit").startswith("221 2.0.0 ")
    assert a.reply() is None
    (title,) = gateway.titles()
    assert title.startswith("lictord: worker idle")


def test_while_a_next_hop_is_waited_for(gateway, hop):
    h = hop({"end": (0.5, "250 2.0.0 taken")})
    serve(gateway, "min = 1 max = 1 spare = 1",
          routes=f"* smtp:127.0.0.1:{h.port}\n")
    a = refused(gateway)
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<a@b.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("DATA").startswith("354")
        c.send("x\r\n.\r\n")
        assert a.say("NOOP") == NO
        c.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            c.sock.recv(1)
        c.sock.settimeout(10)
        assert c.reply().startswith("250 2.0.0 ")


def test_a_crowd_of_them_needs_no_more_workers(gateway):
    """A worker has sixteen at a time; who came first makes room."""
    serve(gateway, "min = 2 max = 40 spare = 1", "limits { per_client = 2 }")
    crowd = [refused(gateway) for _ in range(40)]
    assert len(gateway.workers()) <= 3
    with gateway.connect() as c:
        c.helo()
    assert crowd[-1].say("NOOP") == NO
    over = 0
    for c in crowd:
        try:
            over += c.say("QUIT") is None
        except OSError:
            over += 1
        c.close()
    assert over <= 40 - 16


def leave_descriptors(worker, n):
    taken = {int(fd) for fd in os.listdir(f"/proc/{worker}/fd")}
    free = sorted(set(range(len(taken) + n)) - taken)
    set_limit(worker, "nofile", free[n - 1] + 1)


def test_with_the_last_descriptor_one_is_served_beside_them(gateway):
    """poll(2) takes no more entries than descriptors may be open."""
    serve(gateway, "min = 1 max = 1 spare = 1")
    (worker,) = gateway.workers()
    leave_descriptors(worker, 2)
    a = refused(gateway)
    with gateway.connect() as c:
        c.helo()
        assert a.say("NOOP") == NO
    assert gateway.workers() == [worker]


def test_a_worker_without_descriptors_lets_one_go(gateway):
    serve(gateway, "min = 1 max = 1 spare = 1")
    leave_descriptors(*gateway.workers(), 1)
    a = refused(gateway)
    b = refused(gateway)
    assert a.reply() is None
    assert b.say("NOOP") == NO


def test_a_worker_that_leaves_lets_them_go(gateway):
    serve(gateway, "min = 1 max = 1 spare = 1 sessions = 1")
    for _ in range(3):
        assert refused(gateway).reply() is None
    gateway.stop()
    assert not gateway.events("worker")


def test_one_that_was_told_of_the_end_may_read_it(gateway):
    """What it had sent already does not make the kernel throw 421 away."""
    gateway.write_lists(banned=f"{BANNED} defer\n")
    gateway.start("workers { min = 1 max = 1 spare = 1 }")
    c = gateway.connect(BANNED)
    c.send("EHLO x\r\n" * 2000)
    assert c.reply().startswith("421 4.7.1 ")
    assert c.reply() is None
    with gateway.connect() as other:
        other.helo()


TCP_CLOSE_WAIT = 8  # of tcp(7): it has ended, and was not reset


def test_it_may_be_read_where_the_worker_leaves(gateway):
    """Nor does the kernel throw it away where nobody else is served here."""
    gateway.write_lists(banned=f"{BANNED} defer\n")
    gateway.start("workers { min = 1 max = 1 spare = 1 sessions = 1 }")
    for _ in range(3):
        with gateway.connect(BANNED) as c:
            c.send("EHLO x\r\n" * 2000)
            assert c.reply().startswith("421 4.7.1 ")
            c.send("EHLO x\r\n" * 2000)
            assert c.reply() is None
            state = c.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
            assert state[0] == TCP_CLOSE_WAIT


def test_one_that_never_stops_has_to_go(gateway):
    serve(gateway, "min = 1 max = 1 spare = 1")
    a = refused(gateway)
    begun = time.monotonic()
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        for _ in range(1000):
            a.send(b"x" * 65536)
    assert time.monotonic() - begun < 5


def test_a_kept_connection_is_given_up_whatever_they_say(gateway, hop):
    """One that drips wakes the worker before the next hop is looked at."""
    h = hop()
    gateway.keep = True
    serve(gateway, "min = 1 max = 1 spare = 1",
          f'next_hop "127.0.0.1:{h.port}" {{ keep_secs = 1 probe_secs = 0 }}',
          routes=f"* smtp:127.0.0.1:{h.port}\n")
    with gateway.connect() as c:
        assert c.helo().message("x\r\n").startswith("250 ")
        assert c.say("QUIT").startswith("221")
    a, over = refused(gateway), threading.Event()

    def drip():
        while not over.wait(0.05):
            a.send("x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        wait_until(lambda: h.said("QUIT"), 5, "the end of the connection")
    finally:
        over.set()
        dripping.join()
    assert a.say("") == NO
