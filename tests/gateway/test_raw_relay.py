"""The tricks by which others became open relays."""

import pytest

from raw import HELLO, MAIL, serving

RELAY, DENIED, STRANGER = "127.0.0.2", "127.0.0.66", "127.0.0.3"


@pytest.fixture(scope="module")
def gateway():
    lists = {
        "relay": f"{RELAY}\n127.0.0.64/28\n{DENIED} deny\n",
        "domains": "example.org\n.sub.example.org\nopen.example.org\n"
                   "shut.sub.example.org reject \"not that one\"\n",
        "recipients": "alice@example.org\n@open.example.org\n"
                      "@.sub.example.org\n"
                      "odd%one@example.org\na/b@example.org\n"
                      '"\\"x@y\\"@example.org"\n',
        "routes": "* maildir:{mail}/all\n",
    }
    with serving("workers { min = 1  max = 1  spare = 1 }",
                 "limits { errors = 1000  slow_ms = 0 }", lists=lists) as g:
        yield g


NO = "550 5.7.1"     # not our domain
ODD = "550 5.1.3"    # our domain, but the local part smells of routing
BAD = "501 5.1.3"    # no address at all
OURS = "250 2.1.5"
NOBODY = "550 5.1.1"

TRICKS = [
    # The recipient, then the reply to a stranger and to a relay client.
    ("<user@foreign.example>", NO, OURS),
    ("<user@FOREIGN.example>", NO, OURS),
    ("<user@localhost>", NO, OURS),
    ("<user@gw.example.org>", NO, OURS),
    ("<user@org>", NO, OURS),
    ("<user@example.org.foreign.example>", NO, OURS),
    ("<user@foreign.example.org>", NO, OURS),
    ("<user@notexample.org>", NO, OURS),
    ("<user@xexample.org>", NO, OURS),
    ("<user@example.orgx>", NO, OURS),
    ("<user@example-org>", NO, OURS),
    ("<user@shut.sub.example.org>", NO, OURS),
    ("<user@a.shut.sub.example.org>", OURS, OURS),
    # Address literals are not our domain, our own address included.
    ("<user@[127.0.0.1]>", NO, OURS),
    ("<alice@[127.0.0.1]>", NO, OURS),
    ("<postmaster@[127.0.0.1]>", NO, OURS),
    ("<user@[IPv6:::1]>", NO, OURS),
    ("<user@127.0.0.1>", NO, OURS),
    ("<user@[127.0.0.1].example.org>", BAD, BAD),
    ("<user@example.org[127.0.0.1]>", BAD, BAD),
    # The percent hack.
    ("<user%foreign.example@example.org>", ODD, NOBODY),
    ("<user%foreign.example@open.example.org>", ODD, OURS),
    ("<user%foreign.example@a.sub.example.org>", ODD, OURS),
    ("<user%foreign.example@[127.0.0.1]>", NO, OURS),
    ("<user%foreign.example@EXAMPLE.ORG>", ODD, NOBODY),
    ("<user%foreign.example@foreign.example>", NO, OURS),
    ("<user%foreign.example>", BAD, BAD),
    ("<user%example.org@foreign.example>", NO, OURS),
    ("<user%a%b@open.example.org>", ODD, OURS),
    ("<%@open.example.org>", ODD, OURS),
    ("<user%@open.example.org>", ODD, OURS),
    ("<%foreign.example@open.example.org>", ODD, OURS),
    ("<alice+%foreign.example@example.org>", ODD, OURS),
    ("<alice%@example.org>", ODD, NOBODY),
    ("<postmaster%foreign.example@example.org>", ODD, NOBODY),
    ("<postmaster%x>", BAD, BAD),
    ("<postmaster%foreign.example@open.example.org>", ODD, OURS),
    # Quoted.
    ('<"user@foreign.example"@example.org>', ODD, NOBODY),
    ('<"user@foreign.example"@open.example.org>', ODD, OURS),
    ('<"user\\@foreign.example"@open.example.org>', ODD, OURS),
    ('<"user%foreign.example"@open.example.org>', ODD, OURS),
    ('<"user\\%foreign.example"@open.example.org>', ODD, OURS),
    ('<"foreign.example!user"@open.example.org>', ODD, OURS),
    ('<"user@foreign.example">', BAD, BAD),
    ('<"user@foreign.example"@[127.0.0.1]>', NO, OURS),
    ('<"@foreign.example:user"@open.example.org>', ODD, OURS),
    ('<"<user@foreign.example>"@open.example.org>', ODD, OURS),
    ('<"user"@foreign.example>', NO, OURS),
    ('<"user@foreign.example@"@open.example.org>', ODD, OURS),
    ('<"@"@open.example.org>', ODD, OURS),
    ('<""@foreign.example>', NO, OURS),
    ("<'user@foreign.example'@example.org>", BAD, BAD),
    # Bang paths.
    ("<foreign.example!user@example.org>", ODD, NOBODY),
    ("<foreign.example!user@open.example.org>", ODD, OURS),
    ("<foreign.example!user@[127.0.0.1]>", NO, OURS),
    ("<foreign.example!user>", BAD, BAD),
    ("<example.org!foreign.example!user>", BAD, BAD),
    ("<!user@open.example.org>", ODD, OURS),
    ("<user!@open.example.org>", ODD, OURS),
    ("<a!b!c%d@open.example.org>", ODD, OURS),
    # Source routes: passed over, the mailbox decides.
    ("<@example.org:user@foreign.example>", NO, OURS),
    ("<@open.example.org:user@foreign.example>", NO, OURS),
    ("<@example.org,@foreign.example:user@foreign.example>", NO, OURS),
    ("<@[127.0.0.1]:user@foreign.example>", NO, OURS),
    ("<@foreign.example:alice@example.org>", OURS, OURS),
    ("<@foreign.example:user%foreign.example@open.example.org>", ODD, OURS),
    ("<@example.org:foreign.example>", BAD, BAD),
    ("<@example.org:user%foreign.example>", BAD, BAD),
    ("<@example.org:@foreign.example:user@foreign.example>", BAD, BAD),
    ("<@:user@foreign.example>", BAD, BAD),
    ("<@example.org@foreign.example:user@example.org>", BAD, BAD),
    ("@example.org:user@foreign.example", BAD, BAD),
    # More than one at-sign, and other separators.
    ("<user@foreign.example@example.org>", BAD, BAD),
    ("<user@example.org@foreign.example>", BAD, BAD),
    ("<user@@example.org>", BAD, BAD),
    ("<@user@example.org>", BAD, BAD),
    ("<user@foreign.example%example.org>", BAD, BAD),
    ("<user@foreign.example!example.org>", BAD, BAD),
    ("<user@foreign.example:example.org>", BAD, BAD),
    ("<user@foreign.example;example.org>", BAD, BAD),
    ("<user@foreign.example,alice@example.org>", BAD, BAD),
    ("<alice@example.org,user@foreign.example>", BAD, BAD),
    ("<alice@example.org user@foreign.example>", BAD, BAD),
    ("<user@foreign.example\\@example.org>", BAD, BAD),
    ("<user@foreign.example(@example.org>", BAD, BAD),
    ("<user@foreign.example/@example.org>", BAD, BAD),
    ("user@foreign.example", BAD, BAD),
    ("SMTP:<user@foreign.example>", BAD, BAD),
    ("<SMTP:user@foreign.example>", BAD, BAD),
    ("<IMCEASMTP-user+40foreign+2Eexample@example.org>", NOBODY, NOBODY),
    # Dots.
    ("<user@foreign.example.>", BAD, BAD),
    ("<alice@example.org.>", BAD, BAD),
    ("<user@.example.org>", BAD, BAD),
    ("<user@.>", BAD, BAD),
    ("<user@.sub.example.org>", BAD, BAD),
    # Pipes, files, options.
    ("<|/bin/id@example.org>", ODD, NOBODY),
    ("<|id@open.example.org>", ODD, OURS),
    ('<"|/bin/id"@open.example.org>', ODD, OURS),
    ('<"| id"@open.example.org>', ODD, OURS),
    ("<a|id@open.example.org>", OURS, OURS),
    ("</etc/passwd@example.org>", ODD, NOBODY),
    ("</etc/passwd@open.example.org>", ODD, OURS),
    ('<"/tmp/x"@open.example.org>', ODD, OURS),
    ("<../x@open.example.org>", BAD, BAD),
    ('<":include:/etc/passwd"@open.example.org>', ODD, OURS),
    ("<|/bin/id>", BAD, BAD),
    # What list recipients holds word for word may be reached all the same.
    ("<odd%one@example.org>", OURS, OURS),
    ("<ODD%ONE@example.org>", OURS, OURS),
    ("<odd%one+x@example.org>", ODD, OURS),
    ("<odd%one@open.example.org>", ODD, OURS),
    ("<a/b@example.org>", OURS, OURS),
    ('<"x@y"@example.org>', OURS, OURS),
    ('<"x@y"@open.example.org>', ODD, OURS),
    # Ours, in any case.
    ("<alice@example.org>", OURS, OURS),
    ("<aLiCe@eXaMpLe.OrG>", OURS, OURS),
    ("<x@a.sub.example.org>", OURS, OURS),
    ("<x@SUB.example.org>", OURS, OURS),
    ("<x@a.b.c.sub.example.org>", OURS, OURS),
    ("<x@nosub.example.org>", NO, OURS),
    ("<nobody@example.org>", NOBODY, NOBODY),
    ("<postmaster@example.org>", OURS, OURS),
    ("<abuse@EXAMPLE.org>", OURS, OURS),
    ("<postmaster@foreign.example>", NO, OURS),
    ("<postmaster>", OURS, OURS),
]


def ask(gateway, rcpt, want, source):
    after = "354" if want == OURS else "554 5.5.1"
    steps = [*MAIL, (f"RCPT TO:{rcpt}\r\n".encode(), want),
             (b"DATA\r\n", after)]
    if want == OURS:
        steps.append((b"x\r\n.\r\n", "250 2.0.0"))
    gateway.play(*steps, source=source)


@pytest.mark.parametrize("rcpt, stranger, relay", TRICKS,
                         ids=[row[0][:50] for row in TRICKS])
def test_the_tricks_of_a_stranger(gateway, rcpt, stranger, relay):
    before = gateway.files()
    ask(gateway, rcpt, stranger, STRANGER)
    assert len(gateway.new_mails(before)) == (stranger == OURS)


@pytest.mark.parametrize("rcpt, stranger, relay", TRICKS,
                         ids=[row[0][:50] for row in TRICKS])
def test_what_a_relay_client_may(gateway, rcpt, stranger, relay):
    ask(gateway, rcpt, relay, RELAY)


WHO = [("127.0.0.2", OURS), ("127.0.0.3", NO), ("127.0.0.63", NO),
       ("127.0.0.64", OURS), ("127.0.0.65", OURS), ("127.0.0.66", NO),
       ("127.0.0.67", OURS), ("127.0.0.79", OURS), ("127.0.0.80", NO),
       ("127.1.0.2", NO), ("127.0.0.20", NO)]


@pytest.mark.parametrize("source, want", WHO)
def test_who_may_relay(gateway, source, want):
    ask(gateway, "<user@foreign.example>", want, source)


CLAIMS = [
    (b"EHLO [127.0.0.2]\r\n", b"MAIL FROM:<alice@example.org>\r\n"),
    (b"EHLO gw.example.org\r\n", b"MAIL FROM:<alice@example.org>\r\n"),
    (b"HELO localhost\r\n", b"MAIL FROM:<>\r\n"),
    (b"HELO 127.0.0.2\r\n", b"MAIL FROM:<root@localhost>\r\n"),
    (b"EHLO example.org\r\n", b"MAIL FROM:<user@[127.0.0.2]>\r\n"),
    (b"EHLO x\r\n", b"MAIL FROM:<user@gw.example.org>\r\n"),
    (b"EHLO x\r\n", b"MAIL FROM:<@example.org:postmaster@example.org>\r\n"),
]


@pytest.mark.parametrize("helo, mail", CLAIMS, ids=lambda v: repr(v)[:50])
def test_nothing_a_stranger_says_grants_relaying(gateway, helo, mail):
    gateway.play((helo, "250"), (mail, "250 2.1.0"),
                 (b"RCPT TO:<alice@example.org>\r\n", OURS),
                 (b"RCPT TO:<user@foreign.example>\r\n", NO),
                 (b"DATA\r\n", "354"), (b"x\r\n.\r\n", "250 2.0.0"),
                 (mail, "250 2.1.0"),
                 (b"RCPT TO:<user@foreign.example>\r\n", NO),
                 source=STRANGER)


@pytest.mark.parametrize("command", [
    b"XCLIENT ADDR=127.0.0.2\r\n", b"XFORWARD ADDR=127.0.0.2\r\n",
    b"PROXY TCP4 127.0.0.2 127.0.0.1 9 25\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x02\x7f\0\0\x01\0\x09\0\x19"
    b"\r\n"])
def test_no_stranger_can_take_another_address(gateway, command):
    replies = " | ".join(["500 5.5.2"] * command.count(b"\r\n"))
    gateway.play((command, replies), *MAIL,
                 (b"RCPT TO:<user@foreign.example>\r\n", NO), source=STRANGER)


def test_the_word_of_a_domain_entry_is_spoken(gateway):
    got = gateway.play(*MAIL, (b"RCPT TO:<x@shut.sub.example.org>\r\n", NO),
                       source=STRANGER)
    assert "not that one; ref " in got[-1]
    line = gateway.wait_event("refuse", to="<x@shut.sub.example.org>")
    assert " test=destination " in line and " rule=domains:" in line


def test_relay_under_warn_grants_nothing():
    """It decides, says so in the log, and the client stays a stranger."""
    with serving('test "relay" { mode = "warn" }',
                 lists={"relay": "127.0.0.2\n"}) as g:
        ask(g, "<user@foreign.example>", NO, RELAY)
        ask(g, "<alice@example.org>", OURS, RELAY)


def test_relay_off_grants_nothing():
    with serving('test "relay" { mode = "off" }',
                 lists={"relay": "127.0.0.2\n"}) as g:
        ask(g, "<user@foreign.example>", NO, RELAY)


def test_relay_under_warn_logs_what_it_would_do():
    with serving('test "relay" { mode = "warn" }',
                 lists={"relay": "127.0.0.2\n"}) as g:
        g.play(*HELLO, source=RELAY)
        g.wait_event("session")
        assert " would=relay" in g.log()
