"""The ledger: what was told 250 is at the next hop, whoever is killed."""

import collections
import random
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from conftest import (BIN, BUILD, ROOT, Client, free_port, is_free,
                      wait_until)
from proc import kill

TOOLS = BUILD / "bench"
SECONDS = 4


@pytest.fixture(scope="module", autouse=True)
def tools():
    """The driver and the sink, built if they are not there yet."""
    if not (TOOLS / "load").exists() or not (TOOLS / "sink").exists():
        san = ["SAN=1"] if BUILD.name == "san" else []
        subprocess.run(["make", "-s", *san, f"BUILD={BUILD.relative_to(ROOT)}",
                        "bench-tools"], cwd=ROOT, check=True, timeout=120,
                       stdout=subprocess.DEVNULL)


def serve_again(gateway):
    """A new master, as soon as the port is free."""
    wait_until(lambda: is_free(gateway.port), 2, "the free port")
    before = len(gateway.events("start"))
    with open(gateway.log_path, "ab") as log:
        gateway.process = subprocess.Popen(
            [BIN / "lictord", "-d", "-c", gateway.conf],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: len(gateway.events("start")) > before, what="start")


def wreak(gateway, seconds, masters):
    """Kill a worker every few milliseconds, and the master now and then."""
    dice = random.Random(4711)
    killed = 0
    end = time.monotonic() + seconds
    blows = [end - seconds * (n + 1) / (masters + 1) for n in range(masters)]
    while time.monotonic() < end:
        if blows and time.monotonic() > blows[-1]:
            blows.pop()
            gateway.process.kill()
            gateway.process.wait()
            serve_again(gateway)
        workers = gateway.workers()
        if workers:
            kill(dice.choice(workers))
            killed += 1
        time.sleep(dice.uniform(0.01, 0.06))
    assert not blows
    return killed


def drive(gateway, told, seconds=SECONDS, masters=3):
    """16 clients under fire; the driver goes on until all is told."""
    load = subprocess.Popen(
        [TOOLS / "load", "-c", "16", "-n", "100000000", "-s", "3000",
         "-S", str(seconds + 1), "-b", "127.0.2.0/24", "--ledger", told,
         "--retries", "1000", f"127.0.0.1:{gateway.port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    try:
        killed = wreak(gateway, seconds, masters)
        out, err = load.communicate(timeout=30)
    finally:
        load.kill()
        load.wait()
    assert "mode=deliver" in out, out + err
    assert killed > 20
    return dict(word.split("=", 1) for word in out.split())


POOL = ("workers { min = 16  max = 64  spare = 8 }",
        "limits { per_client = 100 }")


def test_into_a_next_hop(gateway):
    told, have = gateway.dir / "told", gateway.dir / "have"
    port = free_port()
    gateway.write_lists(recipients="@example.org\n",
                        routes=f"* smtp:127.0.0.1:{port}\n")
    sink = subprocess.Popen(
        [TOOLS / "sink", "-S", "60", "--ledger", have, f"127.0.0.1:{port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: not is_free(port), what="the sink")
        gateway.start(*POOL)
        drive(gateway, told)
        gateway.stop()
        wait_until(lambda: told.stat().st_size > 0, what="the ledger")
    finally:
        sink.send_signal(signal.SIGTERM)
        sink.wait(5)
    done = subprocess.run(
        [sys.executable, ROOT / "tests/bench/ledger.py", told, have],
        capture_output=True, text=True, timeout=30, check=False)
    result = dict(word.split("=") for word in done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["lost"] == "0" and int(result["told"]) > 200, result
    assert result["doubled_bare"] == "0", result
    assert result["doubled_retry"] == "0", result
    assert gateway.events("worker", signal=9)


def test_the_sink_takes_chunks(tmp_path):
    """And its ledger is the same; they may cut a field anywhere."""
    port, have = free_port(), tmp_path / "have"
    sink = subprocess.Popen(
        [TOOLS / "sink", "-S", "30", "--ledger", have,
         f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True)
    text = b"Subject: x\r\nX-Ledger: one\r\n\r\n.\r\nX-Ledger: two\r\n"
    try:
        wait_until(lambda: not is_free(port), what="the sink")
        with Client(port) as c:
            c.helo()
            for cut in range(len(text)):
                for part, last in ((text[:cut], b""), (text[cut:], b" LAST")):
                    c.send(b"BDAT %d%s\r\n" % (len(part), last) + part)
                    assert c.reply().startswith("250 ")
            assert c.say("BDAT x").startswith("500 ")
            c.send(b"BDAT 4\r\ncut")
            c.send(b"\n")
            assert c.reply().startswith("250 ")
    finally:
        sink.send_signal(signal.SIGTERM)
        totals = sink.communicate(timeout=5)[0]
    n = len(text)
    assert f" messages={n} recipients=0 bytes={n * n + 4} cut=1 " in totals
    assert have.read_text() == "have one\n" * n


def test_into_a_maildir(gateway):
    told = gateway.dir / "told"
    gateway.write_lists(recipients="@example.org\n")
    gateway.start(*POOL)
    drive(gateway, told)
    gateway.stop()
    have = collections.Counter()
    for path in (gateway.mail / "all" / "new").iterdir():
        text = path.read_bytes()
        ids = re.findall(rb"(?m)^X-Ledger: (\S+)$", text)
        assert len(ids) == 1 and len(text) > 3000, path
        have[ids[0].decode()] += 1
    words = [line.split() for line in told.read_text().splitlines()]
    good = {w[1] for w in words if w[0] == "told" and w[2] == "250"}
    silent = {w[1] for w in words if w[0] == "lost"}
    assert len(good) > 200
    assert not good - set(have), f"lost: {sorted(good - set(have))[:5]}"
    doubled = {key for key, n in have.items() if n > 1}
    assert not doubled - silent, sorted(doubled - silent)[:5]
    assert gateway.events("worker", signal=9)


def test_a_reload_loses_no_connection_under_load(gateway):
    """No kill: then nothing is lost, doubled or said again."""
    told = gateway.dir / "told"
    gateway.write_lists(recipients="@example.org\n")
    gateway.start(*POOL)
    load = subprocess.Popen(
        [TOOLS / "load", "-c", "16", "-n", "100000000", "-S", "1.5", "-b",
         "127.0.2.0/24", "--ledger", told, f"127.0.0.1:{gateway.port}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    while load.poll() is None:
        gateway.signal(signal.SIGHUP)
        time.sleep(0.05)
    figures = dict(w.split("=", 1) for w in load.stdout.read().split())
    lines = told.read_text().splitlines()
    assert len(lines) > 100
    assert all(l.startswith("told ") and l.endswith(" 250") for l in lines), \
        figures
    assert not gateway.events("worker")
    assert len(gateway.mails()) == len(lines)
