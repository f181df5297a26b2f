"""Handing over by LMTP: a reply for each recipient, one for the client.

All of them have the message: 250. None has: the reply that lets the client try
again, if there is one. Some have: 451, and the log tells who has.
"""

import itertools
import shutil

import pytest

from conftest import Gateway, wait_gone, wait_until
from hop import CLOSE, SILENT, Hop
from lmtp import MESSAGE, MIXED, TROUBLE, addresses, fresh, send, serve, told


@pytest.fixture(scope="module", params=["tcp", "unix"])
def shared(request):
    """One gateway and one hop for a whole table."""
    g = Gateway()
    g.keep = True  # connections, from one session to the next
    path = g.dir / "lmtp.sock" if request.param == "unix" else None
    hop = Hop(path=path)
    try:
        where = path or f"127.0.0.1:{hop.port}"
        yield serve(g, where, lmtp_sockets=f'{{"{g.dir}/lmtp.sock"}}'), hop
        g.stop()
        assert not wait_gone(g.dir)
        assert "Sanitizer" not in g.log() and "runtime error" not in g.log()
    finally:
        g.kill()
        hop.close()
        shutil.rmtree(g.dir, ignore_errors=True)


# ------------------------------------------------------------ every outcome

# what the hop says for a recipient: what the client hears if it is the worst
SAYS = {
    "250 2.0.0 saved": None,
    "452 4.2.2 full": "452 4.2.2 full",
    "451 later": "451 4.0.0 later",
    "550 5.7.1 no": "550 5.7.1 no",
    "421 4.3.2 bye": TROUBLE,
    "503 5.5.1 order": TROUBLE,
    CLOSE: TROUBLE,
}


def expected(said):
    """The reply, the reason in the log, and who took it."""
    heard = list(itertools.takewhile(lambda s: s is not CLOSE, said))
    took = [i for i, s in enumerate(heard) if s.startswith("250")]
    if len(took) == len(said):
        return "250 2.0.0 delivered", None, took
    if len(heard) < len(said):
        return TROUBLE, "doubtful", took
    if took:
        return MIXED, "hop-mixed", took
    told = sorted((SAYS[s] for s in said), key=lambda t: t[0])  # stable
    return told[0], "hop-trouble" if told[0] == TROUBLE else "hop-refused", took


OUTCOMES = [said for n in (1, 2, 3)
            for said in itertools.product(SAYS, repeat=n)]


@pytest.mark.parametrize("n", (1, 2, 3))
def test_every_outcome(shared, n):
    gateway, hop = shared
    for number, said in enumerate(OUTCOMES):
        if len(said) != n:
            continue
        hop.play({f"end {i + 1}": s for i, s in enumerate(said)})
        reply, reason, took = expected(said)
        before = len(gateway.log())
        with gateway.connect(timeout=10) as c:
            heard = send(c.helo(), addresses(n), fresh(number))
            assert c.say("NOOP").startswith("250")
        assert heard.startswith(reply), (said, heard)
        given = [addresses(n)[i] for i in took]
        assert told(hop, fresh(number)) == given, said
        check_log(gateway.log()[before:], reason, said, took)
        again(gateway, hop, n, fresh(number),
              [] if len(given) == n else given)


def again(gateway, hop, n, data, have):
    """The client comes again, and the hop has nothing against it any more."""
    hop.play()
    with gateway.connect(timeout=10) as c:
        assert send(c.helo(), addresses(n), data).startswith("250 2.0.0 ")
    assert told(hop, data) == [a for a in addresses(n) if a not in have]


def check_log(log, reason, said, took):
    if reason is None:
        assert "event=message" in log and "event=hop" not in log
        return
    assert f"reason={reason} " in log and "event=message" not in log, log
    if len(said) == 1:
        assert "event=hop" not in log
        return
    lines = [l for l in log.splitlines() if "event=hop" in l]
    for i, to in enumerate(addresses(len(said))):
        (line,) = [l for l in lines if f"to=<{to}>" in l] or (None,)
        if i not in took and CLOSE not in said[:i + 1]:
            assert "took=no" in line and f'hop_reply="{said[i]}"' in line
        elif reason in ("hop-mixed", "doubtful"):
            assert ("took=yes" if i in took else "took=unknown") in line
        else:
            assert line is None


# ------------------------------------------------------- how the replies come


def test_replies_in_pieces(gateway, hop):
    h = hop({"end 1": (b"2", 0.02, b"50 2.0.0 o", 0.02, b"k\r", 0.02, b"\n25"),
             "end 2": (0.02, b"0-2.0.0 two\r\n250 ", 0.02, b"lines\r\n")})
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect() as c:
        c.helo()
        assert send(c, addresses(2)).startswith("250 2.0.0 delivered")


def test_replies_in_one_piece(gateway, hop):
    h = hop({"end 1": b"250 a\r\n452 4.2.2 b\r\n250 c\r\n", "end": ()})
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect() as c:
        c.helo()
        assert send(c, addresses(3)).startswith(MIXED)
    assert gateway.events("hop", to="<bob@example.org>", took="no",
                          hop_reply='"452 4.2.2 b"')
    assert len(gateway.events("hop", took="yes")) == 2


def test_a_reply_too_many_spoils_nothing(gateway, hop):
    """It is not taken for that to the next transaction."""
    h = hop({"end 2": b"250 ok\r\n250 ok\r\n"}, {"end 1": "550 5.7.1 no"})
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect() as c:
        c.helo()
        assert send(c, addresses(2)).startswith("250 2.0.0 delivered")
        wait_until(lambda: len(h.given) == 2, what="both")
        assert send(c, addresses(1), fresh(2)) .startswith("550 5.7.1 no")
    assert h.connections == 2


@pytest.mark.parametrize("end", [
    {"end 2": (b"garbage\r\n", CLOSE)},
    {"end 2": (b"250 2.0.0 ok", CLOSE)},
    {"end 2": (b"250-2.0.0 ok\r\n550 no\r\n", CLOSE)},
    {"end 1": b"250 2.0.0 ok\r\n\0\r\n", "end 2": CLOSE},
    {"end 1": b"250 2.0.0 ok\r\n25", "end 2": (b"0\x80", CLOSE)},
], ids=["garbage", "cut", "two-codes", "nul", "half"])
def test_the_first_has_it_and_then_nonsense(gateway, hop, end):
    h = hop(end)
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect() as c:
        c.helo()
        assert send(c, addresses(2)).startswith(TROUBLE)
        assert c.say("NOOP").startswith("250")
    assert gateway.events("refuse", reason="doubtful")
    assert gateway.events("hop", to="<alice@example.org>", took="yes")
    assert gateway.events("hop", to="<bob@example.org>", took="unknown")


@pytest.mark.parametrize("script,start,words", [
    ({"LHLO": "500 5.5.1 what"}, TROUBLE, "LHLO: 500"),
    ({"LHLO": CLOSE}, TROUBLE, "closed the connection"),
    ({"greeting": "220 gw.example.org LMTP"}, "250 2.0.0 ", ""),
    ({"RCPT 2": "552 5.2.2 full"}, "552 5.2.2 full", "hop-refused"),
    ({"DATA": "452 4.3.1 later"}, "452 4.3.1 later", "hop-refused"),
    ({"body": CLOSE}, TROUBLE, "next_hop="),
], ids=["lhlo-500", "lhlo-closed", "our-name", "rcpt", "data", "body"])
def test_before_the_dot(gateway, hop, script, start, words):
    h = hop(script)
    serve(gateway, f"127.0.0.1:{h.port}")
    big = MESSAGE + (b"x" * 70 + b"\r\n") * 4000
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        replies = [c.say(f"RCPT TO:<{r}>") for r in addresses(2)]
        if any(r.startswith("25") for r in replies):
            assert c.say("DATA").startswith("354")
            c.send(big + b".\r\n")
            replies.append(c.reply())
        assert [r for r in replies if r.startswith(start)], replies
    assert words in gateway.log()
    assert not h.said("EHLO") and not h.said("HELO")


def test_what_it_is_told_of_the_message(gateway, hop):
    """SIZE, BODY and SMTPUTF8, nothing of DSN."""
    h = hop(keywords=("SIZE 1000000", "SMTPUTF8", "DSN"))
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example> SIZE=99 BODY=8BITMIME"
                     ).startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
    assert h.said("MAIL") == ["MAIL FROM:<s@client.example> SIZE=99 "
                              "BODY=8BITMIME"]
    with gateway.connect() as c:
        assert c.reply().startswith("220")
        words = c.say("EHLO client.example")
        assert "SMTPUTF8" in words and "DSN" not in words
        assert c.say("MAIL FROM:<\u00e4@client.example> SMTPUTF8"
                     ).startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
    assert h.said("MAIL")[-1].endswith(" SMTPUTF8")


# ------------------------------------------------------------------- sockets


def test_a_socket_that_the_settings_do_not_name(gateway, hop):
    path = gateway.dir / "lmtp.sock"
    h = hop(path=path)
    gateway.write_lists(routes=f"* lmtp:{path}\n")
    gateway.settings["lmtp_sockets"] = '{"/run/dovecot/lmtp"}'
    gateway.write_conf()
    gateway.compile("-f")  # against the guard
    gateway.start(compile=False)
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith(TROUBLE)
    assert h.connections == 0
    assert "not in lmtp_sockets" in gateway.wait_event("refuse")


def test_it_is_visited(gateway, hop):
    """By a helper that may open a socket of that kind, too."""
    path = gateway.dir / "lmtp.sock"
    h = hop(path=path, keywords=("SMTPUTF8",))
    gateway.keep = True
    serve(gateway, path, lmtp_sockets=f'{{"{path}"}}')
    wait_until(lambda: h.said("LHLO"), what="a visit")
    with gateway.connect() as c:
        assert c.reply().startswith("220")
        wait_until(lambda: "SMTPUTF8" in c.say("EHLO client.example"),
                   what="its keywords")
    assert not gateway.events("worker") and not h.said("EHLO")


def test_nobody_at_the_socket(gateway, hop):
    path = gateway.dir / "lmtp.sock"
    serve(gateway, path, lmtp_sockets=f'{{"{path}"}}')
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<alice@example.org>").startswith(TROUBLE)
        h = hop(path=path)
        assert c.say("RCPT TO:<alice@example.org>").startswith("250")
        assert c.say("RSET").startswith("250")
        assert send(c, addresses(1)).startswith("250")
    assert len(h.given) == 1


def test_a_full_queue_is_waited_for(gateway):
    """connect(2) to a UNIX socket does not wait for room: we do."""
    import socket
    import threading
    path = gateway.dir / "lmtp.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o777)
    listener.listen(0)
    first = socket.socket(socket.AF_UNIX)
    first.connect(str(path))  # the one place that there is
    serve(gateway, path, lmtp_sockets=f'{{"{path}"}}')
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        c.send("RCPT TO:<alice@example.org>\r\n")
        c.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            c.reply()
        c.sock.settimeout(10)
        listener.accept()[0].close()
        conn = listener.accept()[0]

        def greet():
            for answer in (b"220 x\r\n", b"250 x\r\n", b"250 ok\r\n",
                           b"250 ok\r\n"):
                conn.sendall(answer)
                conn.recv(1000)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        assert c.reply().startswith("250 2.1.5")
    conn.close()
    listener.close()
    first.close()


def test_one_that_leaves_is_not_waited_for_long(gateway, hop):
    h = hop({"end 1": "421 4.3.2 bye", "end 2": SILENT})
    serve(gateway, f"127.0.0.1:{h.port}")
    with gateway.connect(timeout=10) as c:
        c.helo()
        assert send(c, addresses(2)).startswith(TROUBLE)
    assert gateway.events("refuse", reason="doubtful")
