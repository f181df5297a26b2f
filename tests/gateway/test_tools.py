"""The tools of the lists as scripts use them: rows, pipes, exit statuses."""

import json
import os
import shutil
import subprocess

import pytest

from conftest import BIN, ROOT, Gateway

WORDS = b'"caf\xc3\xa9" tag\n"\xff\xfe bad" tag\n"a b" tag\n'


@pytest.fixture(scope="module")
def lists():
    g = Gateway()
    try:
        g.write_lists(
            banned='203.0.113.0/24 "no \\"mail\\" \\\\ here"\n'
                   "203.0.113.25 allow\n198.51.100.1 until=2020-01-01\n"
                   "2001:db8::/32 drop until=2100-01-01\n",
            recipients='alice@example.org\n"\\"joe x\\"@example.org"\n'
                       "old@example.org moved new@example.net\n")
        (g.source / "words").write_bytes(WORDS)
        (g.source / "banned.d").mkdir()
        (g.source / "banned.d" / "feed").write_text("192.0.2.0/25\n")
        g.write_conf()
        g.compile()
        yield g
    finally:
        shutil.rmtree(g.dir, ignore_errors=True)


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


def query(g, *args, keys=None):
    return g.run("lictor-query", *args, check=False, input=keys)


# ------------------------------------------------------------------ many keys


def test_keys_from_stdin(lists):
    done = query(lists, "banned", "-",
                 keys="203.0.113.9\n198.51.100.1\n203.0.113.25\n"
                      "2001:db8::7\n192.0.2.0/26")
    assert done.returncode == 1 and done.stderr == ""
    at = f"{lists.source}/banned"
    assert done.stdout.splitlines() == [
        f"203.0.113.9\t{at}:1: 203.0.113.0/24 reject "
        '"no \\"mail\\" \\\\ here"',
        "198.51.100.1\t-",
        f"203.0.113.25\t{at}:2: 203.0.113.25 allow",
        f"2001:db8::7\t{at}:4: 2001:db8::/32 drop "
        "until=2100-01-02T00:00:00Z",
        f"192.0.2.0/26\t{at}.d/feed:1: 192.0.2.0/25 reject"]


@pytest.mark.parametrize("keys, status", [
    ("203.0.113.9\n203.0.113.25\n", 0),
    ("203.0.113.9\n9.9.9.9\n203.0.113.9\n", 1),
    ("9.9.9.9\nno address\n203.0.113.9\n", 65),
    ("203.0.113.9\n\n", 65),
    ("203.0.113.9\0\n", 65),
    ("", 0),
])
def test_the_worst_answer_is_the_status(lists, keys, status):
    done = query(lists, "banned", "-", keys=keys)
    assert done.returncode == status
    assert len(done.stdout.splitlines()) == keys.count("\n")
    assert (status == 65) == ("is no key of list banned" in done.stderr)


def test_answers_come_one_by_one(lists):
    """A script that keeps it running gets each answer when it asks."""
    with subprocess.Popen(
            [BIN / "lictor-query", "-c", lists.conf, "banned", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
        for key, end in (("203.0.113.9", "here\"\n"), ("9.9.9.9", "\t-\n")):
            p.stdin.write(key + "\n")
            p.stdin.flush()
            assert p.stdout.readline().endswith(end)
        p.stdin.close()
        assert p.wait(10) == 1


# ----------------------------------------------------------------------- json


def test_json_of_keys(lists):
    done = query(lists, "--json", "banned", "-",
                 keys="203.0.113.9\n9.9.9.9\nx\n2001:db8::1\n")
    found, none, wrong, six = rows(done.stdout)
    assert found == {
        "query": "203.0.113.9", "found": True, "list": "banned",
        "key": "203.0.113.0/24", "action": "reject", "argument": "",
        "text": 'no "mail" \\ here', "until": None, "file": "banned",
        "line": 1}
    assert none == {"query": "9.9.9.9", "found": False, "list": "banned"}
    assert wrong == {"query": "x", "found": False, "list": "banned"}
    assert six["until"] == "2100-01-02T00:00:00Z"
    one = query(lists, "--json", "recipients", "old+x@example.org")
    assert rows(one.stdout)[0]["argument"] == "new@example.net"
    assert one.returncode == 0
    none = query(lists, "--json", "recipients", "who@example.org")
    assert none.returncode == 1 and rows(none.stdout)[0]["found"] is False


def test_json_of_a_list(lists):
    got = rows(query(lists, "--json", "-d", "banned").stdout)
    assert [r["key"] for r in got] == [
        "203.0.113.0/24", "203.0.113.25", "198.51.100.1", "2001:db8::/32",
        "192.0.2.0/25"]
    got = rows(query(lists, "--json", "-d", "recipients").stdout)
    assert got[1]["key"] == '"joe x"@example.org'


def test_json_of_any_octets(lists):
    """What is UTF-8 stays as it is, all else is still JSON."""
    done = subprocess.run(
        [BIN / "lictor-query", "-c", lists.conf, "--json", "-d", "words"],
        capture_output=True, check=True)
    got = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [r["key"] for r in got] == ["caf\u00e9", "\ufffd\ufffd bad",
                                       "a b"]
    odd = subprocess.run(
        [BIN / "lictor-query", "-c", lists.conf, "--json", "words", "-"],
        capture_output=True,
        input=b"\x01\x1f\x7f\"\\\n\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\n"
              b"\xf0\x9f\x93\xa7\xe2\x82\n")
    got = [json.loads(line)["query"]
           for line in odd.stdout.decode().splitlines()]
    assert got == ["\x01\x1f\x7f\"\\", "\ufffd" * 9,
                   "\U0001f4e7\ufffd\ufffd"]


def test_json_of_a_diff(lists, tmp_path):
    (lists.source / "banned.d" / "feed").write_text("192.0.2.0/25 defer\n")
    try:
        done = lists.run("lictor-compile", "--diff", "--json")
        gone, came = rows(done.stdout)
        assert (gone["change"], gone["action"], gone["file"]) == \
            ("remove", "reject", "banned.d/feed")
        assert (came["change"], came["action"], came["key"]) == \
            ("add", "defer", "192.0.2.0/25")
        done = lists.run("lictor-compile", "--json", check=False)
        assert done.returncode == 64
    finally:
        (lists.source / "banned.d" / "feed").write_text("192.0.2.0/25\n")
    assert lists.run("lictor-compile", "--diff", "--json").stdout == ""


# --------------------------------------------------------------------- status


def test_status(lists):
    first, *files = query(lists, "-s", "banned").stdout.splitlines()
    assert first.startswith(
        "banned: generation=1 entries=5 v4=/32,/25,/24 v6=/32 names=no "
        "octets=")
    assert 'age="' in first
    assert files == ["banned: source=banned state=same",
                     "banned: source=banned.d/feed state=same"]


def test_status_tells_what_is_edited():
    g = Gateway()
    try:
        g.write_lists(banned="192.0.2.1\n", relay=".office.example.org\n")
        (g.source / "banned.d").mkdir()
        (g.source / "banned.d" / "gone").write_text("")
        g.write_conf()
        g.compile()
        path = g.source / "banned"
        os.utime(path)  # newer, and yet the same
        (g.source / "banned.d" / "gone").unlink()
        (g.source / "banned.d" / "new").write_text("")
        g.write_lists(domains="example.org # edited\n")
        done = query(g, "--json", "-s")
        got = {r["list"]: r for r in rows(done.stdout)}
        assert len(got) == 9 and done.returncode == 0
        assert got["banned"]["sources"] == [
            {"file": "banned", "state": "same"},
            {"file": "banned.d/new", "state": "new"},
            {"file": "banned.d/gone", "state": "gone"}]
        assert got["domains"]["sources"] == [
            {"file": "domains", "state": "changed"}]
        assert got["banned"]["v4"] == [32] and got["banned"]["v6"] == []
        assert got["banned"]["entries"] == 1 and got["relay"]["names"]
        assert got["words"]["sources"] == []
        assert 0 <= got["banned"]["age"] < 600
        g.source.rename(g.dir / "away")
        assert query(g, "-s").returncode == 66
    finally:
        shutil.rmtree(g.dir, ignore_errors=True)


# ------------------------------------------------------------- pipes and usage


PRINTING = [
    ("lictor-query", "banned", "203.0.113.9"),
    ("lictor-query", "-d", "banned"),
    ("lictor-query", "-s"),
    ("lictor-query", "--json", "banned", "203.0.113.9"),
    ("lictor-query", "--help"),
    ("lictor-ban", "list"),
    ("lictor-ban", "--help"),
    ("lictor-export", "rbldnsd"),
    ("lictor-export", "--help"),
    ("lictor-compile", "--diff"),
    ("lictor-compile", "--help"),
]


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_a_full_disk_is_told(lists, command):
    tool, *args = command
    lists.write_lists(names=".example.net\n")  # for --diff to show
    if "list" in args:
        lists.run("lictor-ban", "add", "192.0.2.7")
    with open("/dev/full", "w") as full:
        done = subprocess.run([BIN / tool, "-c", lists.conf, *args],
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 74
    assert "No space left" in done.stderr


@pytest.mark.parametrize("command", PRINTING, ids=" ".join)
def test_a_closed_pipe_is_no_success(lists, command):
    tool, *args = command
    lists.write_lists(names=".example.net\n")
    if "list" in args:
        lists.run("lictor-ban", "add", "192.0.2.7")
    out, into = os.pipe()
    os.close(out)
    done = subprocess.run([BIN / tool, "-c", lists.conf, *args], stdout=into,
                          stderr=subprocess.PIPE, text=True)
    os.close(into)
    assert done.returncode not in (0, 1)


@pytest.mark.parametrize("tool", ["lictor-ban", "lictor-compile",
                                  "lictor-export", "lictor-query"])
def test_help_and_usage(lists, tool):
    done = lists.run(tool, "--help")
    assert done.stdout.startswith("usage: " + tool) and done.stderr == ""
    done = lists.run(tool, "--nonsense", check=False)
    assert done.returncode == 64 and "usage: " + tool in done.stderr


@pytest.mark.parametrize("args", [
    ["lictor-query"], ["lictor-query", "banned"], ["lictor-query", "-d"],
    ["lictor-query", "-d", "banned", "x"], ["lictor-query", "-ds", "banned"],
    ["lictor-query", "nolist", "x"], ["lictor-query", "-s", "nolist"],
    ["lictor-export"], ["lictor-export", "bind"],
    ["lictor-export", "rbldnsd", "x"]], ids=" ".join)
def test_wrong_use(lists, args):
    done = lists.run(*args, check=False)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr != ""


def test_without_lists_and_without_settings(tmp_path):
    g = Gateway()
    try:
        g.write_conf()
        for args in (["lictor-query", "banned", "192.0.2.1"],
                     ["lictor-query", "-s"], ["lictor-ban", "list"],
                     ["lictor-export", "rbldnsd"]):
            done = g.run(*args, check=False)
            assert (done.returncode, done.stdout) == (66, ""), args
        g.conf.write_text("nonsense")
        for args in (["lictor-query", "banned", "192.0.2.1"],
                     ["lictor-ban", "add", "192.0.2.1"],
                     ["lictor-export", "rbldnsd"]):
            assert g.run(*args, check=False).returncode == 78, args
    finally:
        shutil.rmtree(g.dir, ignore_errors=True)


# --------------------------------------------------------------- sample lists


def test_sample_lists():
    """All nine are there and compile without a word."""
    names = {"banned", "bans", "names", "relay", "domains", "senders",
             "recipients", "routes", "words"}
    g = Gateway()
    try:
        for path in (ROOT / "lists" / "sample").iterdir():
            names.remove(path.name)
            text = path.read_text()
            assert text.startswith("# ") and len(text.splitlines()) < 40
            assert all(len(line.expandtabs()) <= 80
                       for line in text.splitlines())
            (g.source / path.name).write_text(text)
        assert not names
        g.settings["maildir_roots"] = '{"/var/mail"}'
        g.settings["protect"] = '{"127.0.0.0/8", "::1/128"}'
        g.write_conf()
        done = g.compile()
        assert done.stdout + done.stderr == ""
        done = g.run("lictor-query", "routes", "alice@example.org")
        assert "routes:" in done.stdout
    finally:
        shutil.rmtree(g.dir, ignore_errors=True)
