"""Looking at processes, and into them with strace."""

import os
import pathlib
import shutil
import signal
import subprocess
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
    return data.replace(b"\0", b" ").decode().strip()


def idle_workers(gateway):
    return [p for p in gateway.workers() if "worker idle" in title(p)]


def busy_workers(gateway):
    return [p for p in gateway.workers() if "worker 127." in title(p)]


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
        self.lines = []

    def __enter__(self):
        args = [arg for pid in self.pids for arg in ("-p", str(pid))]
        self.process = subprocess.Popen(
            ["strace", "-f", "-qq", *self.options, *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        wait_until(lambda: self.process.poll() is not None or all(
            status(p).get("TracerPid", "0") != "0" for p in self.pids),
            what="strace")
        if self.process.poll() is not None:
            pytest.skip("strace: " + self.process.stderr.read())
        time.sleep(0.02)  # between the attachment and the first stop
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            _, text = self.process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, text = self.process.communicate()
        self.lines = text.splitlines()
