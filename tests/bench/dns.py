"""The part of tests/bench/run that measures what DNS costs a session.

Name servers of ours answer each question after the same time, or never. A
session asks six: the name of its address, that name's address, four lists.
Every figure is the median of ten pairs a round, the two of a pair a moment
apart.
"""

import contextlib
import socket
import time
from pathlib import Path

SERVE_SECS = 1800
SESSIONS = 10  # of each kind in a round; pairs of blocks for CPU
CPU_SESSIONS = 100  # before the clock has drifted
LISTS = ("one", "two", "three", "four")

ANSWER_MS = 100
CHAIN_MS = 2 * ANSWER_MS  # the name, then its address
DEADLINE_MS = 500
PAUSES = 5  # before EHLO, MAIL, RCPT, DATA and QUIT
PAUSE_S = (CHAIN_MS + 300) / PAUSES / 1000

OFF = ('test "rdns" { mode = "off" }', 'test "dnsbl" { mode = "off" }')
POOL = ("spare = 4 }", "spare = 4 sessions = 1000000 }")


def udp_socket():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    return s


def settings(ports):
    """What takes the place of OFF: the tests are on and ask these servers."""
    servers = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    zones = "\n".join(f'dnsbl "{z}.bench.example" {{ }}' for z in LISTS)
    return (
        f"nameservers = {{{servers}}}\n"
        f"dns_deadline_ms = {DEADLINE_MS}\n"
        'test "rdns" { mode = "on" require = "matches" }',
        f'test "dnsbl" {{ mode = "on" }}\n{zones}',
    )


def start_nameserver(bench, stack, delay_ms):
    """The port of one that answers after so many milliseconds."""
    with udp_socket() as free:
        port = free.getsockname()[1]
    argv = [
        *(bench.tools / "nameserver", "-S", SERVE_SECS),
        *("-d", delay_ms, f"127.0.0.1:{port}"),
    ]
    log = bench.folder / "nameserver.log"
    stack.enter_context(bench.server("nameserver", argv, port, log))
    return port


class Hosts:
    """Gateways that differ in the name servers they ask."""

    def __init__(self, bench, stack):
        self.bench = bench
        self.stack = stack
        sink, self.sink_port = bench.yardstick("sink")
        self.sink = stack.enter_context(sink)
        self.masters, self.ports = {}, {}

    def nameserver(self, delay_ms):
        return start_nameserver(self.bench, self.stack, delay_ms)

    def silent(self):
        """The port of one that takes questions and says nothing."""
        return self.stack.enter_context(udp_socket()).getsockname()[1]

    def add(self, name, nameservers):
        """Start a gateway; with no name servers its tests are off."""
        argv, port, log = self.bench.gateway(
            f"dns-{name}", self.sink_port, ()
        )
        config = Path(argv[-1])
        text = config.read_text()
        changes = [POOL]
        if nameservers:
            changes += zip(OFF, settings(nameservers))
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{config}: no {old}")
            text = text.replace(old, new)
        config.write_text(text)
        started = self.bench.server("lictord", argv, port, log)
        self.masters[name] = self.stack.enter_context(started)
        self.ports[name] = port

    def session_ms(self, name, *how):
        """From connect to the last reply of one session of one message."""
        got = self.bench.load(
            "-b", "127.0.2.0/24", *how, f"127.0.0.1:{self.ports[name]}"
        )
        return got["p50_ms"]

    def cpu_us(self, name):
        """What its workers have used, by the scheduler's own count."""
        used = {}
        for pid in self.bench.workers(self.masters[name].pid):
            stat = Path(f"/proc/{pid}/schedstat").read_text()
            used[pid] = int(stat.split()[0]) / 1000
        return used

    def cpu_a_session_us(self, name):
        before = self.cpu_us(name)
        self.session_ms(name, "-n", CPU_SESSIONS)
        after = self.cpu_us(name)
        if not before.keys() <= after.keys():
            raise ValueError("a worker has left: its time is lost")
        used = sum(after.values()) - sum(before.values())
        return used / CPU_SESSIONS


def measure_latency(hosts, rounds, table):
    """Sessions one at a time, each kind in turn."""
    good = hosts.nameserver(ANSWER_MS)
    hosts.add("off", ())
    hosts.add("on", (good,))
    hosts.add("second", (hosts.silent(), good))
    hosts.add("silent", (hosts.silent(), hosts.silent()))
    dialogue = ("--pause", f"{PAUSE_S:.3f}")
    kinds = {
        "off": ("off",),
        "on": ("on",),
        "second": ("second",),
        "silent": ("silent",),
        "long, off": ("off", *dialogue),
        "long, on": ("on", *dialogue),
    }
    time.sleep(2 * DEADLINE_MS / 1000)  # until the lists have been probed
    for kind in kinds.values():
        hosts.session_ms(*kind)  # starts workers
    ms = {name: [] for name in kinds}
    for _ in range(rounds * SESSIONS):
        for name, kind in kinds.items():
            ms[name].append(hosts.session_ms(*kind))
    show_latency(ms, table)


def less(above, below):
    return [a - b for a, b in zip(above, below)]


def show_latency(ms, table):
    table.add("a message, DNS tests off", ms["off"], " ms")
    table.add(
        f"  six questions, {ANSWER_MS} ms each, chain of {CHAIN_MS} ms",
        ms["on"],
        " ms",
    )
    table.add(
        "  ratio to the chain",
        [m / CHAIN_MS for m in ms["on"]],
        "",
        "<= 1.10",
        lambda ratio: ratio <= 1.1,
    )
    table.add("  with a silent name server first", ms["second"], " ms")
    table.add(
        "  what that adds",
        less(ms["second"], ms["on"]),
        " ms",
        "<= 150 ms",
        lambda ms: ms <= 150,
    )
    table.add(
        f"  all name servers silent, deadline {DEADLINE_MS} ms",
        ms["silent"],
        " ms",
        f"<= {DEADLINE_MS + 50} ms",
        lambda ms: ms <= DEADLINE_MS + 50,
    )
    table.add(
        f"a dialogue of {CHAIN_MS + 300} ms, tests off", ms["long, off"], " ms"
    )
    table.add(
        "  what the tests add",
        less(ms["long, on"], ms["long, off"]),
        " ms",
        "<= 5 ms",
        lambda ms: ms <= 5,
    )


def measure_cpu(hosts, rounds, table):
    """The workers' time for sessions one after the other, off and on."""
    hosts.add("cheap", ())
    hosts.add("asking", (hosts.nameserver(0),))
    time.sleep(0.5)
    us = {"cheap": [], "asking": []}
    for name in us:
        hosts.cpu_a_session_us(name)  # warms caches and starts workers
    for _ in range(rounds * SESSIONS):
        for name, used in us.items():
            used.append(hosts.cpu_a_session_us(name))
    table.add("CPU of a worker for a session", us["cheap"], " us")
    table.add("  with six questions", us["asking"], " us")
    table.add(
        "  what they add",
        less(us["asking"], us["cheap"]),
        " us",
        "<= 60 us",
        lambda us: us <= 60,
    )


def measure(bench, rounds, table):
    """What the tests that ask DNS cost, in time and in CPU."""
    with contextlib.ExitStack() as stack:
        measure_latency(Hosts(bench, stack), rounds, table)
    with contextlib.ExitStack() as stack:
        measure_cpu(Hosts(bench, stack), rounds, table)
