"""A message that some recipients have comes again, and goes to the others."""

import os
import signal
import threading

import pytest

from conftest import wait_until
from hop import CLOSE
from lmtp import MESSAGE, MIXED, TROUBLE, addresses, fresh, send, serve, told
from proc import busy_workers

BOTH = addresses(2)
ALICE, BOB, CAROL = addresses(3)
FULL = "452 4.2.2 full"


@pytest.fixture
def mixed(gateway, hop):
    """A gateway, and a next hop that gave a message to Alice, not to Bob."""
    h = hop({f"end {BOB}": FULL})
    serve(gateway, f"127.0.0.1:{h.port}")
    assert deliver(gateway).startswith(MIXED)
    assert told(h) == [ALICE]
    return gateway, h


def deliver(gateway, to=tuple(BOTH), data=MESSAGE, **kw):
    with gateway.connect(timeout=15) as c:
        return send(c.helo(), to, data, **kw)


def test_the_one_who_has_it_is_left_out(mixed):
    gateway, h = mixed
    before = len(h.lines)
    assert deliver(gateway).startswith(MIXED)  # and once more
    assert told(h) == [ALICE]
    h.heal()
    assert deliver(gateway).startswith("250 2.0.0 ")
    assert told(h) == [ALICE, BOB]
    # what is said to the hop: all at RCPT, then the transaction anew
    words = [line.split(":")[0] for _, line in h.lines[before:]]
    assert words.count("RSET") == 2 and words.count("DATA") == 2
    log = gateway.events("hop", to=f"<{ALICE}>", took="before")
    assert len(log) == 2
    # all have it, and it is forgotten: the same again is another message
    assert deliver(gateway).startswith("250 2.0.0 ")
    assert told(h) == [ALICE, BOB, ALICE, BOB]


def test_the_other_is_refused_for_good(mixed):
    """A 5xx would tell the sender that nobody has it."""
    gateway, h = mixed
    h.play({f"end {BOB}": "552 5.2.2 full"})
    assert deliver(gateway).startswith(MIXED)
    assert not h.given


def test_the_other_is_refused_at_rcpt(mixed):
    """That is an answer of its own, and the rest have it."""
    gateway, h = mixed
    h.play({"RCPT 2": "552 5.2.2 full"})
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say(f"RCPT TO:<{ALICE}>").startswith("250")
        assert c.say(f"RCPT TO:<{BOB}>").startswith("552 5.2.2")
        assert c.say("DATA").startswith("354")
        c.send(MESSAGE + b".\r\n")
        assert c.reply().startswith("250 2.0.0 ")
    assert not h.given and not h.said("DATA")
    assert gateway.events("message")


def test_the_other_is_refused_when_said_again(mixed):
    """After RSET, though it was accepted a moment ago."""
    gateway, h = mixed
    h.play({"RCPT 3": "550 5.1.1 who"})
    assert deliver(gateway).startswith(TROUBLE)
    assert not h.given
    h.play()
    assert deliver(gateway).startswith("250 2.0.0 ")
    assert told(h) == [BOB]


def test_the_other_is_refused_at_data(mixed):
    gateway, h = mixed
    h.play({"DATA": "554 5.7.1 no"})
    assert deliver(gateway).startswith(MIXED)
    assert '"554 5.7.1 no"' in gateway.events("refuse", reason="hop-mixed")[-1]
    h.play()
    assert deliver(gateway).startswith("250 2.0.0 ")
    assert told(h) == [BOB]


@pytest.mark.parametrize("script", [
    {"RSET": "550 5.7.1 no"}, {"RSET": CLOSE}, {"DATA": "451 4.3.0 later"},
    {"DATA": CLOSE}, {"end": CLOSE}],
    ids=["rset", "rset-close", "data", "data-close", "end-close"])
@pytest.mark.parametrize("pipelining", [True, False], ids=["pipe", "steps"])
def test_trouble_on_the_second_way(mixed, script, pipelining):
    gateway, h = mixed
    h.play(script, {}, pipelining=pipelining)
    replies = []
    while not replies or replies[-1][:3] != "250":
        replies.append(deliver(gateway)[:3])
        assert replies[-1] in ("250", "451") and len(replies) < 4
    assert told(h) == [BOB]


def test_in_any_order_and_over_any_of_the_senders_hosts(mixed):
    gateway, h = mixed
    h.heal()
    way = b"Received: from x.example by y.example;\r\n\tMon, 1 Jan 2024\r\n"
    assert deliver(gateway, (BOB, ALICE), b"Return-Path: <s@x>\r\n" + way +
                   MESSAGE).startswith("250 2.0.0 ")
    assert [rcpt for rcpt, _ in h.given] == [ALICE, BOB]


@pytest.mark.parametrize("data,sender", [
    (MESSAGE.replace(b"Subject: ", b"Subject: not "), "s@client.example"),
    (b"Message-ID: <2@client.example>\r\n" + MESSAGE, "s@client.example"),
    (MESSAGE + b"x\r\n", "s@client.example"),
    (MESSAGE.replace(b"abcdef", b"abcdeF"), "s@client.example"),
    (MESSAGE, "t@client.example"),
    (MESSAGE, ""),
], ids=["subject", "id", "longer", "body", "sender", "bounce"])
def test_another_message_is_not_taken_for_it(mixed, data, sender):
    gateway, h = mixed
    h.play()
    assert deliver(gateway, data=data, sender=sender).startswith("250 2.0.0 ")
    assert [rcpt for rcpt, _ in h.given] == BOTH
    h.play()
    assert deliver(gateway).startswith("250 2.0.0 ")  # still known
    assert told(h) == [BOB]


def test_each_in_a_transaction_of_its_own(mixed):
    """A single recipient that has it costs the hop nothing but RCPT."""
    gateway, h = mixed
    h.play()
    assert deliver(gateway, (ALICE,)).startswith("250 2.0.0 ")
    assert not h.given
    assert deliver(gateway, (BOB,)).startswith("250 2.0.0 ")
    assert told(h) == [BOB]


def test_the_same_recipient_twice(gateway, hop):
    h = hop({"end 2": FULL})
    serve(gateway, f"127.0.0.1:{h.port}")
    twice = (ALICE, ALICE, BOB)
    assert deliver(gateway, twice).startswith(MIXED)
    assert told(h) == [ALICE, BOB]
    h.play()
    assert deliver(gateway, twice).startswith("250 2.0.0 ")
    assert not h.given
    assert deliver(gateway, twice).startswith("250 2.0.0 ")  # another one
    assert told(h) == [ALICE, ALICE, BOB]


def test_the_connection_is_lost_after_some_replies(gateway, hop):
    h = hop({"end 2": CLOSE}, {})
    serve(gateway, f"127.0.0.1:{h.port}")
    to = addresses(3)
    assert deliver(gateway, to).startswith(TROUBLE)
    assert deliver(gateway, to).startswith("250 2.0.0 ")
    assert told(h) == to


def test_a_large_message(gateway, hop):
    """It lies in a file, and is read twice."""
    h = hop({f"end {BOB}": FULL})
    serve(gateway, f"127.0.0.1:{h.port}")
    big = MESSAGE + (b"x" * 70 + b"\r\n") * 20000
    assert deliver(gateway, data=big).startswith(MIXED)
    h.play()
    assert deliver(gateway, data=big).startswith("250 2.0.0 ")
    assert told(h, big) == [BOB]


def test_the_memory_is_lost_with_the_master(mixed):
    gateway, h = mixed
    gateway.stop()
    gateway.log_path.unlink()
    h.play()
    gateway.start(compile=False)
    assert deliver(gateway).startswith("250 2.0.0 ")
    assert told(h) == BOTH


def test_more_than_can_be_remembered(gateway, hop):
    """What is forgotten is delivered twice; nothing is lost."""
    h = hop({"end 20": FULL})
    serve(gateway, f"127.0.0.1:{h.port}", "limits { recipients = 20 }",
          spool_dir=f'"{gateway.dir}/spool"')
    to = [f"r{i}@example.org" for i in range(20)]
    for number in range(600):  # 11400 of 8192
        assert deliver(gateway, to, fresh(number)).startswith(MIXED)
    twice = 0
    h.heal()
    for number in list(range(10)) + list(range(590, 600)):
        h.given.clear()
        assert deliver(gateway, to, fresh(number)).startswith("250 ")
        given = told(h, fresh(number))
        assert to[-1] in given
        if number > 500:
            twice += len(given) - 1
    assert twice < 19 * 10 / 4, twice


# ------------------------------------------------------------ two at a time


def test_two_workers_with_the_same_message(gateway, hop):
    """The second does not deliver what the first may be delivering."""
    go, there = threading.Event(), threading.Event()
    h = hop({"end 1": (there.set, go.wait, "250 2.0.0 ok")}, {})
    serve(gateway, f"127.0.0.1:{h.port}")
    first = []
    thread = threading.Thread(target=lambda: first.append(deliver(gateway)))
    thread.start()
    try:
        assert there.wait(10)
        assert deliver(gateway).startswith(TROUBLE)
        assert "on its way already" in gateway.wait_event(
            "refuse", reason="hop-trouble")
        assert deliver(gateway, data=fresh(2)).startswith("250 2.0.0 ")
    finally:
        go.set()
        thread.join(15)
    assert first[0].startswith("250 2.0.0 ")
    assert told(h) == BOTH
    assert deliver(gateway).startswith("250 2.0.0 ")  # a new one
    assert told(h) == BOTH + BOTH


def test_a_worker_dies_between_dot_and_reply(gateway, hop):
    """What it had claimed is free again: the sender's next try goes through."""
    there = threading.Event()
    h = hop({"end 1": (there.set, 5, CLOSE)}, {})
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        for rcpt in BOTH:
            assert c.say(f"RCPT TO:<{rcpt}>").startswith("250")
        assert c.say("DATA").startswith("354")
        c.send(MESSAGE + b".\r\n")
        assert there.wait(10)
        (pid,) = busy_workers(gateway)
        os.kill(pid, signal.SIGKILL)
        assert c.reply() is None
    gateway.wait_event("worker", signal=9)
    wait_until(lambda: deliver(gateway).startswith("250 2.0.0 "),
               what="a delivery")
    assert told(h) == BOTH


def test_many_at_once(gateway, hop):
    """Whatever they are told: each has it as often as a client was told 250."""
    h = hop({f"end {CAROL}": FULL})
    serve(gateway, f"127.0.0.1:{h.port}")
    to = addresses(3)

    def several(n):
        replies = []
        threads = [threading.Thread(
            target=lambda: replies.append(deliver(gateway, to)))
            for _ in range(n)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(20)
        assert len(replies) == n
        return replies

    for _ in range(5):
        for reply in several(4):
            assert reply.startswith((MIXED, TROUBLE)), reply
    # nobody was told that it is there, and nobody has it twice
    assert sorted(told(h)) == [ALICE, BOB]
    h.heal()
    replies = [r[:3] for r in several(4)]
    told_250 = replies.count("250")
    assert told_250 >= 1 and set(replies) <= {"250", "451"}
    assert told(h).count(CAROL) == told_250
    assert told(h).count(ALICE) == told_250
