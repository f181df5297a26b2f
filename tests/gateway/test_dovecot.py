"""Dovecot behind the gateway, by LMTP: what is there is there once."""

import shutil

import pytest

from conftest import Gateway, wait_gone
from dovecot import Dovecot
from lmtp import MIXED, addresses, send, serve

ALICE, BOB, CAROL = addresses(3)


@pytest.fixture(scope="module",
                params=[("count", True), ("maildir", False)],
                ids=["count-452", "maildir-552"])
def store(request):
    """One that defers what is over quota, one that refuses it."""
    d = Dovecot(*request.param)
    try:
        yield d
    finally:
        d.close()


@pytest.fixture(scope="module", params=["tcp", "unix"])
def served(request, store):
    g = Gateway()
    try:
        yield serve(g, store.path if request.param == "unix"
                    else f"127.0.0.1:{store.port}",
                    lmtp_sockets=f'{{"{store.path}"}}'), store
        g.stop()
        assert not wait_gone(g.dir)
        assert "Sanitizer" not in g.log() and "runtime error" not in g.log()
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


COUNT = iter(range(10 ** 6))


def fresh(octets=2000):
    """A message of its own and so large."""
    head = b"Subject: dovecot %d\r\n\r\n" % next(COUNT)
    return head + b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * (octets // 80)


def deliver(gateway, to, data, more=""):
    with gateway.connect(timeout=20) as c:
        c.helo()
        assert c.say(f"MAIL FROM:<s@client.example>{more}").startswith("250")
        for rcpt in to:
            assert c.say(f"RCPT TO:<{rcpt}>").startswith("250")
        assert c.say("DATA").startswith("354")
        c.send(data.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return c.reply()


def copies(store, name, data):
    """How often an account has a message, octet for octet."""
    text = data.replace(b"\r\n", b"\n")
    start = text.split(b"\n", 1)[0] + b"\n"
    return sum(m[m.index(start):] == text for m in store.mails(name)
               if start in m)


def test_all_have_it(served):
    gateway, store = served
    store.accounts()
    data = fresh()
    assert deliver(gateway, (ALICE, BOB), data).startswith("250 2.0.0 ")
    assert copies(store, "alice", data) == copies(store, "bob", data) == 1
    # Dovecot greets with the gateway's own name: it is on the same host.
    assert "loop" not in gateway.log()


@pytest.mark.parametrize("data,more", [
    (b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?= 1\r\n\r\n"
     b"gr\xc3\xbc\xc3\x9fe \xe2\x82\xac\r\n", " BODY=8BITMIME"),
    (b"Subject: raw \xc3\xa4\xe2\x82\xac 2\r\n\r\n\xc3\xa4\r\n", " BODY=8BITMIME"),
    (b"Subject: latin 3\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
     " BODY=8BITMIME"),
    (b"Subject: controls 4\r\n\r\n" +
     bytes(b for b in range(1, 128) if b not in b"\r\n") + b"\r\n", ""),
    (b"Subject: dots 5\r\n\r\n.\r\n..\r\n.x\r\n...\r\nx.\r\n", ""),
    (b"Subject: no text 6\r\n\r\n", ""),
    (b"Subject: long 7\r\n\r\n" + b"z" * 990 + b"\r\n", ""),
    (b"Subject: large 8\r\n\r\n" + (b"z" * 76 + b"\r\n") * 20000, ""),
    (b"Subject: folded\r\n\tnine\r\nX-Empty:\r\n\r\n \r\n\t\r\n", ""),
], ids=["q", "raw", "latin", "controls", "dots", "empty", "long", "large",
        "folded"])
def test_octet_for_octet(served, data, more):
    gateway, store = served
    store.accounts()
    before = copies(store, "alice", data)
    assert deliver(gateway, (ALICE, CAROL), data, more).startswith("250 2.0.0 ")
    assert copies(store, "alice", data) == before + 1
    assert copies(store, "carol", data) == before + 1


def test_one_is_over_quota(served):
    """Deferred or refused for good: those who have it get it once."""
    gateway, store = served
    store.accounts(bob=1)
    data, to = fresh(), (ALICE, BOB, CAROL)
    for _ in range(3):
        assert deliver(gateway, to, data).startswith(MIXED)
    assert [copies(store, n, data) for n in ("alice", "bob", "carol")] == \
        [1, 0, 1]
    (line, *_) = gateway.events("hop", to=f"<{BOB}>", took="no")
    assert ' hop_reply="452 4.2.2 ' in line or ' hop_reply="552 5.2.2 ' in line
    store.accounts()
    assert deliver(gateway, to, data).startswith("250 2.0.0 ")
    assert [copies(store, n, data) for n in ("alice", "bob", "carol")] == \
        [1, 1, 1]


def test_all_are_over_quota(served):
    gateway, store = served
    store.accounts(alice=1, bob=1)
    data = fresh()
    reply = deliver(gateway, (ALICE, BOB), data)
    assert reply.startswith(("452 4.2.2 ", "552 5.2.2 "))
    store.accounts()
    assert deliver(gateway, (ALICE, BOB), data).startswith("250 2.0.0 ")
    assert copies(store, "alice", data) == copies(store, "bob", data) == 1


def test_one_it_does_not_know(served):
    """Its own word at RCPT is the client's."""
    gateway, store = served
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<dave@example.org>").startswith("550 5.1.1 ")
        assert c.say("RSET").startswith("250")
        assert send(c, (ALICE,), fresh()).startswith("250 2.0.0 ")


def test_over_quota_at_rcpt(gateway):
    """As INSTALL tells: the sender hears at once who cannot have it."""
    d = Dovecot(tempfail=False, rcpt_check=True)
    try:
        serve(gateway, f"127.0.0.1:{d.port}")
        assert deliver(gateway, (BOB,), fresh()).startswith("250 2.0.0 ")
        d.accounts(bob=1000)  # less than it has
        data = fresh()
        with gateway.connect(timeout=20) as c:
            c.helo()
            assert c.say("MAIL FROM:<s@client.example>").startswith("250")
            assert c.say(f"RCPT TO:<{ALICE}>").startswith("250")
            assert c.say(f"RCPT TO:<{BOB}>").startswith("552 5.2.2 ")
            assert c.say("DATA").startswith("354")
            c.send(data + b".\r\n")
            assert c.reply().startswith("250 2.0.0 ")
        assert copies(d, "alice", data) == 1
    finally:
        d.close()
