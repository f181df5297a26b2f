"""What a next hop is told of the client whose mail it gets."""

import re
import socket
import struct
import threading

import pytest

from conftest import wait_until
from hop import Hop
from postfix import started

LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
SIGNATURE = LOCAL[:12]
MESSAGE = "Subject: who\r\n\r\nbody\r\n"
XCLIENT = "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
XFORWARD = "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT"


@pytest.fixture
def hop():
    h = Hop()
    yield h
    h.close()


def serve(gateway, port, client, *sections, workers=1, **settings):
    gateway.keep = True
    gateway.write_lists(routes=f"* smtp:127.0.0.1:{port}\n")
    gateway.start(
        f"workers {{ min = {workers} max = {workers} spare = 1 }}",
        f'next_hop "127.0.0.1:{port}" {{ client = "{client}" probe_secs = 0 }}',
        *sections, **settings)


def deliver(gateway, source=None, helo="client.example", say="EHLO", n=1):
    with gateway.connect(source) as c:
        assert c.reply().startswith("220 ")
        assert c.say(f"{say} {helo}").startswith("250")
        for _ in range(n):
            reply = c.message(MESSAGE)
        port = c.sock.getsockname()[1]
        c.say("QUIT")
    return reply, port


# ---- XFORWARD

def test_xforward_tells_each_transaction_and_is_kept(gateway, hop):
    hop.play(keywords=(XFORWARD,))
    hop.scripts = [{"XFORWARD": "250 2.0.0 ok"}]
    serve(gateway, hop.port, "xforward")
    reply, port = deliver(gateway, "127.0.0.9", "one.example")
    assert reply.startswith("250 ")
    reply, other = deliver(gateway, "127.0.0.10", "two.example", say="HELO")
    assert reply.startswith("250 ")
    one, two = hop.said("XFORWARD")
    ref = re.search(r"IDENT=(\S+)", one)[1]
    assert one == (f"XFORWARD NAME=[UNAVAILABLE] ADDR=127.0.0.9 PORT={port} "
                   f"PROTO=ESMTP HELO=one.example IDENT={ref} SOURCE=REMOTE")
    assert gateway.events("message", ref=ref)
    assert f"ADDR=127.0.0.10 PORT={other} PROTO=SMTP HELO=two.example" in two
    assert hop.connections == 1
    verbs = [line.split()[0] for _, line in hop.lines]
    assert verbs == ["EHLO"] + 2 * ["XFORWARD", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("pipelining", [True, False])
def test_xforward_only_what_is_offered(gateway, hop, pipelining):
    hop.play({"XFORWARD": "250 ok"}, pipelining=pipelining,
             keywords=("XFORWARD ADDR HELO",))
    serve(gateway, hop.port, "xforward")
    assert deliver(gateway, helo="a+b=c")[0].startswith("250 ")
    assert hop.said("XFORWARD") == ["XFORWARD ADDR=127.0.0.1 HELO=a+2Bb+3Dc"]


def test_a_name_that_fits_no_line_is_said_to_be_unknown(gateway, hop):
    """A hop that keeps what it was told would else have the one before."""
    hop.play({"XFORWARD": "250 ok"}, keywords=("XFORWARD ADDR HELO",))
    serve(gateway, hop.port, "xforward")
    assert deliver(gateway, helo="+" * 200)[0].startswith("250 ")
    assert hop.said("XFORWARD") == [
        "XFORWARD ADDR=127.0.0.1 HELO=[UNAVAILABLE]"]


def test_a_long_name_takes_more_commands(gateway, hop):
    hop.play({"XFORWARD": "250 ok"}, keywords=(XFORWARD,))
    serve(gateway, hop.port, "xforward")
    assert deliver(gateway, helo="=" * 150)[0].startswith("250 ")
    lines = hop.said("XFORWARD")
    assert len(lines) == 3 and all(len(line) <= 510 for line in lines)
    assert "+3D" * 150 in lines[1]


def test_a_refused_xforward_is_our_trouble(gateway, hop):
    hop.play({"XFORWARD": "550 5.7.1 not you"}, keywords=(XFORWARD,))
    serve(gateway, hop.port, "xforward")
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<bob@example.org>").startswith("451 4.3.0 ")
    gateway.wait_event("refuse", test="hop")
    assert "XFORWARD: 550 not you" in gateway.log()


def test_without_xforward_mail_goes_on_and_the_log_says_so(gateway, hop):
    serve(gateway, hop.port, "xforward")
    assert deliver(gateway, n=2)[0].startswith("250 ")
    assert gateway.log().count("it does not offer XFORWARD") == 1


# ---- XCLIENT

def test_xclient_makes_the_hop_greet_the_client(gateway, hop):
    hop.play({"XCLIENT": "220 hop.example ESMTP"}, keywords=(XCLIENT,))
    serve(gateway, hop.port, "xclient")
    reply, port = deliver(gateway, "127.0.0.9", "one.example", n=2)
    assert reply.startswith("250 ")
    assert deliver(gateway, "127.0.0.10", "b\\d")[0].startswith("250 ")
    one, two = hop.said("XCLIENT")
    assert one == (f"XCLIENT NAME=[TEMPUNAVAIL] ADDR=127.0.0.9 PORT={port} "
                   "PROTO=ESMTP HELO=one.example")
    assert "ADDR=127.0.0.10" in two and two.endswith("HELO=b\\d")
    assert hop.said("EHLO") == ["EHLO gw.example.org", "EHLO one.example",
                                "EHLO gw.example.org", "EHLO b?d"]
    assert hop.connections == 2  # it is one client's, for all its messages
    assert len(hop.taken) == 3


@pytest.mark.parametrize("script,keywords,text", [
    ({}, (), "it does not offer XCLIENT"),
    ({"XCLIENT": "550 5.7.0 no"}, (XCLIENT,), "XCLIENT: 550 no"),
    ({"XCLIENT": "250 ok"}, (XCLIENT,), "XCLIENT: 250 ok"),
])
def test_no_mail_where_xclient_fails(gateway, hop, script, keywords, text):
    hop.play(script, keywords=keywords)
    serve(gateway, hop.port, "xclient")
    with gateway.connect() as c:
        c.helo()
        assert c.say("MAIL FROM:<s@client.example>").startswith("250")
        assert c.say("RCPT TO:<bob@example.org>").startswith("451 4.3.0 ")
    gateway.wait_event("refuse", test="hop")
    assert text in gateway.log()


# ---- the real one

@pytest.fixture(scope="module")
def postfix():
    p = started(more="smtpd_authorized_xclient_hosts = 127.0.0.0/8\n"
                     "smtpd_authorized_xforward_hosts = 127.0.0.0/8\n"
                     "smtpd_client_restrictions = check_client_access "
                     "inline:{{127.0.0.66 = REJECT}}\n")
    yield p
    p.close()


def test_postfix_sees_the_client_by_xclient(gateway, postfix):
    serve(gateway, postfix.port, "xclient")
    for n in (7, 8):
        reply, port = deliver(gateway, f"127.0.0.{n}", f"c{n}.example")
        assert reply.startswith("250 ")
        wait_until(lambda: f"from c{n}.example (unknown [127.0.0.{n}])" in
                   "".join(m.decode() for m in postfix.mails()),
                   what="the message with the client's address")
    # and applies its own rules to it
    with gateway.connect("127.0.0.66") as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        assert c.say("RCPT TO:<bob@example.org>").startswith("554 5.7.1")


def test_postfix_logs_the_client_by_xforward(gateway, postfix):
    serve(gateway, postfix.port, "xforward")
    for n in (7, 8):
        assert deliver(gateway, f"127.0.0.{n}", f"c{n}.example")[0] \
            .startswith("250 ")
        wait_until(lambda: re.search(
            rf"client=\S*\[127\.0\.0\.1\]\S*, orig_queue_id=\S+, "
            rf"orig_client=unknown\[127\.0\.0\.{n}\]", postfix.log()),
            what="the client in Postfix's log")


def test_postfix_sees_the_client_by_proxy(gateway):
    p = started(more="smtpd_upstream_proxy_protocol = haproxy\n",
                first=LOCAL)
    try:
        serve(gateway, p.port, "proxy")
        for n in (7, 8):
            reply, port = deliver(gateway, f"127.0.0.{n}", f"c{n}.example")
            assert reply.startswith("250 ")
            wait_until(lambda: f"[127.0.0.{n}]:{port}" in p.log() or
                       f"(unknown [127.0.0.{n}])" in
                       "".join(m.decode() for m in p.mails()),
                       what="the client's address")
    finally:
        p.close()


# ---- PROXY, octet for octet

def test_the_proxy_header(gateway):
    listener = socket.create_server(("127.0.0.1", 0))
    heads = []

    def run():
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            head = b""
            while len(head) < 28:
                head += sock.recv(28 - len(head)) or b"?"
            heads.append(head)
            sock.sendall(b"421 4.3.2 enough\r\n")
            sock.close()

    threading.Thread(target=run, daemon=True).start()
    serve(gateway, listener.getsockname()[1], "proxy")
    with gateway.connect("127.0.0.9") as c:
        c.helo()
        c.say("MAIL FROM:<s@client.example>")
        assert c.say("RCPT TO:<bob@example.org>").startswith("451 4.3.0 ")
        port = c.sock.getsockname()[1]
    listener.close()
    assert heads == [SIGNATURE + b"\x21\x11\x00\x0c\x7f\0\0\x09\x7f\0\0\x01" +
                     struct.pack(">HH", port, gateway.port)]
