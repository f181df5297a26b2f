"""Many clients, several workers, and blows at random: a storm.

Where a lane knows what happens at which octet, here everything happens at
once: workers, masters and next hops are killed while clients send. The next
hop is the scripted one, with a single connection for all workers, or a server
that others wrote. The ledgers are the same, and so are the rules.
"""

import collections
import random
import signal
import socket
import subprocess
import threading
import time

from conftest import Gateway, SmtpSink, wait_until
from proc import children, kill
from torture_cases import reply_of
from torture_hop import Fault, TortureHop
from torture_lane import CUT, SMALL, TO, WORDS, Attempt, Lane, Talk, Trouble

# What servers leave as it is: not the header, nor what ends a line.
BODY = SMALL.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
CLIENTS = 6
TRIES = 400
STEPS = ["connect", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"]


class Scripted:
    """The hop of torture_hop.py, another fault every few milliseconds."""

    kind, to, rules = "smtp", TO[:1], "connections = 1  keep_secs = 60"

    def __init__(self):
        self.hop = TortureHop()
        self.port = self.hop.port

    def strike(self, dice):
        step = dice.choice(STEPS)
        self.hop.fault = Fault(
            step, "says", dice.randrange(len(reply_of(step, True)) or 1),
            dice.choice(["close", "reset", "stall", "linger"]), once=True)

    def heal(self):
        self.hop.heal()

    def mails(self, _):
        return [b"[%s]" % t.client.encode() + t.text.replace(b"\n..", b"\n.")
                for t in self.hop.taken if t.has(TO[0])]

    def close(self):
        self.hop.die()


class Lmtp(Scripted):
    """The same, by LMTP."""

    kind, to = "lmtp", TO

    def __init__(self):
        self.hop = TortureHop(lmtp=True)
        self.port = self.hop.port

    def mails(self, rcpt):
        return [b"[%s]" % t.client.encode() + t.text.replace(b"\n..", b"\n.")
                for t in self.hop.taken if rcpt in t.said and t.has(rcpt)]


class Sink:
    """smtp-sink, killed and started again."""

    kind, to, rules = "smtp", TO[:1], "keep_secs = 5"

    def __init__(self):
        self.sink, self.lives = SmtpSink(), 1
        self.port = self.sink.port

    def strike(self, dice):
        self.sink.process.kill()
        self.sink.process.wait()
        time.sleep(dice.uniform(0, 0.1))
        self.heal()

    def heal(self):
        wait_until(self.serves, what="smtp-sink")

    def serves(self):
        """Each life has names of its own for its files."""
        if self.sink.process.poll() is not None:
            self.lives += 1
            args = [f"%M.{self.lives}." if str(a).startswith("%M.") else a
                    for a in self.sink.process.args]
            self.sink.process = subprocess.Popen(
                args, cwd=self.sink.dir, stdin=subprocess.DEVNULL)
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5):
                return True
        except OSError:
            return False

    def mails(self, _):
        """Those that have an end, an empty line: it writes as it reads."""
        return [m.removesuffix(b"\n") for m in self.sink.mails()
                if m.endswith(BODY + b"\n")]

    def close(self):
        self.sink.close()


class PostfixHop:
    """Postfix; its smtpd processes are killed."""

    kind, to, rules = "smtp", TO[:1], "keep_secs = 5"

    def __init__(self):
        from postfix import Postfix
        self.server = Postfix(more="service_throttle_time = 1s\n")
        self.port = self.server.port
        pid = (self.server.dir / "spool/pid/master.pid").read_text()
        self.master = int(pid)

    def strike(self, dice):
        victims = [p for p in children(self.master)
                   if name_of(p) == "smtpd"]
        if victims:
            kill(dice.choice(victims))

    def heal(self):
        pass

    def mails(self, _):
        wait_until(self.server.settled, 20, "an empty queue")
        return self.server.mails()

    def close(self):
        self.server.close()


class DovecotHop:
    """Dovecot by LMTP; its lmtp processes stand still now and then. A killed
    one leaves the lock of a mailbox behind, which holds the others for minutes.
    """

    kind, to, rules = "lmtp", TO, "keep_secs = 5"

    def __init__(self):
        from dovecot import Dovecot
        self.server = Dovecot()
        self.port = self.server.port

    def strike(self, dice):
        victims = [p for p in children(self.server.process.pid)
                   if name_of(p) == "lmtp"]
        for pid in victims:
            kill(pid, signal.SIGSTOP)
        time.sleep(dice.uniform(0, 0.05))
        for pid in victims:
            kill(pid, signal.SIGCONT)

    def heal(self):
        pass

    def mails(self, rcpt):
        return self.server.mails(rcpt.split("@")[0])

    def close(self):
        self.server.close()


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
            return comm.read().strip()
    except OSError:
        return ""


class Storm(Lane):
    """A gateway of two workers before such a hop, and its clients."""

    def __init__(self, hop, seconds, number):
        self.server, self.seconds, self.number = hop, seconds, number
        self.kind, self.kept, self.hop, self.mounted = hop.kind, True, None, []
        self.lock, self.tries, self.log_start = threading.Lock(), 0, 0
        self.messages, self.troubles = [], []
        self.gateway = g = Gateway()
        g.keep = True
        where = f"127.0.0.1:{hop.port}"
        g.write_lists(recipients="@example.org\n",
                      routes=f"* {hop.kind}:{where}\n")
        g.sections = ["workers { min = 2  max = 2  spare = 1 }",
                      f'next_hop "{where}" {{ {hop.rules} probe_secs = 0 }}']

    def mount(self):
        """Nothing is full here."""

    def one(self, text):
        """One try of one client."""
        with self.lock:
            self.tries += 1
            n = self.tries
        mine = Attempt(f"127.{100 + self.number}.{n // 100}.{100 + n % 100}")
        try:
            talk = Talk(self.gateway.port, mine.client)
        except OSError:
            return mine
        with talk.sock:
            mine.told = self.say_all(talk, text)
            if mine.told != CUT:
                talk.say(b"QUIT\r\n")
        return mine

    def say_all(self, talk, text):
        lines = [b"EHLO client.example\r\n",
                 b"MAIL FROM:<s@client.example>\r\n",
                 *(b"RCPT TO:<%s>\r\n" % to.encode() for to in self.server.to),
                 b"DATA\r\n", text.replace(b"\n.", b"\n..") + b".\r\n"]
        code = talk.reply()
        for line in lines:
            if code[0] not in "23":
                break
            code = talk.say(line)
        return code

    def client(self, until):
        """New messages until then; and each is sent until it is told 250."""
        try:
            while time.monotonic() < until:
                with self.lock:
                    mine = []
                    self.messages.append(mine)
                    text = b"Message-ID: <%d@client.example>\r\n" % len(
                        self.messages) + SMALL
                while not mine or mine[-1].told != "250":
                    if len(mine) == TRIES:
                        raise Trouble(f"not delivered: {mine[-1]}\n"
                                      + self.gateway.log()[-2000:])
                    if mine:
                        time.sleep(0.02)
                    mine.append(self.one(text))
        except Exception as e:
            self.troubles.append(e)

    def wreak(self, until):
        dice = random.Random(4711)
        blows = 0
        while time.monotonic() < until:
            blows += 1
            if blows % 12 == 0:
                self.kill_master()
                self.serve_again()
            elif blows % 3 == 0:
                for pid in self.gateway.workers()[:1]:
                    kill(pid, signal.SIGKILL)
            else:
                self.server.strike(dice)
            time.sleep(dice.uniform(0.01, 0.05))
        self.server.heal()

    def run(self):
        """All of it; how many messages doubled, with an excuse."""
        self.start()
        until = time.monotonic() + self.seconds
        threads = [threading.Thread(target=self.client, args=(until,))
                   for _ in range(CLIENTS)]
        for t in threads:
            t.start()
        self.wreak(until)
        for t in threads:
            t.join()
        if self.troubles:
            raise self.troubles[0]
        return sum(self.judge(to) for to in self.server.to)

    def judge(self, rcpt):
        """The three ledgers of all messages, for this recipient."""
        copies = collections.Counter()
        for mail in self.server.mails(rcpt):
            start = mail.index(b"[127.1") + 1
            copies[mail[start:mail.index(b"]", start)].decode()] += 1
            if not mail.replace(b"\r\n", b"\n").endswith(BODY):
                raise Trouble(f"half a message: {mail}")
        words = self.words()
        doubled = 0
        for attempts in self.messages:
            total, excused = 0, False
            for a in attempts:
                word = words.get(a.client, "-")
                total += copies[a.client]
                self.judge_attempt(a, copies[a.client], total, word)
                if copies[a.client] and total > 1 and not excused:
                    raise Trouble(f"doubled, and no reply was lost: {attempts}")
                # Who has it is forgotten with the master, by LMTP.
                excused |= copies[a.client] > 0 and (a.told == CUT
                                                     or word in "dx")
            doubled += total > 1
        return doubled

    def judge_attempt(self, a, copies, total, word):
        lmtp = self.kind == "lmtp"
        if copies > 1:
            raise Trouble(f"twice in one attempt: {a}")
        if a.told == "250" and not (total if lmtp else copies):
            raise Trouble(f"told 250, and nobody has it: {a}")
        if copies and a.told not in ("250", CUT) and \
                word not in ("dx" if lmtp else "d"):
            raise Trouble(f"in doubt, and the log says {word}: {a}")

    def words(self):
        """What the log says of each attempt."""
        found = {}
        for line in self.gateway.log().splitlines():
            fields = dict(f.split("=", 1) for f in line.split()
                          if "=" in f)
            word = fields.get("reason", fields.get("event"))
            if fields.get("event") in ("message", "refuse"):
                found[fields["client"]] = WORDS.get(word, word)
        return found


HOPS = {"scripted, one connection": Scripted, "lmtp, one connection": Lmtp,
        "smtp-sink": Sink, "Postfix": PostfixHop, "Dovecot": DovecotHop}


def storm(name, seconds, number):
    """One storm; a line about it."""
    hop = HOPS[name]()
    try:
        s = Storm(hop, seconds, number)
        try:
            doubled = s.run()
            s.stop()
        finally:
            s.close()
    finally:
        hop.close()
    told = collections.Counter(a.told for m in s.messages for a in m)
    return (f"storm before {name}: messages={len(s.messages)} lost=0 "
            f"invented=0 doubled={doubled} "
            + " ".join(f"{k}={n}" for k, n in sorted(told.items())))
