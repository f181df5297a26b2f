"""The table of system calls in tests/bench/README.md is what a session does."""

import collections
import re
import shutil
import signal
import subprocess

import pytest

from conftest import BUILD, ROOT, SANITIZED, free_port, is_free, wait_until

TOOLS = BUILD / "bench"
pytestmark = pytest.mark.skipif(
    SANITIZED or shutil.which("strace") is None, reason="strace of our build")


def written():
    """The table as {call: times}, and the sum that stands above it."""
    text = (ROOT / "tests/bench/README.md").read_text()
    text = text[text.index("## System calls"):]
    calls = collections.Counter()
    for names, times in re.findall(r"(?m)^\| ([a-z0-9_, ]+) \| (\d+)", text):
        for name in names.split(", "):
            calls[name] += int(times)
    return calls, int(re.search(r": (\d+) calls\.", text).group(1))


def test_the_table(gateway):
    subprocess.run(["make", "-s", f"BUILD={BUILD.relative_to(ROOT)}",
                    "bench-tools"], cwd=ROOT, check=True, timeout=120,
                   stdout=subprocess.DEVNULL)
    port = free_port()
    gateway.write_lists(recipients="@example.org\n",
                        routes=f"* smtp:127.0.0.1:{port}\n")
    sink = subprocess.Popen([TOOLS / "sink", "-S", "60", f"127.0.0.1:{port}"],
                            stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: not is_free(port), what="the sink")
        gateway.start("workers { min = 1 max = 1 spare = 1 }")
        where = f"127.0.0.1:{gateway.port}"
        subprocess.run([TOOLS / "load", "-n", "1", where], check=True,
                       stdout=subprocess.DEVNULL, timeout=30)  # the first
        done = subprocess.run(
            [ROOT / "tests/bench/syscalls", where, str(gateway.process.pid)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "BUILD": str(BUILD)},
            capture_output=True, text=True, timeout=60, check=False)
    finally:
        sink.send_signal(signal.SIGTERM)
        sink.wait(5)
    if "ptrace" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    by_name = done.stdout[done.stdout.index("== calls by name"):]
    found = collections.Counter()
    for times, name in re.findall(r"(\d+) ([a-z0-9_]+)", by_name):
        found[name] += int(times)
    found["epoll_pwait"] -= 1  # the wait for the next client
    calls, total = written()
    assert found == calls, done.stdout
    assert sum(calls.values()) == total
