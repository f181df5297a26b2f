"""No octet of a client's in a reply, and none unescaped in a log or header."""

import re

import pytest

from raw import DATA, HELLO, LOG_LINE, MAIL, RCPT, RawClient, serving

MARK = "Zq7Marker"
LONG = "t" * 380


@pytest.fixture(scope="module")
def gateway():
    lists = {
        "domains": "example.org\n",
        "recipients": "@example.org\n"
        f"long@example.org reject \"{LONG}\"\n"
        f"longmoved@example.org moved new@b.example \"{LONG}\"\n"
        "percent@example.org reject \"100%s%n%x of it\"\n"
        "nobody@example.org reject\n",
        "banned": "127.0.0.9 reject \"%n%s " + "b" * 350 + "\"\n",
    }
    with serving("workers { min = 2  max = 4  spare = 1 }",
                 "limits { errors = 1000  slow_ms = 0  idle_commands = 1000 }",
                 lists=lists) as g:
        yield g


M = MARK.encode()
ECHOES = [
    (HELLO, M + b"\r\n", "500"),
    (HELLO, b"NOOP " + M + b"\r\n", "250"),
    (HELLO, b"HELP " + M + b"\r\n", "214"),
    (HELLO, b"VRFY " + M + b"\r\n", "252"),
    (HELLO, b"EXPN " + M + b"\r\n", "502"),
    (HELLO, b"RSET " + M + b"\r\n", "501"),
    (HELLO, b"QUIT " + M + b"\r\n", "501"),
    (HELLO, b"EHLO " + M + b"\r\n", "250"),
    (HELLO, b"HELO " + M + b"\r\n", "250"),
    (HELLO, b"EHLO x " + M + b"\r\n", "501"),
    (HELLO, b"MAIL FROM:<" + M + b"@b.example>\r\n", "250"),
    (HELLO, b"MAIL FROM:<" + M + b">\r\n", "501"),
    (HELLO, b"MAIL FROM:<a@b.example> " + M + b"=1\r\n", "555"),
    (HELLO, b"MAIL FROM:<a@b.example> BODY=" + M + b"\r\n", "501"),
    (HELLO, b"MAIL FROM:<a@b.example> SIZE=" + M + b"\r\n", "501"),
    (MAIL, b"RCPT TO:<" + M + b"@example.org>\r\n", "250"),
    (MAIL, b"RCPT TO:<" + M + b"@foreign.example>\r\n", "550"),
    (MAIL, b"RCPT TO:<nobody+" + M + b"@example.org>\r\n", "550"),
    (MAIL, b"RCPT TO:<" + M + b">\r\n", "501"),
    (MAIL, b"RCPT TO:<a@example.org> " + M + b"\r\n", "555"),
    (RCPT, b"DATA " + M + b"\r\n", "501"),
    (DATA, b"Message-ID: <" + M + b"@x>\r\n\r\n" + M + b"\r\n.\r\n", "250"),
    (HELLO, M * 1000 + b"\r\n", "500"),
    (HELLO, M + b"\x1b[2J\0\r\n", "500"),
    (HELLO, M + b"\r250 2.0.0 ok\r\n", "500"),
    (HELLO, b"%s%s%n%n\r\n", "500"),
]


@pytest.mark.parametrize("lead, octets, want", ECHOES,
                         ids=lambda v: repr(v)[:40])
def test_replies_hold_nothing_of_the_clients(gateway, lead, octets, want):
    for reply in gateway.play(*lead, (octets, want)):
        assert MARK not in reply and "client.example" not in reply


@pytest.mark.parametrize("address, want", [
    ("long@example.org", "550 5.7.1"), ("longmoved@example.org", "550 5.1.6")])
def test_long_texts_are_one_line_of_at_most_512_octets(
        gateway, address, want):
    """The reference stands at the end and must not be cut."""
    got = gateway.play(*MAIL, (f"RCPT TO:<{address}>\r\n".encode(), want))[-1]
    assert len(got) <= 510 and "\n" not in got
    assert re.search(r"; ref [0-9A-Z]+\.\d+$", got)


def test_the_greeting_of_a_banned_client_is_no_format(gateway):
    with RawClient(gateway.port, "127.0.0.9") as c:
        (got,) = c.expect("554 5.7.1")
        assert "%n%s b" in got and "; ref " in got and len(got) <= 510
        c.in_step()


def test_a_text_of_a_list_is_no_format(gateway):
    got = gateway.play(*MAIL, (b"RCPT TO:<percent@example.org>\r\n", "550"))
    assert "100%s%n%x of it; ref " in got[-1]


# ---- the name of the client

# What HELO said, what Received may show of it.
NAMES = [
    (b"client.example", "client.example"),
    (b"under_score-1.example", "under_score-1.example"),
    (b"[127.0.0.1]", "[127.0.0.1]"),
    (b"[IPv6:::1]", "[IPv6:::1]"),
    (b'"quoted"', "?quoted?"),
    (b"a\"b", "a?b"),
    (b"a\\b", "a?b"),
    (b"(comment)", "?comment?"),
    (b"a)b(c", "a?b?c"),
    (b"<a@b>", "?a?b?"),
    (b"a;b", "a?b"),
    (b"a,b", "a?b"),
    (b"%s%n", "?s?n"),
    (b"$(id)`id`", "??id??id?"),
    (b"${run{id}}", "??run?id??"),
    (b"../../etc/passwd", "..?..?etc?passwd"),
    (b"a=b", "a?b"),
    (b"x\"from=<root@localhost>", "x?from??root?localhost?"),
    (b"a" * 255, "a" * 255),
    (b"\"" * 255, "?" * 255),
    (b"'or'1'='1", "?or?1???1"),
    (b"&&id", "??id"),
    (b"|id", "?id"),
    (b"{}", "??"),
    (b"~", "?"),
]


@pytest.mark.parametrize("name, shown", NAMES, ids=lambda v: repr(v)[:30])
def test_the_name_in_received_and_in_the_log(gateway, name, shown):
    before = gateway.files()
    got = gateway.play((b"EHLO " + name + b"\r\n", "250"), *RCPT[1:],
                       (b"DATA\r\n", "354"), (b"x: y\r\n\r\n.\r\n", "250"))
    (mail,) = gateway.new_mails(before)
    head, _ = mail.split(b"\n\n", 1)
    lines = head.split(b"\n")
    assert lines[0] == b"Return-Path: <s@client.example>"
    assert lines[1] == f"Received: from {shown} ([127.0.0.1])".encode()
    assert re.match(rb"\tby gw\.example\.org with ESMTP id [0-9A-Z.]+$",
                    lines[2])
    assert lines[3] == b"\tfor <alice@example.org>;"
    assert re.match(rb"\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$",
                    lines[4])
    assert lines[5:] == [b"x: y"]
    ref = got[-1].rsplit(" ", 1)[1]
    assert ref.encode() in lines[2]
    line = gateway.wait_event("message", ref=ref)
    assert LOG_LINE.match(line), line


# ---- addresses and Message-IDs in the log and in headers

SENDERS = [
    (b'"a b"@c.example', b'"a b"@c.example'),
    (b'"a\\"b"@c.example', b'"a\\"b"@c.example'),
    (b'"a\\\\b"@c.example', b'"a\\\\b"@c.example'),
    (b'"a>b"@c.example', b'"a>b"@c.example'),
    (b'"plain"@c.example', b"plain@c.example"),
    (b'"x to=<y>"@c.example', b'"x to=<y>"@c.example'),
    (b'"x\\" event=message"@c.example', b'"x\\" event=message"@c.example'),
    (b"%s%n@c.example", b"%s%n@c.example"),
    (b"a=b@c.example", b"a=b@c.example"),
    (b"@x.example:a@C.Example", b"a@c.example"),
    (b'""@c.example', b'""@c.example'),
]


@pytest.mark.parametrize("sender, shown", SENDERS, ids=lambda v: repr(v)[:30])
def test_the_sender_in_the_log_and_in_return_path(gateway, sender, shown):
    before = gateway.files()
    got = gateway.play(*HELLO, (b"MAIL FROM:<" + sender + b">\r\n", "250"),
                       *RCPT[2:], (b"DATA\r\n", "354"), (b".\r\n", "250"))
    (mail,) = gateway.new_mails(before)
    assert mail.startswith(b"Return-Path: <" + shown + b">\nReceived: from ")
    line = gateway.wait_event("message", ref=got[-1].rsplit(" ", 1)[1])
    assert line.count(" to=") == 1 + sender.count(b" to=")
    assert " to=<alice@example.org>" in line


IDS = [
    b"<a@b>", b"<a b>", b'<"a"@b>', b"<a\x1b[2J@b>", b"<a\xff\x80@b>",
    b"<a\t@b>", b"x\" event=message ref=0", b"\\", b"%s%n", b"a=b",
    b"\xe2\x80\xa8", b"<" + b"\xff" * 500 + b">", b"\x7f\x01\x08",
]


@pytest.mark.parametrize("message_id", IDS, ids=lambda v: repr(v)[:30])
def test_a_message_id_is_escaped(gateway, message_id):
    got = gateway.play(*DATA, (b"Message-ID: " + message_id + b"\r\n\r\n.\r\n",
                               "250"))
    ref = got[-1].rsplit(" ", 1)[1]
    line = gateway.wait_event("message", ref=ref)
    assert LOG_LINE.match(line), line
    assert " message_id=" in line and line.count("event=") == 1 + \
        message_id.count(b"event=")


STUFFED = [
    (b"h" * 255, b"a@b.example", b"nobody@example.org"),
    (b'"' * 255, b'"' + b'\\"' * 138 + b'"@' + b'd' * 40 + b'.example',
     b'"nobody+' + b'\\"' * 134 + b'"@example.org'),
]


@pytest.mark.parametrize("helo, sender, to", STUFFED,
                         ids=["plain", "quotes"])
def test_no_client_can_push_keys_out_of_the_line(gateway, helo, sender, to):
    """Which test refused, and the reply, are what the log is read for."""
    got = gateway.play((b"EHLO " + helo + b"\r\n", "250"),
                       (b"MAIL FROM:<" + sender + b">\r\n", "250"),
                       (b"RCPT TO:<" + to + b">\r\n", "550"))
    ref = got[-1].rsplit(" ", 1)[1]
    line = gateway.wait_event("refuse", ref=ref)
    assert LOG_LINE.match(line), line
    assert ' test=recipient ' in line and ' reply="550 5.7.1"' in line


def test_no_client_can_push_keys_out_of_a_message_line(gateway):
    quotes = b'"' + b'\\"' * 141 + b'"@'
    got = gateway.play((b"EHLO " + b'"' * 255 + b"\r\n", "250"),
                       (b"MAIL FROM:<" + quotes + b"d" * 40 + b".example>\r\n",
                        "250"),
                       (b"RCPT TO:<" + quotes + b"example.org>\r\n", "250"),
                       (b"DATA\r\n", "354"),
                       (b"Message-ID: " + b"\xff" * 300 + b"\r\n\r\n.\r\n",
                        "250"))
    line = gateway.wait_event("message", ref=got[-1].rsplit(" ", 1)[1])
    assert ' reply="250 2.0.0"' in line and " size=" in line
    assert " message_id=" in line and " next_hop=" in line


def test_every_line_of_the_log_is_printable(gateway):
    """All of the above, and what is worse, leave one clean line each."""
    for octets in (b"\x1b]0;x\x07", b"\0", b"a\rb", b"a\nb", b"\xff" * 100):
        gateway.play(*HELLO, (b"EHLO " + octets + b"\r\n", "500"),
                     (b"MAIL FROM:<" + octets + b"@b.example>\r\n", "500"))
    gateway.check()
