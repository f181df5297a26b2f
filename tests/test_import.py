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


# -------------------------------------------------------- what is in no golden


HEADER = "; Spamhaus DROP List - (c) Spamhaus\n"


def http_date(age_days):
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT",
                         time.gmtime(time.time() - age_days * 86400))


def ctime_date(age_days):
    return time.strftime("%a %b %d %H:%M:%S UTC %Y",
                         time.gmtime(time.time() - age_days * 86400))


def stamp_date(age_days):
    return time.strftime("%Y:%m:%d:%H:%M:%S",
                         time.gmtime(time.time() - age_days * 86400))


def dated(format, age):
    """A small feed of that format that says it is so many days old."""
    return {
        "spamhaus-drop": f"{HEADER}; Last-Modified: {http_date(age)}\n"
                         "192.0.2.0/24 ; SBL1\n",
        "spamhaus-json": '{"cidr":"192.0.2.0/24","sblid":"SBL1"}\n'
                         '{"type":"metadata","records":1,"timestamp":'
                         f'{int(time.time() - age * 86400)}}}\n',
        "firehol": f"# This File Date  : {ctime_date(age)}\n"
                   "# Entries : 1 subnets, 256 unique IPs\n192.0.2.0/24\n",
        "rbldnsd-ip4set": f"$TIMESTAMP {stamp_date(age)}\n192.0.2\n",
    }[format]


@pytest.mark.parametrize("format", ["spamhaus-drop", "spamhaus-json",
                                    "firehol", "rbldnsd-ip4set"])
def test_a_feed_must_not_be_old(format):
    for age, options, good in ((0, (), True), (6, (), True), (8, (), False),
                               (8, ("-a", "9"), True), (400, ("-a", "0"), True),
                               (2, ("-a", "1"), False), (-0.5, (), True),
                               (-3, (), False), (-3, ("-a", "0"), True)):
        done = run(*options, format, text=dated(format, age))
        assert (done.returncode == 0) == good, (age, options, done.stderr)
        assert (done.stdout != "") == good
        if not good:
            assert done.returncode == 65 and "-a" in done.stderr


def test_data_of_rbldnsd_that_has_expired_is_refused():
    def zone(expires):
        return f"$TIMESTAMP {stamp_date(2)} {expires}\n192.0.2.1\n"
    for expires, good in (("+3d", True), ("+1d", False), ("+1h", False),
                          ("+1w", True), ("0", True), ("-", True),
                          (stamp_date(-1), True), (stamp_date(1), False),
                          ("+3y", False), ("+d", False)):
        done = run("rbldnsd-ip4set", text=zone(expires))
        assert (done.returncode == 0) == good, (expires, done.stderr)
    assert run("-a", "0", "rbldnsd-ip4set",
               text=zone("+1d")).returncode == 0


@pytest.mark.parametrize("format, text, complaint", [
    # a head or a tail is missing, or a number does not fit
    ("spamhaus-drop", "192.0.2.0/24 ; SBL1\n", "Last-Modified"),
    ("spamhaus-drop", f"{HEADER}; Last-Modified: today\n192.0.2.0/24\n",
     "no date"),
    ("spamhaus-json", '{"cidr":"192.0.2.0/24"}\n', "cut off"),
    ("spamhaus-json", '{"cidr":"192.0.2.0/24"}\n{"type":"metada', "cut off"),
    ("spamhaus-json", '{"type":"metadata","records":0,"timestamp":1}\n',
     "no entry"),
    ("spamhaus-json", '{"cidr":"192.0.2.1"}\n{"type":"metadata"}\n',
     "records"),
    ("spamhaus-json", '{"cidr":"192.0.2.1"}\n{"type":"metadata","records":1}\n',
     "timestamp"),
    ("firehol", "192.0.2.0/24\n", "Entries"),
    ("firehol", f"# This File Date: {ctime_date(0)}\n"
     "# Entries: 2 subnets, 512 unique IPs\n192.0.2.0/24\n", "2 entries"),
    ("firehol", f"# This File Date: {ctime_date(0)}\n"
     "# Entries: 1 subnets, 256 unique IPs\n192.0.2.0/25\n", "256 addresses"),
    ("firehol", f"# This File Date: {ctime_date(0)}\n"
     "# Entries: some\n192.0.2.0/25\n", "no count"),
    ("firehol", "# Entries: 1 unique IPs\n192.0.2.1\n", "This File Date"),
    # nothing, or something else
    ("plain", "", "no entry"),
    ("plain", "# only a comment\n", "no entry"),
    ("spamhaus-drop", f"{HEADER}; Last-Modified: {http_date(0)}\n",
     "no entry"),
    ("rbldnsd-ip4set", ":2:text\n", "no entry"),
    ("plain", "192.0.2.1\n192.0.2", "cut off"),
    ("postfix-cidr", "192.0.2.0/24 REJECT\n10.0.0.0/8 REJ", "cut off"),
    ("plain", "192.0.2.1\0\n", "control character (0x00)"),
    ("plain", "192.0.2.1\n" + "1" * 70000 + "\n", "longer than"),
    ("postfix-cidr", "10.0.0.0/8 REJECT\n" + (" " + "x" * 60000 + "\n") * 2,
     "too long"),
    ("postfix-cidr", "if 10.0.0.0/8\n" * 40, "too many"),
    ("postfix-relay-recipients", "a@example.org " + "x" * 100 + "\n" +
     "b@example.org\n", "nothing behind"),
    ("tcprules", "10.:deny\n=.example.org:deny\n", "names cannot close"),
    ("postfix-cidr", f"10.0.0.0/8 REJECT {'x' * 401}\n", "400 characters"),
    ("postfix-cidr", "10.0.0.0/8 REJECT caf\xe9\n", "ASCII"),
    ("qmail-rcpthosts", f"{'a' * 64}.example.org\n", "no domain name"),
])
def test_what_is_wrong_is_said_and_nothing_written(format, text, complaint):
    done = run(format, text=text)
    assert done.returncode == 65 and done.stdout == ""
    assert complaint in done.stderr
    assert done.stderr.startswith("stdin:"), done.stderr


@pytest.mark.parametrize("page", [
    "<!DOCTYPE html><html>\n<body>192.0.2.1\n</body></html>\n",
    "  \r\n<HTML><head><title>log in</title></head></HTML>\n",
    '<?xml version="1.0"?>\n<html/>\n', "\ufeff<html>\n"])
def test_a_web_page_is_no_list(page):
    formats = run("--help").stdout.split("\n\n")[-1].splitlines()
    assert len(formats) > 15
    for line in formats:
        format, list_ = line.split()[0], line.split(":")[1].split()[0]
        done = run("-l", list_, format, text=page)
        assert done.returncode == 65 and done.stdout == ""
        assert done.stderr == "stdin: this is a web page, no list\n"


def test_several_files_are_one_list_and_each_is_checked(tmp_path):
    (tmp_path / "a").write_text(dated("spamhaus-json", 0))
    (tmp_path / "b").write_text(dated("spamhaus-json", 0)
                                .replace("192.0.2.0/24", "2001:db8::/32"))
    done = run("spamhaus-json", "a", "b", cwd=tmp_path)
    assert entries(done.stdout) == ["192.0.2.0/24 reject # SBL1",
                                    "2001:db8::/32 reject # SBL1"]
    (tmp_path / "b").write_text('{"cidr":"2001:db8::/32"}\n')
    done = run("spamhaus-json", "a", "b", cwd=tmp_path)
    assert done.returncode == 65 and done.stdout == ""
    assert done.stderr.startswith("b: ")


def test_the_same_key_of_two_files_names_both(tmp_path):
    (tmp_path / "a").write_text("a@example.org b@example.org\n")
    (tmp_path / "b").write_text("\nA@example.org 5.1.1 gone\n")
    done = run("postfix-relocated", "a", "b", cwd=tmp_path)
    assert done.returncode == 65
    assert done.stderr.startswith("b:2: a@example.org: another action here "
                                  "than in a:1")


@pytest.mark.parametrize("arguments", [
    (), ("-x", "plain"), ("nosuch",), ("-l", "nosuch", "plain"),
    ("-l", "names", "plain"), ("postfix-access",), ("opensmtpd",),
    ("rbldnsd-dnset",), ("--lenient", "postfix-cidr"),
    ("--lenient", "tcprules"), ("postfix-cidr", "/dev/null", "/dev/null"),
    ("-a", "-1", "plain"), ("-a", "x", "plain"), ("-a", "99999", "plain")])
def test_wrong_use(arguments):
    done = run(*arguments, text="192.0.2.1\n")
    assert done.returncode == 64 and done.stdout == "" and done.stderr


def test_a_file_that_is_not_there():
    done = run("plain", "/nonexistent/list")
    assert done.returncode == 66 and "/nonexistent/list" in done.stderr
    done = run("plain", "/")
    assert done.returncode == 74 and done.stdout == ""


def test_a_full_disk_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, "plain"], input=b"192.0.2.1\n",
                              stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 74 and b"stdout" in done.stderr
