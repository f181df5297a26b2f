"""SMTPUTF8: international addresses in, through the lists, and on."""

import smtplib

import pytest

from conftest import wait_until
from hop import CLOSE
from postfix import started
from raw import HELLO, serving
from test_dsn import hop, offers

POOL = "workers { min = 2  max = 4  spare = 1 }"
MORE = "limits { errors = 1000  idle_commands = 1000 }"
MESSAGE = "Subject: gr\u00fc\u00df\r\n\r\nb\u00f6dy\r\n.\r\n".encode()
LISTS = {
    "domains": "example.org\nb\u00fccher.example\n.xn--fsqu00a.xn--4rr70v\n",
    "recipients": "alice@example.org\nj\u00f6rg@b\u00fccher.example\n"
    "info@xn--bcher-kva.example\n@.\u4f8b\u5b50.\u5e7f\u544a\n"
    "old@example.org moved new@b\u00fccher.example\n",
}


def mail(text, params=" SMTPUTF8"):
    return f"MAIL FROM:<{text}>{params}\r\n".encode()


def rcpt(text):
    return f"RCPT TO:<{text}>\r\n".encode()


def box():
    return serving(POOL, MORE, lists={**LISTS, "routes": "* maildir:{mail}/all\n"
                                      "h\u00f6p.example smtp:127.0.0.1:9\n"})


@pytest.fixture(scope="module")
def gateway():
    with box() as g:
        yield g


def test_a_maildir_has_it(gateway):
    before = gateway.files()
    gateway.play(*HELLO, (mail("j\u00fcrgen@\u00fc.example"), "250 2.1.0"),
                 (rcpt("j\u00f6rg@b\u00fccher.example"), "250 2.1.5"),
                 (b"DATA\r\n", "354"), (MESSAGE, "250 2.0.0"))
    (got,) = gateway.new_mails(before)
    text = got.decode()
    assert text.startswith("Return-Path: <j\u00fcrgen@\u00fc.example>\n")
    assert "\n\tby gw.example.org with UTF8SMTP id " in text
    assert "\n\tfor <j\u00f6rg@b\u00fccher.example>;\n" in text
    assert text.endswith("Subject: gr\u00fc\u00df\n\nb\u00f6dy\n")
    line = gateway.wait_event("message")
    assert r'from="<j\xc3\xbcrgen@\xc3\xbc.example>"' in line
    assert line.isascii()


@pytest.mark.parametrize("to, want", [
    ("j\u00f6rg@b\u00fccher.example", "250 2.1.5"),
    ("J\u00f6RG@B\u00dcCHER.example", "250 2.1.5"),
    ("j\u00f6rg@xn--bcher-kva.example", "250 2.1.5"),
    ("j\u00f6rg@XN--BCHER-KVA.example", "250 2.1.5"),
    ("j\u00f6rg@bu\u0308cher.example", "250 2.1.5"),
    ("j\u00f6rg+x@b\u00fccher.example", "250 2.1.5"),
    ("info@b\u00fccher.example", "250 2.1.5"),
    ("info@xn--bcher-kva.example", "250 2.1.5"),
    ("\u7528\u6237@a.\u4f8b\u5b50.\u5e7f\u544a", "250 2.1.5"),
    ("\u7528\u6237@a.xn--fsqu00a.xn--4rr70v", "250 2.1.5"),
    ('"j\u00f6rg"@b\u00fccher.example', "250 2.1.5"),
    ("@\u00fc.example:j\u00f6rg@b\u00fccher.example", "250 2.1.5"),
    # another one, however alike
    ("J\u00d6RG@b\u00fccher.example", "550 5.1.1"),
    ("jo\u0308rg@b\u00fccher.example", "550 5.1.1"),
    ("jorg@b\u00fccher.example", "550 5.1.1"),
    ("j\u00f6rg@bucher.example", "550 5.7.1"),
    ("j\u00f6rg@b\u00fccher.example.org", "550 5.7.1"),
    ("\u00e4@foreign.example", "550 5.7.1"),
    # no names
    ("j\u00f6rg@b\u00fccher..example", "501 5.1.3"),
    ("j\u00f6rg@b\u00fccher.example.", "501 5.1.3"),
    ("j\u00f6rg@b\uff20x.example", "501 5.1.3"),
    ("j\u00f6rg@" + "\u00fc" * 100 + ".example", "501 5.1.3"),
    ("j\u00f6rg@" + "\u00fc." * 90 + "example", "501 5.1.3"),
    ("\u00f6" * 300 + "@b\u00fccher.example", "501 5.1.3"),
    ("\u00f6 \u00f6@b\u00fccher.example", "501 5.1.3"),
    ("\u00f6..\u00f6@b\u00fccher.example", "501 5.1.3"),
])
def test_both_ways_to_write_a_name_are_one(gateway, to, want):
    gateway.play(*HELLO, (mail("s@client.example"), "250"), (rcpt(to), want))


@pytest.mark.parametrize("octets", [
    b"\xc3", b"\xf0\x9f", b"\xff", b"\x80", b"\xc0\xaf", b"\xe0\x80\xaf",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc2\x85", b"\xc2\x9b", b"\t",
    b"\0", b"\x7f", b"\xc3\xa4\xa4"])
@pytest.mark.parametrize("where", [b"%s@b.example", b"a@%s.example",
                                   b'"%s"@b.example'])
def test_what_is_no_utf8_is_refused(gateway, octets, where):
    bad = where % octets
    gateway.play(*HELLO, (b"MAIL FROM:<" + bad + b"> SMTPUTF8\r\n",
                          "500 5.5.2"),
                 (mail("s@client.example"), "250"),
                 (b"RCPT TO:<" + bad + b">\r\n", "500 5.5.2"))


def test_it_must_be_said(gateway):
    gateway.play(*HELLO, (mail("\u00e4@b.example", ""), "553 5.6.7"),
                 (mail("a@\u00e4.example", " SIZE=9"), "553 5.6.7"),
                 (rcpt("alice@example.org"), "503 5.5.1"),
                 (mail("a@b.example", ""), "250"),
                 (rcpt("j\u00f6rg@b\u00fccher.example"), "553 5.6.7"),
                 (rcpt("info@xn--bcher-kva.example"), "250"),
                 (b"RSET\r\n", "250"),
                 (mail("\u00e4@b.example"), "250"),
                 (rcpt("j\u00f6rg@b\u00fccher.example"), "250"),
                 (b"RSET\r\n", "250"),
                 # what one transaction said is not said for the next
                 (mail("\u00e4@b.example", ""), "553 5.6.7"),
                 (mail("a@b.example", " SMTPUTF8=1"), "501 5.5.4"),
                 (mail("a@b.example", " SMTPUTF8="), "501 5.5.4"),
                 (mail("a@b.example", " SMTPUTF8 smtputf8"), "501 5.5.4"))


def test_other_commands_take_none(gateway):
    for line in ("EHLO b\u00fccher.example", "VRFY j\u00f6rg", "NOOP \u00e4",
                 "EXPN \u00e4", "HELP \u00e4", "MAILFROM:<\u00e4@b.example>"):
        gateway.play(*HELLO, (line.encode() + b"\r\n", "500 5.5.2"))


def test_without_ehlo_there_is_none(gateway):
    gateway.play((b"HELO x.example\r\n", "250"),
                 (mail("a@b.example"), "555 5.5.4"),
                 (mail("\u00e4@b.example"), "500 5.5.2"))


def test_a_new_address_is_told_in_ascii(gateway):
    got = gateway.play(*HELLO, (mail("s@client.example"), "250"),
                       (rcpt("old@example.org"), "550 5.1.6"))
    assert "<new@xn--bcher-kva.example>" in got[-1]


def test_lists_are_asked_in_either_way(gateway):
    for key in ("j\u00f6rg@b\u00fccher.example",
                "j\u00f6rg@xn--bcher-kva.example"):
        done = gateway.run("lictor-query", "recipients", key)
        assert "j\u00f6rg@xn--bcher-kva.example" in done.stdout
    assert gateway.run("lictor-query", "routes", "a@h\u00f6p.example").stdout
    dump = gateway.run("lictor-query", "-d", "recipients").stdout
    assert "@.xn--fsqu00a.xn--4rr70v" in dump and "j\u00f6rg@" in dump


# ---- next hops

def relaying(h):
    return serving(POOL, MORE, lists={
        **LISTS, "routes": f"* smtp:127.0.0.1:{h.port}\n"})


def send(g, *to, sender="j\u00fcrgen@\u00fc.example", params=" SMTPUTF8"):
    g.play(*HELLO, (mail(sender, params), "250"),
           *[(rcpt(t), "250 2.1.5") for t in to], (b"DATA\r\n", "354"),
           (MESSAGE, "250 2.0.0"))


def test_it_goes_on_as_it_came():
    with hop(keywords=("SMTPUTF8",)) as h, relaying(h) as g:
        assert not offers(g, "SMTPUTF8")
        g.play(*HELLO, (mail("a@b.example"), "555 5.5.4"),
               (mail("\u00e4@b.example"), "500 5.5.2"))
        send(g, "alice@example.org", sender="s@client.example", params="")
        assert offers(g, "SMTPUTF8")
        h.play(keywords=("SMTPUTF8",))
        send(g, "j\u00f6rg@B\u00fccher.example", "info@xn--bcher-kva.example",
             params=" BODY=8BITMIME SMTPUTF8")
        said = [line.encode("latin-1").decode() for _, line in h.lines]
        assert "MAIL FROM:<j\u00fcrgen@\u00fc.example> BODY=8BITMIME SMTPUTF8" \
            in said
        assert "RCPT TO:<j\u00f6rg@B\u00fccher.example>" in said
        assert "RCPT TO:<info@xn--bcher-kva.example>" in said
        # Where it was not said it is not added.
        h.play(keywords=("SMTPUTF8",))
        send(g, "alice@example.org", sender="s@client.example", params="")
        assert h.said("MAIL") == ["MAIL FROM:<s@client.example>"]


def test_a_hop_that_has_lost_it_is_told_none():
    with hop(keywords=("SMTPUTF8",)) as h, relaying(h) as g:
        send(g, "alice@example.org", sender="s@client.example", params="")
        h.play()
        g.play(*HELLO, (mail("\u00e4@b.example"), "250"),
               (rcpt("alice@example.org"), "550 5.6.7"))
        assert not offers(g, "SMTPUTF8")
        assert not [line for _, line in h.lines if not line.isascii()]
        assert not h.said("MAIL")


def test_a_hop_that_comes_back_without_it_gets_nothing():
    """Its last word to the recipient was yes: 451, and nothing is sent."""
    with hop(keywords=("SMTPUTF8",)) as h, relaying(h) as g:
        send(g, "alice@example.org", sender="s@client.example", params="")
        h.play({"RCPT": ("250 2.1.5 ok", CLOSE)},
               {"EHLO": "250 hop.example"}, keywords=("SMTPUTF8",))
        g.play(*HELLO, (mail("\u00e4@b.example"), "250"),
               (rcpt("alice@example.org"), "250"),
               (b"DATA\r\n", "354"), (MESSAGE, "451 4.3.0"))
        assert not h.said("MAIL", 1) and not h.taken and not h.unsure


def test_dsn_and_utf8_together():
    with hop(keywords=("SMTPUTF8", "DSN")) as h, relaying(h) as g:
        send(g, "alice@example.org", sender="s@client.example", params="")
        h.play(keywords=("SMTPUTF8", "DSN"))
        orcpt = b" ORCPT=utf-8;\xc3\xa4@b.example"
        g.play(*HELLO, (mail("a@b.example", ""), "250"),
               (b"RCPT TO:<alice@example.org>" + orcpt + b"\r\n", "501 5.5.4"),
               (b"RSET\r\n", "250"), (mail("\u00e4@b.example"), "250"),
               (b"RCPT TO:<alice@example.org>" + orcpt + b"\r\n", "250"))
        assert h.said("RCPT")[-1].encode("latin-1").endswith(orcpt)


def test_smtplib_to_postfix():
    """Two real ones, with us between them."""
    p = started(domains="example.org, b\u00fccher.example")
    try:
        with relaying(p) as g:
            send(g, "alice@example.org", sender="s@client.example", params="")
            with smtplib.SMTP("127.0.0.1", g.port, "client.example") as c:
                c.ehlo()
                assert c.has_extn("smtputf8") and c.has_extn("dsn")
                c.sendmail("j\u00fcrgen@\u00fc.example",
                           ["j\u00f6rg@b\u00fccher.example"],
                           "Subject: x\r\n\r\nb\u00f6dy\r\n".encode(),
                           ["SMTPUTF8", "BODY=8BITMIME"])
            got = wait_until(lambda: [m for m in p.mails() if b"\xc3\xb6rg" in m],
                             20, "a delivery")[0].decode()
        assert got.startswith("Return-Path: <j\u00fcrgen@\u00fc.example>\n")
        assert "\nDelivered-To: j\u00f6rg@b\u00fccher.example\n" in got
        assert got.endswith("\n\nb\u00f6dy\n")
    finally:
        p.close()
