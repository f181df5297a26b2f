"""DSN: offered where all next hops have it, checked, and passed on as said."""

import contextlib

import pytest

from conftest import free_port, wait_until
from hop import CLOSE, Hop
from postfix import started
from raw import HELLO, serving

POOL = "workers { min = 2  max = 4  spare = 1 }"
MORE = "limits { errors = 1000  idle_commands = 1000 }"
MAIL = b"MAIL FROM:<s@client.example>"
RCPT = b"RCPT TO:<alice@example.org>"
MESSAGE = b"Subject: x\r\n\r\nbody\r\n.\r\n"


@contextlib.contextmanager
def hop(**kw):
    h = Hop(**kw)
    try:
        yield h
    finally:
        h.close()


def send(gateway, mail=b"", rcpt=b"", to=RCPT):
    """One message with these parameters."""
    gateway.play(*HELLO, (MAIL + mail + b"\r\n", "250 2.1.0"),
                 (to + rcpt + b"\r\n", "250 2.1.5"), (b"DATA\r\n", "354"),
                 (MESSAGE, "250 2.0.0"))


def offers(gateway, keyword="DSN"):
    (reply,) = gateway.play((b"EHLO x.example\r\n", "250"))
    return f"250-{keyword}" in reply.split("\n")


@pytest.fixture(scope="module")
def dsn():
    """A gateway that has learnt that its next hop has DSN."""
    with hop(keywords=("DSN",)) as h, serving(POOL, MORE, lists={
            "routes": f"* smtp:127.0.0.1:{h.port}\n",
            "relay": "127.0.0.1\n"}) as g:
        send(g)
        yield g, h


def test_it_is_offered_when_the_hop_was_seen_to_have_it():
    with hop(keywords=("DSN",)) as h, serving(POOL, lists={
            "routes": f"* smtp:127.0.0.1:{h.port}\n"}) as g:
        assert not offers(g)
        g.play(*HELLO, (MAIL + b" RET=FULL\r\n", "555 5.5.4"))
        send(g)
        assert offers(g)
        h.play(keywords=("DSN",))
        send(g, b" RET=FULL", b" NOTIFY=NEVER")
        # An outage changes nothing, and HELO offers nothing.
        h.play({"greeting": "421 4.3.2 down"})
        g.play(*HELLO, (MAIL + b" RET=FULL\r\n", "250"),
               (RCPT + b"\r\n", "451 4.3.0"))
        assert offers(g)
        g.play((b"HELO x.example\r\n", "250"),
               (MAIL + b" RET=FULL\r\n", "555 5.5.4"))


def test_a_hop_that_has_lost_it_ends_the_offer():
    with hop(keywords=("DSN",)) as h, serving(POOL, lists={
            "routes": f"* smtp:127.0.0.1:{h.port}\n"}) as g:
        send(g)
        h.play()
        send(g, b" RET=HDRS ENVID=x", b" NOTIFY=SUCCESS")
        assert h.said("MAIL") == ["MAIL FROM:<s@client.example>"]
        assert h.said("RCPT") == ["RCPT TO:<alice@example.org>"]
        assert not offers(g)
        # One that refuses EHLO has nothing.
        h.play({"EHLO": "502 5.5.1 what"})
        send(g)
        assert not offers(g)
        h.play(keywords=("DSN",))
        send(g)
        assert offers(g)


def test_all_next_hops_must_have_it():
    with hop(keywords=("DSN",)) as one, hop() as two:
        other = f"bob@example.org smtp:127.0.0.1:{two.port}\n"
        with serving(POOL, lists={
                "routes": f"* smtp:127.0.0.1:{one.port}\n" + other +
                f"never.example smtp:127.0.0.1:{free_port()}\n"}) as g:
            send(g)
            assert offers(g)  # the others were never reached
            send(g, to=b"RCPT TO:<bob@example.org>")
            assert not offers(g)
            two.play(keywords=("DSN",))
            send(g, to=b"RCPT TO:<bob@example.org>")
            assert offers(g)
            # A Maildir has none.
            g.write_lists(routes=f"* smtp:127.0.0.1:{one.port}\n"
                          f"bob@example.org maildir:{g.mail}/all\n")
            g.compile()
            assert not offers(g)
            g.write_lists(routes=f"* smtp:127.0.0.1:{one.port}\n")
            g.compile()
            assert offers(g)


@pytest.mark.parametrize("mail, rcpt", [
    (b" RET=FULL", b""), (b" RET=hdrs ENVID=QQ314159", b""),
    (b" ENVID=a+20b", b" NOTIFY=NEVER"),
    (b"", b" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;Bob@ivory.example"),
    (b"", b" ORCPT=rfc822;a+2Bb@c.example"),
    (b" ENVID=" + b"+41" * 100, b" ORCPT=x;" + b"a" * 498),
], ids=lambda v: v.decode()[:24])
def test_parameters_are_passed_on_as_they_were_said(dsn, mail, rcpt):
    gateway, h = dsn
    h.play(keywords=("DSN",))
    send(gateway, mail, rcpt)
    assert h.said("MAIL") == [(MAIL + mail).decode()]
    assert h.said("RCPT") == [(RCPT + rcpt).decode()]
    h.play(keywords=("DSN", "SIZE"), pipelining=False)
    send(gateway, b" SIZE=9 BODY=8BITMIME" + mail, rcpt)
    assert h.said("MAIL") == \
        [(MAIL + b" SIZE=9 BODY=8BITMIME" + mail).decode()]


def test_each_recipient_keeps_its_own(dsn):
    """Also when they are said again on a new connection."""
    gateway, h = dsn
    h.play({"RCPT 2": ("250 2.1.5 ok", CLOSE)}, {}, keywords=("DSN",))
    gateway.play(*HELLO, (MAIL + b" ENVID=1\r\n", "250"),
                 (RCPT + b" NOTIFY=NEVER\r\n", "250"),
                 (b"RCPT TO:<bob@example.org>\r\n", "250"),
                 (b"DATA\r\n", "354"), (MESSAGE, "250 2.0.0"))
    assert h.said("RCPT", 1) == ["RCPT TO:<alice@example.org> NOTIFY=NEVER",
                                 "RCPT TO:<bob@example.org>"]
    assert h.said("MAIL", 1) == [MAIL.decode() + " ENVID=1"]
    line = gateway.wait_event("message", recipients=2)
    assert "to=<alice@example.org>,<bob@example.org> " in line
    # What one transaction said is not said in the next.
    h.play(keywords=("DSN",))
    gateway.play(*HELLO, (MAIL + b" RET=FULL\r\n", "250"),
                 (RCPT + b" NOTIFY=DELAY\r\n", "250"), (b"RSET\r\n", "250"),
                 (MAIL + b"\r\n", "250"), (RCPT + b"\r\n", "250"),
                 (b"DATA\r\n", "354"), (MESSAGE, "250"))
    assert h.said("MAIL")[-1] == MAIL.decode()
    assert h.said("RCPT")[-1] == RCPT.decode()


@pytest.mark.parametrize("mail", [
    b" RET", b" RET=", b" RET=ALL", b" RET=FULL RET=FULL", b" ENVID",
    b" ENVID=", b" ENVID=a+2", b" ENVID=a+0A", b" ENVID=a=b", b" ENVID=+C3+A4",
    b" ENVID=" + b"a" * 101, b" NOTIFY=NEVER"])
def test_syntax_of_mail(dsn, mail):
    want = "555 5.5.4" if b"NOTIFY" in mail else "501 5.5.4"
    dsn[0].play(*HELLO, (MAIL + mail + b"\r\n", want))


@pytest.mark.parametrize("rcpt", [
    b" NOTIFY", b" NOTIFY=", b" NOTIFY=OFTEN", b" NOTIFY=NEVER,SUCCESS",
    b" NOTIFY=SUCCESS,,DELAY", b" NOTIFY=NEVER NOTIFY=NEVER", b" ORCPT",
    b" ORCPT=", b" ORCPT=rfc822", b" ORCPT=a@b.example", b" ORCPT=;a",
    b" ORCPT=rfc822;a+0D+0A", b" ORCPT=x;" + b"a" * 499, b" RET=FULL"])
def test_syntax_of_rcpt(dsn, rcpt):
    want = "555 5.5.4" if b"RET" in rcpt else "501 5.5.4"
    dsn[0].play(*HELLO, (MAIL + b"\r\n", "250"), (RCPT + rcpt + b"\r\n", want),
                (b"DATA\r\n", "554 5.5.1"))


def test_a_postfix_behind_sends_the_notification():
    p = started()
    try:
        with serving(POOL, lists={
                "routes": f"* smtp:127.0.0.1:{p.port}\n"}) as g:
            send(g)
            assert offers(g)
            g.play(*HELLO, (b"MAIL FROM:<bob@example.org> RET=HDRS"
                            b" ENVID=QQ314159\r\n", "250"),
                   (RCPT + b" NOTIFY=SUCCESS ORCPT=rfc822;Al+2Bice@old.example"
                    b"\r\n", "250"), (b"DATA\r\n", "354"),
                   (MESSAGE, "250 2.0.0"))
            report = wait_until(
                lambda: [m for m in p.mails() if b"delivery-status" in m], 20,
                "a notification")[0]
        assert b"\nOriginal-Envelope-Id: QQ314159\n" in report
        assert b"Original-Recipient: rfc822;Al+ice@old.example\n" in report
        assert b"\nAction: delivered\n" in report
    finally:
        p.close()
