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
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

import pytest
from dnslib import DNSRecord

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "gateway"))
from conftest import BIN, USER, Gateway, free_port, wait_until  # noqa: E402

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


# -------------------------------- the same verdict as the program it came from


class Source:
    """A source of a list, looked up as lictor-lists(5) says."""

    def __init__(self, *args, text, good=True):
        self.done = run(*args, text=text)
        if good:
            assert self.done.returncode == 0, self.done.stderr
        self.entries = {}
        for line in entries(self.done.stdout):
            words = shlex.split(line)
            self.entries[words[0]] = words[1:]

    def first(self, keys):
        return next((self.entries[k] for k in keys if k in self.entries), None)

    def address(self, address):
        ip = ipaddress.ip_address(address)
        nets = [ipaddress.ip_network((ip, n), strict=False)
                for n in range(ip.max_prefixlen, -1, -1)]
        return self.first([str(ip)] + [str(n) for n in nets])

    def name(self, name, before=""):
        labels = name.split(".")
        parents = [".".join(labels[i:]) for i in range(len(labels))]
        return self.first([before + name] + [f"{before}.{p}" for p in parents])

    def mailbox(self, address, at="@"):
        if address == "<>":
            return self.first(["<>"])
        local, domain = address.rsplit("@", 1)
        found = self.first([address, f"{local.split('+')[0]}@{domain}"])
        return found or self.name(domain, at) or self.first(["*"])


def refusal(entry):
    """An entry that refuses; None for one that does not."""
    return None if entry is None or entry[0] in ("allow", "accept") else entry


@pytest.fixture(scope="module")
def postmap(tmp_path_factory):
    """Ask Postfix: postmap(type, table, keys) gives {key: value}."""
    folder = tmp_path_factory.mktemp("postfix")
    (folder / "main.cf").write_text("compatibility_level = 3.6\n")

    def ask(kind, table, keys):
        (folder / "table").write_text(table)
        os.utime(folder / "table", (1, 1))  # Postfix waits for a fresh one
        done = subprocess.run(
            ["/usr/sbin/postmap", "-c", folder, "-q", "-",
             f"{kind}:{folder / 'table'}"], input="\n".join(keys) + "\n",
            text=True, capture_output=True, timeout=60)
        assert done.returncode in (0, 1) and "fatal" not in done.stderr
        found = [line.split("\t", 1) for line in done.stdout.splitlines()]
        return {key: value for key, value in found}

    return ask


def access_verdict(value):
    """What a result of access(5) refuses with, as our lists say it."""
    if value is None or value.upper() in ("DUNNO", "OK"):
        return None
    word, _, text = value.partition(" ")
    action = "defer" if word == "DEFER" or word[0] == "4" else "reject"
    text = re.sub(r"^[45]\.\d+\.\d+ ", "", text)
    return [action, text] if text else [action]


NETS = ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3",
        "10.1.2.128/25", "10.2.0.0/15", "::/0", "2001:db8::/32",
        "2001:db8:1::/48", "2001:db8:1::7"]
PEERS = ["10.1.2.3", "10.1.2.4", "10.1.2.200", "10.1.9.9", "10.2.0.1",
         "10.3.0.1", "10.9.9.9", "192.0.2.1", "2001:db8:1::7",
         "2001:db8:1::8", "2001:db8:2::1", "fe80::1"]
RESULTS = ["REJECT", "REJECT go away", "DEFER", "450 later", "DUNNO"]


def cidr_table(dice):
    """A random table; the rules of some stand in if..endif."""
    nets = dice.sample(NETS, dice.randint(2, 6))
    if dice.random() < 0.7:  # mostly in an order that makes sense
        nets.sort(key=lambda n: -ipaddress.ip_network(n).prefixlen)
    rules = [f"{n} {dice.choice(RESULTS)}" for n in nets]
    if dice.random() < 0.3:
        at = dice.randrange(len(rules))
        rules[at:at + 1] = [f"if {dice.choice(NETS[1:3] + NETS[8:9])}",
                            rules[at], "endif"]
    return rules


def is_dead(rules):
    """Is there a rule that an earlier one holds, and it says otherwise?"""
    pairs = [(ipaddress.ip_network(r.split()[0]), r.split(" ", 1)[1])
             for r in rules]
    return any(a.version == b.version and b.subnet_of(a) and x != y
               for i, (a, x) in enumerate(pairs) for b, y in pairs[i + 1:])


def test_cidr_tables_decide_as_in_postfix(postmap):
    dice = random.Random(1)
    taken = refused = 0
    for _ in range(120):
        rules = cidr_table(dice)
        text = "\n".join(rules) + "\n"
        ours = Source("postfix-cidr", text=text, good=False)
        plain = not any(r.startswith("if") for r in rules)
        if ours.done.returncode == 65:
            refused += 1
            assert "never reached" in ours.done.stderr, ours.done.stderr
            assert not plain or is_dead(rules), text
            continue
        taken += 1
        assert not plain or not is_dead(rules), text
        if taken > 25:
            continue  # postmap takes its time
        theirs = postmap("cidr", text, PEERS)
        for peer in PEERS:
            assert refusal(ours.address(peer)) == \
                access_verdict(theirs.get(peer)), (text, peer)
    assert taken > 25 and refused > 25


def octets(address):
    """The keys that Postfix tries for an address."""
    sign = ":" if ":" in address else "."
    keys = [address]
    while sign in keys[-1]:
        keys.append(keys[-1].rsplit(sign, 1)[0])
    return keys


def parents(domain):
    labels = domain.split(".")
    return [".".join(labels[i:]) for i in range(len(labels))]


def ask_all(postmap, table, wanted):
    """wanted: {what: keys in order}; {what: value of the first found}."""
    theirs = postmap("texthash", table,
                     sorted({k.lower() for ks in wanted.values() for k in ks}))
    return {what: next((theirs[k.lower()] for k in keys
                        if k.lower() in theirs), None)
            for what, keys in wanted.items()}


def test_access_tables_decide_as_in_postfix(host, postmap):
    table = (GOLDEN / "postfix-access_client.in").read_text()
    ours = Source("-l", "banned", "postfix-access", text=table)
    peers = ["10.1.1.1", "10.1.2.1", "10.1.2.3", "10.2.1.1", "192.0.2.7",
             "192.0.2.8", "198.51.100.1", "2001:db8::1", "2001:db8::2",
             "2001:db8:1:2::9", "2001:db8:1:3::9", "2001:db9::1"]
    install(host, banned=ours.done.stdout)
    for peer, value in ask_all(postmap, table,
                               {p: octets(p) for p in peers}).items():
        assert refusal(ours.address(peer)) == access_verdict(value), peer
        assert lookup(host, "banned", peer) == ours.address(peer), peer
    ours = Source("-l", "names", "postfix-access", text=table)
    names = ["dyn.example.net", "a.dyn.example.net", "mail.dyn.example.net",
             "x.mail.dyn.example.net", "example.net", "xdyn.example.net"]
    for name, value in ask_all(postmap, table,
                               {n: parents(n) for n in names}).items():
        assert refusal(ours.name(name)) == access_verdict(value), name
    table = (GOLDEN / "postfix-access_sender.in").read_text()
    ours = Source("-l", "senders", "postfix-access", text=table)
    install(host, senders=ours.done.stdout)
    senders = ["spammer@example.com", "other@example.com", "a@example.net",
               "friend@example.net", "a@sub.example.net", "<>",
               "a@host.example.net", "a@x.host.example.net"]
    for sender, value in ask_all(
            postmap, table,
            {s: [s] + parents(s.split("@")[1]) if "@" in s else [s]
             for s in senders}).items():
        assert refusal(ours.mailbox(sender)) == access_verdict(value), sender
        assert lookup(host, "senders", sender) == ours.mailbox(sender)


def test_relay_recipients_are_known_as_in_postfix(host, postmap):
    table = (GOLDEN / "postfix-relay-recipients_list.in").read_text()
    ours = Source("postfix-relay-recipients", text=table)
    install(host, recipients=ours.done.stdout)
    wanted = {a: [a, "@" + a.split("@")[1]] for a in
              ["alice@example.org", "ALICE@example.org", "bob@example.org",
               "nobody@example.org", "any@lists.example.org",
               "any@sub.lists.example.org", "list+owner@example.org"]}
    for address, value in ask_all(postmap, table, wanted).items():
        assert (ours.mailbox(address.lower()) is not None) == \
            (value is not None), address
        assert (lookup(host, "recipients", address) is not None) == \
            (value is not None), address


def test_virtual_aliases_end_where_they_do_in_postfix(host, postmap):
    table = """
a@example.org b@example.org
b@example.org c@example.net
c@example.net c@example.net
d@example.org e@example.org
@example.org  rest@example.net
@example.net  final@example.com
rest@example.net rest@example.net
"""
    ours = Source("postfix-virtual", text=table)
    install(host, recipients=ours.done.stdout)
    for start in ("a@example.org", "b@example.org", "c@example.net",
                  "d@example.org", "x@example.org", "x@example.net",
                  "x@example.edu"):
        at, known = start, False
        for _ in range(10):
            found = ask_all(postmap, table,
                            {at: [at, "@" + at.split("@")[1]]})[at]
            known = known or found is not None
            if found is None or found == at:
                break
            at = found
        have = lookup(host, "recipients", start)
        assert have == ours.mailbox(start)
        if not known:
            assert have is None
        else:
            assert have == (["accept"] if at == start else ["forward", at])


def test_relocated_users_have_moved_as_in_postfix(host, postmap):
    table = (GOLDEN / "postfix-relocated_map.in").read_text()
    ours = Source("postfix-relocated", text=table)
    install(host, recipients=ours.done.stdout)
    for address in ("alice@example.org", "bob@example.org", "x@old.example.org",
                    "x@example.org"):
        value = ask_all(postmap, table,
                        {address: [address, "@" + address.split("@")[1]]}
                        )[address]
        have = lookup(host, "recipients", address)
        assert have == ours.mailbox(address)
        if value is None:
            assert have is None
        elif value[0] == "5":
            assert have == ["reject", value.split(" ", 1)[1]]
        else:
            assert have == ["moved", value]


def test_transports_lead_where_they_do_in_postfix(host, postmap):
    table = (GOLDEN / "postfix-transport_map.in").read_text()
    ours = Source("postfix-transport", text=table)
    install(host, routes=ours.done.stdout)
    for address in ("boss@example.org", "x@example.org", "x@a.example.org",
                    "x@lists.example.org", "x@a.lists.example.org",
                    "x@sub.example.net", "x@a.sub.example.net",
                    "x@example.net", "x@example.com"):
        domain = address.split("@")[1]
        keys = [address, domain] + ["." + p for p in parents(domain)[1:]]
        value = ask_all(postmap, table, {address: keys + ["*"]})[address]
        host_ = value.split(":", 1)[1]
        want = host_ if ":" in host_.split("]")[1] else host_ + ":25"
        if want.count(":") == 1:
            want = want.replace("[", "").replace("]", "")
        assert lookup(host, "routes", address) == ["smtp:" + want], address


# ------------------------------------------------------------------- tcpserver


@pytest.fixture(scope="module")
def tcprules(tmp_path_factory):
    """Ask tcprulescheck what tcpserver would do with a client."""
    folder = tmp_path_factory.mktemp("tcprules")

    def ask(table, clients):
        subprocess.run(["tcprules", "t.cdb", "t.tmp"], input=table, text=True,
                       check=True, cwd=folder)
        for ip, name in clients:
            env = {"TCPREMOTEIP": ip, "PATH": os.environ["PATH"]}
            if name:
                env["TCPREMOTEHOST"] = name
            out = subprocess.run(["tcprulescheck", "t.cdb"], cwd=folder,
                                 env=env, text=True, check=True,
                                 capture_output=True).stdout
            yield ip, name, tcp_verdict(out)

    return ask


def tcp_verdict(out):
    """("refuse", entry), ("relay",) or ("pass",)"""
    if "deny connection" in out:
        return "refuse", ["drop"]
    values = dict(line.split("variable ", 1)[1].split("=", 1)
                  for line in out.splitlines() if "variable " in line)
    text = values.get("RBLSMTPD")
    if text:
        return "refuse", ["reject", text[1:]] if text[0] == "-" else \
            ["defer", text]
    return ("relay",) if "RELAYCLIENT" in values else ("pass",)


def our_verdict(lists, ip, name):
    """What lictord does: bans, relay by address and by name, names."""
    ban = refusal(lists["banned"].address(ip))
    if ban:
        return "refuse", ban
    relay = lists["relay"].address(ip)
    if relay is None and name:
        relay = lists["relay"].name(name)
    if relay == ["relay"]:
        return ("relay",)
    ban = name and refusal(lists["names"].name(name))
    return ("refuse", ban) if ban else ("pass",)


ADDRESSES = ["", "10.", "10.1.", "10.2-4.", "10.3.", "10.1.2.", "10.1.2.3",
             "10.1.2.0-255", "10.1.2.2-9", "10.1.2.128-255", "192.0.2.1"]
NAMES = ["=.example.org", "=host.example.org", "=.sub.example.org",
         "=sub.example.org", "=example.org"]
ACTIONS = ["deny", "allow", 'allow,RELAYCLIENT=""', 'allow,RBLSMTPD="-no"',
           "allow,RBLSMTPD=/later/"]
CLIENTS = [(ip, name) for ip in ("10.1.2.3", "10.1.2.5", "10.1.2.200",
                                 "10.1.3.1", "10.3.1.1", "10.9.1.1",
                                 "192.0.2.1", "192.0.2.2")
           for name in (None,)]
NAMED = [(ip, name) for ip in ("10.1.2.3", "10.3.1.1", "198.51.100.1")
         for name in ("host.example.org", "example.org", "a.sub.example.org",
                      "sub.example.org", "elsewhere.example.net")]


def tcp_lists(table):
    """The three lists of a table, or None: it was refused."""
    lists = {name: Source("-l", name, "tcprules", text=table, good=False)
             for name in ("banned", "relay", "names")}
    if any(l.done.returncode for l in lists.values()):
        return None
    return lists


@pytest.mark.parametrize("names", [False, True])
def test_tcprules_decide_as_in_tcpserver(tcprules, names):
    dice = random.Random(2)
    taken = refused = 0
    for _ in range(400):
        keys = dice.sample(ADDRESSES, dice.randint(1, 5))
        if names:
            keys = dice.sample(ADDRESSES, dice.randint(0, 2)) + \
                dice.sample(NAMES, dice.randint(1, 3))
        table = "".join(
            f"{k}:{dice.choice(ACTIONS[1:] if k[:1] == '=' else ACTIONS)}\n"
            for k in dice.sample(keys, len(keys)))
        lists = tcp_lists(table)
        if lists is None:
            refused += 1
            continue
        taken += 1
        for ip, name, theirs in tcprules(table, NAMED if names else CLIENTS):
            assert our_verdict(lists, ip, name) == theirs, (table, ip, name)
        if taken == 25:
            break
    assert taken == 25
    assert (refused > 0) == names


# -------------------------------------------------------------------- sendmail


def sendmail_find(table, tag, keys):
    """The first key that is in the map: with the tag, then without."""
    for key in keys:
        for full in (f"{tag}:{key}", key):
            if full in table:
                return table[full]
    return None


def sendmail_address(table, ip):
    key = "IPv6:" + ":".join(f"{int(g, 16):x}" for g in ipaddress.ip_address(
        ip).exploded.split(":")) if ":" in ip else ip
    sign = ":" if ":" in ip else "."
    keys = [key]
    while keys[-1].count(sign) > (1 if sign == ":" else 0):
        keys.append(keys[-1].rsplit(sign, 1)[0])
    value = sendmail_find(table, "Connect", keys)
    return None if value in ("SKIP", None) else value


def sendmail_refusal(value):
    if value in (None, "OK", "RELAY", "SKIP"):
        return None
    if value == "REJECT":
        return ["reject"]
    text = value.split(":")[-1].strip('"')
    action = "defer" if text[0] == "4" else "reject"
    words = [w for w in text[3:].split() if not w[0].isdigit()]
    return [action, " ".join(words)] if words else [action]


def test_the_access_map_decides_as_in_sendmail(host):
    text = (GOLDEN / "sendmail-access_map.in").read_text()
    table = dict(line.split(None, 1) for line in text.splitlines()
                 if line and line[0] != "#")
    lists = {name: Source("-l", name, "sendmail-access", text=text)
             for name in ("banned", "relay", "names", "senders", "domains")}
    install(host, **{n: l.done.stdout for n, l in lists.items()})
    for ip in ("127.0.0.1", "127.0.0.2", "192.168.1.1", "192.168.7.1",
               "192.168.8.9", "10.0.0.1", "10.1.2.9", "10.1.3.9", "10.3.3.3",
               "10.4.4.4", "198.51.100.1", "2001:db8::1", "2001:db9::1"):
        value = sendmail_address(table, ip)
        assert refusal(lookup(host, "banned", ip)) == \
            sendmail_refusal(value), ip
        assert (lookup(host, "relay", ip) == ["relay"]) == \
            (value == "RELAY"), ip
    for name in ("office.example.org", "pc.office.example.org",
                 "guest.office.example.org", "friend.example.net",
                 "a.friend.example.net", "dyn.example.com",
                 "x.dyn.example.com", "cyberspammer.example",
                 "mail.cyberspammer.example", "okay.cyberspammer.example",
                 "example.com"):
        value = sendmail_find(table, "Connect", parents(name))
        assert refusal(lookup(host, "names", name)) == \
            sendmail_refusal(value), name
        assert (lookup(host, "relay", name) == ["relay"]) == \
            (value == "RELAY"), name
    for sender in ("a@cyberspammer.example", "a@x.cyberspammer.example",
                   "a@okay.cyberspammer.example", "spammer@example.org",
                   "other@example.org", "a@Example.Edu", "boss@example.edu"):
        lower = {k.lower(): v for k, v in table.items()}
        value = sendmail_find(lower, "from", [sender.lower()] + parents(
            sender.lower().split("@")[1]))
        assert refusal(lookup(host, "senders", sender)) == \
            sendmail_refusal(value), sender
    for domain in ("example.org", "a.example.org", "example.net"):
        value = sendmail_find(table, "To", parents(domain))
        assert (lookup(host, "domains", domain) is not None) == \
            (value == "RELAY"), domain


# --------------------------------------------------------------------- rbldnsd


@pytest.fixture(scope="module")
def rbldnsd():
    """Serve golden zones; ask(zone, name) tells whether it is listed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lictor-rbldnsd-"))
    folder.chmod(0o755)
    kinds = ("ip4set", "ip4trie", "ip6trie", "dnset")
    for kind in kinds:
        text = (GOLDEN / f"rbldnsd-{kind}_zone.in").read_text()
        (folder / kind).write_text("".join(
            l for l in text.splitlines(True) if "TIMESTAMP" not in l))
    port = free_port()
    user = ["-u", USER] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        ["/usr/sbin/rbldnsd", "-n", "-q", *user, "-w", folder,
         "-b", f"127.0.0.1/{port}", *(f"{k}.test:{k}:{k}" for k in kinds)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)

    def ask(zone, name, timeout=5):
        reply = DNSRecord.question(f"{name}.{zone}.test").send(
            "127.0.0.1", port, timeout=timeout)
        return bool(DNSRecord.parse(reply).rr)

    def serves():
        try:
            return ask("ip4trie", "1.1.1.10", timeout=0.1)
        except OSError:
            return False

    try:
        wait_until(serves, what="rbldnsd")
        yield ask
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


@pytest.mark.parametrize("kind", ["ip4set", "ip4trie", "ip6trie"])
def test_addresses_are_listed_as_in_rbldnsd(rbldnsd, kind):
    text = (GOLDEN / f"rbldnsd-{kind}_zone.in").read_text()
    ours = Source("-a", "0", f"rbldnsd-{kind}", text=text)
    edges = set()
    for line in text.splitlines():
        for word in line.lstrip("!").replace("-", " ").split()[:1]:
            try:
                net = ipaddress.ip_network(word, strict=False)
            except ValueError:
                continue
            edges |= {net[0], net[-1], net[0] - 1, net[-1] + 1}
    if kind != "ip6trie":
        edges |= {ipaddress.ip_address(a) for a in (
            "10.0.1.5", "10.0.1.200", "10.1.0.9", "10.2.0.9", "10.3.4.5",
            "10.15.255.255", "10.16.0.0", "10.31.255.255", "10.32.0.0",
            "10.40.0.6", "10.40.0.9", "10.40.0.10", "10.41.0.249",
            "10.41.0.250", "10.41.1.3", "10.41.1.4", "172.1.1.1",
            "172.16.5.5", "172.16.6.5", "172.31.1.1", "10.1.1.1")}
    assert len(edges) > 8
    for ip in edges:
        digits = str(ip).split(".") if ip.version == 4 else \
            ip.exploded.replace(":", "")
        name = ".".join(reversed(digits))
        assert (refusal(ours.address(ip)) is not None) == \
            rbldnsd(kind, name), ip


def test_names_are_listed_as_in_rbldnsd(rbldnsd):
    text = (GOLDEN / "rbldnsd-dnset_zone.in").read_text()
    ours = Source("-l", "senders", "rbldnsd-dnset", text=text)
    for name in ("example.com", "a.example.com", "both.example",
                 "a.both.example", "no.both.example", "a.no.both.example",
                 "x.both.example", "a.x.both.example", "deep.x.both.example",
                 "a.deep.x.both.example", "wild.example", "a.wild.example",
                 "free.example", "a.free.example", "below.example",
                 "a.below.example", "a.example"):
        assert (refusal(ours.mailbox(f"user@{name}")) is not None) == \
            rbldnsd("dnset", name), name
