"""How much one client network may do in a minute."""

from lying_dns import LyingDns, address, delayed, ptr
from raw import CLOSED, DATA, HELLO, MAIL, RCPT, RawClient, serving
from rdns import MESSAGE, asking

POOL = "workers { min = 4  max = 16  spare = 2 }"
LISTS = {"relay": "127.0.0.2\n", "banned": "127.0.0.9\n"}
WRONG = (b"RCPT TO:<nobody@example.org>\r\n", "550 5.1.1")
DONE = [(MESSAGE + b".\r\n", "250 2.0.0")]


def test_connections():
    with serving(POOL, "rates { connections = 3 }", lists=LISTS) as g:
        for _ in range(5):  # these do not count
            with RawClient(g.port, "127.0.0.9") as c:
                c.expect("554 5.7.1")
        for source in ("127.0.0.5", "127.0.0.6"):
            for _ in range(3):
                g.play(source=source)
            for _ in range(2):
                with RawClient(g.port, source) as c:
                    c.expect("421 4.7.0 | closed")
        for _ in range(5):
            g.play(source="127.0.0.2")
        assert len(g.events("refuse", test="limits", reason="rate-connections",
                            client="127.0.0.5")) == 2


def test_messages():
    with serving(POOL, "rates { messages = 2 }", lists=LISTS) as g:
        more = (b"RCPT TO:<alice@example.org>\r\n", "450 4.7.1")
        g.play(*MAIL, (b"RSET\r\n", "250"), *DATA[1:], *DONE, *RCPT[1:],
               (b"RSET\r\n", "250"), *DATA[1:], *DONE, *MAIL[1:], more,
               (b"RCPT TO:<postmaster@example.org>\r\n", "450 4.7.1"),
               source="127.0.0.5")
        g.play(*MAIL, more, source="127.0.0.5")
        g.play(*DATA, *DONE, source="127.0.0.6")
        g.play(*DATA, *DONE, *DATA[1:], *DONE, *DATA[1:], *DONE,
               source="127.0.0.2")
        g.wait_event("refuse", reason="rate-messages", client="127.0.0.5")


def test_messages_of_several_sessions_at_once():
    with serving(POOL, "rates { messages = 2 }") as g:
        clients = [g.open("127.0.0.5") for _ in range(3)]
        for c in clients:
            c.steps(*RCPT)
        for c, want in zip(clients, ("354", "354", "450 4.7.1")):
            c.steps((b"DATA\r\n", want))
        clients[2].steps((b"RCPT TO:<alice@example.org>\r\n", "503"))
        clients[2].in_step()
        for c in clients:
            c.close()


def test_refused_recipients():
    with serving(POOL, "rates { refused = 3 }", lists=LISTS) as g:
        g.play(*MAIL, WRONG, WRONG, RCPT[2],
               (b"RCPT TO:<x@foreign.example>\r\n", "550 5.7.1"),
               # Now nothing can be learnt any more.
               (WRONG[0], "450 4.7.1"), (RCPT[2][0], "450 4.7.1"),
               # The message to who was accepted before goes on.
               DATA[3], *DONE, source="127.0.0.5")
        g.play(*MAIL, (WRONG[0], "450 4.7.1"), source="127.0.0.5")
        g.play(*RCPT, *[WRONG] * 3, (WRONG[0], "450 4.7.1"),
               source="127.0.0.6")
        g.play(*MAIL, *[WRONG] * 5, RCPT[2], source="127.0.0.2")
        g.wait_event("refuse", reason="rate-refused", client="127.0.0.5")


def test_off_by_default():
    with serving(POOL, "limits { errors = 100  slow_after = 100 }") as g:
        for _ in range(20):
            g.play(*MAIL, *[WRONG] * 5, RCPT[2], DATA[3], *DONE)


def test_a_relay_by_name_is_exempt():
    with LyingDns() as dns:
        dns.say("127.4.0.1", delayed(200, ptr("relay.example.net")))
        dns.say("relay.example.net", address("127.4.0.1"))
        with asking(dns.address, sections=("rates { refused = 1 }",),
                    lists={"relay": "relay.example.net\n"}) as g:
            for _ in range(2):
                g.play(*MAIL, WRONG, WRONG, RCPT[2], source="127.4.0.1")
            with g.open("127.4.0.2") as c:
                c.steps(*HELLO, MAIL[1], WRONG, (WRONG[0], "450 4.7.1"),
                        (b"QUIT\r\n", f"221 | {CLOSED}"))
