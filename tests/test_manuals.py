"""The manual pages against the sources, in both directions.

What a client is told, what the log says, every option and every setting is in
a page, and a page names nothing that is not there. Examples that are commands
are run.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "gateway"))
from conftest import BIN, Gateway  # noqa: E402

PAGES = sorted((ROOT / "man").iterdir())
STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
WORD = re.compile(r"[a-z]+(-[a-z]+)*")

# Forms into which a text is put, and texts that stand for a missing one.
LATER = {"%.400s; ref %s", "%s %.400s; ref %s", "%s %s", "%s", "",
         "refused by the next hop"}


def source(*patterns):
    """The text of these sources, comments removed."""
    text = ""
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            text += re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return text


def tokens(text):
    """C tokens; strings that stand side by side are one."""
    out = []
    for m in re.finditer(r'"(?:\\.|[^"\\])*"|\w+|[^\w\s]', text):
        t = m.group()
        if t[0] == '"' and out and out[-1][0] == '"':
            out[-1] = out[-1][:-1] + t[1:]
        else:
            out.append(t)
    return out


def literals(around):
    """The strings among tokens, as (kind, value)."""
    found = []
    for t in around:
        if t[0] == '"':
            v = t[1:-1].replace('\\"', '"')
            kind = "status" if STATUS.fullmatch(v) else \
                "word" if WORD.fullmatch(v) else "text"
            found.append((kind, v))
        elif re.fullmatch(r"[2-5]\d\d", t):
            found.append(("code", t))
    return found


def arguments(toks, at):
    """The tokens between the parenthesis that opens at and its other."""
    depth, out = 0, []
    for t in toks[at:]:
        depth += (t in "({") - (t in ")}")
        if depth == 0:
            break
        out.append(t)
    return out


def row(toks, at):
    """The literals of the table row that opens at; [] for a block of code."""
    inside = arguments(toks, at)
    return [] if ";" in inside else literals(inside)


def as_reply(found):
    """(code or None, status or None, text) of one call or row; or None."""
    texts = [v for k, v in found if k in ("text", "word")]
    codes = [v for k, v in found if k == "code"]
    status = [v for k, v in found if k == "status"]
    if not texts or texts[-1] in LATER:
        return None
    return (codes[0] if codes else None, status[0] if status else None,
            texts[-1])


CALLS = {"reply", "reply_part", "reply_refuse_as", "answer", "answer_is",
         "refuse_here"}


def spoken():
    """Every reply in the sources: calls, rows of tables, plain returns."""
    toks = tokens(source("worker/cmd_*.c", "worker/command.c",
                         "worker/message.c",
                         "worker/session.c", "worker/greet.c", "worker/rate.c",
                         "worker/refused.c",
                         "worker/check*.c",
                         "worker/deliver*.c"))
    found = set()
    for i, t in enumerate(toks):
        if t in CALLS and toks[i + 1] == "(" and \
                toks[i - 1] not in ("enum", "void", "verdict"):
            args = literals(arguments(toks, i + 1))
            if t != "reply_refuse_as" or "text" in dict(args):
                found.add(as_reply(args))
        elif t == "{" and (toks[i + 1] in ("ACT_REJECT", "ACT_DEFER", "d", "s")
                           or toks[i + 1].startswith("RATE_")):
            columns = row(toks, i)
            if any(k == "text" for k, _ in columns):
                found.add(as_reply(columns))
    text = source("worker/check*.c", "worker/cmd_rcpt.c")
    for m in re.finditer(r'why->text = ((?:"[^"]*"\s*)+);', text):
        found.add((None, None, "".join(re.findall(r'"([^"]*)"', m.group(1)))))
    for m in re.finditer(r'\[OF_\w+\] = "([^"]* \$zone)"',
                         source("worker/dnsbl.c")):
        found.add((None, None, m.group(1).replace("$zone", "%s")))
    found.add((None, "5.1.6", "the recipient has moved, now <%s>"))
    for m in re.finditer(r'return "([^"]*)";', source("worker/path.c")):
        found.add(("501", None, m.group(1)))
    found.add(("250", None, "HOST"))
    # what a delivery says to the session alone
    return {f for f in found if f and f[2] != "delivered"}


def described():
    """Every reply of lictor-replies(7)."""
    found = set()
    for line in (ROOT / "man/lictor-replies.7").read_text().splitlines():
        m = re.fullmatch(r'\.It Li "(\d{3}) (?:([245]\.\d+\.\d+) )?(.*)"', line)
        if m:
            found.add(m.groups())
    return found


def same(in_source, in_page):
    code, status, text = in_source
    pattern = re.sub(r"%(\\\.\d+)?(s|lld|d|u)", ".+",
                     re.escape(text).replace(r"\%", "%"))
    return (code in (None, in_page[0]) and status in (None, in_page[1])
            and re.fullmatch(pattern, in_page[2]))


def test_every_reply_is_described_and_no_other():
    src, page = spoken(), described()
    assert len(src) > 50, src
    assert not [s for s in src if not any(same(s, p) for p in page)]
    assert not [p for p in page if not any(same(s, p) for s in src)]


# ------------------------------------------------------------------- the log


def section(page, title):
    """The items (.It Cm) of one sub-section."""
    text = (ROOT / "man" / page).read_text()
    m = re.search(rf"^\.Ss {title}\n(.*?)^\.S[sh] ", text, re.S | re.M)
    return re.findall(r"^\.It Cm (\S+)", m.group(1), re.M)


def test_every_log_key_is_described_and_no_other():
    text = source("worker/*.c", "daemon/*.c")
    keys = set(re.findall(r'log_(?:text|number|format|octets)\(&?l, "(\w+)"',
                          text))
    toks = tokens(text)
    for i, t in enumerate(toks):
        if t == "reply_unspoken" and toks[i + 1] == "(":
            keys |= {v for _, v in literals(arguments(toks, i + 1))
                     if v in ("would", "reply")}
    page = section("lictord.8", "Keys")
    assert len(page) == len(set(page))
    assert keys | {"event"} == set(page)


def test_every_event_is_described_and_no_other():
    text = source("worker/*.c", "daemon/*.c")
    events = re.findall(
        r'(?:log_event\(LOG_\w+|log_start\(&?l, LOG_\w+|'
        r'session_log\(s, &?l),\s*"(\w+)"', text)
    assert set(events) == set(section("lictord.8", "Events"))


def outcomes():
    """What is told of a DNS list, and never to a client."""
    return set(re.findall(r'\[PROBE_\w+\] = "([a-z-]+)"',
                          source("daemon/zones.c")))


def reasons():
    """The words that key reason can have."""
    text = source("worker/*.c")
    words = set(re.findall(r'why[.>-]*code = "([a-z-]+)"', text))
    words |= set(re.findall(r'"(hop-[a-z]+)"', text))
    words |= set(re.findall(r'\.unsure = "([a-z]+)"', text))
    words |= outcomes()
    words |= set(re.findall(r'"([a-z]+)"', re.sub(
        r"#include.*", "", source("worker/foreign.c"))))
    toks = tokens(text)
    for i, t in enumerate(toks):
        args = []
        if t == "reply_refuse_as" and toks[i + 1] == "(":
            args = [w for k, w in literals(arguments(toks, i + 1))
                    if k == "word"][1:2]
        elif t == "answer" and toks[i + 1] == "(":
            args = [w for k, w in literals(arguments(toks, i + 1))
                    if k == "word"][:1]
        elif t == "{" and (toks[i + 1] in ("d", "s")
                           or toks[i + 1].startswith(("ACT_", "RATE_"))):
            args = [w for k, w in row(toks, i) if k == "word"][:1]
        words |= set(args)
    return words


def test_every_reason_is_described_and_no_other():
    page = section("lictord.8", "Reasons")
    assert len(page) == len(set(page))
    assert reasons() == set(page)
    replies = (ROOT / "man/lictor-replies.7").read_text()
    # These never refuse.
    silent = {"relay", "recipient", "rdns"} | outcomes()
    for word in reasons() - silent:
        assert re.search(rf"^\.Cm {word}\b", replies, re.M), word


def test_every_end_of_a_session_is_described_and_no_other():
    text = source("worker/session.c", "worker/cmd_*.c")
    text += source("worker/command.c")
    ends = set(re.findall(r'session_end\(s, "([a-z-]+)"', text))
    for pair in re.findall(r'session_cut_off\(s, r, "([a-z-]+)",\s*'
                           r'"([a-z-]+)"\)', text):
        ends |= set(pair)
    assert ends == set(section("lictord.8", "Ends"))


# --------------------------------------------------------- options, settings


OPTIONS = {"lictord.8": "daemon/main.c",
           **{f"lictor-{name}.8": f"tools/{name}.c"
              for name in ("ban", "compile", "export", "import", "query")}}


@pytest.mark.parametrize("page", OPTIONS)
def test_every_option_is_described_and_no_other(page):
    text = source(OPTIONS[page])
    (short,) = re.findall(r'getopt(?:_long)?\(argc, argv, "([a-z:]+)"', text)
    options = set(short.replace(":", ""))
    options |= {"-" + o for o in re.findall(r'{ "(\w+)", [01], NULL', text)}
    options |= {"-" + o for o in re.findall(r'"--(\w+)"\) == 0', text)}
    described = set()
    for line in (ROOT / "man" / page).read_text().splitlines():
        if line.startswith(".It Fl "):
            described |= set(re.sub(r"Fl | Ar \w+|\.It ", "", line)
                             .replace(",", "").split())
    assert options == described


def test_every_setting_is_described_and_no_other():
    text = (ROOT / "daemon/config_rows.c").read_text()
    rows = re.findall(r'{ (NULL|"\w+"), (NULL|"\w+"), "(\w+)",', text)
    names = {r[2] for r in rows} | {r[0].strip('"') for r in rows} - {"NULL"}
    assert len(names) > 40
    page = (ROOT / "man/lictor.conf.5").read_text()
    described = set(re.findall(r"^\.(?:It )?Ic (\w+)", page, re.M))
    in_force = {r[2] for r in rows
                if (r[0] in ("NULL", '"workers"', '"limits"', '"timeouts"')
                    or r[1] in ('"banned"', '"rdns"'))}
    later = set(re.search(r"Settings without effect\n(.*?)^\.Sh", page,
                          re.S | re.M).group(1).split())
    assert not [n for n in in_force if n not in described | later]
    assert not [n for n in re.findall(r"^\.It Ic (\w+)", page, re.M)
                if n not in names]


# ------------------------------------------------------------------ examples


def examples(page):
    """The command lines of EXAMPLES: those behind a $ or #."""
    text = (ROOT / "man" / page).read_text()
    part = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh", text, re.S | re.M).group(1)
    lines = re.findall(r"^(?:\.Dl )?[$#] (lictor.*)$", part, re.M)
    return [line.replace("\\e", "\\") for line in lines]


def write_imports(folder):
    """What the examples of lictor-import(8) read, and where they write."""
    (folder / "drop_v4.json").write_text(
        '{"cidr":"192.0.2.0/24","sblid":"SBL1"}\n{"type":"metadata",'
        f'"records":1,"timestamp":{int(time.time())}}}\n')
    (folder / "access").write_text("198.51.100 REJECT\n")
    (folder / "relay_recipients").write_text("alice@example.org x\n")
    (folder / "bl.zone").write_text(":2:listed\n198.51.100.7\n")
    (folder / "lists" / "banned.d").mkdir()


@pytest.fixture(scope="module")
def host():
    """A host on which the configuration and the lists are in place."""
    g = Gateway()
    try:
        g.write_lists(banned="203.0.113.0/24 \"no mail from here\"\n")
        g.write_conf()
        g.compile()
        g.write_lists(banned="203.0.113.0/24\n198.51.100.1\n")
        (g.dir / "clients").write_text("203.0.113.9\n203.0.113.25\n")
        write_imports(g.dir)
        shims = g.dir / "bin"
        shims.mkdir()
        for program in BIN.iterdir():
            shim, conf = shims / program.name, f"-c {shlex.quote(str(g.conf))}"
            if program.name == "lictor-import":
                conf = ""  # it has no configuration
            shim.write_text(f'#!/bin/sh\nexec {shlex.quote(str(program))} '
                            f'{conf} "$@"\n')
            shim.chmod(0o755)
        yield g, {**os.environ, "PATH": f"{shims}:{os.environ['PATH']}"}
    finally:
        g.kill()
        shutil.rmtree(g.dir, ignore_errors=True)


@pytest.mark.parametrize("page", OPTIONS)
def test_examples_run(host, page):
    gateway, env = host
    ran = 0
    for line in examples(page):
        if line.endswith("lictord -d") or "kill" in line:
            continue  # these serve: tests/gateway runs them
        done = subprocess.run(line, shell=True, env=env, text=True,
                              cwd=gateway.dir, capture_output=True,
                              timeout=60)
        assert done.returncode == 0, f"{line}: {done.stderr}"
        ran += 1
    assert ran > 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_are_complete(page):
    text = page.read_text()
    wanted = ["NAME", "DESCRIPTION", "EXAMPLES", "DIAGNOSTICS", "SEE ALSO"]
    if page.suffix == ".8":
        wanted += ["SYNOPSIS", "FILES", "EXIT STATUS"]
    for title in wanted:
        assert f"\n.Sh {title}\n" in text, title
    for name in re.findall(r"^\.Xr (lictor\S*) (\d)", text, re.M):
        assert (ROOT / "man" / ".".join(name)).exists(), name
