"""The thin line through the whole program: connect, test, hand over."""

import smtplib
import subprocess


def test_a_message_is_delivered_and_the_log_says_so(gateway):
    gateway.start()
    with gateway.connect() as c:
        c.helo()
        reply = c.message("Subject: one\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n")
        assert reply.startswith("250 2.0.0 ")
        assert c.say("QUIT").startswith("221 2.0.0 ")
        assert c.reply() is None
    (mail,) = gateway.mails()
    head, body = mail.split(b"\n\n", 1)
    assert head.startswith(b"Return-Path: <s@client.example>\nReceived: from ")
    assert body == b"body\n"
    line = gateway.wait_event("message", client="127.0.0.1")
    ref = reply.rsplit(" ", 1)[1]
    assert f"ref={ref} " in line and "message_id=<1@x>" in line
    assert ref.encode() in head
    gateway.wait_event("session", end="quit", messages=1)


def test_pythons_smtplib_and_swaks_deliver(gateway):
    gateway.start()
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=10) as s:
        s.sendmail("a@b.example", ["alice@example.org"], "Subject: s\n\nsmtplib\n")
    done = subprocess.run(
        ["swaks", "-s", "127.0.0.1", "-p", str(gateway.port), "-f", "a@b.example",
         "-t", "bob@example.org", "--body", "from swaks"],
        capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout
    bodies = b"".join(gateway.mails())
    assert b"smtplib\n" in bodies and b"from swaks\n" in bodies


def test_the_root_itself_is_a_maildir_from_the_first_message_on(gateway):
    """Its parts are made, though what is above it is out of reach."""
    gateway.write_lists(routes="* maildir:{mail}\n")
    gateway.start()
    with gateway.connect() as c:
        c.helo()
        assert c.message("Subject: first\r\n\r\n").startswith("250 2.0.0 ")
    assert len(gateway.mails(".")) == 1


def test_smtp_next_hop_gets_it_byte_for_byte(gateway, sink):
    hop = sink()
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{hop.port}\n")
    gateway.start()
    body = b"".join(b"%d: " % i + bytes(range(0x80, 0xff)) + b"x" * i + b"\r\n"
                    for i in range(0, 2000, 37)) + b"..dot\r\n..\r\n"
    with gateway.connect() as c:
        c.helo()
        assert c.message(b"Subject: two\r\n\r\n" + body).startswith("250 ")
    (mail,) = hop.mails()
    sent = body.replace(b"\r\n.", b"\r\n").replace(b"\r\n", b"\n")
    assert mail.replace(b"\r\n", b"\n").endswith(b"\n\n" + sent + b"\n") or \
        mail.replace(b"\r\n", b"\n").rstrip(b"\n").endswith(sent.rstrip(b"\n"))
