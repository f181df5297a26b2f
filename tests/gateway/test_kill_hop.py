"""A next hop that stops, closes, resets or lies: what the client is told.

The rules: only a 5xx to MAIL, RCPT, DATA or the end of data reaches the client
as 5xx, and not 421 or 500 to 504; everything else is 451. 250 is never said
without the hop's own 250. What went wrong is over with the transaction: the
next one of the same session goes through.
"""

import shutil
import signal
import socket
import struct
import time

import pytest

from conftest import Gateway, free_port, wait_gone, wait_until
from hop import CLOSE, RESET, SILENT, Hop
from proc import busy_workers, cpu_seconds

MESSAGE = b"Subject: hop\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n"
BIG = b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 4000


def serve(gateway, port, **settings):
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{port}\n")
    return gateway.start("workers { min = 1 max = 4 spare = 1 }", **settings)


def transaction(c, data=MESSAGE, to=("alice@example.org",)):
    """The reply that ended it: of the first refused RCPT, or of the data."""
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    for rcpt in to:
        reply = c.say(f"RCPT TO:<{rcpt}>")
        if not reply.startswith("25"):
            assert c.say("RSET").startswith("250")
            return reply
    assert c.say("DATA").startswith("354")
    c.send(data + b".\r\n")
    return c.reply()


def body(message):
    """What the hop took, without what the gateway has put before it."""
    return message[message.index(b"Subject: "):]


TROUBLE = "451 4.3.0 "

# name, script, start of what the client is told, words in the log
REFUSALS = [
    # before the transaction everything is the gateway's trouble
    ("greeting-421", {"greeting": ("421 busy", CLOSE)}, TROUBLE, "greeting: 421"),
    ("greeting-554", {"greeting": "554 no"}, TROUBLE, "greeting: 554"),
    ("greeting-250", {"greeting": "250 hello"}, TROUBLE, "greeting: 250"),
    ("greeting-garbage", {"greeting": b"SSH-2.0-x\r\n"}, TROUBLE, "not SMTP"),
    ("greeting-nul", {"greeting": b"220 a\0b\r\n"}, TROUBLE, "not SMTP"),
    ("greeting-closed", {"connect": CLOSE}, TROUBLE, "closed the connection"),
    ("greeting-reset", {"connect": RESET}, TROUBLE, ""),
    ("greeting-10mb", {"greeting": b"220 " + b"x" * 10000000}, TROUBLE, "not SMTP"),
    ("greeting-endless", {"greeting": b"220-x\r\n" * 100000}, TROUBLE, "not SMTP"),
    ("greeting-ours", {"greeting": "220 gw.example.org ESMTP"}, TROUBLE, "loop"),
    ("ehlo-450", {"EHLO": "450 later"}, TROUBLE, "EHLO: 450"),
    ("ehlo-421", {"EHLO": ("421 busy", CLOSE)}, TROUBLE, "EHLO: 421"),
    ("ehlo-helo-550", {"EHLO": "502 what", "HELO": "550 no"}, TROUBLE, "EHLO: 550"),
    ("ehlo-closed", {"EHLO": CLOSE}, TROUBLE, "closed the connection"),
    ("ehlo-mixed", {"EHLO": ("250-a", "550 b")}, TROUBLE, "not SMTP"),
    # MAIL, RCPT and DATA
    ("mail-450", {"MAIL": "450 4.2.0 later"}, "450 4.2.0 later", "hop_reply=\"450"),
    ("mail-451", {"MAIL": "451 later"}, "451 4.0.0 later", ""),
    ("mail-550", {"MAIL": "550 5.7.1 no"}, "550 5.7.1 no", "hop-refused"),
    ("mail-552", {"MAIL": "552 too big"}, "552 5.0.0 too big", "hop-refused"),
    ("mail-500", {"MAIL": "500 what"}, TROUBLE, "MAIL: 500"),
    ("mail-503", {"MAIL": "503 5.5.1 order"}, TROUBLE, "MAIL: 503"),
    ("mail-421", {"MAIL": ("421 bye", CLOSE)}, TROUBLE, "MAIL: 421"),
    ("mail-354", {"MAIL": "354 go on"}, TROUBLE, "MAIL: 354"),
    ("mail-530", {"MAIL": "530 5.7.0 Must issue a STARTTLS command first"},
     TROUBLE, "MAIL: 530"),
    ("mail-closed", {"MAIL": CLOSE}, TROUBLE, "closed the connection"),
    ("mail-garbage", {"MAIL": b"ok\r\n"}, TROUBLE, "not SMTP"),
    ("rcpt-450", {"RCPT": "450 4.2.1 full"}, "450 4.2.1 full", ""),
    ("rcpt-452", {"RCPT": "452 4.5.3 many"}, "452 4.5.3 many", ""),
    ("rcpt-550", {"RCPT": "550 5.1.1 who"}, "550 5.1.1 who", "hop-refused"),
    ("rcpt-550-bare", {"RCPT": "550"}, "550 5.0.0 ", "hop-refused"),
    ("rcpt-551", {"RCPT": "551 5.1.6 moved"}, "551 5.1.6 moved", ""),
    ("rcpt-lines", {"RCPT": ("550-5.1.1 a", "550 5.1.1 b")}, "550 5.1.1 a", ""),
    ("rcpt-502", {"RCPT": "502 5.5.1 no"}, TROUBLE, "RCPT: 502"),
    ("rcpt-354", {"RCPT": "354 go on"}, TROUBLE, "RCPT: 354"),
    ("rcpt-421", {"RCPT": ("421 bye", CLOSE)}, TROUBLE, "RCPT: 421"),
    ("rcpt-closed", {"RCPT": CLOSE}, TROUBLE, "closed the connection"),
    ("rcpt-reset", {"RCPT": RESET}, TROUBLE, ""),
    ("rcpt-garbage", {"RCPT": b"\x80\xff\r\n"}, TROUBLE, "not SMTP"),
    ("data-450", {"DATA": "450 4.3.2 later"}, "450 4.3.2 later", ""),
    ("data-554", {"DATA": "554 5.6.0 no"}, "554 5.6.0 no", "hop-refused"),
    ("data-503", {"DATA": "503 order"}, TROUBLE, "DATA: 503"),
    ("data-421", {"DATA": ("421 bye", CLOSE)}, TROUBLE, "DATA: 421"),
    ("data-250", {"DATA": "250 ok"}, TROUBLE, "DATA: 250"),
    ("data-closed", {"DATA": CLOSE}, TROUBLE, "closed the connection"),
    ("data-reset", {"DATA": RESET}, TROUBLE, ""),
    # the message
    ("body-closed", {"body": CLOSE}, TROUBLE, "next_hop="),
    ("body-reset", {"body": RESET}, TROUBLE, "next_hop="),
    # the end of data
    ("end-450", {"end": "450 4.2.0 later"}, "450 4.2.0 later", "hop_reply=\"450"),
    ("end-452", {"end": "452 full"}, "452 4.0.0 full", ""),
    ("end-550", {"end": "550 5.7.1 spam"}, "550 5.7.1 spam", "hop-refused"),
    ("end-554", {"end": "554 5.6.0 no"}, "554 5.6.0 no", "hop-refused"),
    ("end-500", {"end": "500 what"}, TROUBLE, "end of data: 500"),
    ("end-504", {"end": "504 what"}, TROUBLE, "end of data: 504"),
    ("end-354", {"end": "354 more"}, TROUBLE, "end of data: 354"),
    ("end-421", {"end": ("421 bye", CLOSE)}, TROUBLE, "end of data: 421"),
    ("end-closed", {"end": CLOSE}, TROUBLE, "reason=doubtful"),
    ("end-reset", {"end": RESET}, TROUBLE, "reason=doubtful"),
    ("end-half", {"end": (b"25", CLOSE)}, TROUBLE, "reason=doubtful"),
    ("end-no-crlf", {"end": (b"250 ok", CLOSE)}, TROUBLE, "reason=doubtful"),
    ("end-continued", {"end": (b"250-ok\r\n", CLOSE)}, TROUBLE, "reason=doubtful"),
    ("end-garbage", {"end": b"\xff\xfe\r\n"}, TROUBLE, "reason=doubtful"),
    ("end-10mb", {"end": b"250 " + b"x" * 10000000}, TROUBLE, "reason=doubtful"),
    ("end-mixed", {"end": ("250-ok", "550 no")}, TROUBLE, "reason=doubtful"),
]


@pytest.fixture(scope="module")
def shared():
    """One gateway and one hop for the whole table."""
    g, hop = Gateway(), Hop()
    try:
        yield serve(g, hop.port), hop
        g.stop()
        assert not wait_gone(g.dir)
        assert "Sanitizer" not in g.log() and "runtime error" not in g.log()
    finally:
        g.kill()
        hop.close()
        shutil.rmtree(g.dir, ignore_errors=True)


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipe", "steps"])
@pytest.mark.parametrize("script,told,words", [r[1:] for r in REFUSALS],
                         ids=[r[0] for r in REFUSALS])
def test_what_the_client_is_told(shared, script, told, words, pipelining):
    gateway, hop = shared
    hop.play(script, pipelining=pipelining)
    data = BIG if "body" in script else MESSAGE
    with gateway.connect(timeout=5) as c:
        c.helo()
        before = len(gateway.log())
        reply = transaction(c, data)
        assert reply.startswith(told), reply
        assert not hop.taken
        line = gateway.log()[before:]
        assert "event=refuse" in line and "test=hop" in line
        assert words in line, line
        assert "event=message" not in line
        hop.heal()
        reply = transaction(c)
        assert reply.startswith("250 2.0.0 "), reply
        assert [body(m) for m in hop.taken] == [MESSAGE]
        assert c.say("QUIT").startswith("221 ")


def test_a_hop_that_refuses_connections(gateway):
    serve(gateway, free_port())
    with gateway.connect() as c:
        c.helo()
        for _ in range(3):
            assert transaction(c).startswith(TROUBLE)
    assert gateway.events("refuse", test="hop", reason="hop-trouble")


def test_a_hop_that_dies_long_before_the_dot_is_no_doubt(gateway, hop):
    h = hop({"body": RESET})
    serve(gateway, h.port)
    with gateway.connect(timeout=20) as c:
        c.helo()
        big = b"Subject: big\r\n\r\n" + (b"x" * 998 + b"\r\n") * 16000
        assert transaction(c, big).startswith(TROUBLE)
        h.heal()
        assert transaction(c, big).startswith("250 ")
    assert [body(m) for m in h.taken] == [big]
    assert gateway.events("refuse", reason="hop-trouble")
    assert not gateway.events("refuse", reason="doubtful")


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipe", "steps"])
def test_a_refused_rset_is_no_refusal_of_the_message(gateway, hop, pipelining):
    """RSET is the gateway's own: its 5xx is never the client's."""
    h = hop({"RSET": "550 5.7.1 no"}, {}, pipelining=pipelining)
    serve(gateway, h.port)
    with gateway.connect(timeout=3) as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("RSET").startswith("250")
        first = transaction(c)
        assert first[:3] in ("250", "451"), first
        if first[:3] == "451":
            assert transaction(c).startswith("250 ")
    assert [body(m) for m in h.taken] == [MESSAGE]


LIES = [
    ("late-354", {"DATA": ("250 ok", 0.05, "354 go on")}),
    ("mail-354-twice", {"MAIL": ("354 go on", "250 ok")}),
    ("rcpt-twice", {"RCPT": ("250 ok", "250 ok")}),
    ("rcpt-550-250", {"RCPT": ("550 5.1.1 no", "250 ok")}),
    ("end-twice", {"end": ("450 4.2.0 later", "250 ok")}),
]


@pytest.mark.parametrize("script", [l[1] for l in LIES], ids=[l[0] for l in LIES])
def test_a_hop_out_of_step_spoils_one_transaction(gateway, hop, script):
    """Replies that nobody asked for are never taken for later ones."""
    h = hop(script, {})
    serve(gateway, h.port)
    with gateway.connect(timeout=1.5) as c:
        c.helo()
        reply = transaction(c)
        assert reply[:3] in ("250", "451", "450", "550"), reply
        told = [reply[:3]]
        time.sleep(0.1)  # what it says late is there
        second = MESSAGE.replace(b"Subject: hop", b"Subject: two")
        for _ in range(3):
            told.append(transaction(c, second)[:3])
    assert told.count("250") == len(h.taken), told
    assert told[-1] == "250"
    assert all(body(m) in (MESSAGE, second) for m in h.taken + h.unsure)


def test_a_250_that_comes_before_the_dot_is_not_believed(gateway, hop):
    h = hop({"DATA": b"354 go on\r\n250 2.0.0 taken\r\n", "end": CLOSE})
    serve(gateway, h.port)
    with gateway.connect(timeout=5) as c:
        c.helo()
        assert transaction(c).startswith(TROUBLE)
    assert not h.taken


# ------------------------------------------------------------------- replay


@pytest.mark.parametrize("how", [
    {"RCPT 2": ("250 2.1.5 ok", CLOSE)},
    {"RCPT 2": ("250 2.1.5 ok", RESET)},
    {"RCPT 2": ("250 2.1.5 ok", "421 4.4.2 too slow", CLOSE)},
    {"RCPT 2": CLOSE},
    {"DATA": CLOSE},
    {"DATA": ("421 4.3.2 bye", CLOSE)},
], ids=["close", "reset", "421", "at-rcpt", "at-data", "at-data-421"])
@pytest.mark.parametrize("pipelining", [True, False], ids=["pipe", "steps"])
def test_mail_and_rcpt_are_said_again(gateway, hop, how, pipelining):
    h = hop(how, {}, pipelining=pipelining)
    serve(gateway, h.port)
    both = ("alice@example.org", "bob@example.org")
    with gateway.connect(timeout=5) as c:
        c.helo()
        reply = transaction(c, to=both)
        assert reply.startswith("250 2.0.0 "), reply
    assert h.connections == 2
    for n in (0, 1):
        assert h.said("MAIL", n) == ["MAIL FROM:<s@client.example>"]
    assert h.said("RCPT", 1) == [f"RCPT TO:<{r}>" for r in both]
    assert [body(m) for m in h.taken] == [MESSAGE] and not h.unsure


@pytest.mark.parametrize("later", [
    {"RCPT 2": "550 5.1.1 who"},
    {"RCPT 1": "450 4.2.1 full"},
    {"MAIL": "550 5.7.1 no"},
    {"greeting": "554 no"},
    {"EHLO": "421 no"},
    {"connect": CLOSE},
], ids=["rcpt-2", "rcpt-1", "mail", "greeting", "ehlo", "closed"])
def test_refused_when_said_again_is_451_for_all(gateway, hop, later):
    h = hop({"RCPT 2": ("250 2.1.5 ok", CLOSE)}, later)
    serve(gateway, h.port)
    with gateway.connect(timeout=5) as c:
        c.helo()
        reply = transaction(c, to=("alice@example.org", "bob@example.org"))
        assert reply.startswith(TROUBLE), reply
        assert not h.said("DATA") and not h.taken and not h.unsure
        h.heal()
        assert transaction(c).startswith("250 ")
    assert [body(m) for m in h.taken] == [MESSAGE]


def test_nothing_is_said_again_after_the_dot(gateway, hop):
    h = hop({"end": CLOSE}, {})
    serve(gateway, h.port)
    with gateway.connect() as c:
        c.helo()
        assert transaction(c).startswith(TROUBLE)
    assert h.connections == 1 and len(h.unsure) == 1 and not h.taken


# -------------------------------------------------------- nobody is waiting


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    sock.close()


def cpu_of(gateway, seconds):
    """What the busy worker burns in this time."""
    (pid,) = wait_until(lambda: busy_workers(gateway), what="a session")
    begun = cpu_seconds(pid)
    time.sleep(seconds)
    return cpu_seconds(pid) - begun


def test_a_client_that_resets_does_not_make_the_worker_spin(gateway, hop):
    h = hop({"end": (1.2, "250 2.0.0 taken")})
    serve(gateway, h.port)
    c = gateway.connect().helo()
    assert c.say("MAIL FROM:<s@client.example>").startswith("250")
    assert c.say("RCPT TO:<alice@example.org>").startswith("250")
    assert c.say("DATA").startswith("354")
    c.send(MESSAGE + b".\r\n")
    wait_until(lambda: h.taken or h.unsure, what="the dot")
    reset(c.sock)
    assert cpu_of(gateway, 0.6) < 0.2
    gateway.wait_event("message")  # the hop has it, and the log says so


def test_a_hop_that_resets_does_not_make_the_worker_spin(gateway, hop):
    h = hop({"end": ("250 2.0.0 taken", 0.1, RESET)})
    serve(gateway, h.port)
    with gateway.connect() as c:
        c.helo()
        assert transaction(c).startswith("250 ")
        time.sleep(0.2)  # it resets
        assert cpu_of(gateway, 0.6) < 0.2
        h.heal()
        assert transaction(c).startswith("250 ")


@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_silent_hop_does_not_outlive_the_stop(gateway, hop, step):
    h = hop({step: SILENT})
    gateway.sections = ["timeouts { stop_secs = 1 }"]
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{h.port}\n")
    gateway.start()
    with gateway.connect(timeout=5) as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        c.send("RCPT TO:<alice@example.org>\r\n")
        if step == "DATA":
            assert c.reply().startswith("250")
            assert c.say("DATA").startswith("354")
            c.send(MESSAGE + b".\r\n")
        wait_until(lambda: h.connections, what="a connection to the hop")
        gateway.signal(signal.SIGTERM)
        assert c.reply().startswith(TROUBLE)
        assert c.reply().startswith("421 4.3.2 ")
        assert c.reply() is None
    gateway.process.wait(3)
    assert not h.taken
