"""A next hop that does what a script says, the wrong thing above all.

A script is a dictionary. Its keys are steps: "connect" (before anything is
said), "greeting", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "end", "RSET", also
"RCPT 2" for the second RCPT of a connection, and "body" for the middle of a
message, after 1 KiB of it. A value is what is done then, one thing or a tuple
of things: a str is a line to send, bytes are sent as they are, a number is a
time to sleep, a function is called, CLOSE and RESET end the connection, SILENT
says nothing ever more, HEAR waits until the client says something. What the
script does not name is done as a good server does it.

With CHUNKING among its keywords it takes messages by BDAT. Step "BDAT" is when
that command has come, and "body" and "end" are as with DATA; a hop that is to
say something to the command itself takes what follows for commands.

With tls, a server's context, it offers STARTTLS, which is a step too, as is
"handshake" behind it; what is named "EHLO tls" is done in TLS only.

A client that says LHLO is spoken LMTP to: behind the dot comes a reply for each
accepted recipient, steps "end 1", "end 2" and so on, or "end " and an address,
and "end" for all that are not named.
"""

import os
import re
import socket
import ssl
import struct
import threading
import time

from conftest import free_port

CLOSE, RESET, SILENT, HEAR = object(), object(), object(), object()

GOOD = {
    "greeting": "220 hop.example ESMTP",
    "HELO": "250 hop.example",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "end": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "QUIT": ("221 2.0.0 bye", CLOSE),
    "STARTTLS": "220 2.0.0 go on",
}


class Gone(Exception):
    """This connection is over."""


class Hop:
    """The listener; a thread for each connection."""

    def __init__(self, *scripts, pipelining=True, keywords=(), port=0,
                 tls=None, host="127.0.0.1", path=None):
        self.tls = tls
        self.names = []  # what clients have named in TLS (SNI)
        if tls is not None:
            tls.sni_callback = lambda sock, name, ctx: self.names.append(name)
        self.play(*scripts, pipelining=pipelining, keywords=keywords)
        self.lock = threading.Lock()
        self.open = set()
        if path is None:
            self.listener = socket.create_server((host, port or free_port()),
                                             backlog=64)
            self.port = self.listener.getsockname()[1]
        else:  # a UNIX socket, for everybody
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            os.chmod(path, 0o777)
            self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def play(self, *scripts, pipelining=True, keywords=()):
        """Begin anew: connection n goes by scripts[n], later ones by the last."""
        self.scripts = list(scripts) or [{}]
        self.keywords = (("PIPELINING",) if pipelining else ()) + keywords
        self.lines = []  # (number of connection, what it said)
        self.taken = []  # messages that were told 250, as bytes
        self.unsure = []  # whole messages that were told anything else
        self.given = []  # LMTP: (recipient, message) that were told 250
        self.connections = 0
        self.secure = {}  # number of connection: version and cipher
        self.ragged = 0  # connections in TLS that were not ended in TLS

    def heal(self):
        """From now on it does nothing wrong."""
        self.scripts = [{}]

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                number = self.connections
                self.connections += 1
                self.open.add(sock)
            conn = Connection(self, sock, number)
            threading.Thread(target=conn.run, daemon=True).start()

    def said(self, verb, connection=None):
        """The lines that begin with this verb."""
        return [text for number, text in self.lines
                if text.upper().startswith(verb)
                and connection in (None, number)]

    def close(self):
        self.listener.close()
        with self.lock:
            for sock in self.open:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Connection:
    """One connection to the hop."""

    def __init__(self, hop, sock, number):
        self.hop, self.sock, self.number = hop, sock, number
        self.buffer = b""
        self.rcpts = 0
        self.last = ""  # the line that was sent last
        self.chunks = b""  # what has come of a message by BDAT
        self.lmtp = False
        self.accepted = []  # recipients of this transaction
        sock.settimeout(30)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def in_tls(self):
        return self.number in self.hop.secure

    def action(self, *steps):
        if self.in_tls():
            steps = (*(f"{step} tls" for step in steps), *steps)
        scripts = self.hop.scripts
        script = scripts[min(self.number, len(scripts) - 1)]
        for step in steps:
            if step in script:
                return script[step]
        if steps[-1] in ("EHLO", "LHLO"):
            words = ("hop.example", *self.hop.keywords, "8BITMIME")
            if self.hop.tls is not None and not self.in_tls():
                words += ("STARTTLS",)
            last = len(words) - 1
            return tuple(f"250{' ' if i == last else '-'}{word}"
                         for i, word in enumerate(words))
        return GOOD.get(steps[-1], ())

    def do(self, *steps):
        """What the script says for the first step that it knows."""
        things = self.action(*steps)
        if not isinstance(things, (tuple, list)):
            things = (things,)
        for thing in things:
            if isinstance(thing, str):
                self.last = thing
                self.sock.sendall(thing.encode() + b"\r\n")
            elif isinstance(thing, bytes):
                self.last = thing.decode("latin-1")
                self.sock.sendall(thing)
            elif isinstance(thing, (int, float)):
                time.sleep(thing)
            elif callable(thing):
                thing()
            elif thing is RESET:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
                raise Gone
            elif thing is CLOSE:
                raise Gone
            elif thing is HEAR:
                self.sock.recv(1, socket.MSG_PEEK)
            else:
                while self.sock.recv(65536):
                    pass
                raise Gone

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except ssl.SSLError:
            self.hop.ragged += 1
            raise
        if not data:
            raise Gone
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        text, self.buffer = self.buffer.split(b"\r\n", 1)
        return text.decode("latin-1")

    def message(self):
        """A message up to its end, which must be CRLF.CRLF."""
        self.middle()
        while b"\r\n.\r\n" not in self.buffer:
            self.fill()
        text, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
        self.take(text + b"\r\n")

    def middle(self):
        if self.action("body") != ():
            while len(self.buffer) < 1024:
                self.fill()
            self.do("body")

    def chunk(self, size, last):
        """What stands behind BDAT."""
        self.middle()
        while len(self.buffer) < size:
            self.fill()
        self.chunks += self.buffer[:size]
        self.buffer = self.buffer[size:]
        if not last:
            self.sock.sendall(b"250 2.0.0 more\r\n")
            return
        text, self.chunks = self.chunks, b""
        self.take(text)

    def take(self, text):
        """The message is complete."""
        # A client that heard 250 may look at once: note it before it is said.
        if not self.lmtp:
            good = self.is_good("end")
            (self.hop.taken if good else self.hop.unsure).append(text)
            self.do("end")
            return
        for i, rcpt in enumerate(self.accepted):
            steps = (f"end {i + 1}", f"end {rcpt}", "end")
            if self.is_good(*steps):
                self.hop.given.append((rcpt, text))
            self.do(*steps)

    def is_good(self, *steps):
        """Is it a 250 that will be said?"""
        held = self.action(*steps)
        things = held if isinstance(held, (tuple, list)) else (held,)
        words = [thing if isinstance(thing, bytes) else thing.encode() + b"\r\n"
                 for thing in things if isinstance(thing, (str, bytes))]
        said = b"".join(words)
        return said.startswith(b"250 ") and b"\r\n" in said

    def shake(self):
        self.do("handshake")
        with self.hop.lock:
            self.hop.open.discard(self.sock)
            self.sock = self.hop.tls.wrap_socket(
                self.sock, server_side=True, suppress_ragged_eofs=False,
                do_handshake_on_connect=False)
            self.hop.open.add(self.sock)
        self.sock.do_handshake()
        self.hop.secure[self.number] = f"{self.sock.version()}:" \
                                       f"{self.sock.cipher()[0]}"

    def run(self):
        try:
            self.do("connect")
            self.do("greeting")
            while True:
                text = self.line()
                self.hop.lines.append((self.number, text))
                verb = text.split(" ")[0].split(":")[0].upper()
                self.lmtp |= verb == "LHLO"
                if verb in ("MAIL", "RSET"):
                    self.accepted = []
                if verb == "RCPT":
                    self.rcpts += 1
                self.do(f"{verb} {self.rcpts}", verb)
                if verb == "RCPT" and self.last.startswith("25"):
                    self.accepted.append(re.search("<(.*)>", text).group(1))
                if verb == "DATA" and self.last.startswith("354"):
                    self.message()
                if verb == "BDAT" and self.action("BDAT") == ():
                    _, size, *last = text.split(" ")
                    self.chunk(int(size), last == ["LAST"])
                if verb == "STARTTLS" and self.last.startswith("220"):
                    self.shake()
        except (Gone, OSError):
            pass
        finally:
            self.sock.close()  # who sees that it is not open may count on it
            with self.hop.lock:
                self.hop.open.discard(self.sock)
