"""The real gateway, real lists and real peers, one set for each test.

Everything runs on 127.0.0.0/8 in folders of its own. LICTOR_BUILD names the
build to test (build, or build/san for the sanitizers).
"""

import itertools
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LICTOR_BUILD", "build")
BIN = BUILD / "bin"
SANITIZED = BUILD.name == "san"
USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

LISTS = {
    "banned": "",
    "relay": "",
    "domains": "example.org\n",
    "recipients": "alice@example.org\nbob@example.org\n",
    "routes": "* maildir:{mail}/all\n",
}


def range_of_ports():
    """A range that no other process of tests on this machine has; it is ours
    as long as the socket lives that stands for it."""
    for first in range(10000, 30000, 2000):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0lictor-tests-ports-{first}")
        except OSError:
            mark.close()
            continue
        return mark, range(first, first + 2000)
    raise OSError("ten processes run these tests already")


def free_ports():
    """Ports below those that the kernel gives out, so that nobody else takes
    one between here and its use."""
    mark, ports = range_of_ports()
    with mark:
        for port in itertools.cycle(ports):
            with socket.socket() as s:
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    continue
            yield port


PORTS, PORTS_LOCK = free_ports(), threading.Lock()


def free_port():
    """A port that nobody listens on just now; for any thread."""
    with PORTS_LOCK:
        return next(PORTS)


def wait_until(condition, seconds=10.0, what="condition"):
    """Poll until the condition holds; its value, or a failed test."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come about in {seconds} s")


def is_free(port):
    """Can this port be bound, as a new master would do it?"""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            s.listen()
        except OSError:
            return False
        return True


class Client:
    """A client that says what it is told, octet for octet."""

    def __init__(self, port, source=None, timeout=10.0):
        six = source is not None and ":" in source
        self.sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(("::1" if six else "127.0.0.1", port))
        self.buffer = b""

    def line(self):
        """One reply line without CRLF; None when the gateway has closed."""
        while b"\r\n" not in self.buffer:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                assert self.buffer == b"", self.buffer
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        assert len(line) <= 510 and line.isascii(), line
        return line.decode()

    def reply(self):
        """One whole reply: its lines joined by newlines; None at the end."""
        lines = []
        while True:
            line = self.line()
            if line is None:
                assert not lines, lines
                return None
            assert re.match(r"[2-5]\d\d[ -]", line), line
            lines.append(line)
            if line[3] == " ":
                return "\n".join(lines)

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def say(self, line):
        """Send one command, give its reply."""
        self.send(line + "\r\n")
        return self.reply()

    def all_replies(self):
        """Every reply up to the end of the connection."""
        replies = []
        while (reply := self.reply()) is not None:
            replies.append(reply)
        return replies

    def helo(self, name="client.example"):
        assert self.reply().startswith("220 ")
        assert self.say(f"EHLO {name}").startswith("250")
        return self

    def message(self, data, sender="s@client.example", to=("alice@example.org",)):
        """One transaction; data is dot-stuffed already. The last reply."""
        assert self.say(f"MAIL FROM:<{sender}>").startswith("250")
        for rcpt in to:
            assert self.say(f"RCPT TO:<{rcpt}>").startswith("25")
        assert self.say("DATA").startswith("354")
        self.send(data if isinstance(data, bytes) else data.encode())
        self.send(b".\r\n")
        return self.reply()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Gateway:
    """One lictord with its folders, settings and lists."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-"))
        self.dir.chmod(0o755)
        self.source, self.state = self.dir / "lists", self.dir / "state"
        self.mail, self.spool = self.dir / "mail", self.dir / "spool"
        self.log_path, self.conf = self.dir / "log", self.dir / "lictor.conf"
        for folder in (self.source, self.mail):
            folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.mail, USER)
        self.port = free_port()
        self.process = None
        self.binary = BIN / "lictord"
        self.run_as = None  # the user who starts it, when it is not ours
        self.settings, self.sections = {}, []
        self.keep = False  # connections to next hops, for later sessions
        self.write_lists(**LISTS)

    # ---- settings and lists

    def write_lists(self, **lists):
        for name, text in lists.items():
            text = text.replace("{mail}", str(self.mail))
            (self.source / name).write_text(text)

    def write_conf(self):
        settings = {
            "hostname": '"gw.example.org"',
            "listen": f'{{"127.0.0.1:{self.port}"}}',
            "user": f'"{USER}"',
            "source_dir": f'"{self.source}"',
            "state_dir": f'"{self.state}"',
            "spool_dir": f'"{self.spool}"',
            "run_dir": f'"{self.dir}/run"',
            "pid_file": f'"{self.dir}/pid"',
            "maildir_roots": f'{{"{self.mail}"}}',
            "protect": "{}",
        }
        settings.update(self.settings)
        lines = [f"{k} = {v}" for k, v in settings.items()]
        sections = list(self.sections)
        for test in ("rdns", "sender"):  # unless one wants them, ask nobody
            if not any(f'test "{test}"' in s for s in sections):
                sections.append(f'test "{test}" {{ mode = "off" }}')
        if not any("per_client" in s for s in sections):
            # One address, from which tests come, may have all workers.
            sections = [s.replace("limits {", "limits { per_client = 0 ")
                        for s in sections]
            if not any("limits {" in s for s in sections):
                sections.append("limits { per_client = 0 }")
        if not self.keep:
            # What a hop has heard in one session is not for the next one,
            # and nobody else comes by.
            hops = {("mx:" if scheme == "mx" else "") + hop
                    for scheme, text in re.findall(
                        r"(?m)^[^#\n]*\s(smtp|mx|lmtp):(\S+)",
                        (self.source / "routes").read_text())
                    for hop in re.split("[,|]", text)}
            sections += [f'next_hop "{hop}" {{ keep_secs = 0 probe_secs = 0 }}'
                         for hop in sorted(hops)
                         if not any(f'"{hop}"' in s for s in sections)]
        text = "\n".join(lines + sections) + "\n"
        self.conf.write_text(text.replace("{port}", str(self.port)))

    def run(self, tool, *args, check=True, **kw):
        """Run a program of ours with this configuration."""
        return subprocess.run(
            [BIN / tool, "-c", self.conf, *args],
            check=check, text=True, capture_output=True, timeout=60, **kw)

    def compile(self, *args, check=True):
        return self.run("lictor-compile", *args, check=check)

    # ---- the daemon

    def start(self, *sections, compile=True, **settings):
        """Write the configuration, compile the lists, serve."""
        self.sections = list(sections) or self.sections
        self.settings.update(settings)
        self.write_conf()
        if compile:
            done = self.compile(check=False)
            assert done.returncode == 0, done.stderr
        return self.launch()

    def launch(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "-d", "-c", self.conf], user=self.run_as,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.process.poll() is not None
                   or "event=start" in self.log(), what="start")
        assert self.process.poll() is None, self.log()
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=20):
        """SIGTERM; leaves no process."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            self.process.wait(seconds)
        self.process = None

    def kill(self):
        """Whatever is left, as at the end of a failed test."""
        for pid in pids_below(self.dir):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def workers(self):
        """The pids of the workers of the running master."""
        out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid",
                              str(self.process.pid)],
                             text=True, capture_output=True).stdout
        return [int(l.split()[0]) for l in out.splitlines()
                if "lictord: worker" in l]

    def titles(self):
        out = subprocess.run(["ps", "-o", "args=", "--ppid",
                              str(self.process.pid)],
                             text=True, capture_output=True).stdout
        return [l.strip() for l in out.splitlines()]

    def connect(self, source=None, **kw):
        return Client(self.port, source, **kw)

    # ---- what came of it

    def log(self):
        return self.log_path.read_text(errors="replace") \
            if self.log_path.exists() else ""

    def events(self, event, **pairs):
        """The log lines of an event that bear these key=value pairs."""
        lines = []
        for line in self.log().splitlines():
            if f"event={event} " not in line + " ":
                continue
            if all(f" {k}={v}" in line for k, v in pairs.items()):
                lines.append(line)
        return lines

    def wait_event(self, event, seconds=10.0, **pairs):
        return wait_until(lambda: self.events(event, **pairs), seconds,
                          f"event={event} {pairs}")[-1]

    def wait_for_more(self, event, than, **pairs):
        """Until there are more of these lines than there were."""
        return wait_until(lambda: len(self.events(event, **pairs)) > than,
                          what=f"one more event={event} {pairs}")

    def mails(self, box="all"):
        """The messages in a Maildir, as bytes, oldest first."""
        files = sorted((self.mail / box / "new").glob("*"))
        return [f.read_bytes() for f in files]


def pids_below(folder):
    """Processes that have the folder's name on their command line or cwd."""
    found = []
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            maps = (proc / "maps").read_text()
        except OSError:
            continue
        if f"{folder}/run/" in maps:
            found.append(int(proc.name))
    return found


@pytest.fixture
def gateway():
    """A gateway that is stopped, checked and removed after the test."""
    g = Gateway()
    try:
        yield g
        g.stop()
        left = wait_gone(g.dir)
        assert not left, f"processes are left: {left}"
        log = g.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


def wait_gone(folder):
    for _ in range(100):
        left = pids_below(folder)
        if not left:
            return []
        time.sleep(0.05)
    return left


class SmtpSink:
    """Postfix's smtp-sink as the next hop; it keeps messages in a folder."""

    def __init__(self, *args):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-sink-"))
        self.dir.chmod(0o777)
        self.port = free_port()
        user = ["-u", USER] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            ["/usr/sbin/smtp-sink", *user, "-h", "sink.example", *args,
             "-d", "%M.", f"127.0.0.1:{self.port}", "200"],
            cwd=self.dir, stdin=subprocess.DEVNULL)
        wait_until(lambda: not is_free(self.port), what="smtp-sink")

    def mails(self):
        """The messages as bytes, each with the lines X-... of smtp-sink."""
        return [f.read_bytes() for f in sorted(self.dir.glob("*"))]

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture
def hop():
    """Start a scripted next hop: hop({...}, pipelining=False)."""
    from hop import Hop  # which has its ports from here

    started = []

    def start(*scripts, **kw):
        started.append(Hop(*scripts, **kw))
        return started[-1]

    yield start
    for h in started:
        h.close()


@pytest.fixture
def sink():
    """Start smtp-sink with arguments: sink("-r", "RCPT")."""
    started = []

    def start(*args):
        started.append(SmtpSink(*args))
        return started[-1]

    yield start
    for s in started:
        s.close()


@pytest.fixture
def nsd():
    """Start NSD with zones: nsd(zones_of({...}))."""
    from nsd import Nsd
    started = []

    def start(zones):
        started.append(Nsd(zones))
        return started[-1]

    yield start
    for n in started:
        n.close()
