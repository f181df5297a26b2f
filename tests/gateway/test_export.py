"""lictor-export, by what rbldnsd answers from the zone it writes."""

import random
import shutil

import pytest

from conftest import Gateway
from rbldnsd import Rbldnsd

NONE = (None, None)
LONG = "x" * 300

BANNED = f"""\
203.0.113.0/24	reject "no $mail\\\\ from \\"here\\" $0 $= 100%; # :3:"
203.0.113.25	allow
203.0.113.128/25	defer
203.0.113.192/26	allow
203.0.113.200/29	drop "again"
198.51.100.0/24	reject "both"
198.51.100.7	reject until=2020-01-01 "it is over"
198.51.100.8	allow until=2020-01-01
192.0.2.0/24	reject "wide" until
10.0.0.0/8
127.0.0.0/8	"{LONG}"
2001:db8::/32	drop "six"
2001:db8:1::/48	allow
2001:db8:1:2::/64	defer
2001:db8:1:2::25	allow
2002:db8::1	"=one"
""".replace(' "wide" until', ' until=2100-01-01 "wide"')

BANS = """\
198.51.100.0/24	allow
192.0.2.0/24	defer "narrow"
192.0.2.77	until=2020-01-01
100.64.0.1	" a text with a blank before it"
127.0.0.2	allow
100.64.0.2	"%s$"
""" % LONG[:253]

ANSWERS = [
    ("203.0.113.1", ("127.0.0.2",
                     'no $mail\\ from "here" $0 $= 100%; # :3:')),
    ("203.0.113.25", NONE),
    ("203.0.113.128", ("127.0.0.3", None)),
    ("203.0.113.192", NONE),
    ("203.0.113.207", ("127.0.0.4", "again")),
    ("203.0.113.208", NONE),
    ("203.0.112.255", NONE),
    ("198.51.100.7", NONE),  # what expired is passed over; bans decides
    ("198.51.100.8", NONE),
    ("192.0.2.77", ("127.0.0.3", "narrow")),
    ("10.255.255.255", ("127.0.0.2", None)),
    ("11.0.0.0", NONE),
    ("100.64.0.1", ("127.0.0.2", "a text with a blank before it")),
    ("127.9.9.9", ("127.0.0.2", LONG[:254])),
    ("100.64.0.2", ("127.0.0.2", LONG[:253])),
    ("127.0.0.1", NONE),  # the test points, whatever the lists say
    ("127.0.0.2", ("127.0.0.2", "test point")),
    ("::ffff:127.0.0.2", ("127.0.0.2", "test point")),
    ("::ffff:127.0.0.1", NONE),
    ("2001:db8::1", ("127.0.0.4", "six")),
    ("2001:db8:ffff:ffff::", ("127.0.0.4", "six")),
    ("2001:db8:1::1", NONE),
    ("2001:db8:1:2::1", ("127.0.0.3", None)),
    ("2001:db8:1:2::25", NONE),
    ("2001:db9::", NONE),
    ("2002:db8::1", ("127.0.0.2", "=one")),
    ("2002:db8::2", NONE),
]


def lists_of(banned, bans):
    g = Gateway()
    g.write_lists(banned=banned, bans=bans)
    g.write_conf()
    done = g.compile("-f", check=False)
    assert done.returncode == 0, done.stderr
    return g


@pytest.fixture(scope="module")
def served():
    g = lists_of(BANNED, BANS)
    try:
        done = g.run("lictor-export", "rbldnsd")
        assert done.stderr == ""
        server = Rbldnsd(done.stdout)
        yield server
        assert "bad" not in server.log() and "warning" not in server.log()
        server.close()
    finally:
        shutil.rmtree(g.dir, ignore_errors=True)


@pytest.mark.parametrize("address, answer", ANSWERS, ids=lambda v: str(v)[:30])
def test_rbldnsd_answers(served, address, answer):
    assert served.listed(address) == answer


def test_a_ban_is_exported(gateway):
    gateway.write_conf()
    gateway.compile()
    gateway.run("lictor-ban", "add", "2001:db8::/32", "--for", "2h", "six")
    server = Rbldnsd(gateway.run("lictor-export", "rbldnsd").stdout)
    try:
        assert server.listed("2001:db8:9::1") == ("127.0.0.2", "six")
        assert server.listed("192.0.2.1") == NONE
    finally:
        server.close()


def test_rbldnsd_decides_as_the_gateway_does():
    """Networks within networks at random; the two must always agree."""
    rng = random.Random(5)
    actions = {"reject": "127.0.0.2", "defer": "127.0.0.3",
               "drop": "127.0.0.4"}

    def entries(n):
        nets = {}
        for _ in range(n):
            length = rng.randrange(16, 33)
            bits = rng.getrandbits(12) << 4 | rng.getrandbits(4)
            value = (100 << 24 | bits) >> (32 - length) << (32 - length)
            net = ".".join(str(value >> s & 255) for s in (24, 16, 8, 0))
            nets[f"{net}/{length}"] = rng.choice([*actions, "allow"])
        return nets

    banned, bans = entries(150), entries(60)
    g = lists_of(*("".join(f"{net} {act}\n" for net, act in nets.items())
                   for nets in (banned, bans)))
    server = None
    try:
        server = Rbldnsd(g.run("lictor-export", "rbldnsd").stdout)
        asked = [f"100.0.{rng.getrandbits(8)}.{rng.getrandbits(8)}"
                 for _ in range(400)]
        seen = set()
        found = {}
        for name in ("banned", "bans"):
            done = g.run("lictor-query", name, "-", check=False,
                         input="\n".join(asked))
            found[name] = [line.split("\t")[1]
                           for line in done.stdout.splitlines()]
        for address, one, two in zip(asked, found["banned"], found["bans"]):
            best = None
            for text in (two, one):  # of the same length, bans decides
                if text == "-":
                    continue
                key, action = text.split(": ")[1].split()[:2]
                length = int(key.partition("/")[2] or 32)
                if best is None or length > best[0]:
                    best = length, action
            want = actions.get(best[1]) if best else None
            assert server.listed(address)[0] == want, (address, one, two)
            seen.add(want)
        assert len(seen) == 4
    finally:
        if server is not None:
            server.close()
        shutil.rmtree(g.dir, ignore_errors=True)
