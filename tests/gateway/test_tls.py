"""STARTTLS as clients meet it: what is offered, what is used, what is kept.

A failure here is mail that travels in the clear where it need not, a client
that is turned away, or a word of somebody on the way taken for the client's.
"""

import re
import shutil
import smtplib
import socket
import ssl
import subprocess

import pytest

from conftest import wait_until
from proc import listen_on
from raw import RawGateway, serving
from tls import (HOST, TlsClient, context, greeted, only, open_tls, pair,
                 section)

POOL = "workers { min = 3  max = 8  spare = 2 }"
NO_LIMIT = "limits { per_client = 0  errors = 1000 }"


@pytest.fixture(scope="module")
def gw():
    """RSA and ECDSA for the gateway's own name, and other hosts."""
    pairs = (pair("usual"), pair("usual-ec", "ec"),
             pair("other", "rsa", ("mx.other.example", "*.wild.example")),
             pair("third-ec", "p384", ("mx.third.example",)))
    with serving(section(*pairs), POOL, NO_LIMIT,
                 lists={"relay": "127.0.0.9\n", "banned": "127.0.0.8 reject\n"},
                 ) as g:
        yield g


def ended(gateway, **pairs):
    return gateway.wait_event("session", **pairs)


# ------------------------------------------------------------------- offers


def test_offered_until_it_is_there(gw):
    with greeted(gw) as c:
        assert "250-STARTTLS\n" in c.say("EHLO client.example")
        assert " STARTTLS " in c.say("HELP")
        c.starttls()
        assert "STARTTLS" not in c.say("EHLO client.example")
        c.steps((b"STARTTLS\r\n", "503 5.5.1"))
        c.in_step()


def test_verb_alone(gw):
    with greeted(gw) as c:
        c.steps((b"STARTTLS now\r\n", "501 5.5.4"),
                (b"STARTTLSX\r\n", "500 5.5.2"),
                (b"starttls \r\n", "220"))
        c.shake()
        c.in_step()


def test_not_offered_without_certificates():
    with serving(POOL) as g, greeted(g) as c:
        assert "STARTTLS" not in c.say("EHLO client.example")
        assert "STARTTLS" not in c.say("HELP")
        c.steps((b"STARTTLS\r\n", "500 5.5.2"))
        c.in_step()


def test_a_banned_client_is_not_offered_it(gw):
    c = TlsClient(gw.port, "127.0.0.8")
    with c:
        c.expect("554")
        c.steps((b"STARTTLS\r\n", "503 5.5.1"))
        c.in_step()


# -------------------------------------------------------- header and the log


def test_message_tells_version_and_cipher(gw):
    with open_tls(gw) as c:
        version, cipher = c.sock.version(), c.sock.cipher()[0]
        reply = c.message("Subject: in tls\r\n\r\nx\r\n")
        ref = reply.split("ref ")[1]
        c.steps((b"RCPT TO:<nobody@example.org>\r\n", "503"),
                (b"MAIL FROM:<s@client.example>\r\n", "250"),
                (b"RCPT TO:<nobody@example.org>\r\n", "550 5.1.1"))
        c.in_step()
    (mail,) = [m for m in gw.mails() if b"Subject: in tls" in m]
    header = re.sub(r"\s+", " ", mail.decode().split("\n\n")[0])
    assert f"({version} {cipher}) by {HOST} with ESMTPS id {ref}" in header
    tls = f"{version}:{cipher}"
    gw.wait_event("message", ref=ref, tls=tls)
    gw.wait_event("refuse", reason="recipient-unknown", tls=tls)
    ended(gw, ref=ref.split(".")[0], tls=tls, end="quit")


def test_in_the_clear_nothing_speaks_of_tls(gw):
    with greeted(gw) as c:
        c.steps((b"EHLO client.example\r\n", "250"))
        ref = c.message("Subject: clear\r\n\r\nx\r\n").split("ref ")[1]
        c.in_step()
    (mail,) = [m for m in gw.mails() if b"Subject: clear" in m]
    assert b"with ESMTP id" in mail and b"TLS" not in mail
    assert "tls=" not in gw.wait_event("message", ref=ref)


def test_helo_in_tls(gw):
    """RFC 3848 has no word for it: the comment tells."""
    with greeted(gw) as c:
        c.starttls()
        c.steps((b"HELO client.example\r\n", "250"))
        assert c.message("Subject: old\r\n\r\nx\r\n").startswith("250")
    (mail,) = [m for m in gw.mails() if b"Subject: old" in m]
    assert b"with SMTP id" in mail and b"(TLSv1.3 " in mail


# ------------------------------------------------------- versions and ciphers


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_versions_are_refused(gw, version):
    told = {"text": '"unsupported protocol"'}
    before = len(gw.events("tls", **told))
    with greeted(gw) as c, pytest.raises(ssl.SSLError):
        c.starttls(only(ssl.TLSVersion[version]))
    gw.wait_for_more("tls", before, **told)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_new_versions_work(gw, version):
    with open_tls(gw, ctx=only(ssl.TLSVersion[version])) as c:
        assert c.sock.version() == version.replace("_", ".")
        assert c.message("Subject: x\r\n\r\nx\r\n").startswith("250 2.0.0")
        c.in_step()


GOOD = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-SHA384",
        "ECDHE-RSA-AES128-SHA"]
# Without forward secrecy, without a key, without a cipher, or too weak.
BAD = ["AES128-SHA", "AES256-GCM-SHA384", "kRSA", "aNULL", "eNULL",
       "DHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-CCM8", "CAMELLIA",
       "ARIA"]


@pytest.mark.parametrize("cipher", GOOD)
def test_good_ciphers(gw, cipher):
    ctx = only(ssl.TLSVersion.TLSv1_2, cipher + ":@SECLEVEL=0")
    with open_tls(gw, ctx=ctx) as c:
        assert c.sock.cipher()[0] == cipher
        c.in_step()


@pytest.mark.parametrize("cipher", BAD)
def test_bad_ciphers(gw, cipher):
    ctx = only(ssl.TLSVersion.TLSv1_2, cipher + ":@SECLEVEL=0")
    told = {"text": '"no shared cipher"'}
    before = len(gw.events("tls", **told))
    with greeted(gw) as c, pytest.raises(ssl.SSLError):
        c.starttls(ctx)
    gw.wait_for_more("tls", before, **told)


def test_the_gateway_chooses(gw):
    ctx = only(ssl.TLSVersion.TLSv1_2,
               "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384")
    with open_tls(gw, ctx=ctx) as c:
        assert c.sock.cipher()[0] == "ECDHE-RSA-AES256-GCM-SHA384"


def s_client(gateway, *args, say="QUIT\r\n"):
    done = subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-crlf", "-connect",
         f"127.0.0.1:{gateway.port}", *args],
        input=say, text=True, capture_output=True, timeout=30)
    return done.stdout + done.stderr


def test_neither_renegotiation_nor_compression(gw):
    out = s_client(gw, "-tls1_2", "-legacy_renegotiation", say="R\n")
    assert "no renegotiation" in out, out
    out = s_client(gw, "-tls1_2", "-comp")
    assert "Compression: NONE" in out, out


# ------------------------------------------------------------- certificates

SIGNATURES = {  # signature algorithms, version: the kind of key that signs
    ("RSA+SHA256", "-tls1_2"): "RSA",
    ("RSA+SHA512", "-tls1_2"): "RSA",
    ("RSA-PSS+SHA256", "-tls1_2"): "RSA-PSS",
    ("RSA-PSS+SHA512", "-tls1_2"): "RSA-PSS",
    ("ECDSA+SHA256", "-tls1_2"): "ECDSA",
    ("ECDSA+SHA384", "-tls1_2"): "ECDSA",
    ("RSA-PSS+SHA256", "-tls1_3"): "RSA-PSS",
    ("RSA-PSS+SHA384", "-tls1_3"): "RSA-PSS",
    ("RSA-PSS+SHA512", "-tls1_3"): "RSA-PSS",
    ("ECDSA+SHA256", "-tls1_3"): "ECDSA",
}


@pytest.mark.parametrize("offer", SIGNATURES, ids="/".join)
def test_rsa_and_ecdsa(gw, offer):
    out = s_client(gw, "-sigalgs", offer[0], offer[1], "-servername", HOST,
                   "-CAfile", (pair("usual-ec", "ec") if "ECDSA" in offer[0]
                               else pair("usual")).certificate)
    assert f"Peer signature type: {SIGNATURES[offer]}\n" in out, out
    assert "Verify return code: 0 (ok)" in out, out


HOSTS = {  # what the client names: the certificate that it must see
    HOST: ("usual-ec", "ec"),
    "mx.other.example": ("other", "rsa"),
    "MX.Other.Example": ("other", "rsa"),
    "a.wild.example": ("other", "rsa"),
    "mx.third.example": ("third-ec", "p384"),
}


def shown(gateway, host, version=ssl.TLSVersion.TLSv1_3):
    """The common name of the certificate that the gateway shows."""
    with open_tls(gateway, ctx=only(version), host=host) as c:
        der = c.sock.getpeercert(True)
        c.in_step()
    out = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout",
                          "-subject"], input=der, capture_output=True)
    return out.stdout.decode().strip().split("CN = ")[1]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("host", HOSTS)
def test_certificate_by_name(gw, host, version):
    assert shown(gw, host, ssl.TLSVersion[version]) == HOSTS[host][0]


@pytest.mark.parametrize("host", [None, "nobody.example", "b.a.wild.example",
                                  "example.org"])
def test_a_name_that_is_none_of_ours(gw, host):
    assert shown(gw, host) == "usual-ec"


def test_client_verifies(gw):
    usual = pair("usual-ec", "ec")
    with open_tls(gw, ctx=context(usual), host=HOST) as c:
        c.in_step()


def test_a_client_that_does_not_like_it(gw):
    before = len(gw.events("tls"))
    stranger = pair("stranger", "ec", ("else.example",))
    with greeted(gw) as c, pytest.raises(ssl.SSLCertVerificationError):
        c.starttls(context(stranger), host=HOST)
    wait_until(lambda: len(gw.events("tls")) > before or
               gw.events("session", end="lost"), what="an end")


# ---------------------------------------------------------------- resumption


def pid_of(gateway, ref):
    line = gateway.wait_event("connect", ref=ref)
    return int(re.search(r"lictord\[(\d+)\]", line).group(1))


def ref_of(reply):
    return reply.rsplit("ref ", 1)[1].split(".")[0]


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_another_worker_resumes(gw, version):
    ctx = only(ssl.TLSVersion[version])
    nobody = ("MAIL FROM:<s@client.example>", "RCPT TO:<no@example.org>")
    with open_tls(gw, ctx=ctx) as first:
        assert not first.sock.session_reused
        one = [first.say(line) for line in nobody][1]
        # While the first is there, another worker serves the second.
        with open_tls(gw, ctx=ctx, session=first.sock.session) as second:
            assert second.sock.session_reused
            two = [second.say(line) for line in nobody][1]
            second.in_step()
        first.in_step()
    assert pid_of(gw, ref_of(one)) != pid_of(gw, ref_of(two))


# ---------------------------------------------------- what is not kept, what is


def test_helo_is_forgotten(gw):
    with greeted(gw) as c:
        c.steps((b"EHLO before.example\r\n", "250"))
        c.starttls()
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "503 5.5.1"),
                (b"EHLO after.example\r\n", "250"))
        c.message("Subject: forgotten\r\n\r\nx\r\n")
    (mail,) = [m for m in gw.mails() if b"Subject: forgotten" in m]
    assert b"from after.example" in mail and b"before.example" not in mail


def test_transaction_is_forgotten(gw):
    with greeted(gw) as c:
        c.steps((b"EHLO client.example\r\n", "250"),
                (b"MAIL FROM:<s@client.example>\r\n", "250"),
                (b"RCPT TO:<alice@example.org>\r\n", "250"))
        c.starttls()
        c.steps((b"EHLO client.example\r\n", "250"),
                (b"DATA\r\n", "503 5.5.1"),
                (b"RCPT TO:<alice@example.org>\r\n", "503 5.5.1"))
        c.in_step()


def test_without_require_helo():
    with serving(section(pair("usual")), POOL, require_helo="false") as g:
        with greeted(g) as c:
            c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
                    (b"RCPT TO:<alice@example.org>\r\n", "250"))
            c.starttls()
            c.steps((b"DATA\r\n", "503 5.5.1"))
            assert c.message("Subject: x\r\n\r\nx\r\n").startswith("250")
            c.in_step()


def test_what_the_connection_tests_found_stays(gw):
    with open_tls(gw, "127.0.0.9") as c:
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
                (b"RCPT TO:<x@foreign.example>\r\n", "250 2.1.5"))


def test_nothing_reaches_the_next_session():
    """One worker: a relay client in TLS, then a stranger in the clear."""
    with serving(section(pair("usual")), "workers { min = 1 max = 1 spare = 1 }",
                 lists={"relay": "127.0.0.9\n"}) as g:
        for end in (TlsClient.in_step, TlsClient.close,
                    TlsClient.close_notify):
            with open_tls(g, "127.0.0.9") as c:
                c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"),
                        (b"RCPT TO:<x@foreign.example>\r\n", "250 2.1.5"))
                end(c)
            with greeted(g, "127.0.0.10") as c:
                c.steps((b"MAIL FROM:<s@client.example>\r\n", "503 5.5.1"))
                assert "STARTTLS" in c.say("EHLO client.example")
                c.steps((b"RCPT TO:<x@foreign.example>\r\n", "503"),
                        (b"MAIL FROM:<s@client.example>\r\n", "250"),
                        (b"RCPT TO:<x@foreign.example>\r\n", "550 5.7.1"))
                c.in_step()
            line = g.wait_event("session", client="127.0.0.10")
            assert "tls=" not in line
            with open_tls(g, "127.0.0.10") as c:
                c.in_step()


# ------------------------------------------------------------------ listeners


@pytest.fixture(scope="module")
def levels():
    """One gateway, an address for each level."""
    g = RawGateway()
    try:
        places = listen_on(g, 3)
        texts = [f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in places]
        g.sections = [section(pair("usual")), POOL] + [
            f'listener "{at}" {{ tls = "{level}" }}' for at, level in
            zip(texts, ("off", "required"))]
        g.start()
        yield dict(zip(("off", "required", "optional"), places))
        g.stop()
        g.check()
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


def at(levels, level):
    """A client that is greeted at the address with that level."""
    c = TlsClient.__new__(TlsClient)  # which knows one address only
    c.sock = socket.create_connection(levels[level], 10)
    c.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.buffer = b""
    c.expect("220")
    return c


@pytest.mark.parametrize("again", range(3))
def test_each_listener_has_its_own(levels, again):
    with at(levels, "off") as c:
        assert "STARTTLS" not in c.say("EHLO client.example")
        c.steps((b"STARTTLS\r\n", "500 5.5.2"),
                (b"MAIL FROM:<s@client.example>\r\n", "250"))
    with at(levels, "optional") as c:
        assert "STARTTLS" in c.say("EHLO client.example")
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "250"))
    with at(levels, "required") as c:
        assert "STARTTLS" in c.say("EHLO client.example")
        c.steps((b"MAIL FROM:<s@client.example>\r\n", "530 5.7.0"))


CLEAR = [(b"EHLO client.example\r\n", "250"), (b"HELO client.example\r\n", "250"),
         (b"NOOP\r\n", "250"), (b"MAIL FROM:<s@client.example>\r\n", "530 5.7.0"),
         (b"RCPT TO:<alice@example.org>\r\n", "530 5.7.0"),
         (b"DATA\r\n", "530 5.7.0"), (b"RSET\r\n", "530 5.7.0"),
         (b"VRFY alice\r\n", "530 5.7.0"), (b"EXPN all\r\n", "530 5.7.0"),
         (b"HELP\r\n", "530 5.7.0"), (b"XCLIENT\r\n", "500 5.5.2")]


def test_required(levels):
    with at(levels, "required") as c:
        c.steps(*CLEAR)
        c.starttls()
        c.steps((b"EHLO client.example\r\n", "250"), (b"RSET\r\n", "250"),
                (b"VRFY alice\r\n", "252"), (b"HELP\r\n", "214"))
        assert c.message("Subject: x\r\n\r\nx\r\n").startswith("250 2.0.0")
        c.in_step()


# ------------------------------------------------------------- honest clients


def test_pipelined_group_in_one_record(gw):
    group = (b"MAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\n"
             b"RCPT TO:<bob@example.org>\r\nDATA\r\n")
    with open_tls(gw) as c:
        c.steps((group, "250 | 250 | 250 | 354"),
                (b"Subject: group\r\n\r\nx\r\n.\r\nNOOP\r\nQUIT\r\n",
                 "250 2.0.0 | 250 | 221 | closed"))


def test_octet_by_octet(gw):
    """Each in a record of its own."""
    with open_tls(gw) as c:
        for octet in b"NOOP\r\nMAIL FROM:<s@client.example>\r\nRSET\r\n":
            c.send(bytes([octet]))
        c.expect("250 | 250 | 250")
        c.in_step()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_large_message(gw, version):
    body = b"".join(b"%07d %s\r\n" % (i, b"x" * 60) for i in range(40000))
    with open_tls(gw, ctx=only(ssl.TLSVersion[version])) as c:
        reply = c.message(b"Subject: large\r\n\r\n" + body)
        assert reply.startswith("250 2.0.0"), reply
        c.in_step()
    mail = [m for m in gw.mails() if b"Subject: large" in m][-1]
    assert mail.split(b"\n\n", 1)[1] == body.replace(b"\r\n", b"\n")


def test_many_replies(gw):
    """More than the output buffer and one record hold."""
    with open_tls(gw) as c:
        c.steps((b"VRFY x\r\n" * 90, "|".join(["252"] * 90)))


def test_key_update(gw):
    """TLS 1.3: keys change in the middle of the session."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "smtp", "-crlf", "-tls1_3",
         "-connect", f"127.0.0.1:{gw.port}"], text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    out = []

    def until(word, say):
        client.stdin.write(say + "\n")
        for line in client.stdout:
            out.append(line)
            if word in line:
                return
        raise AssertionError("".join(out))

    try:
        until("250 2.0.0", "NOOP")
        until("KEYUPDATE", "K")
        until("250 2.0.0", "NOOP")
        until("KEYUPDATE", "k")
        until("250 2.0.0", "NOOP")  # one wanted an answer, one did not
    finally:
        client.kill()
        client.communicate()


def test_python_smtplib(gw):
    with smtplib.SMTP("127.0.0.1", gw.port, timeout=30) as s:
        s._host = HOST  # what it names and verifies
        s.starttls(context=context(pair("usual-ec", "ec")))
        s.sendmail("s@client.example", ["alice@example.org"],
                   "Subject: smtplib\r\n\r\nx\r\n")
    assert any(b"Subject: smtplib" in m for m in gw.mails())


def test_swaks(gw):
    done = subprocess.run(
        ["swaks", "--tls", "--server", f"127.0.0.1:{gw.port}", "--from",
         "s@client.example", "--to", "alice@example.org", "--header",
         "Subject: swaks", "--helo", "client.example"],
        text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TLS started with cipher TLSv1.3" in done.stdout, done.stdout
    assert any(b"Subject: swaks" in m for m in gw.mails())


def test_posttls_finger(gw):
    (gw.dir / "main.cf").write_text("compatibility_level = 3.6\n")
    done = subprocess.run(
        ["/usr/sbin/posttls-finger", "-c", "-l", "encrypt", "-L", "summary",
         f"[127.0.0.1]:{gw.port}"], env={"MAIL_CONFIG": str(gw.dir)},
        text=True, capture_output=True, timeout=60)
    out = done.stdout + done.stderr
    assert done.returncode == 0 and "TLS connection established" in out, out
    assert "TLSv1.3" in out, out
