"""lictor-import: golden files, the errors that are in none of them, round
trips through the compiler, and the programs whose tables it reads.

tests/import/FORMAT_*.in are tables in their own format; FORMAT_*.ok holds
runs on them: a line "$ lictor-import ...", what it writes, its messages behind
"! ", its exit status behind "= ". With LICTOR_UPDATE set the .ok files are
written from their "$" lines instead of compared.
"""

import ipaddress
import os
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "gateway"))
from conftest import BIN, Gateway  # noqa: E402

GOLDEN = ROOT / "tests" / "import"
INPUTS = sorted(GOLDEN.glob("*.in"))
TOOL = BIN / "lictor-import"


def run(*args, text=None, cwd=None):
    """Run lictor-import; text goes to its standard input."""
    data = text.encode() if isinstance(text, str) else text
    done = subprocess.run([TOOL, *args], input=data, cwd=cwd, timeout=60,
                          capture_output=True)
    done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
    return done


def entries(text):
    """The lines of a source that are entries."""
    return [l for l in text.splitlines() if l and not l.startswith("#")]


# ---------------------------------------------------------------- golden files


def commands(path):
    """The runs that the .ok file of an .in file asks for."""
    ok = path.with_suffix(".ok")
    lines = ok.read_text().splitlines() if ok.exists() else []
    return [l[2:] for l in lines if l.startswith("$ ")] or \
        [f"lictor-import {path.stem.split('_')[0]}"]


def golden_run(path, command):
    return run(*shlex.split(command)[1:], path.name, cwd=GOLDEN)


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: p.stem)
def test_golden(path):
    have = ""
    for command in commands(path):
        done = golden_run(path, command)
        assert done.returncode in (0, 65), done.stderr
        assert (done.returncode == 0) == (done.stdout != "")
        have += f"$ {command}\n{done.stdout}"
        have += "".join(f"! {l}\n" for l in done.stderr.splitlines())
        have += f"= {done.returncode}\n"
    ok = path.with_suffix(".ok")
    if os.environ.get("LICTOR_UPDATE"):
        ok.write_text(have)
    assert have == ok.read_text()


# ----------------------------------------------------------------- round trips


LISTS = ("banned", "names", "relay", "domains", "senders", "recipients",
         "routes")


@pytest.fixture(scope="module")
def host():
    """A host with empty lists, on which anything may be compiled."""
    g = Gateway()
    try:
        g.write_conf()
        yield g
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


def install(host, **lists):
    """These sources and no others; as the tables meant it, without guards."""
    host.write_lists(**{name: "" for name in LISTS})
    for name, text in lists.items():
        (host.source / name).write_text(text)
    done = host.compile("-f", check=False)
    assert done.returncode == 0, done.stderr


def lookup(host, name, key):
    """(action, argument, text) that the daemon would find; or None."""
    done = host.run("lictor-query", name, key, check=False)
    if done.returncode == 1:
        return None
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout.split(": ", 1)[1])
    return words[1:]


@pytest.mark.parametrize("path", INPUTS, ids=lambda p: p.stem)
def test_what_is_written_compiles_and_comes_back(host, path):
    for command in commands(path):
        done = golden_run(path, command)
        if done.returncode != 0:
            continue
        name = done.stdout.split("# for list ")[1].split()[0]
        install(host, **{name: done.stdout})
        dump = host.run("lictor-query", "-d", name).stdout
        assert len(entries(dump)) == len(entries(done.stdout))
        (host.source / name).write_text(dump)
        diff = host.compile("--diff")
        assert diff.stdout == "", f"{command}: {diff.stdout}"
