"""Large messages go on while the client still sends them; what is found wrong
with one, or goes wrong, in its middle never makes half a message a whole."""

import os
import signal
import time

import pytest

from conftest import SANITIZED, Client, wait_until
from hop import CLOSE, RESET, Hop

LINE = b"0123456789abcdef" * 4 + b"\r\n"
HEAD = b"Subject: large\r\n\r\n"
MIB = LINE * (1024 * 1024 // len(LINE) + 1)


@pytest.fixture
def hop():
    h = Hop()
    yield h
    h.close()


@pytest.fixture
def served(gateway, hop):
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
    gateway.start("workers { min = 2 max = 4 spare = 1 }",
                  "limits { message_bytes = 3145728 errors = 100 }",
                  "timeouts { data_secs = 3 }")
    return gateway


def begin(gateway, to=("alice@example.org",), mail=""):
    c = Client(gateway.port, timeout=20)
    c.helo()
    assert c.say(f"MAIL FROM:<s@client.example>{mail}").startswith("250")
    for rcpt in to:
        assert c.say(f"RCPT TO:<{rcpt}>").startswith("250")
    assert c.say("DATA").startswith("354")
    c.send(HEAD)
    return c


def went_on(hop):
    """The next hop has been told DATA, before the client has ended it."""
    wait_until(lambda: hop.said("DATA"), what="DATA at the next hop")


def is_good(c, hop, n=1):
    """The session goes on, and the next message comes through."""
    assert c.message(b"Subject: small\r\n\r\nx\r\n").startswith("250 ")
    assert len(hop.taken) == n
    c.close()


def worker_of(gateway):
    """The one that serves the last client."""
    line = gateway.events("connect")[-1]
    return int(line.split("lictord[")[1].split("]")[0])


def spooled(gateway, pid):
    """Octets in the spool file of that worker."""
    for fd in os.listdir(f"/proc/{pid}/fd"):
        if str(gateway.spool) in os.readlink(f"/proc/{pid}/fd/{fd}"):
            return os.stat(f"/proc/{pid}/fd/{fd}").st_size
    raise AssertionError("the worker has no spool")


def body(message):
    return message[message.index(b"Subject: "):]


@pytest.mark.parametrize("to", [("alice@example.org",),
                                ("alice@example.org", "bob@example.org")])
def test_it_goes_on_before_its_end_and_is_the_same(served, hop, to):
    c = begin(served, to)
    stuffed = b"..dots\r\n" + MIB + b"..\r\n"
    c.send(stuffed)
    went_on(hop)
    c.send(b"last.\r\n.\r\n")
    assert c.reply().startswith("250 ")
    (message,) = hop.taken
    assert body(message) == HEAD + stuffed + b"last.\r\n"
    assert message.startswith(b"Received: from client.example")
    is_good(c, hop, 2)


@pytest.mark.parametrize("size", range(131072 - 4, 131072 + 5))
def test_where_the_memory_ends(served, hop, size):
    c = begin(served)
    rest = size - len(HEAD)
    data = b"x" * (rest % len(LINE)) + b"\r\n" + LINE * (rest // len(LINE))
    for at in range(0, len(data), 9973):
        c.send(data[at:at + 9973])
    c.send(b".\r\n")
    assert c.reply().startswith("250 ")
    assert body(hop.taken[0]) == HEAD + data
    c.close()


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_the_end_may_come_in_any_pieces(served, hop, cut):
    c = begin(served)
    c.send(MIB[:-2])
    went_on(hop)
    end = b"\r\n..\r\n.\r\n"
    for at in range(0, len(end), cut):
        c.send(end[at:at + cut])
        time.sleep(0.01)
    assert c.reply().startswith("250 ")
    assert body(hop.taken[0]) == HEAD + MIB + b"..\r\n"
    c.close()


def test_by_chunks(served, hop):
    c = Client(served.port, timeout=20)
    c.helo()
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    assert c.say("RCPT TO:<alice@example.org>").startswith("250")
    for chunk in (HEAD, MIB, b".\r\n.x\r\n", MIB):
        c.send(b"BDAT %d\r\n" % len(chunk) + chunk)
        assert c.reply().startswith("250 ")
    assert hop.said("DATA")
    assert c.say("BDAT 0 LAST").startswith("250 ")
    assert body(hop.taken[0]) == HEAD + MIB + b"..\r\n..x\r\n" + MIB
    is_good(c, hop, 2)


@pytest.mark.parametrize("bad, code", [
    (b"bare\nLF\r\n", "550 5.6.11"), (b"bare\rCR\r\n", "550 5.6.11"),
    (b"\n.\r\nMAIL FROM:<evil@example.net>\r\n", "550 5.6.11"),
    (b"x\r.\r\n", "550 5.6.11"), (b"nul\0nul\r\n", "550 5.6.0")])
def test_what_is_bad_costs_the_hop_a_connection_and_is_not_passed_on(
        served, hop, bad, code):
    c = begin(served)
    c.send(MIB)
    went_on(hop)
    c.send(bad + b"more\r\n.\r\n")
    assert c.reply().startswith(code)
    is_good(c, hop)
    assert not hop.unsure and hop.connections == 2
    assert not hop.said("MAIL FROM:<EVIL")
    served.wait_event("refuse", test="content")


def test_one_that_becomes_too_large(served, hop):
    c = begin(served)
    c.send(MIB)
    went_on(hop)
    c.send(MIB + MIB + MIB + b".\r\n")
    assert c.reply().startswith("552 5.3.4")
    is_good(c, hop)
    assert not hop.unsure


@pytest.mark.parametrize("how", ["close", "silence", "kill"])
def test_one_that_never_ends(served, hop, how):
    c = begin(served)
    c.send(MIB)
    went_on(hop)
    if how == "kill":
        os.kill(worker_of(served), signal.SIGKILL)
    elif how == "silence":
        assert c.reply().startswith("421 4.4.2")
    c.close()
    wait_until(lambda: not hop.open, what="the end of the connection")
    assert not hop.taken and not hop.unsure
    with Client(served.port) as c:
        is_good(c.helo(), hop)


@pytest.mark.parametrize("script, code", [
    ({"DATA": "452 4.3.1 full"}, "452 4.3.1 full"),
    ({"DATA": "554 5.6.0 no"}, "554 5.6.0 no"),
    ({"DATA": CLOSE}, "451 4.3.0 "),
    ({"body": CLOSE}, "451 4.3.0 "), ({"body": RESET}, "451 4.3.0 "),
    # Said in its middle, it may come after its end all the same.
    ({"body": ("452 4.3.1 full", CLOSE)}, ("451 4.3.0 ", "452 4.3.1 full")),
    ({"end": "550 5.7.1 spam"}, "550 5.7.1 spam"),
    ({"end": "452 4.3.1 full"}, "452 4.3.1 full"),
    ({"end": CLOSE}, "451 4.3.0 ")])
def test_a_hop_that_fails(served, hop, script, code):
    hop.play(script)
    c = begin(served)
    c.send(MIB)
    c.send(MIB + b".\r\n")
    assert c.reply().startswith(code)
    hop.heal()
    is_good(c, hop)
    if "end" in script and script["end"] is CLOSE:
        served.wait_event("refuse", reason="doubtful")


def test_not_into_a_maildir(gateway):
    """What is cut there would leave a file behind."""
    gateway.start("limits { message_bytes = 3145728 errors = 100 }")
    tmp = gateway.mail / "all/tmp"
    c = begin(gateway)
    c.send(MIB)
    pid = worker_of(gateway)
    wait_until(lambda: spooled(gateway, pid), what="octets in the spool")
    assert not list(tmp.iterdir())
    c.send(b"..\r\n.\r\n")
    assert c.reply().startswith("250 ")
    (mail,) = gateway.mails()
    assert mail.endswith((HEAD + MIB + b".\r\n").replace(b"\r\n", b"\n"))
    c.close()


def test_nothing_is_spooled_for_it(served, hop):
    c = begin(served)
    c.send(MIB + MIB)
    went_on(hop)
    assert spooled(served, worker_of(served)) == 0
    c.send(b".\r\n")
    assert c.reply().startswith("250 ")
    c.close()


def peak(pid):
    """The most memory that a process has ever had, in KiB."""
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1])


@pytest.mark.skipif(SANITIZED, reason="the sanitizers' own memory grows")
@pytest.mark.parametrize("way", ["smtp", "maildir"])
def test_200_mib_do_not_grow_the_worker(gateway, sink, way):
    """Neither in the stream nor by way of the spool."""
    if way == "smtp":
        gateway.write_lists(routes=f"* smtp:127.0.0.1:{sink().port}\n")
    gateway.start("workers { min = 1 max = 1 spare = 1 }",
                  "limits { message_bytes = 262144000 }")
    c = begin(gateway)
    c.send(MIB[:200 * len(LINE)] + b".\r\n")
    assert c.reply().startswith("250 ")
    before = peak(worker_of(gateway))
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    assert c.say("RCPT TO:<alice@example.org>").startswith("250")
    assert c.say("DATA").startswith("354")
    for _ in range(200):
        c.send(MIB)
    c.send(b".\r\n")
    assert c.reply().startswith("250 ")
    assert peak(worker_of(gateway)) - before < 512
    c.close()
