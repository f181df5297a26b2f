"""A next hop that does one wrong thing, at one octet.

It counts octets. A fault has a step, a side ("says": the hop's reply, "hears":
what it is told there), and how many octets of that go by before it strikes.
Then the hop closes, resets, stops, lingers, dies, or something is done to the
gateway; or the reply itself is a lie. Steps are greeting, EHLO, MAIL, RCPT,
RCPT 2, DATA, message and end; by LMTP there is an end for each recipient. With
chunking there is BDAT in the place of DATA; a hop that is to say something to
that command itself takes what follows for commands.

Its ledger has every message that was complete, and what it answered to that. A
hop that has said no has not taken the message; one whose answer was cut off
has: so it is with servers that commit first and speak then.
"""

import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from conftest import free_port

WHOLE_REPLY = re.compile(rb"(?:(\d{3})-[^\n\0]*\n)*(\d{3})(?: [^\n\0]*)?\r?\n")
HEADER = re.compile(rb"\AReceived: from .*?\[(127\.[\d.]+)\].*?\r\n"
                    rb"(?=[^\t])", re.DOTALL)
KEYWORDS = (b"hop.example", b"8BITMIME", b"ENHANCEDSTATUSCODES")

GOOD = {
    "greeting": b"220 hop.example ESMTP\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go on\r\n",
    "end": b"250 2.0.0 taken\r\n",
    "RSET": b"250 2.0.0 ok\r\n",
    "QUIT": b"221 2.0.0 bye\r\n",
}


def code_of(said):
    """The code of the first reply in these octets; 0: none is complete."""
    found = WHOLE_REPLY.match(said)
    if found is None or (found[1] or found[2]) != found[2]:
        return 0
    return int(found[2])


class Gone(Exception):
    """This connection is over."""


@dataclass
class Fault:
    """See above. act: close, reset, stop, stall, linger, die, or a call."""

    step: str
    side: str = "says"
    at: int = 0
    act: object = None
    lie: object = None  # makes another reply of the good one
    once: bool = False  # else on every connection until it is healed


@dataclass
class Taken:
    """A message that was complete."""

    client: str  # whose it was, by the gateway's Received field
    text: bytes  # behind that field
    said: dict = field(default_factory=dict)  # the answer for each recipient
    chunk: bool = False  # it came by BDAT

    def has(self, rcpt):
        """Would a server that said this have the message?"""
        return code_of(self.said[rcpt]) < 300

    def owned(self, rcpt):
        """Has it said so in full, and nothing odd before it?"""
        for other, said in self.said.items():
            if other == rcpt:
                return code_of(said) // 100 == 2
            if WHOLE_REPLY.fullmatch(said) is None:
                return False
            # Nobody listens to one that did not understand BDAT.
            if self.chunk and code_of(said) in (354, 500):
                return False
        return False


class TortureHop:
    """The listener; a thread for each connection."""

    def __init__(self, lmtp=False, chunking=False):
        self.lmtp, self.chunking, self.pipelining = lmtp, chunking, True
        self.fault = None
        self.lock = threading.Lock()
        self.open, self.taken, self.codes = set(), [], []
        self.cases = 0
        self.length = 0  # of the last message, with its end
        self.port = free_port()
        self.mark = socket.socket()  # it stays ours while nobody listens
        self.mark.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.mark.bind(("127.0.0.1", self.port))
        self.listen()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port),
                                             backlog=64)
        # A large message is not to lie in buffers as a whole.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,),
                         daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                if listener is not self.listener:
                    sock.close()
                    continue
                self.open.add(sock)
            threading.Thread(target=Connection(self, sock).run,
                             daemon=True).start()

    def hang_up(self):
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def begin(self, pipelining):
        """A new case: no connection, no ledger."""
        with self.lock:
            self.cases += 1  # what old connections still hold does not count
        self.hang_up()
        self.pipelining = pipelining
        self.taken, self.codes = [], []

    def die(self):
        """As the kernel does it for a process that was killed."""
        with self.lock:
            listener, self.listener = self.listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.hang_up()

    def disturb(self, how):
        """Do this to connections that nobody uses just now."""
        with self.lock:
            socks = list(self.open)
        for sock in socks:
            if how == "421":
                sock.sendall(b"421 4.4.2 idle\r\n")
            elif how == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
        if how == "die":
            self.die()
        elif how != "421":
            self.hang_up()

    def heal(self):
        self.fault = None
        if self.listener is None:
            self.listen()

    def due(self, step, side, case):
        """The fault, when it is its turn."""
        with self.lock:
            if case != self.cases:
                raise Gone
            f = self.fault
            if f is None or (f.step, f.side) != (step, side):
                return None
            if f.once:
                self.fault = None
            return f


class Connection:
    """One connection to the hop."""

    def __init__(self, hop, sock):
        self.hop, self.sock, self.case = hop, sock, hop.cases
        self.spoken = bytearray()  # since it was last asked
        self.rcpts = []
        sock.settimeout(60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, octets):
        self.spoken += octets
        self.sock.sendall(octets)

    def strike(self, act):
        if act in ("close", "reset"):
            if act == "reset":
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
            raise Gone
        if act == "stall":  # it stops, and the connection is lost
            time.sleep(0.2)
            self.strike("reset")
        if act == "stop":
            while self.sock.recv(65536):
                pass
            raise Gone
        if act == "linger":
            time.sleep(0.03)
        elif act == "die":
            self.hop.die()
            raise Gone
        elif act is not None:
            act()

    def say(self, step, reply=None, ledger=None):
        """The reply of this step, or what the fault makes of it."""
        if reply is None:
            reply = GOOD.get(step.split(" ")[0], b"500 5.5.2 what\r\n")
        self.spoken = bytearray() if ledger is None else ledger
        f = self.hop.due(step, "says", self.case)
        if f is not None and f.lie is not None:
            reply = f.lie(reply)
        self.hop.codes.append((step, code_of(reply)))
        if f is None:
            self.send(reply)
        elif f.lie is not None:
            self.send(reply)
            # Whoever waits for the end of a reply waits for ten minutes.
            self.strike(f.act or (None if code_of(reply) else "close"))
        else:
            self.send(reply[:f.at])
            self.strike(f.act)
            self.send(reply[f.at:])

    def exactly(self, n):
        """So many octets and none more."""
        got = bytearray()
        while len(got) < n:
            part = self.sock.recv(n - len(got))
            if not part:
                raise Gone
            got += part
        return bytes(got)

    def line(self):
        """A line, and no octet of what comes behind it."""
        got = b""
        while not got.endswith(b"\n"):
            seen = self.sock.recv(4096, socket.MSG_PEEK)
            end = seen.find(b"\n")
            got += self.exactly(end + 1 if end >= 0 else len(seen) or 1)
        return got

    def step_of(self, line):
        verb = line[:4].decode("latin-1").upper()
        if verb in ("LHLO", "HELO"):
            return "EHLO"
        if verb == "RCPT" and self.rcpts:
            return f"RCPT {len(self.rcpts) + 1}"
        return verb

    def command(self):
        """The next command; its step is known when it begins."""
        head = self.sock.recv(4, socket.MSG_PEEK)
        while len(head) < 4:
            if not head:
                raise Gone
            if self.case != self.hop.cases:
                raise Gone
            time.sleep(0.001)
            head = self.sock.recv(4, socket.MSG_PEEK)
        step = self.step_of(head)
        if (f := self.hop.due(step, "hears", self.case)) is None:
            return step, self.line()
        got = self.exactly(f.at)
        self.strike(f.act)
        return step, got + self.line()

    def message(self):
        """Up to CRLF.CRLF; nobody sends more before the answer to that."""
        got = b""
        if (f := self.hop.due("message", "hears",
                              self.case)) is not None:
            got = self.exactly(f.at)
            self.strike(f.act)
        while not got.endswith(b"\r\n.\r\n"):
            part = self.sock.recv(65536)
            if not part:
                raise Gone
            got += part
        return got[:-3]

    def chunk(self, size):
        """The octets behind BDAT."""
        got = b""
        if (f := self.hop.due("message", "hears", self.case)) is not None:
            got = self.exactly(f.at)
            self.strike(f.act)
        return got + self.exactly(size - len(got))

    def take(self, size=None):
        """By DATA, or so many octets by BDAT."""
        text = self.message() if size is None else self.chunk(size)
        self.hop.length = len(text) + (3 if size is None else 0)
        head = HEADER.match(text)
        ledgers = [bytearray() for _ in self.rcpts]
        if not self.hop.lmtp:
            ledgers = ledgers[:1] * len(ledgers)
        taken = Taken(head[1].decode() if head else "?",
                      text[head.end():] if head else text,
                      dict(zip(self.rcpts, ledgers)), size is not None)
        # Whoever is told may look at once: note it before it is said.
        self.hop.taken.append(taken)
        for i, ledger in enumerate(ledgers[:None if self.hop.lmtp else 1]):
            self.say(f"end {i + 1}" if i else "end", ledger=ledger)
        self.rcpts = []

    def hello(self):
        words = KEYWORDS + (b"PIPELINING",) * self.hop.pipelining + \
            (b"CHUNKING",) * self.hop.chunking
        self.say("EHLO", b"".join(b"250-%s\r\n" % w for w in words[:-1])
                 + b"250 %s\r\n" % words[-1])

    def dialogue(self):
        while True:
            step, line = self.command()
            word = step.split(" ")[0]
            if word == "MAIL":
                self.rcpts = []
            elif word == "RCPT":
                self.rcpts.append(line[line.index(b"<") + 1:
                                       line.index(b">")].decode())
            if word == "EHLO":
                self.hello()
            else:
                self.say(step, b"" if word == "BDAT" else None)
            code = code_of(self.spoken)
            if word == "RCPT" and code // 100 != 2:
                self.rcpts.pop()
            if word == "DATA" and code == 354:
                self.take()
            if word == "BDAT" and not self.spoken:
                self.take(int(line.split()[1]))
            if word == "QUIT":
                raise Gone

    def run(self):
        try:
            self.say("connect", b"")
            self.say("greeting")
            self.dialogue()
        except (Gone, OSError):
            pass
        finally:
            with self.hop.lock:
                self.hop.open.discard(self.sock)
            self.sock.close()
