"""One gateway of one worker, one next hop, one client: a lane.

Lanes go side by side, and in each one case comes after the other. The client
survives everything, and each of its attempts comes from an address of its own,
so that what the gateway logged and what the next hop took can be told apart.
After a case all is mended, and the client tries again until it is told 250;
then three ledgers are compared: what the client was told, what the next hop
has, what the log says.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass

from conftest import USER, Gateway, free_port, is_free, wait_gone, wait_until
from proc import Strace
from torture_hop import TortureHop

TO = ("alice@example.org", "bob@example.org")
SMALL = b"Subject: torture\r\n\r\n" + b"0123456789abcdef" * 4 + b"\r\n..\r\n"
PLAIN = SMALL.removesuffix(b"..\r\n")  # it may go as one chunk
LARGE = b"Subject: large\r\n\r\n" + (b"y" * 98 + b"\r\n") * 120000
MEDIUM = LARGE[:600000] + b"\r\n"
CUT, LEFT = "cut", "left"
TRIES = 4
# One letter each for the table; the first that was logged counts.
WORDS = {"message": "m", "hop-trouble": "t", "hop-refused": "r",
         "hop-mixed": "x", "doubtful": "d", "doubled": "D", "spool": "s"}
LIMITS = {"files": "nofile", "memory": "data", "size": "fsize"}


@dataclass
class Attempt:
    """What one try of the client came to."""

    client: str
    told: str = CUT  # a code; CUT: lost without an answer; LEFT: it went away
    killed: bool = False  # its worker was, so that it could log nothing


class Trouble(Exception):
    """A ledger does not agree with another."""


def set_limit(pid, what, soft):
    """As the worker's own user: that needs no right. Empty: no soft one."""
    hard = ""
    if soft == "":
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            names = {"nofile": "open files", "data": "data size",
                     "fsize": "file size"}
            soft = next(line for line in limits
                        if names[what] in line).split()[4]
    who = pwd.getpwnam(USER)
    same = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    subprocess.run(["prlimit", "--pid", str(pid), f"--{what}={soft}:{hard}"],
                   check=True, **same if os.geteuid() == 0 else {})


class Talk:
    """The client's end of a session."""

    def __init__(self, port, source):
        self.sock = socket.socket()
        self.sock.settimeout(90)  # a hop's greeting has 60
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.bind((source, 0))
        self.buffer = b""
        self.left = False
        self.sock.connect(("127.0.0.1", port))

    def reply(self):
        """The code of the next reply; CUT or LEFT at the end."""
        while True:
            lines = re.match(rb"(?:\d{3}-[^\n]*\n)*(\d{3}) [^\n]*\n",
                             self.buffer)
            if lines:
                self.buffer = self.buffer[lines.end():]
                return lines[1].decode()
            try:
                data = self.sock.recv(65536)
            except TimeoutError:
                raise Trouble("the client waits for ever") from None
            except OSError:
                data = b""
            if not data:
                return LEFT if self.left else CUT
            self.buffer += data

    def say(self, octets):
        try:
            self.sock.sendall(octets)
        except OSError:
            pass  # what was said before may have an answer still
        return self.reply()

    def leave(self):
        """Go away with a reset, from another thread."""
        self.left = True
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.shutdown(socket.SHUT_RDWR)


class Lane:
    """See above. kind: smtp, lmtp or maildir; kept: connections are; chunking:
    the hop takes what is complete by BDAT, and nothing goes on before."""

    def __init__(self, number, kind="smtp", kept=False, secs=3600,
                 chunking=False):
        self.number, self.kind, self.kept = number, kind, kept
        self.attempts, self.tries, self.log_start = [], 0, 0
        self.mounted = []
        self.hop = None
        if kind != "maildir":
            self.hop = TortureHop(kind == "lmtp", chunking)
        self.gateway = g = Gateway()
        route = "maildir:{mail}/%{local}"
        sections = ["workers { min = 1  max = 1  spare = 1 }",
                    f"timeouts {{ session_secs = {secs} }}"]
        if self.hop:
            where = f"127.0.0.1:{self.hop.port}"
            route = f"{kind}:{where}"
            sections.append(f'next_hop "{where}" {{ probe_secs = 0 '
                            f"keep_secs = {60 if kept else 0} "
                            f"{'connections = 1' if chunking else ''} }}")
        g.keep = True
        g.write_lists(recipients="@example.org\n", routes=f"* {route}\n")
        g.sections = sections

    def start(self):
        self.mount()
        try:
            self.gateway.start()
        except AssertionError as e:
            if "already in use" not in str(e):
                raise
            self.gateway.port = free_port()  # another lane was faster
            self.gateway.start()
        return self

    def stop(self):
        """All is over; what the log holds besides is looked at, too."""
        g = self.gateway
        try:
            g.stop()
            left = wait_gone(g.dir)
            assert not left, f"processes are left: {left}"
            self.check_log()
        finally:
            self.close()

    def close(self):
        self.gateway.kill()
        if self.hop:
            self.hop.die()
        for path in self.mounted:
            subprocess.run(["umount", "-l", path], check=False)
        shutil.rmtree(self.gateway.dir, ignore_errors=True)

    # ---- the log

    def lines(self, client):
        """The log lines of one attempt of this case."""
        with open(self.gateway.log_path, "rb") as log:
            log.seek(self.log_start)
            text = log.read().decode(errors="replace")
        return [line for line in text.splitlines()
                if f" client={client} " in line + " "]

    def word(self, client):
        """What the log says of the message: a letter, or -."""
        for line in self.lines(client):
            found = re.search(r"event=(message) |event=refuse .*reason=(\S+)",
                              line)
            if found:
                return WORDS.get(found[1] or found[2], found[2])
        return "-"

    def check_log(self):
        log = self.gateway.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log

    def cut_log(self):
        """Or the limit for the size of files keeps it from growing, too."""
        if self.gateway.log_path.stat().st_size > 200000:
            self.check_log()
            os.truncate(self.gateway.log_path, 0)

    def worker(self):
        """The process that serves the attempt that goes on."""
        for line in self.lines(self.attempts[-1].client):
            if "event=connect " in line:
                return int(re.search(r"lictord\[(\d+)\]", line)[1])
        raise Trouble("no worker has logged that the client connected")

    # ---- what is done to it

    def kill_worker(self):
        pid = self.worker()
        self.attempts[-1].killed = True
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="its end")

    def kill_master(self):
        self.gateway.process.kill()
        self.gateway.process.wait()

    def leave(self):
        self.talk.leave()

    def starve(self, what, value=None):
        """The worker gets no more of this; it had all that it has."""
        pid = self.worker()
        if what == "files":
            value = len(os.listdir(f"/proc/{pid}/fd"))
        elif what == "memory":
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                value = int(re.search(r"VmData:\s+(\d+)",
                                      status.read())[1]) * 1024
        self.starved = pid, LIMITS[what]
        set_limit(pid, LIMITS[what], value)

    def new_worker(self):
        """One that has served nobody yet."""
        for pid in (old := self.gateway.workers()):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: set(self.gateway.workers()) - set(old),
                   what="a new worker")

    def mount(self):
        """Spool and Maildirs on a disk of their own, if that is allowed."""
        if os.geteuid() != 0:
            return
        for path in (self.gateway.spool, self.gateway.mail):
            path.mkdir(exist_ok=True)
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=40m,mode=0777", "tmpfs",
                 path], capture_output=True, check=False)
            if done.returncode == 0:
                self.mounted.append(path)

    def fill_disk(self):
        """All but a few octets of it, though others write there, too."""
        for path in self.mounted:
            with open(path / "full", "wb") as f:
                for room in range(16384, 400000, 16384):
                    free = os.statvfs(path).f_bavail * 4096
                    try:
                        os.posix_fallocate(f.fileno(), 0, free - room)
                        break
                    except OSError:
                        continue

    def forbid(self, rcpt, mode):
        """What a worker may do with the folder new of a Maildir."""
        (self.gateway.mail / rcpt.split("@")[0] / "new").chmod(mode)

    def heal(self):
        """All is well again."""
        for path in self.gateway.mail.glob("*/new"):
            path.chmod(0o700)
        for path in self.mounted:
            (path / "full").unlink(missing_ok=True)
        if self.hop:
            self.hop.heal()
        if self.starved:
            pid, what = self.starved
            self.starved = None
            set_limit(pid, what, "")
        if self.gateway.process.poll() is not None:
            self.serve_again()

    def serve_again(self):
        """A new master, as soon as the port is free."""
        g = self.gateway
        wait_until(lambda: is_free(g.port), 5, "the free port")
        before = len(g.events("start"))
        with open(g.log_path, "ab") as log:
            g.process = subprocess.Popen(
                [g.binary, "-d", "-c", g.conf], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        wait_until(lambda: len(g.events("start")) > before, what="start")

    # ---- the client

    def attempt(self, text=SMALL, hooks=None):
        """One try: the code that ended it. hooks: step to what is done then."""
        self.tries += 1
        n = self.tries
        source = f"127.{100 + self.number}.{100 + n // 100}.{100 + n % 100}"
        mine = Attempt(source)
        self.attempts.append(mine)
        try:
            self.talk = Talk(self.gateway.port, source)
        except OSError:
            return mine  # nobody listens
        with self.talk.sock:
            mine.told = self.transaction(text, hooks or {})
            if mine.told not in (CUT, LEFT):
                self.talk.say(b"QUIT\r\n")
        return mine

    def warm_up(self):
        """One that goes through, and is forgotten."""
        if self.attempt().told != "250":
            raise Trouble("the first of two messages did not go through")
        self.attempts.clear()

    def attempt_traced(self, inject):
        """One try, something being injected into a system call."""
        (pid,) = self.gateway.workers()
        with Strace([pid], "-e", "trace=fsync,renameat", "-e",
                    f"inject={inject}"):
            self.attempt().killed = "KILL" in inject

    def transaction(self, text, hooks):
        talk = self.talk
        wire = text.replace(b"\n.", b"\n..") + b".\r\n"
        if (code := talk.reply()) != "220":
            return code
        steps = [("EHLO", b"EHLO client.example\r\n"),
                 ("MAIL", b"MAIL FROM:<s@client.example>\r\n"),
                 *((f"RCPT {i + 1}" if i else "RCPT",
                    b"RCPT TO:<%s>\r\n" % to.encode())
                   for i, to in enumerate(TO)),
                 ("DATA", b"DATA\r\n")]
        for step, line in steps:
            if step in hooks:
                hooks[step]()
            code = talk.say(line)
            if code[0] not in "23":
                return code
        half = len(text) // 2 if "message" in hooks else 0
        try:
            talk.sock.sendall(wire[:half])
            if half:
                time.sleep(0.05)  # until it has all of that
                hooks["message"]()
        except OSError:
            pass
        if "dot" in hooks:
            hooks["dot"]()
        return talk.say(wire[half:])

    # ---- a case

    def begin(self, pipelining=True, fresh=False):
        if fresh:
            self.new_worker()
        self.cut_log()
        self.log_start = self.gateway.log_path.stat().st_size
        self.attempts, self.starved = [], None
        if self.hop:
            self.hop.begin(pipelining)
        else:
            for f in self.gateway.mail.glob("*/[nt]*/*"):
                f.unlink()
        if self.kept:
            self.warm_up()

    def finish(self, text=SMALL):
        """Heal, try again until it is told 250, compare."""
        self.heal()
        while self.attempts[-1].told != "250":
            if len(self.attempts) == TRIES:
                raise Trouble("not delivered though all is well again: "
                              f"{self.attempts}")
            self.attempt(text)
        self.compare(text)

    def has(self, client, rcpt):
        """The copies of this attempt; and those it has said that it has."""
        if self.hop is None:
            box = self.gateway.mail / rcpt.split("@")[0] / "new"
            mark = f"[{client}]".encode()
            n = sum(mark in f.read_bytes() for f in box.glob("*"))
            return n, n
        mine = [t for t in self.hop.taken if t.client == client
                and rcpt in t.said and t.has(rcpt)]
        return len(mine), sum(t.owned(rcpt) for t in mine)

    def check_whole(self, text):
        """Half a message is never taken for a whole one."""
        if self.hop is None:
            end = text.replace(b"\r\n", b"\n")
            found = [f.read_bytes() for f in self.gateway.mail.glob("*/new/*")]
            bad = [got for got in found if not got.endswith(end)]
            self.left_over = len(list(self.gateway.mail.glob("*/tmp/*")))
        else:
            want = [t.replace(b"\n.", b"\n..") for t in (text, SMALL)]
            bad = [t.text for t in self.hop.taken if t.text not in want]
        if bad:
            raise Trouble(f"not what was sent: {bad[0][:500]}")

    def compare(self, text):
        """The three ledgers; raises Trouble."""
        self.check_whole(text)
        for rcpt in TO:
            total, excused = 0, False
            for a in self.attempts:
                copies, owned = self.has(a.client, rcpt)
                total += copies
                self.compare_attempt(a, copies, owned, total)
                if copies and total > 1 and not excused:
                    raise Trouble("doubled, and no reply was lost: "
                                  f"{rcpt} {self.attempts}")
                if copies:
                    excused = not owned or a.told in (CUT, LEFT) or \
                        self.word(a.client) == "D"
            if total == 0:
                raise Trouble(f"lost: {rcpt} {self.attempts}")

    def compare_attempt(self, a, copies, owned, total):
        """One recipient of one attempt; total with the attempts before it."""
        word, lmtp = self.word(a.client), self.kind == "lmtp"
        wrong = {
            "twice in one attempt": copies > 1,
            "told 250, and nobody has it":
                a.told == "250" and not (total if lmtp else copies),
            "told 250, and not logged so": (a.told == "250") != (word == "m")
                and a.told not in (CUT, LEFT),
            # By LMTP another recipient may not have it.
            "the next hop said 250, and the client was not told": self.hop
                and owned and not lmtp and a.told not in ("250", CUT, LEFT),
            "in doubt, and not logged so": copies and word not in "mdD"
                and not a.killed and not (lmtp and owned),
            "a 5xx that the next hop did not say": a.told[0] == "5" and
                not any(code // 100 == 5 for _, code in self.hop.codes),
        }
        for what, is_so in wrong.items():
            if is_so:
                raise Trouble(f"{what}: {a}, the log says {word}")

    def doubled(self):
        """Recipients who have it more than once."""
        return sum(sum(self.has(a.client, rcpt)[0] for a in self.attempts) > 1
                   for rcpt in TO)

    def story(self):
        """For who has to find out."""
        with open(self.gateway.log_path, "rb") as log:
            log.seek(self.log_start)
            text = log.read().decode(errors="replace")
        hop = f"{self.hop.port} has {self.hop.taken}" if self.hop else "none"
        return (f"{self.attempts}\ngateway {self.gateway.port}, next hop "
                f"{hop}\n{text}")

    def outcome(self):
        """Of the first attempt, as the table has it."""
        a = self.attempts[0]
        to = TO[:1] if self.kind == "smtp" else TO
        copies = sum(self.has(a.client, rcpt)[0] for rcpt in to)
        return f"{a.told} {copies} {self.word(a.client)}"
