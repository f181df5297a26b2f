"""Looking at processes, and into them with strace."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from conftest import SANITIZED, wait_until

TICK = os.sysconf("SC_CLK_TCK")


def status(pid):
    """/proc/PID/status as a dictionary; empty when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in text.splitlines()
                if ":\t" in line)


def alive(pid):
    return status(pid).get("State", "Z")[0] not in "ZX"


def cpu_seconds(pid):
    """User and system time of a process, in seconds."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text.rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def title(pid):
    try:
        data = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return data.split(b"\0", 1)[0].decode()


def children(pid):
    """The processes whose parent this one is."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        if status(path.name).get("PPid") == str(pid):
            found.append(int(path.name))
    return found


def idle_workers(gateway):
    return [p for p in gateway.workers() if "worker idle" in title(p)]


def busy_workers(gateway):
    return [p for p in gateway.workers() if "worker 127." in title(p)]


def quiet(gateway):
    """Wait until every worker is idle and asleep; their pids."""
    def there():
        every = gateway.workers()
        return every and sorted(idle_workers(gateway)) == sorted(every) and \
            all(sleeps(p) for p in every) and every
    return wait_until(there, what="idleness of all")


def sleeps(pid):
    return status(pid).get("State", "?")[0] == "S"


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


class Strace:
    """strace on processes that run already, from with to its end."""

    def __init__(self, pids, *options):
        if SANITIZED:
            pytest.skip("the leak checker and strace are in each other's way")
        if shutil.which("strace") is None:
            pytest.skip("there is no strace")
        self.pids, self.options = list(pids), options

    def __enter__(self):
        self.output = tempfile.NamedTemporaryFile(prefix="lictor-strace-")
        args = [arg for pid in self.pids for arg in ("-p", str(pid))]
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", self.output.name, *self.options,
             *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self.process.poll() is not None or all(
            status(p).get("TracerPid", "0") != "0" for p in self.pids),
            what="strace")
        if self.process.poll() is not None:
            pytest.skip("strace: " + self.process.stderr.read())
        time.sleep(0.05)  # between the attachment and the first stop
        return self

    def text(self):
        return pathlib.Path(self.output.name).read_text()

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.output.close()


def greet(address, seconds=5.0, source=None):
    """Connect to (host, port); the socket and how long the greeting took."""
    begun = time.monotonic()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family)
    sock.settimeout(seconds)
    if source:
        sock.bind((source, 0))
    try:
        sock.connect(address)
        line = sock.recv(512)
        assert line.startswith(b"220 "), line
    except BaseException:
        sock.close()
        raise
    return sock, time.monotonic() - begun


def leave(sock):
    """QUIT and wait for the end."""
    with sock:
        sock.sendall(b"QUIT\r\n")
        while sock.recv(512):
            pass


def reload(gateway, text="new settings are in force", busy=0):
    """SIGHUP, and wait for its end: the line, and no worker of before but the
    busy ones. A worker that was about to leave may take one client more."""
    before = len(gateway.events("reload", text=f'"{text}"'))
    old = set(gateway.workers())
    gateway.signal(signal.SIGHUP)
    gateway.wait_for_more("reload", before, text=f'"{text}"')
    if text == "new settings are in force":
        wait_until(lambda: len(old & set(gateway.workers())) <= busy,
                   what="the end of the old workers")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError:
        return False
    return True


def listen_on(gateway, n=3):
    """Let it listen on up to n addresses; gives them as (host, port)."""
    hosts = ["127.0.0.1", "::1" if has_ipv6() else "127.0.0.3", "127.0.0.2"]
    places = [(host, gateway.port) for host in hosts[:n]]
    gateway.settings["listen"] = "{" + ", ".join(
        f'"[{h}]:{p}"' if ":" in h else f'"{h}:{p}"' for h, p in places) + "}"
    return places
