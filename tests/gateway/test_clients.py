"""Clients that others wrote, each with its own habits, in the clear and in TLS.

What each sends arrives as it was: 8-bit text, lines longer than RFC 5321
allows, and lines that begin with dots. A failure here is mail of an honest
sender that is refused or damaged.
"""

import contextlib
import os
import shutil
import smtplib
import subprocess

import pytest

from conftest import ROOT, wait_until
from exim import Exim
from hop import Hop
from postfix import started
from raw import serving
from tls import HOST, context, pair, section

SENDER = "s@client.example"
TLS_SENDER = "tls@client.example"
TO = {"maildir": "bob@example.org", "hop": "alice@example.org"}
HEADER = (b"From: S <s@client.example>\n"
          b"To: all@example.org\n"
          b"Subject: %s\n"
          b"Date: Mon, 02 Nov 2026 10:00:00 +0000\n"
          b"Message-ID: <%s@client.example>\n"
          b"MIME-Version: 1.0\n"
          b"Content-Type: text/plain; charset=utf-8\n"
          b"Content-Transfer-Encoding: 8bit\n")
BODY = (b".\n..\n.x\n...\nGr\xc3\xbc\xc3\x9fe \xe2\x82\xac\n"
        b"octets \xe4\xff\xfe\n\n" + b"long \xc3\xa4 " * 250 + b"\n. \n"
        b"From here\n.QUIT\nMAIL FROM:<evil@b.example>\n\ttab \n\n.\n\nlast.\n\n")
PEERS = ROOT / "build/peers"


@pytest.fixture(scope="module")
def hop():
    h = Hop()
    yield h
    h.close()


@pytest.fixture(scope="module")
def gateway(hop):
    with serving(section(pair("usual")),
                 "workers { min = 4  max = 8  spare = 2 }", lists={
                     "routes": f"alice@example.org smtp:127.0.0.1:{hop.port}\n"
                     "* maildir:{mail}/all\n"}) as g:
        yield g


def run(*args, code=0, **kw):
    done = subprocess.run([str(a) for a in args], capture_output=True,
                          timeout=60, **kw)
    assert done.returncode == code, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode(errors="replace")


@contextlib.contextmanager
def file_of(gateway, octets):
    path = gateway.dir / "message"
    path.write_bytes(octets)
    yield path
    path.unlink()


def crlf(message):
    return message.replace(b"\n", b"\r\n")


# ---------------------------------------------------------------- the clients
# Each is given the gateway, the recipient, the message with LF, and the
# certificate that it must see, or None: it shall stay in the clear.


def by_swaks(gateway, rcpt, message, certificate):
    tls = ["--tls", "--tls-verify", "--tls-ca-path", certificate] \
        if certificate else []
    with file_of(gateway, crlf(message)[:-2]) as path:  # which it adds
        run("swaks", "--server", "127.0.0.1", "--port", gateway.port,
            "--helo", "client.example", "--from", SENDER, "--to", rcpt,
            "--data", f"@{path}", *tls)


def by_smtp_source(gateway, rcpt, message, certificate):
    """It sends an empty line behind every file."""
    assert message.endswith(b"\n\n")
    with file_of(gateway, message[:-1]) as path:
        run("/usr/sbin/smtp-source", "-F", path, "-M", "client.example", "-f",
            SENDER, "-t", rcpt, f"inet:127.0.0.1:{gateway.port}")


def by_msmtp(gateway, rcpt, message, certificate):
    tls = ["--tls=on", "--tls-starttls=on", f"--tls-trust-file={certificate}",
           f"--tls-host-override={HOST}"] if certificate else ["--tls=off"]
    run("msmtp", "--file=/dev/null", "--host=127.0.0.1", "--auth=off",
        f"--port={gateway.port}", "--domain=client.example",
        f"--from={SENDER}", *tls, "--", rcpt, input=message)


def by_curl(gateway, rcpt, message, certificate):
    tls = ["--ssl-reqd", "--cacert", certificate, "--connect-to",
           f"{HOST}::127.0.0.1:"] if certificate else []
    host = HOST if certificate else "127.0.0.1"
    with file_of(gateway, crlf(message)) as path:
        run("curl", "-sS", "--noproxy", "*",
            f"smtp://{host}:{gateway.port}/client.example", "--mail-from",
            SENDER, "--mail-rcpt", rcpt, "-T", path, *tls)


def by_smtplib(gateway, rcpt, message, certificate):
    with smtplib.SMTP("127.0.0.1", gateway.port, "client.example",
                      timeout=30) as s:
        if certificate:
            s._host = HOST  # what it names and verifies
            s.starttls(context=context(pair("usual")))
        s.sendmail(SENDER, [rcpt], crlf(message), ["BODY=8BITMIME"])


def by_nodemailer(gateway, rcpt, message, certificate):
    modules = PEERS / "npm/node_modules"
    assert (modules / "nodemailer").exists(), "make setup has not fetched it"
    with file_of(gateway, crlf(message)) as path:
        run("node", ROOT / "tests/peers/send.js", gateway.port, SENDER, rcpt,
            path, *([certificate] if certificate else []),
            env={**os.environ, "NODE_PATH": str(modules)})


def by_s_client(gateway, rcpt, message, certificate):
    """In step; VRFY is answered as nothing else is, whatever was said before."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-starttls", "smtp", "-quiet", "-connect",
         f"127.0.0.1:{gateway.port}", "-CAfile", certificate,
         "-verify_hostname", HOST, "-verify_return_error", "-name",
         "client.example"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    stuffed = crlf(b"\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
    try:
        for octets, want in (
                (b"VRFY x\r\n", b"252"), (b"EHLO client.example\r\n", b"250"),
                (f"MAIL FROM:<{SENDER}> BODY=8BITMIME\r\n".encode(), b"250"),
                (f"RCPT TO:<{rcpt}>\r\n".encode(), b"250"),
                (b"DATA\r\n", b"354"), (stuffed + b".\r\n", b"250"),
                (b"QUIT\r\n", b"221")):
            client.stdin.write(octets)
            client.stdin.flush()
            for line in client.stdout:
                if line.startswith(want + b" "):
                    break
                assert line.startswith((want, b"250 ")), line
            else:
                raise AssertionError("the end")
    finally:
        client.kill()
        client.communicate()


def by_exim(gateway, rcpt, message, certificate):
    exim = Exim(gateway.port, certificate)
    try:
        done = exim.send(SENDER, rcpt, message)
        assert done.returncode == 0, done.stderr + done.stdout
        assert f" => {rcpt} " in exim.log(), exim.log()
    finally:
        exim.close()


POSTFIX = """relayhost = [127.0.0.1]:{port}
smtp_helo_name = client.example
smtp_line_length_limit = 0
sender_dependent_default_transport_maps = \
    inline:{{ {{ {tls_sender} = tls:[127.0.0.1]:{port} }} }}
smtp_tls_CAfile = {certificate}
smtp_tls_secure_cert_match = {host}
"""


@pytest.fixture(scope="module")
def postfix(gateway):
    """It sends on what it is given, in TLS what that one sender sends."""
    p = started(domains="none.example", more=POSTFIX.format(
        port=gateway.port, certificate=pair("usual").certificate, host=HOST,
        tls_sender=TLS_SENDER))
    yield p
    p.close()


def by_postfix(postfix, gateway, rcpt, message, certificate):
    """It takes the message by SMTP, and its own client sends it on."""
    done = postfix.log().count(" status=")
    with smtplib.SMTP("127.0.0.1", postfix.port, "x.example") as s:
        s.sendmail(TLS_SENDER if certificate else SENDER, [rcpt],
                   crlf(message), ["BODY=8BITMIME"])
    wait_until(lambda: postfix.log().count(" status=") > done,
               what="a delivery")
    assert postfix.log().count(" status=sent ") > done, postfix.log()


CLIENTS = {"swaks": by_swaks, "smtp-source": by_smtp_source,
           "msmtp": by_msmtp, "curl": by_curl, "smtplib": by_smtplib,
           "nodemailer": by_nodemailer, "s_client": by_s_client,
           "exim": by_exim}
COMPLETE = {**CLIENTS, "postfix": by_postfix}
CASES = [(name, tls) for name in COMPLETE for tls in (False, True)
         if (name, tls) not in (("smtp-source", True), ("s_client", False))]


def arrived(gateway, hop, way, before):
    """What came of the one message, with LF."""
    if way == "hop":
        (message,) = hop.taken
        assert not hop.unsure
        return message.replace(b"\r\n", b"\n").replace(b"\n.", b"\n")
    (message,) = gateway.new_mails(before)
    return message


@pytest.mark.parametrize("way", TO)
@pytest.mark.parametrize("name, tls", CASES,
                         ids=[n + "-tls" * t for n, t in CASES])
def test_what_it_sends_arrives(request, gateway, hop, name, tls, way):
    mark = f"{name}-{tls}-{way}".encode()
    message = HEADER % (mark, mark) + b"\n" + BODY
    hop.play(keywords=("SIZE", "PIPELINING"))
    before = gateway.files()
    seen = len(gateway.events("message"))
    given = [request.getfixturevalue("postfix")] * (name == "postfix")
    COMPLETE[name](*given, gateway, TO[way], message,
                   pair("usual").certificate if tls else None)
    mail = arrived(gateway, hop, way, before)
    header, _, body = mail.partition(b"\n\n")
    assert body == BODY
    for line in (HEADER % (mark, mark)).splitlines():
        assert line in header.splitlines(), (line, header)
    (line,) = gateway.events("message")[seen:]
    assert (" tls=TLSv1.3:" in line) == tls, line
    sender = TLS_SENDER if tls and name == "postfix" else SENDER
    assert f" from=<{sender}> to=<{TO[way]}> " in line, line


def test_smtp_source_in_bulk(gateway, hop):
    """Several sessions at once, many messages in each of them."""
    hop.play()
    before = gateway.files()
    for rcpt in TO.values():
        run("/usr/sbin/smtp-source", "-s", "4", "-m", "100", "-d", "-l",
            "3000", "-M", "client.example", "-f", SENDER, "-t", rcpt,
            f"inet:127.0.0.1:{gateway.port}")
    assert len(gateway.new_mails(before)) == 100
    assert len(hop.taken) == 100 and not hop.unsure


@pytest.mark.parametrize("level", ["none", "secure"])
def test_posttls_finger(gateway, level):
    """It sends nothing; it looks at the certificate, and leaves politely."""
    (gateway.dir / "main.cf").write_text(
        "compatibility_level = 3.6\nmyhostname = client.example\n")
    before = len(gateway.events("session", end="quit"))
    out = run("/usr/sbin/posttls-finger", "-c", "-l", level, "-L",
              "summary,certmatch", "-F", pair("usual").certificate,
              f"[127.0.0.1]:{gateway.port}", HOST,
              env={"MAIL_CONFIG": str(gateway.dir)})
    assert ("Verified TLS connection" in out) == (level == "secure"), out
    gateway.wait_for_more("session", before, end="quit")


def test_a_client_that_distrusts_the_certificate_sends_nothing(gateway, hop):
    hop.play()
    before = gateway.files()
    stranger = pair("stranger", "ec", ("else.example",)).certificate
    for name in ("curl", "msmtp", "nodemailer"):
        with pytest.raises(AssertionError):
            CLIENTS[name](gateway, TO["maildir"], HEADER % (b"x", b"x"),
                          stranger)
    assert not gateway.new_mails(before)


def test_every_client_is_here():
    """One that is missing was not tried: setup is to install it."""
    for program in ("swaks", "msmtp", "curl", "node", "openssl",
                    "/usr/sbin/smtp-source", "/usr/sbin/posttls-finger"):
        assert shutil.which(program), f"{program}: make setup installs it"
