"""A next hop that takes any CR or LF for a line end, and keeps every octet.

What a smuggler hopes for: a dot between any two of them ends a message, and
what stands behind it is commands. Whoever gets only one message into it has
smuggled nothing past anybody.
"""

import re
import socket
import threading

END = re.compile(rb"(?:\A|[\r\n])\.(?:\r\n|\n|\r(?=[^\n]))")
LINE = re.compile(rb"\r\n|\n|\r(?=[^\n])")
REPLIES = {b"EHLO": b"250-sloppy.example\r\n250-PIPELINING\r\n250 8BITMIME",
           b"DATA": b"354 go on", b"QUIT": b"221 bye"}


class Sloppy:
    """The listener; a thread for each connection."""

    def __init__(self):
        self.clear()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def clear(self):
        self.commands, self.messages = [], []
        self.wire = b""  # all that was received

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,),
                             daemon=True).start()

    def serve(self, sock):
        buffer, data = b"", False
        with sock:
            sock.settimeout(30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(b"220 sloppy.example\r\n")
            while True:
                found = (END if data else LINE).search(buffer)
                if not found:
                    try:
                        piece = sock.recv(65536)
                    except OSError:
                        return
                    if not piece:
                        return
                    buffer += piece
                    self.wire += piece
                    continue
                text, buffer = buffer[:found.start()], buffer[found.end():]
                if data:
                    self.messages.append(text)
                    data, reply = False, b"250 taken"
                else:
                    self.commands.append(text)
                    data = text.upper() == b"DATA"
                    reply = REPLIES.get(text[:4].upper(), b"250 ok")
                try:
                    sock.sendall(reply + b"\r\n")
                except OSError:
                    return

    def close(self):
        self.listener.close()
