"""Thousands of hostile sessions in a row leave nothing behind.

A gateway that loses some octets or a descriptor with each of them is dead
after a night of bots. Each session is chosen by its number, so that a failure
comes again.
"""

import contextlib
import os
import pathlib
import random
import re
import socket
import ssl
import struct
import threading
import time

import pytest

from conftest import SANITIZED, SmtpSink, wait_until
from proc import children, quiet
from raw import DATA, RCPT, serving
from test_raw_bdat import chunk
from test_raw_cuts import ALL
from tls import context, open_tls, pair, section

SESSIONS = 1500 if SANITIZED else 10000
WARM = 400 if SANITIZED else 1000
AT_ONCE = 20
SLACK_KB = 160  # of 10,000 sessions: 16 octets of each
TLS = context()

HELLO = b"EHLO client.example\r\n"
MAIL = b"".join(octets for octets, _ in RCPT)
TO_HOP = MAIL + b"RCPT TO:<bob@example.org>\r\n"
MESSAGE = b"".join(octets for octets, _ in DATA)
FORGED = b"Authentication-Results: (gw.example.org"
BDAT = [b"BDAT", b"BDAT -1", b"BDAT 99999999999999999999", b"BDAT 7 LAST x",
        b"BDAT 2147483648", b"BDAT 4\0", b"BDAT 10\r\nshort", b"BDAT 0 LAST",
        chunk(b"one\r\n") + b"BDAT x", chunk(b"x" * 9000) + chunk(b"\0", True),
        chunk(b"x" * 150000) + b"RSET", chunk(b"a\nb\r\n") + b"BDAT 99"]


def garbage(c, rng):
    c.sendall(rng.randbytes(rng.randrange(1, 3000)))


def lines_of_garbage(c, rng):
    for _ in range(rng.randrange(1, 40)):
        c.sendall(rng.randbytes(rng.randrange(60)) + b"\r\n")


def cut_session(c, rng):
    c.sendall(ALL[:rng.randrange(len(ALL))])


def huge_line(c, rng):
    c.sendall(rng.choice([b"", MESSAGE, MAIL]) + b"x" * rng.choice([600, 9000, 90000]))


def other_protocol(c, rng):
    c.sendall(rng.choice([b"GET / HTTP/1.0\r\n\r\n", b"\x16\3\1\2\0\1\0\1",
                          b"SSH-2.0-x\r\n", b"\0" * 100, b"\r\n" * 50]))


def aborted_handshake(c, rng):
    c.sendall(HELLO + b"STARTTLS\r\n")
    time.sleep(0.002)
    c.sendall(b"\x16\3\1\0\x80" + rng.randbytes(rng.randrange(200)))


def tls_session(c, rng):
    c.sendall(HELLO + b"STARTTLS\r\n")
    seen = b""
    while b"\r\n220 " not in seen:
        seen += c.recv(4096)
    with TLS.wrap_socket(c.dup()) as t:
        t.sendall(rng.choice([MESSAGE + b"x" * 20000, HELLO, b"QUIT\r\n",
                              MAIL + BDAT[9], rng.randbytes(3000)]))


def bad_chunks(c, rng):
    c.sendall(rng.choice([b"", HELLO, MAIL, TO_HOP]) + rng.choice(BDAT) +
              b"\r\nNOOP\r\n")


def endless_data(c, rng):
    line = rng.choice([b"x" * 70 + b"\r\n", b".\n", b"X-A: b\r\n", FORGED])
    c.sendall(MESSAGE + line * rng.choice([1, 90, 3000]))


def bad_message(c, rng):
    text = rng.choice([b"a\0", b"a\nb", b"a\rb", b"Received: x\r\n" * 102,
                       FORGED * 50])
    c.sendall(MESSAGE + text + b"\r\n.\r\nQUIT\r\n")


def many_recipients(c, rng):
    c.sendall(MAIL + b"".join(
        rng.choice([b"RCPT TO:<alice@example.org>\r\n", b"RCPT TO:<@>\r\n",
                    b"RCPT TO:<%d@example.org>\r\n" % i])
        for i in range(rng.choice([5, 50, 300]))))


def at_the_hop(c, rng):
    c.sendall(TO_HOP + rng.choice([b"", b"RSET\r\n", b"DATA\r\nx",
                                   b"DATA\r\nx\r\n.\r\n", chunk(b"x")]))


KINDS = [garbage, lines_of_garbage, cut_session, huge_line, other_protocol,
         aborted_handshake, bad_chunks, endless_data, bad_message,
         many_recipients, at_the_hop]


def hostile(port, number):
    """One session, and one of the ways to leave it."""
    rng = random.Random(number)
    kind = tls_session if number % 50 == 0 else rng.choice(KINDS)
    with socket.create_connection(("127.0.0.1", port), 10) as c, \
            contextlib.suppress(OSError, ssl.SSLError):
        if rng.random() < 0.7:
            c.recv(4096)
        kind(c, rng)
        leave = rng.randrange(4)
        if leave == 0:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
        elif leave == 1:
            c.shutdown(socket.SHUT_WR)
            while c.recv(65536):
                pass
        elif leave == 2:
            c.settimeout(0.01)
            c.recv(4096)


def attack(gateway, numbers):
    """These sessions, some at once, until the gateway is idle again."""
    left = iter(numbers)
    lock = threading.Lock()
    failures = []

    def run():
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            try:
                hostile(gateway.port, number)
            except Exception as error:  # say which one it was
                failures.append((number, error))
                return
    threads = [threading.Thread(target=run) for _ in range(AT_ONCE)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[:3]
    quiet(gateway)


def stretch(gateway):
    """Let each worker take as much memory as a session may: all at once."""
    clients = [open_tls(gateway) for _ in range(4)]
    for c in clients:
        c.sock.sendall(TO_HOP[len(HELLO):] + BDAT[10] + b"\r\n" +
                       b"MAIL FROM:<a@b.example>\r\n" +
                       b"RCPT TO:<alice@example.org>\r\n" * 300 + b"DATA\r\n" +
                       FORGED * 9000)
    for c in clients:
        c.close()
    quiet(gateway)


def private_kb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty: +(\d+) kB", text).group(1))


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture(scope="module")
def sink():
    s = SmtpSink()
    yield s
    s.close()


@pytest.fixture(scope="module")
def gateway(sink):
    with serving(section(pair("usual")),
                 "workers { min = 4  max = 4  spare = 1  sessions = 1000000 }",
                 "limits { per_client = 0  slow_ms = 0  errors = 30 }",
                 "timeouts { command_secs = 3  data_secs = 3 }",
                 lists={"routes": f"bob@example.org smtp:127.0.0.1:{sink.port}"
                        "\n* maildir:{mail}/all\n"}) as g:
        yield g


def test_nothing_is_left_of_hostile_sessions(gateway):
    if os.geteuid() != 0:
        pytest.skip("memory and descriptors of other users are for root")
    master = gateway.process.pid
    attack(gateway, range(WARM))
    stretch(gateway)
    pids = [master, *children(master)]
    assert len(gateway.workers()) == 4
    memory = {pid: private_kb(pid) for pid in pids}
    files = {pid: descriptors(pid) for pid in pids}
    attack(gateway, range(WARM, SESSIONS))
    assert [master, *children(master)] == pids  # nobody was replaced
    wait_until(lambda: all(descriptors(pid) <= files[pid] for pid in pids),
               5, f"descriptors as they were: {files}")
    if not SANITIZED:  # a sanitizer keeps what is freed
        more = {pid: private_kb(pid) - memory[pid] for pid in pids}
        assert max(more.values()) <= SLACK_KB, (more, memory)
    gateway.play(*DATA, (b"Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0"))


def test_each_kind_reaches_the_gateway(gateway):
    """Else the test above would prove nothing: sessions end in each way."""
    ends = {re.search(r" end=(\S+)", line).group(1)
            for line in gateway.events("session")}
    assert {"lost", "lost-data", "quit", "chunk", "errors", "tls",
            "other-protocol"} <= ends, ends
