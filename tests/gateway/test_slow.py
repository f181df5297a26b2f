"""Clients that say an octet now and then, wherever they stand.

Each holds a worker no longer than the deadlines say: a command is to come
whole within command_secs, a handshake too, and a session is over after
session_secs, however much of a message still drips in.
"""

import select
import ssl
import time

import pytest

from raw import HELLO, MAIL, RCPT, START, serving
from test_tls_hostile import client_hello
from tls import greeted, open_tls, pair, section

COMMAND, SESSION, DATA_SILENCE = 2, 4, 1
PAUSE = 0.25  # between two octets
DATA = RCPT + [(b"DATA\r\n", "354")]
CHUNK = RCPT + [(b"BDAT 9000\r\n", "")]
SECOND = RCPT + [(b"BDAT 2\r\nx\n", "250")]

# Where it stands, what it drips from there on, and when that is over.
STATES = {
    "start": (START, b"EHLO client.example\r\n", COMMAND),
    "empty": (START, b"\n" * 99, COMMAND),
    "helo": (HELLO, b"MAIL FROM:<s@client.example>\r\n", COMMAND),
    "mail": (MAIL, b"RCPT TO:<alice@example.org>\r\n", COMMAND),
    "rcpt": (RCPT, b"RCPT TO:<alice@example.org>\r\n", COMMAND),
    "no end of line": (RCPT, b"x" * 99, COMMAND),
    "between chunks": (SECOND, b"BDAT 9 LAST the end never comes", COMMAND),
    "header": (DATA, b"Subject: a line that has no end " * 3, SESSION),
    "body": (DATA + [(b"\r\nx\r\n", "")], b"line\r\n" * 20, SESSION),
    "false ends": (DATA, b"\r\n.\r\r\n.\n" * 12, SESSION),
    "held back": (DATA, b"Authentication-Results: (((((((" * 3, SESSION),
    "chunk": (CHUNK, b"octets" * 20, SESSION),
    "dots in a chunk": (CHUNK, b"\r\n.\r\n" * 20, SESSION),
}


@pytest.fixture(scope="module")
def gateway():
    with serving(section(pair("usual")),
                 "workers { min = 40  max = 60  spare = 8 }",
                 "limits { per_client = 0  slow_ms = 0  errors = 1000"
                 "  idle_commands = 1000 }",
                 f"timeouts {{ command_secs = {COMMAND}"
                 f"  data_secs = {DATA_SILENCE}  session_secs = {SESSION}"
                 f"  busy_secs = 60 }}") as g:
        yield g


class Slow:
    """One client, in the clear or in TLS."""

    def __init__(self, name, client, drip, most):
        self.name, self.client, self.drip, self.most = name, client, drip, most
        self.begun, self.ended, self.said = time.monotonic(), None, b""

    def step(self):
        """One more octet, and what the gateway says meanwhile."""
        sock = self.client.sock
        try:
            sock.setblocking(False)
            while select.select([sock], [], [], 0)[0] or \
                    isinstance(sock, ssl.SSLSocket) and sock.pending():
                data = sock.recv(4096)
                self.said += data
                if not data:
                    raise ConnectionResetError
        except (ssl.SSLWantReadError, BlockingIOError):
            pass
        except OSError:
            self.ended = time.monotonic() - self.begun
            return
        try:
            if self.drip and b"421" not in self.said:
                sock.send(self.drip[:1])
                self.drip = self.drip[1:]
        except OSError:
            pass  # the end is read in the next step


def start(gateway):
    clients = []
    for name, (lead, drip, most) in STATES.items():
        c = gateway.open()
        begun = time.monotonic()
        c.steps(*lead)
        clients.append(Slow(name, c, drip, most))
        clients[-1].begun = begun
        c = open_tls(gateway)
        begun = time.monotonic()
        c.steps(*lead)
        clients.append(Slow(name + " in TLS", c, drip, most))
        clients[-1].begun = begun
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        c = greeted(gateway)
        c.steps((b"EHLO client.example\r\n", "250"), (b"STARTTLS\r\n", "220"))
        clients.append(Slow(f"handshake {version.name}", c,
                            client_hello(version), COMMAND))
    return clients


def test_nobody_outlives_the_deadline_of_his_state(gateway):
    """All at the same time, so that it takes as long as one session."""
    before = gateway.files()
    clients = start(gateway)
    end = time.monotonic() + SESSION + 6
    while any(c.ended is None for c in clients) and time.monotonic() < end:
        for c in clients:
            if c.ended is None:
                c.step()
        time.sleep(PAUSE)
    wrong = [(c.name, c.ended, c.said) for c in clients
             if c.ended is None or not c.most - 0.5 < c.ended < c.most + 3]
    assert not wrong, wrong
    mute = [(c.name, c.said) for c in clients
            if b"421 4.4.2 " not in c.said and "handshake" not in c.name]
    assert not mute, mute
    assert not gateway.new_mails(before) and not gateway.tmp_left()
    for c in clients:
        c.client.close()


def test_each_came_to_its_end_in_the_log(gateway):
    """The workers are free again, and know why."""
    ends = [line.split(" end=")[1].split()[0]
            for line in gateway.events("session")]
    commands = sum(most == COMMAND for _, _, most in STATES.values())
    assert ends.count("timeout") == 2 * commands, ends
    assert ends.count("timeout-data") == 2 * (len(STATES) - commands), ends
    assert ends.count("tls") == 2, ends
    gateway.play(*HELLO)


def test_silence_within_a_message_is_shorter_than_the_session(gateway):
    clients = [gateway.open(), open_tls(gateway)]
    begun = time.monotonic()
    for c in clients:
        c.steps(*DATA, (b"Subject: x\r\n", ""))
    for c in clients:
        c.expect("421 4.4.2 | closed")
        c.close()
    assert DATA_SILENCE - 0.2 < time.monotonic() - begun < DATA_SILENCE + 2
