"""A message that is complete goes to a next hop with CHUNKING as one chunk:
the same octets, the same answers, a wait less."""

import itertools
import os
import threading

import pytest

from conftest import wait_until
from hop import CLOSE, RESET, Hop
from lmtp import MIXED, TROUBLE, addresses
from lmtp import serve as serve_lmtp
from lmtp import told
from postfix import started
from test_kept import deliver, open_now, serve
from test_stream import worker_of

CHUNKING = ("CHUNKING",)
LINE = b"0123456789abcdef" * 4 + b"\r\n"
PLAIN = b"Subject: chunk\r\n\r\nno dot begins a line. . .\r\n"
STUFFED = {
    "one": b"Subject: dots\r\n\r\nx\r\n..\r\n",
    "first": b"..x\r\n\r\nx\r\n",
    "in a large one": b"Subject: x\r\n\r\n" + LINE * 1000 + b"..x\r\n" + LINE,
}


@pytest.fixture
def hop():
    h = Hop(keywords=CHUNKING)
    yield h
    h.close()


def verbs(hop):
    return [line.split()[0] for _, line in hop.lines]


def sizes(hop):
    """What was said with BDAT."""
    return [line.split(" ", 1)[1] for line in hop.said("BDAT")]


def body(message):
    """Without the field that the gateway has put before it."""
    return message[message.index(b"\r\n\tby gw.example.org "):].split(
        b" +0000\r\n", 1)[1]


def send(gateway, data, to=("alice@example.org",), **kw):
    with gateway.connect() as c:
        return c.helo().message(data, to=to, **kw)


# -------------------------------------------------------------- when, and what


@pytest.mark.parametrize("data", [
    PLAIN, b"", b"\r\n", b"Subject: 8\r\n\r\n\xc3\xbc\xff\r\n",
    b"Subject: in many pieces\r\n\r\n" + LINE * 1900,
    *(b"Subject: x\r\n\r\n" + b"x" * 78 + b"\r\n" * (n - 100)
      for n in range(8100, 8300, 50)),
], ids=lambda data: str(len(data)))
def test_octet_for_octet(gateway, hop, data):
    serve(gateway, hop)
    assert send(gateway, data).startswith("250 ")
    assert body(hop.taken[0]) == data
    assert sizes(hop) == [f"{len(hop.taken[0])} LAST"]
    assert not hop.said("DATA")


def test_where_it_is_not_offered(gateway, hop):
    serve(gateway, hop)
    hop.play()
    assert send(gateway, PLAIN).startswith("250 ")
    assert body(hop.taken[0]) == PLAIN and not hop.said("BDAT")


@pytest.mark.parametrize("data", STUFFED.values(), ids=STUFFED)
def test_a_stuffed_dot_goes_by_data(gateway, hop, data):
    serve(gateway, hop)
    assert send(gateway, data).startswith("250 ")
    assert body(hop.taken[0]) == data and not hop.said("BDAT")
    for text in (PLAIN, data):
        assert send(gateway, text).startswith("250 ")
        assert body(hop.taken[-1]) == text
    assert verbs(hop)[3::3] == ["DATA", "BDAT", "DATA"]
    assert hop.connections == 1


@pytest.mark.parametrize("end", [b"\r\n", b"", b"\r\n.\r\nNOOP\r\n"])
def test_what_came_in_chunks(gateway, hop, end):
    serve(gateway, hop)
    data = PLAIN + b"\xff the last line" + end
    with gateway.connect() as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        c.say("RCPT TO:<alice@example.org>")
        for part, last in ((data[:9], ""), (data[9:], " LAST")):
            c.send(b"BDAT %d%s\r\n" % (len(part), last.encode()) + part)
            assert c.reply().startswith("250 ")
    stuffed = b"\r\n." in data
    assert body(hop.taken[0]) == data.replace(b"\r\n.", b"\r\n..") + \
        (b"" if data.endswith(b"\n") else b"\r\n")
    assert len(hop.said("DATA" if stuffed else "BDAT")) == 1


def test_lines_that_are_mended(gateway, hop):
    gateway.settings["bare_line_ends"] = '"normalise"'
    serve(gateway, hop)
    assert send(gateway, b"Subject: x\n\na\nb\r\n").startswith("250 ")
    assert body(hop.taken[0]) == b"Subject: x\r\n\r\na\r\nb\r\n"
    assert len(hop.said("BDAT")) == 1


def test_a_field_that_is_left_out(gateway, hop):
    serve(gateway, hop)
    forged = b"Authentication-Results: gw.example.org; spf=pass\r\n"
    assert send(gateway, forged + PLAIN).startswith("250 ")
    assert body(hop.taken[0]) == PLAIN and len(hop.said("BDAT")) == 1


@pytest.mark.parametrize("rules,verb", [("", "DATA"),
                                        ("connections = 1", "BDAT")])
def test_a_large_one(gateway, hop, rules, verb):
    """One that goes on while it comes is sent by DATA, as its length is not
    known; where it waits in the file, all of that is one chunk."""
    data = b"Subject: large\r\n\r\n" + LINE * 20000
    serve(gateway, hop, f"keep_secs = 60 {rules}")
    with gateway.connect() as c:
        c.helo()
        for text in (PLAIN, data):
            assert c.message(text).startswith("250 ")
            assert body(hop.taken[-1]) == text
    assert verbs(hop)[3::3] == ["BDAT", verb]


@pytest.mark.parametrize("pipelining", [True, False])
def test_one_after_the_other(gateway, hop, pipelining):
    serve(gateway, hop)
    hop.play(pipelining=pipelining, keywords=CHUNKING)
    with gateway.connect() as c:
        c.helo()
        assert c.message(PLAIN).startswith("250 ")
        assert c.message(PLAIN + LINE).startswith("250 ")
    assert deliver(gateway).startswith("250 ")
    assert hop.connections == 1 and len(hop.taken) == 3
    assert verbs(hop) == ["EHLO", *["MAIL", "RCPT", "BDAT"] * 3]
    assert [body(t) for t in hop.taken[:2]] == [PLAIN, PLAIN + LINE]


# ---------------------------------------------------------------- its answers


@pytest.mark.parametrize("answer", ["452 4.2.2 full", "554 5.7.1 no",
                                    "450 4.7.1 later"])
def test_a_refusal_is_the_client_s(gateway, hop, answer):
    serve(gateway, hop)
    hop.play({"end": answer}, keywords=CHUNKING)
    assert send(gateway, PLAIN).startswith(answer)
    assert gateway.events("refuse", reason="hop-refused")
    hop.heal()
    assert send(gateway, PLAIN).startswith("250 ")
    assert hop.connections == 1
    assert verbs(hop) == ["EHLO", "MAIL", "RCPT", "BDAT", "RSET", "MAIL",
                          "RCPT", "BDAT"]


SMUGGLED = (b"Subject: commands\r\n\r\nRSET\r\nMAIL FROM:<x@client.example>\r\n"
            b"RCPT TO:<bob@example.org>\r\n")


@pytest.mark.parametrize("step", ["BDAT", "end"])
@pytest.mark.parametrize("answer", ["500 5.5.2 what", "502 5.5.1 no",
                                    "503 5.5.1 order", "354 go on"])
def test_one_that_does_not_know_it(gateway, hop, answer, step):
    """What it says behind that may be said to octets of the message."""
    serve(gateway, hop)
    hop.play({step: answer}, {}, keywords=CHUNKING)
    assert send(gateway, SMUGGLED).startswith(TROUBLE)
    assert gateway.events("refuse", reason="hop-trouble")
    assert f'text="BDAT: {answer[:3]} ' in gateway.log()
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")
    assert send(gateway, PLAIN).startswith("250 ")
    assert hop.connections == 2 and len(hop.taken) == 1


def test_one_that_leaves(gateway, hop):
    serve(gateway, hop)
    hop.play({"end": ("421 4.3.2 bye", CLOSE)}, {}, keywords=CHUNKING)
    assert send(gateway, PLAIN).startswith(TROUBLE)
    assert not gateway.events("refuse", reason="doubtful")
    assert send(gateway, PLAIN).startswith("250 ")


@pytest.mark.parametrize("how", [CLOSE, RESET])
@pytest.mark.parametrize("step", ["BDAT", "end"])
def test_closed_behind_the_chunk_is_doubtful(gateway, hop, step, how):
    """And it is not said again, even where the connection was kept."""
    serve(gateway, hop)
    assert send(gateway, PLAIN).startswith("250 ")
    hop.scripts = [{step: how}]
    assert send(gateway, PLAIN).startswith(TROUBLE)
    assert gateway.events("refuse", reason="doubtful")
    assert hop.connections == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_closed_before_the_chunk(gateway, hop, fresh):
    """It is seen, and a new connection has no need to have been asked."""
    serve(gateway, hop)
    hop.play({"RCPT": ("250 2.1.5 ok", CLOSE)}, {}, keywords=CHUNKING)
    with gateway.connect() as c:
        c.helo()
        if not fresh:
            hop.play({"RCPT 2": ("250 2.1.5 ok", CLOSE)}, {},
                     keywords=CHUNKING)
            assert c.message(PLAIN).startswith("250 ")
        c.say("MAIL FROM:<s@client.example>")
        c.say("RCPT TO:<alice@example.org>")
        wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")
        c.say("DATA")
        c.send(PLAIN + b".\r\n")
        assert c.reply().startswith("250 ")
    assert hop.connections == 2
    assert body(hop.taken[-1]) == PLAIN and len(hop.said("BDAT", 1)) == 1


@pytest.mark.parametrize("unasked", ["250 2.0.0 taken", "550 5.7.1 no"])
def test_what_it_says_unasked_is_no_answer(gateway, hop, unasked):
    """On a new connection the message goes through."""
    serve(gateway, hop)
    said = threading.Event()
    hop.play({"RCPT": ("250 2.1.5 ok", 0.05, unasked, said.set)}, {},
             keywords=CHUNKING)
    with gateway.connect() as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        c.say("RCPT TO:<alice@example.org>")
        assert said.wait(5)
        c.say("DATA")
        c.send(PLAIN + b".\r\n")
        assert c.reply().startswith("250 ")
    assert hop.connections == 2 and len(hop.said("BDAT")) == 1
    assert len(hop.taken) == 1


def test_what_it_says_amid_a_large_one_is_no_answer(gateway, hop):
    """The last octet is kept back until it is known that it is silent."""
    serve(gateway, hop, "keep_secs = 60 connections = 1")
    # It takes no more until it has spoken; the last piece is a long one.
    hop.play({"body": (0.1, "250 2.0.0 taken", 0.2)}, keywords=CHUNKING)
    data = b"Subject: large\r\n\r\n" + LINE * 300500
    assert len(data) % 131072 > 40000
    assert send(gateway, data).startswith(TROUBLE)
    assert "spoke unasked" in gateway.log()
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")
    assert len(hop.said("BDAT")) == 1 and not hop.taken and not hop.unsure


def test_a_spool_that_is_cut_amid_the_chunk(gateway, hop):
    """Only losing the connection undoes half a chunk."""
    serve(gateway, hop, "keep_secs = 60 connections = 1")

    def cut():
        pid = worker_of(gateway)
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if str(gateway.spool) in os.readlink(f"/proc/{pid}/fd/{fd}"):
                os.truncate(f"/proc/{pid}/fd/{fd}", 300000)

    hop.play({"body": cut}, {}, keywords=CHUNKING)
    data = b"Subject: large\r\n\r\n" + LINE * 300000
    assert send(gateway, data).startswith("452 4.3.1 ")
    assert 'text="spool: ' in gateway.log()
    wait_until(lambda: open_now(hop) == 0, 5, "the end of the connection")
    assert len(hop.said("BDAT")) == 1 and not hop.taken and not hop.unsure
    assert send(gateway, PLAIN).startswith("250 ")


# --------------------------------------------------------------------- by LMTP

SAYS = {"250 2.0.0 saved": None, "452 4.2.2 full": "452 4.2.2 full",
        "550 5.7.1 no": "550 5.7.1 no", "503 5.5.1 order": TROUBLE,
        CLOSE: TROUBLE}


def expected(said):
    """The reply, the reason in the log, who took it, and whether the
    connection is one to go on with."""
    heard, good = [], True
    for s in said:
        if not good or s is CLOSE:
            good = False
            break
        heard.append(s)
        good = not s.startswith("503")
    took = [i for i, s in enumerate(heard) if s.startswith("250")]
    if len(heard) < len(said):
        return TROUBLE, "doubtful", took, False
    if len(took) == len(said):
        return "250 2.0.0 delivered", None, took, True
    if took:
        return MIXED, "hop-mixed", took, good
    answer = sorted((SAYS[s] for s in said), key=lambda t: t[0])[0]
    reason = "hop-trouble" if answer == TROUBLE else "hop-refused"
    return answer, reason, took, good


def test_every_outcome_by_lmtp(gateway, hop):
    """Whose answer was not heard may have it twice."""
    gateway.keep = True
    serve_lmtp(gateway, f"127.0.0.1:{hop.port}")
    to = addresses(2)
    for number, said in enumerate(itertools.product(SAYS, repeat=2)):
        hop.play({f"end {i + 1}": s for i, s in enumerate(said)},
                 keywords=CHUNKING)
        data = PLAIN.replace(b"chunk", b"chunk %d" % number)
        reply, reason, took, good = expected(said)
        before = len(gateway.log())
        with gateway.connect() as c:
            c.helo()
            assert c.message(data, to=to).startswith(reply), said
            log = gateway.log()[before:]
            assert (f"reason={reason} " if reason else "event=message") in log
            hop.heal()
            first = len(hop.lines)
            assert c.message(data, to=to).startswith("250 "), said
        new = verbs(hop)[first:]
        assert new[0] == ("LHLO" if not good else "RSET" if reason
                          else "MAIL"), said
        assert new.count("BDAT") == 1 and "DATA" not in new
        left = [t for i, t in enumerate(to) if i not in took] or to
        assert told(hop, data)[-len(left):] == left, said


# ------------------------------------------------------------------ by others


def test_postfix_takes_it(gateway):
    """Its own count of commands has BDAT."""
    postfix = started()
    try:
        gateway.write_lists(recipients="@example.org\n",
                            routes=f"* smtp:127.0.0.1:{postfix.port}\n")
        gateway.start("workers { min = 1 max = 1 spare = 1 }")
        data = b"Subject: chunk\r\n\r\n\xc3\xbc" + LINE * 1500
        for text in (PLAIN, data, b"Subject: dots\r\n\r\n..x\r\n"):
            assert send(gateway, text).startswith("250 ")
        wait_until(lambda: len(postfix.mails()) == 3, 20, "three messages")
        ends = [m.split(b"\n\n", 1)[1] for m in postfix.mails()]
        for text in (PLAIN, data, b"Subject: dots\r\n\r\n.x\r\n"):
            assert ends.count(text.split(b"\r\n\r\n", 1)[1].replace(
                b"\r\n", b"\n")) == 1
        wait_until(lambda: postfix.log().count(" quit=1 ") >= 3, 10, "its log")
        assert postfix.log().count(" bdat=1 ") == 2
        assert postfix.log().count(" data=1 ") == 1
    finally:
        postfix.close()
