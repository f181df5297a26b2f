"""The part of tests/bench/run that measures what comes through.

lictor, HAProxy in TCP mode and Postfix stand before one next hop and are
driven in turn; lictor and a Postfix with its queue deliver into Maildirs.
After each run the messages that were told 250 are counted where they belong.
"""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import dns
import peers

BANNED = "127.0.1.0/24"
CLIENTS = "127.0.2.0/24"
RECIPIENT = "bench@example.org"
RECIPIENTS = [RECIPIENT, *(f"user{i}@example.org" for i in range(5000))]
WORKERS = 120  # more than there are sessions at once: none is forked meanwhile
WAIT_SECS = 60  # for a queue to be empty
MIB = 1 << 20

HOP = 'next_hop "127.0.0.1:{port}" {{ connections = 200 keep_secs = 5 }}\n'
ROOTS = 'maildir_roots = {{"{folder}"}}\n'

# What is run in each round: against whom, and how the load is. Turns are short,
# so that other work on the machine meets all alike; but into a queue that is
# filled for a moment only, mail would go faster than it can stay.
TURNS = 3
TURN = 0.2  # of the seconds of a measurement
PROXIES = ("haproxy", "postfix", "lictor")
RUNS = {
    "1": (PROXIES, ("-c", 1)),
    "20": ((*PROXIES, "dns"), ("-c", 20)),
    "100": (PROXIES, ("-c", 100)),
    "many": (PROXIES, ("-c", 1, "-M", 300, "-n", 100000)),
    "large": (PROXIES, ("-c", 1, "-M", 3, "-n", 100000, "-s", 10 * MIB)),
}
WHOLE_RUNS = {"maildir": (("queue", "maildir"), ("-c", 20))}


class Sink:
    """The next hop of all; it counts what it gets."""

    def __init__(self, bench, stack):
        started, self.port = bench.yardstick("sink")
        self.process = stack.enter_context(started)
        self.log = bench.folder / "sink.log"
        self.before = 0

    def begin(self):
        self.before = self.total()

    def arrived(self, _):
        return self.total() - self.before

    def total(self):
        said = self.log.read_bytes().count(b"\n")
        self.process.send_signal(signal.SIGUSR1)
        until = time.monotonic() + WAIT_SECS
        while time.monotonic() < until:
            text = self.log.read_text()
            if text.count("\n") > said:  # a line of it may be there in part
                line = text.split("\n")[said]
                words = dict(w.split("=") for w in line.split())
                return int(words["messages"])
            time.sleep(0.005)
        raise OSError("the sink does not say what it has")


class Maildir:
    """A Maildir that is emptied before each run."""

    def __init__(self, path):
        self.new = Path(path, "new")

    def names(self):
        return os.listdir(self.new) if self.new.exists() else []

    def begin(self):
        for name in self.names():
            (self.new / name).unlink()

    def arrived(self, told):
        """Of so many, that may have to come out of a queue first."""
        until = time.monotonic() + WAIT_SECS
        while len(self.names()) < told and time.monotonic() < until:
            time.sleep(0.05)
        return len(self.names())


class Server:
    """One that takes messages on a port, and where they are to arrive."""

    def __init__(self, port, place, account, process):
        self.port = port
        self.place = place
        self.account = account
        account.pid = process.pid

    def threads(self):
        for pid in self.account.pids():
            with contextlib.suppress(FileNotFoundError):
                yield from map(int, os.listdir(f"/proc/{pid}/task"))


class Hosts:
    """All servers of this part by their names."""

    def __init__(self, bench, stack):
        self.bench = bench
        self.stack = stack
        self.servers = {}
        self.sink = Sink(bench, stack)

    def start(self, name, argv, port, place):
        account = peers.Account(name)
        self.stack.callback(account.close)
        log = self.bench.folder / f"through-{name}.log"
        started = self.bench.server(name, account.command(argv), port, log)
        process = self.stack.enter_context(started)
        self.servers[name] = Server(port, place, account, process)

    def haproxy(self):
        port = self.bench.free_port()
        argv = peers.haproxy(self.bench.folder, port, self.sink.port)
        self.start("haproxy", argv, port, self.sink)

    def postfix(self, name, hop=None):
        port = self.bench.free_port()
        folder = self.bench.folder / name
        argv = peers.postfix(folder, port, BANNED, RECIPIENTS, hop)
        place = self.sink if hop else Maildir(folder / "mail/all")
        self.start(name, argv, port, place)

    def lictor(self, name, more, changes=()):
        """lictord with all its lists in use, before the sink."""
        self.gateway(
            name,
            f"* smtp:127.0.0.1:{self.sink.port}\n",
            self.sink,
            HOP.format(port=self.sink.port) + more,
            changes,
        )

    def lictor_maildir(self):
        root = self.bench.folder / "maildirs"
        root.mkdir()
        if os.geteuid() == 0:
            shutil.chown(root, "nobody")
        box = Maildir(root / "box")
        more = ROOTS.format(folder=root)
        self.gateway("maildir", f"* maildir:{root}/box\n", box, more)

    def gateway(self, name, routes, place, more, changes=()):
        config, port = self.bench.configure(
            f"through-{name}", WORKERS, 400, 4, more
        )
        text = config.read_text()
        for old, new in changes:
            if text.count(old) != 1:
                raise ValueError(f"{config}: no {old}")
            text = text.replace(old, new)
        config.write_text(text)
        lists = config.parent / "lists"
        (lists / "banned").write_text(f"{BANNED} reject\n")
        (lists / "relay").write_text("127.0.255.0/24 relay\n")
        (lists / "domains").write_text("example.org\n")
        (lists / "routes").write_text(routes)
        with open(lists / "recipients", "w", encoding="ascii") as out:
            out.writelines(f"{address}\n" for address in RECIPIENTS)
        self.bench.compile(config)
        argv = [self.bench.bin / "lictord", "-d", "-c", config]
        self.start(name, argv, port, place)


def start_all(hosts):
    asked = dns.start_nameserver(hosts.bench, hosts.stack, 0)
    hosts.haproxy()
    hosts.postfix("postfix", hosts.sink.port)
    hosts.lictor("lictor", "")
    changes = zip(dns.OFF, dns.settings((asked,)))
    hosts.lictor("dns", "", changes)
    hosts.postfix("queue")
    hosts.lictor_maildir()


def run_once(hosts, name, how, seconds):
    """One run: its figures, with CPU, and what was lost or failed."""
    server = hosts.servers[name]
    taking_turns = how[:2] == ("-c", 1) and "-s" not in how
    pinned = contextlib.nullcontext()
    if taking_turns:
        pids = [hosts.sink.process.pid, *server.threads()]
        pinned = hosts.bench.one_cpu(pids)
    server.place.begin()
    used = server.account.seconds()
    with pinned:
        got = hosts.bench.load(
            *("-n", 100000000, *how, "-S", seconds, "-b", CLIENTS),
            f"127.0.0.1:{server.port}",
            may_fail=True,
        )
    told = got["messages"]
    got["cpu"] = (server.account.seconds() - used) / max(told, 1) * 1000
    got["wrong"] = got["failures"]
    got["wrong"] += abs(told - server.place.arrived(told))
    return got


def run_each(hosts, runs, seconds, got):
    for run, (names, how) in runs.items():
        for name in names:
            figures = run_once(hosts, name, how, seconds)
            got.setdefault((run, name), []).append(figures)


def run_all(hosts, rounds, seconds):
    """Every run of every round: the figures by run and server."""
    got = {}
    for name in hosts.servers:  # warms caches and starts processes
        run_once(hosts, name, ("-c", 100), seconds / 2)
    for _ in range(rounds):
        for _ in range(TURNS):
            run_each(hosts, RUNS, seconds * TURN, got)
        run_each(hosts, WHOLE_RUNS, seconds, got)
    return got


def watch_others(work):
    """Do it: its result, and the CPUs that others kept busy meanwhile."""
    ours = peers.Account(None)
    ours.pid = os.getpid()
    begun = time.monotonic()
    before = peers.machine_seconds() - ours.seconds()
    result = work()
    after = peers.machine_seconds() - ours.seconds()
    return result, max(after - before, 0) / (time.monotonic() - begun)


# ---------------------------------------------------------------- memory


def worker_kib(bench, server, mib):
    """The largest worker after messages of so many MiB: (peak, dirty)."""
    workers = bench.workers(server.account.pid)
    for pid in workers:
        Path(f"/proc/{pid}/clear_refs").write_text("5\n")  # forget the peak
    bench.load(
        *("-M", 3, "-s", mib * MIB, "-b", CLIENTS), f"127.0.0.1:{server.port}"
    )
    return [
        max(kib(pid, file, key) for pid in workers)
        for file, key in (
            ("status", "VmHWM:"),
            ("smaps_rollup", "Private_Dirty:"),
        )
    ]


def kib(pid, file, key):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
    return 0


def show_memory(hosts, rounds, table):
    sizes = (1, 10, 40)
    got = {mib: [] for mib in sizes}
    for _ in range(rounds):
        for mib in sizes:
            got[mib].append(
                worker_kib(hosts.bench, hosts.servers["lictor"], mib)
            )
    for mib in sizes:
        peaks, dirty = zip(*got[mib])
        table.add(f"largest worker, messages of {mib} MiB: peak", peaks, " KiB")
        table.add("  Private_Dirty", dirty, " KiB")
    more = [b[0] - a[0] for a, b in zip(got[sizes[0]], got[sizes[-1]])]
    table.add(
        f"  peak of {sizes[-1]} beside {sizes[0]} MiB, more",
        more,
        " KiB",
        "<= 512 KiB",
        lambda more: more <= 512,
    )


# ----------------------------------------------------------------- table


def ratio(table, what, above, below, least=None, most=None):
    """A row of the ratios of the rounds, with its target if there is one."""
    target, good = "", None
    if least is not None:
        target, good = f">= {least:.2f}", lambda ratio: ratio >= least
    if most is not None:
        target, good = f"<= {most:.2f}", lambda ratio: ratio <= most
    values = [a / b if b else 0 for a, b in zip(above, below)]
    table.add(f"  {what}", values, "", target, good)


class Figures:
    """What was measured, and the rows that show it."""

    def __init__(self, got, table):
        self.got = got
        self.table = table

    def of(self, run, name, key="messages_s"):
        return [figures[key] for figures in self.got[run, name]]

    def show(self, run, what):
        for name in (RUNS | WHOLE_RUNS)[run][0]:
            self.table.add(f"{what}, {name}", self.of(run, name), "/s")
            what = " " * 4

    def compare(self, run, name, peer, key="messages_s", **target):
        words = {"messages_s": "rate", "cpu": "CPU", "taken_p99_ms": "p99"}
        ratio(
            self.table,
            f"{words[key]}, {name} to {peer}",
            self.of(run, name, key),
            self.of(run, peer, key),
            **target,
        )

    def show_costs(self, run):
        for name in RUNS[run][0]:
            for key, what, unit in (
                ("taken_p50_ms", "p50 to the 250", " ms"),
                ("taken_p99_ms", "p99 to the 250", " ms"),
                ("cpu", "CPU of 1000 messages", " s"),
            ):
                values = self.of(run, name, key)
                self.table.add(f"  {what}, {name}", values, unit)


def show_sessions(figures):
    """One message a session."""
    for run, least, postfix in (
        ("1", 1.3, None),
        ("20", 1.05, 3),
        ("100", 0.95, 3),
    ):
        figures.show(run, f"4 KiB a session, {run} at once")
        figures.compare(run, "lictor", "haproxy", least=least)
        figures.compare(run, "lictor", "postfix", least=postfix)
        if run == "20":
            figures.compare(run, "dns", "haproxy", least=0.75)
        figures.show_costs(run)
        figures.compare(run, "lictor", "postfix", "cpu", most=0.3)
        most = 1.25 if run == "20" else None
        figures.compare(run, "lictor", "haproxy", "taken_p99_ms", most=most)


def show_others(figures):
    figures.show("many", "300 x 4 KiB in one session")
    figures.compare("many", "lictor", "haproxy", least=1.0)
    figures.show("large", "3 x 10 MiB in one session")
    figures.compare("large", "lictor", "haproxy", least=0.7)
    figures.compare("large", "lictor", "postfix", least=4)
    figures.show("maildir", "4 KiB into a Maildir, 20 at once")
    figures.compare("maildir", "maildir", "queue", least=2)


def measure(bench, rounds, table):
    """What comes through lictor and its peers, and what it costs."""
    with contextlib.ExitStack() as stack:
        hosts = Hosts(bench, stack)
        start_all(hosts)
        got, others = watch_others(
            lambda: run_all(hosts, rounds, bench.seconds)
        )
        figures = Figures(got, table)
        show_sessions(figures)
        show_others(figures)
        show_memory(hosts, rounds, table)
    table.add("other work on the machine meanwhile", [others], " CPUs")
    wrong = sum(f["wrong"] for runs in figures.got.values() for f in runs)
    table.add("lost or failed in all runs", [wrong], "", "0", lambda n: n == 0)
    if wrong > 0:
        raise OSError(f"{wrong:.0f} messages were lost or sessions failed")
