"""The table of system calls in tests/bench/README.md is what a session does."""

import collections
import contextlib
import re
import shutil
import signal
import subprocess

import pytest

from conftest import BUILD, ROOT, SANITIZED, free_port, is_free, wait_until
from dnsbl import Lists, section, zone

TOOLS = BUILD / "bench"
pytestmark = pytest.mark.skipif(
    SANITIZED or shutil.which("strace") is None, reason="strace of our build")


ZONES = ("one.test", "two.test", "three.test", "four.test")
CLIENT = "127.0.0.1"


def readme():
    text = (ROOT / "tests/bench/README.md").read_text()
    return text[text.index("## System calls"):].split("\n### ")


def written():
    """The table as {call: times}, and the sum that stands above it."""
    text = readme()[0]
    calls = collections.Counter()
    for names, times in re.findall(r"(?m)^\| ([a-z0-9_, ]+) \| (\d+)", text):
        for name in names.split(", "):
            calls[name] += int(times)
    return calls, int(re.search(r": (\d+) calls\.", text).group(1))


def written_dns():
    """The second table: {call: (times without, with, "or more" or "")}."""
    rows = re.findall(r"(?m)^\| ([a-z0-9_]+) \| (\d+) \| (\d+)( or more)?",
                      readme()[1])
    return {name: (int(a), int(b), more) for name, a, b, more in rows}


@contextlib.contextmanager
def sinking():
    """The port of a next hop."""
    subprocess.run(["make", "-s", f"BUILD={BUILD.relative_to(ROOT)}",
                    "bench-tools"], cwd=ROOT, check=True, timeout=120,
                   stdout=subprocess.DEVNULL)
    port = free_port()
    sink = subprocess.Popen([TOOLS / "sink", "-S", "60", f"127.0.0.1:{port}"],
                            stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: not is_free(port), what="the sink")
        yield port
    finally:
        sink.send_signal(signal.SIGTERM)
        sink.wait(5)


def calls_of_a_session(g):
    """What strace saw of one session of one message: {call: times}."""
    where = f"127.0.0.1:{g.port}"
    subprocess.run([TOOLS / "load", "-n", "1", where], check=True,
                   stdout=subprocess.DEVNULL, timeout=30)  # the first
    done = subprocess.run(
        [ROOT / "tests/bench/syscalls", where, str(g.process.pid)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "BUILD": str(BUILD)},
        capture_output=True, text=True, timeout=60, check=False)
    if "ptrace" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    by_name = done.stdout[done.stdout.index("== calls by name"):]
    found = collections.Counter()
    for times, name in re.findall(r"(\d+) ([a-z0-9_]+)", by_name):
        found[name] += int(times)
    found["epoll_pwait"] -= 1  # the wait for the next client
    # Signals are let in, in two calls, as often as time says.
    assert found.pop("rt_sigprocmask", 0) % 2 == 0
    return found


def start(g, port, *sections, **settings):
    g.write_lists(recipients="@example.org\n",
                  routes=f"* smtp:127.0.0.1:{port}\n")
    return g.start("workers { min = 1 max = 1 spare = 1 }", *sections,
                   **settings)


def start_asking(g, port, dns):
    """One whose clients are asked about in every way; its lists are probed."""
    start(g, port, section("test", "rdns", mode="on", require="matches"),
          *map(zone, ZONES), nameservers=f'{{"{dns.address}"}}')
    wait_until(lambda: all(len(dns.probes_asked(z)) >= 4 for z in ZONES),
               what="the probes")
    dns.forget()


def test_the_table(gateway):
    with sinking() as port:
        found = calls_of_a_session(start(gateway, port))
    calls, total = written()
    assert found == calls
    assert sum(calls.values()) == total


def test_no_question_costs_nothing(gateway):
    """A client that may relay by address: not a call more than without DNS."""
    gateway.write_lists(relay=CLIENT + "\n")
    with sinking() as port, Lists(*ZONES) as dns:
        start_asking(gateway, port, dns)
        found = calls_of_a_session(gateway)
        assert dns.names() == []
    found["newfstatat"] -= 1  # list relay, which is empty in the table
    assert found == written()[0]


def test_six_questions(gateway):
    with sinking() as port, Lists(*ZONES) as dns:
        dns.host("client.example", CLIENT)
        start_asking(gateway, port, dns)
        found = calls_of_a_session(gateway)
        assert dns.count() == 12  # of two sessions
    calls, rows = written()[0], written_dns()
    for name in found.keys() | calls.keys() | rows.keys():
        without, times, more = rows.get(name, (calls[name],) * 2 + ("",))
        assert without == calls[name], name
        assert found[name] == times or (more and found[name] > times), name
