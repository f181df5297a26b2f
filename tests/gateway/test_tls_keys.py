"""The private keys: who has them, who has not, and what happens to who has.

A failure here is a key in the memory of a process that strangers talk to, or
a gateway that stays in the clear because a helper died.
"""

import os
import pathlib
import pwd
import shutil
import signal
import ssl
import subprocess
import threading
import time

import pytest

from conftest import BIN, SANITIZED, USER, wait_gone, wait_until
from proc import alive, kill, reload, status
from raw import serving
from tls import (context, greeted, keys_helpers, memory, numbers, only,
                 open_tls, openssl, pair, section)

POOL = "workers { min = 3  max = 8  spare = 2 }"
NO_LIMIT = "limits { per_client = 0 }"


# ------------------------------------------------------------ configuration


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files of every kind that is not good."""
    folder = tmp_path_factory.mktemp("files")
    good, other, ec = pair("usual"), pair("other2"), pair("usual-ec", "ec")
    f = {"good": good.certificate, "key": good.key, "other": other.key,
         "ec": ec.key, "missing": folder / "none", "folder": folder}
    for name in ("empty", "text", "locked", "both", "ed", "small"):
        f[name] = folder / name
    f["empty"].write_text("")
    f["text"].write_text("this is no key\n")
    openssl("pkey", "-in", good.key, "-aes128", "-passout", "pass:x",
            "-out", f["locked"])
    f["both"].write_text(good.certificate.read_text() + good.key.read_text())
    openssl("req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x",
            "-keyout", folder / "ed.key", "-out", f["ed"])
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x",
            "-keyout", folder / "small.key", "-out", f["small"])
    return f


MISTAKES = {  # certificate, key: which of them is wrong (its line), and why
    ("missing", "key"): (0, "No such file or directory"),
    ("folder", "key"): (0, "Is a directory"),
    ("empty", "key"): (0, "no certificate in PEM form"),
    ("text", "key"): (0, "no certificate in PEM form"),
    ("both", "key"): (0, "it holds a private key"),
    ("key", "key"): (0, "it holds a private key"),
    ("ed", "key"): (0, "its key is neither RSA nor ECDSA"),
    ("small", "key"): (0, "an RSA key of 1024 bits"),
    ("good", "missing"): (1, "No such file or directory"),
    ("good", "empty"): (1, "no private key in PEM form"),
    ("good", "good"): (1, "no private key in PEM form"),
    ("good", "locked"): (1, "it is protected by a passphrase"),
    ("good", "other"): (1, "it is not the key of"),
    ("good", "ec"): (1, "it is not the key of"),
}


def use(gateway, certificate, key):
    """Write the settings; the lines of the certificate and of the key."""
    gateway.sections = [f'tls {{\ncertificate = {{\n"{certificate}"}}\n'
                        f'key = {{\n"{key}"}}\n}}', POOL]
    gateway.write_conf()
    text = gateway.conf.read_text().splitlines()
    at = text.index("certificate = {")
    return at + 2, at + 4


@pytest.mark.parametrize("names", MISTAKES, ids=" ".join)
def test_mistakes(gateway, files, names):
    """By lictord -n, and by one that is to serve."""
    wrong, why = MISTAKES[names]
    paths = [files[n] for n in names]
    line = use(gateway, *paths)[wrong]
    gateway.compile()
    setting = ("certificate", "key")[wrong]
    said = f"{gateway.conf}:{line}: tls: {setting}: {paths[wrong]}: {why}"
    for options in (["-n"], ["-d"]):
        done = gateway.run("lictord", *options, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(said), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


def test_good_pair_is_no_mistake(gateway, files):
    use(gateway, files["good"], files["key"])
    done = gateway.run("lictord", "-n")
    assert done.stdout + done.stderr == ""
    done = gateway.run("lictord", "-nv")
    assert f'\tkey = {{"{files["key"]}"}}\n' in done.stdout


def test_key_that_may_not_be_read(gateway, files, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("root gives the key away from")
    key = gateway.dir / "root.key"
    shutil.copy(files["key"], key)
    key.chmod(0o600)
    cert = gateway.dir / "cert.pem"
    shutil.copy(files["good"], cert)
    cert.chmod(0o644)
    _, line = use(gateway, cert, key)
    done = gateway.run("lictord", "-n", check=False, user=USER)
    assert done.returncode == 1
    assert f"{gateway.conf}:{line}: tls: key: {key}: Permission denied" \
        in done.stderr


@pytest.mark.parametrize("names", [("good", "other"), ("missing", "key"),
                                   ("both", "key"), ("good", "locked")])
def test_reload_with_a_mistake_changes_nothing(gateway, files, names):
    use(gateway, files["good"], files["key"])
    gateway.compile()
    gateway.launch()
    (helper,) = keys_helpers(gateway)
    wrong, why = MISTAKES[names]
    line = use(gateway, *(files[n] for n in names))[wrong]
    reload(gateway, "the old settings stay in force")
    assert f"{gateway.conf}:{line}: tls: " in gateway.log()
    assert why in gateway.log()
    assert keys_helpers(gateway) == [helper]
    with open_tls(gateway) as c:
        c.in_step()


# ----------------------------------------------------------------- renewal


def served(gateway, *pairs):
    """Which of these pairs the gateway shows, by verifying."""
    for p in pairs:
        try:
            with open_tls(gateway, ctx=context(p), host=p.hosts[0]) as c:
                c.in_step()
            return p
        except ssl.SSLCertVerificationError:
            continue
    raise AssertionError("none of them")


def test_renewal(gateway):
    """SIGHUP reads files again that have changed under the same name."""
    old, new = pair("usual"), pair("renewed")
    cert, key = gateway.dir / "cert.pem", gateway.dir / "cert.key"

    def put(p):
        shutil.copy(p.certificate, cert)
        shutil.copy(p.key, key)
        key.chmod(0o600)

    put(old)
    use(gateway, cert, key)
    gateway.compile()
    gateway.launch()
    (helper,) = keys_helpers(gateway)
    assert served(gateway, old, new) is old
    before = greeted(gateway)  # a session from before, not in TLS yet
    put(new)
    reload(gateway, busy=1)
    assert served(gateway, old, new) is new
    wait_until(lambda: keys_helpers(gateway) and
               len(keys_helpers(gateway)) == 2, what="a second helper")
    # The session keeps what it began with, and the helper that has its key.
    before.starttls(context(old), host=old.hosts[0])
    before.in_step()
    before.close()
    wait_until(lambda: not alive(helper), what="the end of the old helper")
    assert len(keys_helpers(gateway)) == 1
    assert not gateway.events("worker")


def offers(gateway):
    with greeted(gateway) as c:
        return "STARTTLS" in c.say("EHLO client.example")


def test_tls_comes_and_goes(gateway):
    gateway.start(POOL)
    assert not keys_helpers(gateway)
    gateway.sections = [section(pair("usual")), POOL]
    gateway.write_conf()
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: offers(gateway), what="an offer")
    with open_tls(gateway) as c:
        c.in_step()
    gateway.sections = [POOL]
    gateway.write_conf()
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: not offers(gateway), what="no offer")
    wait_until(lambda: not keys_helpers(gateway), what="no helper")


def test_many_reloads(gateway):
    """Neither helpers nor descriptors of the master add up."""
    gateway.start(section(pair("usual"), pair("usual-ec", "ec")), POOL)

    def descriptors():
        return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))
    before = descriptors()
    for i in range(10):
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: len(gateway.events("reload")) > i, what="reload")
    wait_until(lambda: len(keys_helpers(gateway)) == 1, what="one helper")
    assert descriptors() == before
    with open_tls(gateway) as c:
        c.in_step()


# ------------------------------------------------------------------- deaths


def test_helper_is_killed_under_load(gateway):
    """No handshake fails: requests wait for the next helper."""
    gateway.start(section(pair("usual"), pair("usual-ec", "ec")),
                  "workers { min = 12  max = 16  spare = 4 }", NO_LIMIT)
    stop, failed, done = threading.Event(), [], [0] * 8

    def load(i):
        ctx = context()
        while not stop.is_set():
            try:
                with greeted(gateway) as c:
                    c.starttls(ctx)
                    c.in_step()
                done[i] += 1
            except Exception as error:  # whatever it is, it is told
                failed.append(repr(error))
                return

    threads = [threading.Thread(target=load, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    try:
        for i in range(5):
            was = sum(done)
            wait_until(lambda: sum(done) > was + 20 or failed, 30, "handshakes")
            (helper,) = wait_until(lambda: keys_helpers(gateway), what="helper")
            kill(helper)
            wait_until(lambda: keys_helpers(gateway) not in ([], [helper]),
                       what="another helper")
    finally:
        stop.set()
        for t in threads:
            t.join()
    assert not failed, failed
    assert not gateway.events("tls")
    told = gateway.events("worker")
    assert len(told) == 5 and all(
        "the helper keys died, signal 9" in line for line in told), told


def test_helper_is_killed_while_sessions_finish(gateway):
    """After SIGTERM too."""
    gateway.start(section(pair("usual")), POOL)
    with greeted(gateway) as c:
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("stop")
        (helper,) = keys_helpers(gateway)
        kill(helper)
        wait_until(lambda: keys_helpers(gateway) not in ([], [helper]),
                   what="another helper")
        c.starttls()
        c.in_step()
    gateway.process.wait(20)


def test_master_is_killed(gateway):
    """Sessions go on, with signatures; then all is gone."""
    gateway.start(section(pair("usual")), POOL)
    (helper,) = keys_helpers(gateway)
    with greeted(gateway) as c:
        kill(gateway.process.pid)
        gateway.process.wait()
        c.starttls()
        c.steps((b"EHLO client.example\r\n", "250"))
        assert alive(helper)
        c.in_step()
    assert not wait_gone(gateway.dir)
    wait_until(lambda: not alive(helper), what="the helper's end")


def test_key_is_gone_when_the_helper_dies(gateway):
    """It is told, again and again; when the key is back, so is TLS."""
    cert, key = gateway.dir / "cert.pem", gateway.dir / "cert.key"
    shutil.copy(pair("usual").certificate, cert)
    shutil.copy(pair("usual").key, key)
    use(gateway, cert, key)
    gateway.sections.append("timeouts { command_secs = 2 }")
    gateway.write_conf()
    gateway.compile()
    gateway.launch()
    key.rename(gateway.dir / "away")
    kill(keys_helpers(gateway)[0])
    wait_until(lambda: "No such file or directory" in gateway.log(),
               what="a complaint")
    with greeted(gateway) as c, pytest.raises((ssl.SSLError, OSError)):
        c.starttls()
    gateway.wait_event("tls", text='"the keys helper did not sign"')
    (gateway.dir / "away").rename(key)
    wait_until(lambda: keys_helpers(gateway), 40, "a helper")
    with open_tls(gateway) as c:
        c.in_step()


# --------------------------------------------------------- who has the keys


def holders(pid, secrets):
    """The names of the secret numbers that a process has in its memory."""
    found = set()
    for piece in memory(pid):
        for name, number in secrets.items():
            # As it is written, and as OpenSSL computes with it.
            if number in piece or number[::-1] in piece:
                found.add(name)
    return found


def test_only_the_helper_has_the_keys(gateway):
    rsa, ec = pair("usual"), pair("usual-ec", "ec")
    gateway.start(section(rsa, ec), POOL)
    for ctx in (None, only(ssl.TLSVersion.TLSv1_2,
                           "ECDHE-RSA-AES256-GCM-SHA384")):
        with open_tls(gateway, ctx=ctx) as c:
            c.in_step()
    secrets = {f"rsa {k}": v for k, v in numbers(rsa.key).items()}
    secrets |= {f"ec {k}": v for k, v in numbers(ec.key).items()}
    for p in (rsa, ec):
        lines = p.key.read_text().splitlines()
        secrets[f"{p.kind} file"] = lines[2].encode()
    assert len(secrets) == 9
    assert all(len(v) >= 24 for v in secrets.values())
    (helper,) = keys_helpers(gateway)
    assert {"rsa prime1", "rsa prime2", "ec priv"} <= holders(helper, secrets)
    # With a session, and after many.
    with open_tls(gateway):
        for pid in gateway.workers():
            assert holders(pid, secrets) == set()
    assert holders(gateway.process.pid, secrets) == set()


def test_the_helper_is_confined(gateway):
    gateway.start(section(pair("usual")), POOL)
    (helper,) = keys_helpers(gateway)
    about = status(helper)
    user = pwd.getpwnam(USER)
    assert set(about["Uid"].split()) == {str(user.pw_uid)}
    assert about["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert int(about["CapEff"], 16) == 0
        assert "0" not in about["Groups"].split()
        links = [os.readlink(p) for p in
                 pathlib.Path(f"/proc/{helper}/fd").iterdir()]
        # Two channels; what else is open is the standard streams.
        assert sum(link.startswith("socket:") for link in links) == 2, links
        assert all(link.startswith("socket:") or link == "/dev/null" or
                   link == str(gateway.log_path) for link in links), links
        limits = pathlib.Path(f"/proc/{helper}/limits").read_text()
        assert "Max core file size        0                    0" in limits
    if not SANITIZED:
        assert about["Seccomp"] == "2"


def test_workers_hold_one_end(gateway):
    """With the helper's end they could take each other's requests."""
    if os.geteuid() != 0:
        pytest.skip("descriptors of other processes are for root")
    gateway.start(section(pair("usual")), POOL)

    def sockets(pid):
        folder = pathlib.Path(f"/proc/{pid}/fd")
        return {os.readlink(p) for p in folder.iterdir()
                if os.readlink(p).startswith("socket:")}
    (helper,) = keys_helpers(gateway)
    for pid in gateway.workers():
        assert not sockets(pid) & sockets(helper)


def test_as_an_ordinary_user(gateway):
    """Who starts it need not be root, if the key is theirs."""
    if os.geteuid() != 0:
        pytest.skip("every other test does that")
    cert, key = gateway.dir / "cert.pem", gateway.dir / "cert.key"
    shutil.copy(pair("usual").certificate, cert)
    shutil.copy(pair("usual").key, key)
    use(gateway, cert, key)
    gateway.compile()
    user = pwd.getpwnam(USER)
    for path in [gateway.dir, *gateway.dir.rglob("*")]:
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    binary = gateway.dir / "lictord"
    shutil.copy(BIN / "lictord", binary)
    gateway.binary, gateway.run_as = binary, USER
    gateway.launch()
    with open_tls(gateway) as c:
        c.in_step()
