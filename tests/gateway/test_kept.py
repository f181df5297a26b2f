"""Connections to next hops that outlive a session, and are shared out."""

import os
import signal
import time

import pytest

from conftest import wait_until
from hop import CLOSE, Hop

MESSAGE = "Subject: kept\r\n\r\nbody\r\n"


@pytest.fixture
def hop():
    h = Hop()
    yield h
    h.close()


def serve(gateway, hop, rules="keep_secs = 60", workers=1):
    gateway.keep = True
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
    gateway.start(
        f"workers {{ min = {workers} max = {workers} spare = 1 }}",
        f'next_hop "127.0.0.1:{hop.port}" {{ {rules} probe_secs = 0 }}')
    return gateway


def deliver(gateway):
    with gateway.connect() as c:
        reply = c.helo().message(MESSAGE)
        assert c.say("QUIT").startswith("221")
    return reply


def open_now(hop):
    with hop.lock:
        return len(hop.open)


def test_one_connection_serves_many_sessions(gateway, hop):
    serve(gateway, hop)
    for _ in range(5):
        assert deliver(gateway).startswith("250 ")
    assert hop.connections == 1 and len(hop.taken) == 5
    assert len(hop.said("EHLO")) == 1 and not hop.said("RSET")


def test_it_is_given_up_after_keep_secs(gateway, hop):
    serve(gateway, hop, "keep_secs = 1")
    assert deliver(gateway).startswith("250 ")
    assert open_now(hop) == 1
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")
    assert hop.said("QUIT")
    assert deliver(gateway).startswith("250 ")
    assert hop.connections == 2


def test_none_is_kept_where_that_is_not_wanted(gateway, hop):
    serve(gateway, hop, "keep_secs = 0")
    for _ in range(3):
        assert deliver(gateway).startswith("250 ")
    assert hop.connections == 3
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connections")


def test_one_that_closed_meanwhile_is_replaced_unseen(gateway, hop):
    serve(gateway, hop)
    hop.play({"end": ("250 2.0.0 taken", 0.1, CLOSE)}, {})
    assert deliver(gateway).startswith("250 ")
    wait_until(lambda: open_now(hop) == 0, 5, "the hop's close")
    assert deliver(gateway).startswith("250 ")
    assert hop.connections == 2 and len(hop.taken) == 2


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_one_that_closes_at_the_next_use_is_replaced_unseen(gateway, hop, step):
    serve(gateway, hop)
    assert deliver(gateway).startswith("250 ")
    hop.scripts = [{step: CLOSE}, {}]
    assert deliver(gateway).startswith("250 ")
    assert hop.connections == 2 and len(hop.taken) == 2


def test_one_that_speaks_while_nobody_asks_is_given_up(gateway, hop):
    serve(gateway, hop)
    hop.play({"end": ("250 2.0.0 taken", 0.3, "421 4.4.2 idle", 30)}, {})
    assert deliver(gateway).startswith("250 ")
    wait_until(lambda: deliver(gateway).startswith("250 ") and
               hop.connections == 2, 5, "a new connection")
    assert not hop.unsure


def test_an_open_transaction_is_not_the_next_client_s(gateway, hop):
    serve(gateway, hop)
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<bob@example.org>").startswith("250")
    gateway.wait_event("session")
    assert deliver(gateway).startswith("250 ")
    assert hop.connections == 1
    verbs = [line.split()[0] for _, line in hop.lines]
    assert verbs == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]


def test_one_that_has_refused_much_is_not_kept(gateway, hop):
    serve(gateway, hop)
    hop.play({"RCPT": "550 5.1.1 who"})
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        for _ in range(6):
            assert c.say("RCPT TO:<bob@example.org>").startswith("550")
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")


def test_an_idle_one_is_given_up_for_another_worker(gateway, hop):
    serve(gateway, hop, "connections = 1 keep_secs = 60", workers=2)
    with gateway.connect() as first:  # its worker is busy
        first.helo()
        assert deliver(gateway).startswith("250 ")  # the other one keeps its
        assert open_now(hop) == 1
        assert first.message(MESSAGE).startswith("250 ")
    assert hop.connections == 2 and len(hop.taken) == 2


def test_a_slow_client_s_is_given_up_and_its_recipients_said_again(gateway, hop):
    serve(gateway, hop, "connections = 1", workers=2)
    with gateway.connect() as slow:
        slow.helo()
        assert slow.say("MAIL FROM:<slow@client.example>").startswith("250")
        assert slow.say("RCPT TO:<alice@example.org>").startswith("250")
        assert slow.say("RCPT TO:<bob@example.org>").startswith("250")
        begin = time.monotonic()
        assert deliver(gateway).startswith("250 ")
        assert time.monotonic() - begin < 10
        assert slow.say("DATA").startswith("354")
        slow.send("Subject: slow\r\n\r\n.\r\n")
        assert slow.reply().startswith("250 ")
    assert len(hop.taken) == 2
    assert hop.said("MAIL FROM:<SLOW")[1:] and len(hop.said("RCPT")) == 5


def test_no_more_than_so_many(gateway, hop):
    """Whoever waits is served in the end; the hop never sees more than two."""
    most = 0
    serve(gateway, hop, "connections = 2", workers=8)
    hop.play({"end": (0.2, "250 2.0.0 taken")})
    clients = [gateway.connect().helo() for _ in range(7)]
    for c in clients:
        c.send("MAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\n"
               "DATA\r\n")
    for c in clients:
        assert c.reply().startswith("250") and c.reply().startswith("250")
        assert c.reply().startswith("354")
        c.send(MESSAGE + ".\r\n")
        most = max(most, open_now(hop))
    for c in clients:
        assert c.reply().startswith("250 ")
        most = max(most, open_now(hop))
        c.close()
    assert most <= 2 and len(hop.taken) == 7


def test_a_killed_worker_s_is_given_back(gateway, hop):
    serve(gateway, hop, "connections = 1", workers=2)
    c = gateway.connect().helo()
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    assert c.say("RCPT TO:<alice@example.org>").startswith("250")
    pid = int(gateway.events("connect")[-1].split("lictord[")[1].split("]")[0])
    os.kill(pid, signal.SIGKILL)
    gateway.wait_event("worker", signal="9")
    assert deliver(gateway).startswith("250 ")
    c.close()


def test_a_worker_that_leaves_takes_leave(gateway, hop):
    serve(gateway, hop)
    assert deliver(gateway).startswith("250 ")
    gateway.stop()
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")
    assert hop.said("QUIT")
