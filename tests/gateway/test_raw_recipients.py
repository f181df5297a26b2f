"""What lists banned and recipients say, in every mode and place."""

import pytest

from raw import CLOSED, HELLO, MAIL, RawClient, serving

MESSAGE = b"Subject: x\r\n\r\nbody\r\n.\r\n"
BANS = {
    "reject": "127.0.1.1", "defer": "127.0.1.2", "drop": "127.0.1.3",
    "net": "127.0.2.7", "allowed": "127.0.2.25", "inner": "127.0.2.66",
    "relay": "127.0.3.1", "expired": "127.0.1.9",
}
LISTS = {
    "banned": """
127.0.1.1 reject "no mail from you"
127.0.1.2 defer "come back later"
127.0.1.3 drop
127.0.1.9 reject until=2020-01-01
127.0.2.0/24
127.0.2.24/30 allow
127.0.2.64/26 reject "the inner net"
127.0.3.1
""",
    "relay": "127.0.3.0/24\n",
    "domains": "example.org\nwild.example.org\n.deep.example.org\n"
               "closed.example.org\n",
    "recipients": """
alice@example.org
bob@example.org reject "bob takes no mail"
bob+ok@example.org
carol@example.org moved carol@new.example "carol has left,"
dave@example.org moved dave@new.example
erin@example.org forward alice@example.org
frank@example.org forward frank@foreign.example
gina@example.org open
harry@example.org defer "harry is away"
ivan@example.org reject until=2020-01-01
plain@example.org
defer@example.org defer
reject@example.org reject
@wild.example.org
not@wild.example.org reject
@.deep.example.org
@shut.deep.example.org reject "closed below"
@closed.example.org reject "closed"
"\\"a b\\"@example.org" accept
""",
    "routes": "frank@foreign.example maildir:{mail}/frank\n"
              "* maildir:{mail}/all\n",
}
BOTH = "workers { min = 2  max = 8  spare = 2 }"
MORE = "limits { errors = 1000  slow_ms = 0 }"


@pytest.fixture(scope="module")
def gateway():
    with serving(BOTH, MORE, lists=LISTS) as g:
        yield g


@pytest.fixture(scope="module")
def at_rcpt():
    with serving(BOTH, MORE, 'test "banned" { at = "rcpt" }',
                 lists=LISTS) as g:
        yield g


@pytest.fixture(scope="module")
def soft():
    with serving(BOTH, MORE, lists=LISTS, soft="true") as g:
        yield g


@pytest.fixture(scope="module")
def warn():
    with serving(BOTH, MORE, 'test "banned" { mode = "warn" }',
                 'test "recipient" { mode = "warn" }', lists=LISTS) as g:
        yield g


@pytest.fixture(scope="module")
def other_codes():
    with serving(BOTH, MORE, lists=LISTS, moved_code="551",
                 forward_code="250", postmaster='"alice@example.org"',
                 open='{"postmaster", "noc"}') as g:
        yield g


def rcpt(address):
    return f"RCPT TO:<{address}>\r\n".encode()


# ---- list recipients

# address, reply, reply under soft, text that must be in it
ROWS = [
    ("alice@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("alice+x@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("alice+x+y@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("alice+@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("ALICE+X@example.org", "250 2.1.5", "250 2.1.5", ""),
    ('"alice"@example.org', "250 2.1.5", "250 2.1.5", ""),
    ('"alice+x y"@example.org', "250 2.1.5", "250 2.1.5", ""),
    ('"a b"@example.org', "250 2.1.5", "250 2.1.5", ""),
    ("+alice@example.org", "550 5.1.1", "450 4.1.1", "no such recipient"),
    ("+@example.org", "550 5.1.1", "450 4.1.1", ""),
    ("alice-x@example.org", "550 5.1.1", "450 4.1.1", ""),
    ("alic@example.org", "550 5.1.1", "450 4.1.1", ""),
    ("alicee@example.org", "550 5.1.1", "450 4.1.1", ""),
    ("alice@sub.example.org", "550 5.7.1", "450 4.7.1", ""),
    ("alice@wild.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("any.thing@wild.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("not@wild.example.org", "550 5.7.1", "450 4.7.1", ""),
    ("not+x@wild.example.org", "550 5.7.1", "450 4.7.1", ""),
    ("x@deep.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("x@a.deep.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("x@a.b.deep.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("x@shut.deep.example.org", "550 5.7.1", "450 4.7.1", "closed below"),
    ("x@a.shut.deep.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("x@closed.example.org", "550 5.7.1", "450 4.7.1", "closed"),
    ("bob@example.org", "550 5.7.1", "450 4.7.1", "bob takes no mail"),
    ("bob+x@example.org", "550 5.7.1", "450 4.7.1", "bob takes no mail"),
    ("bob+ok@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("reject@example.org", "550 5.7.1", "450 4.7.1", "does not take mail"),
    ("harry@example.org", "450 4.2.1", "450 4.2.1", "harry is away"),
    ("defer@example.org", "450 4.2.1", "450 4.2.1", ""),
    ("ivan@example.org", "550 5.1.1", "450 4.1.1", "no such recipient"),
    ("carol@example.org", "550 5.1.6", "450 4.1.6",
     "carol has left, now <carol@new.example>"),
    ("carol+x@example.org", "550 5.1.6", "450 4.1.6", "carol@new.example"),
    ("dave@example.org", "550 5.1.6", "450 4.1.6", "now <dave@new.example>"),
    ("erin@example.org", "251 2.1.5", "251 2.1.5", "<alice@example.org>"),
    ("frank@example.org", "251 2.1.5", "251 2.1.5",
     "<frank@foreign.example>"),
    ("gina@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("postmaster@example.org", "250 2.1.5", "250 2.1.5", ""),
    ("PostMaster@Example.ORG", "250 2.1.5", "250 2.1.5", ""),
    ('"postmaster"@example.org', "250 2.1.5", "250 2.1.5", ""),
    ("abuse@wild.example.org", "250 2.1.5", "250 2.1.5", ""),
    ("postmaster", "250 2.1.5", "250 2.1.5", ""),
    ("POSTMASTER", "250 2.1.5", "250 2.1.5", ""),
    ("abuse", "501 5.1.3", "451 4.1.3", ""),
    ("postmaster@new.example", "550 5.7.1", "450 4.7.1", ""),
    ("frank@foreign.example", "550 5.7.1", "450 4.7.1", ""),
]
IDS = [row[0] for row in ROWS]


@pytest.mark.parametrize("address, want, soft_want, text", ROWS, ids=IDS)
def test_what_a_recipient_gets(gateway, address, want, soft_want, text):
    got = gateway.play(*MAIL, (rcpt(address), want))[-1]
    assert text in got
    if want[0] in "45" and not want.startswith("501"):
        assert "; ref " in got
        ref = got.rsplit(" ", 1)[1]
        gateway.wait_event("refuse", ref=ref)


@pytest.mark.parametrize("address, want, soft_want, text", ROWS, ids=IDS)
def test_soft_refuses_for_a_while_only(soft, address, want, soft_want, text):
    got = soft.play(*MAIL, (rcpt(address), soft_want))[-1]
    assert text in got


SOFT = [
    (b"BLAH\r\n", "451 4.5.2"), (b"\r\n", "451 4.5.2"),
    (b"NOOP \0\r\n", "451 4.5.2"), (b"x" * 5000 + b"\r\n", "451 4.5.2"),
    (b"RCPT TO:<alice@example.org>\r\n", "451 4.5.1"),
    (b"MAIL FROM:<\r\n", "451 4.1.7"), (b"RSET x\r\n", "451 4.5.4"),
    (b"MAIL FROM:<a@b.example> X\r\n", "455 4.5.4"),
    (b"MAIL FROM:<a@b.example> SIZE=99999999999\r\n", "452 4.3.4"),
    (b"EXPN x\r\n", "451"),
]


@pytest.mark.parametrize("octets, want", SOFT, ids=lambda v: repr(v)[:30])
def test_soft_is_for_every_refusal_of_ours(soft, octets, want):
    soft.play(*HELLO, (octets, want))


def test_soft_is_for_messages_too(soft):
    for data, want in [(b"a\nb\r\n.\r\n", "450 4.6.11"),
                       (b"\0\r\n.\r\n", "450 4.6.0"),
                       (b"Received: x\r\n" * 101 + b".\r\n", "451 4.4.6")]:
        soft.play(*MAIL, (rcpt("alice@example.org"), "250"),
                  (b"DATA\r\n", "354"), (data, want))


def test_soft_at_the_greeting_is_421_and_the_end(soft):
    with RawClient(soft.port, BANS["reject"]) as c:
        (reply, _) = c.expect("421 4.7.1 | closed")
        assert "no mail from you" in reply
    with RawClient(soft.port, BANS["drop"]) as c:
        c.expect("closed")


OTHER = [
    ("carol@example.org", "551 5.1.6"), ("erin@example.org", "250 2.1.5"),
    ("frank@example.org", "250 2.1.5"), ("noc@example.org", "250 2.1.5"),
    ("NOC@wild.example.org", "250 2.1.5"), ("abuse@example.org", "550 5.1.1"),
    ("postmaster", "250 2.1.5"), ("bob@example.org", "550 5.7.1"),
]


@pytest.mark.parametrize("address, want", OTHER)
def test_with_the_other_codes(other_codes, address, want):
    other_codes.play(*MAIL, (rcpt(address), want))


def deliver(g, address, want, box="all", source=None):
    before = g.files(box)
    g.play(*MAIL, (rcpt(address), want), (b"DATA\r\n", "354"),
           (MESSAGE, "250 2.0.0"), source=source)
    (mail,) = g.new_mails(before, box)
    return mail


def test_where_forwarded_mail_goes(gateway, other_codes):
    assert b"for <alice@example.org>" in deliver(
        gateway, "erin@example.org", "251 2.1.5")
    assert b"for <frank@foreign.example>" in deliver(
        gateway, "frank@example.org", "251 2.1.5", "frank")
    assert b"for <alice@example.org>" in deliver(
        other_codes, "erin@example.org", "250 2.1.5")


def test_where_postmaster_is(gateway, other_codes):
    assert b"for <postmaster@example.org>" in deliver(
        gateway, "pOstMaster", "250 2.1.5")
    assert b"for <alice@example.org>" in deliver(
        other_codes, "postmaster", "250 2.1.5")


# ---- list banned, at the greeting

def test_a_banned_client_is_refused_at_the_greeting(gateway):
    with RawClient(gateway.port, BANS["reject"]) as c:
        (reply,) = c.expect("554 5.7.1")
        assert "no mail from you; ref " in reply
        c.steps((b"QUIT\r\n", "221 2.0.0 | closed"))
    line = gateway.wait_event("refuse", client=BANS["reject"])
    assert " test=banned " in line and " rule=banned:" in line
    assert ' reply="554 5.7.1"' in line


GREETINGS = [
    ("reject", "554 5.7.1"), ("net", "554 5.7.1"), ("inner", "554 5.7.1"),
    ("relay", "554 5.7.1"), ("defer", "421 4.7.1 | closed"),
    ("drop", CLOSED), ("allowed", "220"), ("expired", "220"),
]


@pytest.mark.parametrize("who, want", GREETINGS)
def test_who_is_greeted(gateway, who, want):
    with RawClient(gateway.port, BANS[who]) as c:
        c.expect(want)


@pytest.mark.parametrize("source, want", [
    ("127.0.1.0", "220"), ("127.0.2.0", "554"), ("127.0.2.23", "554"),
    ("127.0.2.24", "220"), ("127.0.2.27", "220"), ("127.0.2.28", "554"),
    ("127.0.2.63", "554"), ("127.0.2.64", "554"), ("127.0.2.127", "554"),
    ("127.0.2.128", "554"), ("127.0.2.255", "554"), ("127.0.4.0", "220"),
    ("127.0.1.255", "220")])
def test_the_edges_of_a_banned_network(gateway, source, want):
    with RawClient(gateway.port, source) as c:
        (reply,) = c.expect(want)
        inner = want == "554" and 64 <= int(source.split(".")[3]) < 128
        assert ("the inner net" in reply) == inner


REFUSED = [
    (b"EHLO x\r\n", "503 5.5.1"), (b"HELO x\r\n", "503 5.5.1"),
    (b"MAIL FROM:<a@b.example>\r\n", "503 5.5.1"),
    (b"RCPT TO:<postmaster>\r\n", "503 5.5.1"), (b"DATA\r\n", "503 5.5.1"),
    (b"RSET\r\n", "503 5.5.1"), (b"NOOP\r\n", "503 5.5.1"),
    (b"HELP\r\n", "503 5.5.1"), (b"VRFY x\r\n", "503 5.5.1"),
    (b"EXPN x\r\n", "503 5.5.1"), (b"BLAH\r\n", "503 5.5.1"),
    (b"STARTTLS\r\n", "503 5.5.1"), (b"\r\n", "503 5.5.1"),
    (b".\r\n", "503 5.5.1"), (b" QUIT\r\n", "503 5.5.1"),
    (b"quit now\r\n", "503 5.5.1"),
    (b"quit" + b" " * 90 + b"x\r\n", "503 5.5.1"),
    (b"NOOP \0\r\n", "503 5.5.1"), (b"QUIT\n\r\n", "503 5.5.1"),
    (b"x" * 5000 + b"\r\n", "503 5.5.1"),
]


@pytest.mark.parametrize("octets, want", REFUSED, ids=lambda v: repr(v)[:30])
def test_a_refused_client_may_only_quit(gateway, octets, want):
    with RawClient(gateway.port, BANS["reject"]) as c:
        c.expect("554 5.7.1")
        c.steps((octets, want), (b"QUIT\r\n", "221 | closed"))


def test_a_refused_client_has_five_commands(gateway):
    with RawClient(gateway.port, BANS["reject"]) as c:
        c.expect("554 5.7.1")
        c.steps(*[(b"NOOP\r\n", "503 5.5.1")] * 4,
                (b"NOOP\r\n", "503 5.5.1 | closed"))
    with RawClient(gateway.port, BANS["reject"]) as c:
        c.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n"
               b"x\r\n.\r\nQUIT\r\n")
        c.expect("554 5.7.1 | " + " | ".join(["503 5.5.1"] * 5) + " | closed")


def test_a_dropped_client_hears_nothing_and_the_log_says_so(gateway):
    with RawClient(gateway.port, BANS["drop"]) as c:
        assert c.sock.recv(100) == b""
    line = gateway.wait_event("refuse", client=BANS["drop"])
    assert " test=banned " in line and " reply=drop" in line


# ---- list banned, at the recipient

HELD = [
    # who, recipient, reply
    ("reject", "alice@example.org", "550 5.7.1"),
    ("reject", "x@wild.example.org", "550 5.7.1"),
    ("reject", "erin@example.org", "550 5.7.1"),
    ("reject", "nobody@example.org", "550 5.7.1"),
    ("reject", "carol@example.org", "550 5.7.1"),
    ("reject", "user@foreign.example", "550 5.7.1"),
    ("reject", "gina@example.org", "250 2.1.5"),
    ("reject", "gina+x@example.org", "250 2.1.5"),
    ("reject", "postmaster@example.org", "250 2.1.5"),
    ("reject", "POSTMASTER@wild.example.org", "250 2.1.5"),
    ("reject", "abuse@example.org", "250 2.1.5"),
    ("reject", "postmaster", "250 2.1.5"),
    ("reject", "<", "501 5.1.3"),
    ("defer", "alice@example.org", "450 4.7.1"),
    ("defer", "postmaster", "250 2.1.5"),
    ("defer", "gina@example.org", "250 2.1.5"),
    ("drop", "alice@example.org", CLOSED),
    ("drop", "postmaster", "250 2.1.5"),
    ("allowed", "alice@example.org", "250 2.1.5"),
    ("expired", "alice@example.org", "250 2.1.5"),
    ("net", "alice@example.org", "550 5.7.1"),
    ("relay", "alice@example.org", "550 5.7.1"),
    ("relay", "user@foreign.example", "550 5.7.1"),
    ("relay", "postmaster@foreign.example", "550 5.7.1"),
    ("relay", "gina@example.org", "250 2.1.5"),
]


@pytest.mark.parametrize("who, address, want", HELD)
def test_a_ban_that_waits_for_the_recipient(at_rcpt, who, address, want):
    at_rcpt.play(*MAIL, (rcpt(address), want), source=BANS[who],
                 quit=want != CLOSED)


def test_a_held_ban_speaks_its_text_and_mail_to_open_goes_through(at_rcpt):
    before = at_rcpt.files()
    got = at_rcpt.play(
        *MAIL, (rcpt("alice@example.org"), "550 5.7.1"),
        (rcpt("gina@example.org"), "250 2.1.5"),
        (rcpt("alice@example.org"), "550 5.7.1"), (b"DATA\r\n", "354"),
        (MESSAGE, "250 2.0.0"), source=BANS["reject"])
    assert "no mail from you; ref " in got[2]
    (mail,) = at_rcpt.new_mails(before)
    assert b"for <gina@example.org>" in mail
    line = at_rcpt.wait_event("refuse", to="<alice@example.org>")
    assert " test=banned " in line and ' reply="550 5.7.1"' in line


# ---- mode warn

def test_warn_lets_pass_and_says_what_it_would(warn):
    for who, would in [("reject", "reject"), ("defer", "defer"),
                       ("drop", "drop")]:
        warn.play(*MAIL, (rcpt("alice@example.org"), "250 2.1.5"),
                  source=BANS[who])
        line = warn.wait_event("refuse", client=BANS[who], would=would)
        assert " test=banned " in line and " reply=" not in line


WARNED = [
    ("nobody@example.org", "250 2.1.5", "reject"),
    ("bob@example.org", "250 2.1.5", "reject"),
    ("harry@example.org", "250 2.1.5", "defer"),
    ("carol@example.org", "250 2.1.5", "moved"),
    ("alice@example.org", "250 2.1.5", None),
    ("user@foreign.example", "550 5.7.1", None),
    ("user%x@example.org", "550 5.1.3", None),
]


@pytest.mark.parametrize("address, want, would", WARNED)
def test_warn_for_recipients(warn, address, want, would):
    source = "127.0.9.9"
    warn.play(*MAIL, (rcpt(address), want), source=source)
    lines = [l for l in warn.log().splitlines()
             if f" to=<{address}>" in l and " would=" in l
             and f" client={source}" in l]
    if would is None:
        assert not lines
    else:
        assert f" would={would}" in lines[-1] and " test=recipient" in lines[-1]


def test_warn_grants_nothing(warn):
    """forward does not rewrite while its test only warns."""
    assert b"for <erin@example.org>" in deliver(
        warn, "erin@example.org", "250 2.1.5")


def test_off_is_off():
    with serving('test "banned" { mode = "off" }',
                 'test "recipient" { mode = "off" }', lists=LISTS) as g:
        g.play(*MAIL, (rcpt("nobody@example.org"), "250 2.1.5"),
               (rcpt("carol@example.org"), "250 2.1.5"),
               (rcpt("user@foreign.example"), "550 5.7.1"),
               source=BANS["reject"])
        assert " would=" not in g.log()
