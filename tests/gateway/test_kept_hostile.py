"""What a client may do to the connection that another one's mail will use."""

import threading
import time

import pytest

from conftest import free_port, is_free, wait_until
from hop import Hop
from test_kept import MESSAGE, deliver, open_now, serve


@pytest.fixture
def hop():
    h = Hop()
    yield h
    h.close()


def begin(gateway, hop, rules="keep_secs = 60", workers=1):
    """A gateway where dave's mail goes into a Maildir."""
    serve(gateway, hop, rules, workers)
    gateway.write_lists(
        recipients="@example.org\n",
        routes=f"* smtp:127.0.0.1:{hop.port}\n"
               f"dave@example.org maildir:{gateway.dir}/mail/dave\n")
    gateway.compile()
    return gateway


def refused_then_maildir(c):
    """MAIL is said to the hop, and the message goes elsewhere."""
    assert c.say("MAIL FROM:<first@client.example>").startswith("250")
    assert c.say("RCPT TO:<alice@example.org>").startswith("550")
    assert c.say("RCPT TO:<dave@example.org>").startswith("250")


@pytest.mark.parametrize("session", ["the same", "another"])
def test_a_transaction_left_for_a_maildir_is_nobody_s(gateway, hop, session):
    """Else a message goes on in the name of the sender before."""
    begin(gateway, hop)
    hop.play({"RCPT 1": "550 5.1.1 who"})
    with gateway.connect() as c:
        refused_then_maildir(c.helo())
        if session == "the same":
            assert c.say("RSET").startswith("250")
            reply = c.message(MESSAGE, "second@client.example")
        else:
            assert c.say("QUIT").startswith("221")
            with gateway.connect() as another:
                reply = another.helo().message(MESSAGE,
                                               "second@client.example")
        assert reply.startswith("250 ")
    verbs = [line.split("@")[0] for _, line in hop.lines if "QUIT" not in line]
    assert verbs == ["EHLO gw.example.org", "MAIL FROM:<first",
                     "RCPT TO:<alice", "RSET", "MAIL FROM:<second",
                     "RCPT TO:<alice", "DATA"]


@pytest.mark.parametrize("step", ["DATA", "commands"])
def test_a_client_that_drips_holds_no_connection(gateway, hop, step):
    """Never silent for a second, it has nothing to say to the hop either."""
    begin(gateway, hop, "connections = 1", workers=2)
    over = threading.Event()
    drops = b"x" if step == "DATA" else b"NOOP\r\n"

    def drip(client):
        while not over.wait(0.2):
            client.send(drops)

    with gateway.connect() as slow:
        slow.helo()
        assert slow.say("MAIL FROM:<slow@client.example>").startswith("250")
        assert slow.say("RCPT TO:<alice@example.org>").startswith("250")
        if step == "DATA":
            assert slow.say("DATA").startswith("354")
        dripping = threading.Thread(target=drip, args=(slow,))
        dripping.start()
        try:
            assert deliver(gateway).startswith("250 ")
        finally:
            over.set()
            dripping.join()
        if step == "DATA":
            slow.send("\r\n.\r\n")
            assert slow.reply().startswith("250 ")
    assert hop.said("MAIL FROM:<SLOW")


def test_an_idle_one_is_not_kept_by_another_client_s_silence(gateway, hop):
    """Next hops hang up on who is idle, and a wall on the way does so unsaid."""
    serve(gateway, hop, "keep_secs = 1")
    assert deliver(gateway).startswith("250 ")
    assert open_now(hop) == 1
    with gateway.connect() as silent:
        silent.helo()
        wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")


def test_a_reply_too_many_is_not_taken_for_the_next_one(gateway, hop):
    """Else bob is told yes, and the message no, for what is said of bob."""
    serve(gateway, hop)
    hop.play({"RCPT 1": ("250 2.1.5 ok", 0.1, "250 2.1.5 again"),
              "RCPT 2": "550 5.1.1 who"},
             {"RCPT 2": "550 5.1.1 who"})
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        time.sleep(0.3)
        assert c.say("RCPT TO:<bob@example.org>").startswith("550 5.1.1 who")
        assert c.say("DATA").startswith("354")
        c.send(MESSAGE + ".\r\n")
        assert c.reply().startswith("250 ")
    assert hop.connections == 2 and len(hop.taken) == 1


def test_the_log_names_no_hop_of_an_earlier_message(gateway, hop):
    serve(gateway, hop)
    gateway.write_lists(
        recipients="@example.org\n",
        routes=f"* smtp:127.0.0.1:{hop.port}\n"
               "bob@example.org smtp:nowhere.example:25\n")
    gateway.stop()
    gateway.start(nameservers=f'{{"127.0.0.1:{free_port()}"}}',
                  dns_deadline_ms="100")
    wait_until(lambda: not is_free(gateway.port), what="the listener")
    with gateway.connect() as c:
        assert c.helo().message(MESSAGE).startswith("250 ")
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<bob@example.org>").startswith("451 4.3.0")
    line = gateway.wait_event("refuse")
    assert " next_hop=smtp:nowhere.example:25 " in line
    assert f":{hop.port} " not in line


def test_the_log_puts_no_words_into_the_mouth_of_a_hop(gateway, hop):
    serve(gateway, hop)
    hop.play({"MAIL": "503 5.5.1 bad sequence"})
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<bob@example.org>").startswith("451 4.3.0")
    line = gateway.wait_event("refuse")
    assert " hop_reply=503 " in line
    assert ' text="MAIL: 503 bad sequence"' in line
