"""Clients that speak before they are greeted."""

import time

from lying_dns import LyingDns, address, delayed, ptr, silent
from raw import MAIL, RawClient, serving
from rdns import asking, code

POOL = "workers { min = 4  max = 16  spare = 2 }"
EARLY = b"EHLO client.example\r\n"
LISTS = {"relay": "127.0.0.2\n", "banned": "127.0.0.9\n"}


def early(pause=300, **settings):
    body = "".join(f'  {k} = "{v}"' for k, v in settings.items())
    return f'test "early_talker" {{ greet_pause = {pause}{body} }}'


def test_on():
    with serving(POOL, early(mode="on"), lists=LISTS) as g:
        with RawClient(g.port, "127.0.0.5") as c:
            c.steps((EARLY, "554 5.5.1 | 503"), (b"QUIT\r\n", "221 | closed"))
        g.wait_event("refuse", client="127.0.0.5", test="early_talker",
                     reason="early-talker")
        begun = time.monotonic()
        with g.open("127.0.0.6") as c:
            assert time.monotonic() - begun > 0.25, "it was not waited"
            c.steps(*MAIL)
            c.in_step()
        # Nobody who may relay waits, and one who is banned hears that.
        with RawClient(g.port, "127.0.0.2") as c:
            c.steps((EARLY, "220 | 250"), *MAIL[1:])
            c.in_step()
        with RawClient(g.port, "127.0.0.9") as c:
            c.steps((EARLY, "554 5.7.1 | 503"))


def test_what_comes_within_the_pause_is_early():
    with serving(POOL, early(mode="on", pause=5000)) as g:
        with RawClient(g.port, "127.0.0.5") as c:
            time.sleep(0.1)
            c.steps((b"\x80", "554 5.5.1"))
        with RawClient(g.port, "127.0.0.5") as c:
            c.close()  # the worker is free again at once
        g.wait_event("session", client="127.0.0.5", end="lost")


def test_without_a_pause_nobody_waits():
    with serving(POOL, early(mode="on", pause=0)) as g:
        with g.open("127.0.0.5") as c:
            c.steps(*MAIL)
            c.in_step()


def test_at_rcpt():
    with serving(POOL, early(mode="on", at="rcpt")) as g:
        with RawClient(g.port, "127.0.0.5") as c:
            c.steps((EARLY, "220 | 250"), *MAIL[1:],
                    (b"RCPT TO:<alice@example.org>\r\n", "550 5.5.1"),
                    (b"RCPT TO:<postmaster@example.org>\r\n", "250 2.1.5"))
            c.in_step()


def test_warn():
    with serving(POOL, early(mode="warn")) as g:
        with RawClient(g.port, "127.0.0.5") as c:
            c.steps((EARLY + b"NOOP\r\n", "220 | 250 | 250"), *MAIL[1:])
            c.in_step()
        g.wait_event("refuse", test="early_talker", would="reject")


def test_off_is_the_default():
    with serving(POOL) as g:
        with RawClient(g.port, "127.0.0.5") as c:
            c.steps((EARLY, "220 | 250"), *MAIL[1:])
            c.in_step()
        assert not g.events("refuse", test="early_talker")


def test_a_relay_by_name_is_known_before_it_is_refused():
    with LyingDns() as dns:
        dns.say("127.4.0.1", delayed(300, ptr("relay.example.net")))
        dns.say("relay.example.net", address("127.4.0.1"))
        dns.say("127.4.0.2", silent)
        with asking(dns.address, sections=(early(mode="on", pause=100),),
                    lists={"relay": "relay.example.net\n"}) as g:
            with RawClient(g.port, "127.4.0.1") as c:
                c.steps((EARLY, "220 | 250"), *MAIL[1:])
                c.in_step()
            with RawClient(g.port, "127.4.0.2") as c:
                c.send(EARLY)
                assert code(c.reply(), "421 4.4.3"), "it might be a relay"
