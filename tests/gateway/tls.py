"""Certificates, the settings that name them, and clients that speak TLS."""

import atexit
import functools
import hashlib
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import warnings

import pytest

from raw import RawClient

HOST = "gw.example.org"  # the gateway's hostname

NEW_KEY = {"rsa": ["-newkey", "rsa:2048"],
           "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
           "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}


class Pair:
    """A certificate that signs itself, and its key, which is root's alone."""

    def __init__(self, folder, name, kind, hosts):
        self.certificate = pathlib.Path(folder, f"{name}.pem")
        self.key = pathlib.Path(folder, f"{name}.key")
        self.hosts, self.kind = hosts, kind
        names = ",".join(f"DNS:{h}" for h in hosts)
        openssl("req", "-x509", *NEW_KEY[kind], "-nodes", "-days", "30",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
                "-keyout", self.key, "-out", self.certificate)
        self.key.chmod(0o600)


class Authority(Pair):
    """A CA, and what it has signed."""

    def __init__(self, folder, name, parent=None):
        self.folder, self.name = folder, name
        self.certificate = pathlib.Path(folder, f"{name}.pem")
        self.key = pathlib.Path(folder, f"{name}.key")
        self.sign(name, [], parent or self, more="CA:TRUE")

    def issue(self, name, hosts, days=30):
        """A pair with a certificate for these hosts."""
        p = Pair.__new__(Pair)
        p.certificate = pathlib.Path(self.folder, f"{self.name}-{name}.pem")
        p.key = pathlib.Path(self.folder, f"{self.name}-{name}.key")
        p.hosts, p.kind = hosts, "ec"
        Authority.sign(p, name, hosts, self, days)
        return p

    def sign(self, name, hosts, issuer, days=30, more="CA:FALSE"):
        request = self.key.with_suffix(".csr")
        names = ",".join(f"DNS:{h}" for h in hosts)
        ext = self.key.with_suffix(".ext")
        ext.write_text(f"basicConstraints=critical,{more}\n" +
                       (f"subjectAltName={names}\n" if names else ""))
        openssl("req", "-new", *NEW_KEY["ec"], "-nodes", "-subj",
                f"/CN={name}", "-keyout", self.key, "-out", request)
        by = (["-signkey", self.key] if issuer is self else
              ["-CA", issuer.certificate, "-CAkey", issuer.key,
               "-CAcreateserial"])
        openssl("x509", "-req", "-in", request, *by, "-days", days,
                "-extfile", ext, "-out", self.certificate)
        self.key.chmod(0o600)


def pin_of(p):
    """The pin of a pair's certificate."""
    key = subprocess.run(["openssl", "x509", "-in", p.certificate, "-noout",
                          "-pubkey"], capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"],
                         input=key, capture_output=True).stdout
    return "sha256:" + hashlib.sha256(der).hexdigest()


def server(p, *chain, **settings):
    """A server's context with this pair; with more behind its certificate."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # who just leaves is noticed
    if p is not None:
        path = p.certificate
        if chain:
            path = p.certificate.with_suffix(".chain")
            path.write_text("".join(q.certificate.read_text()
                                    for q in (p, *chain)))
        c.load_cert_chain(path, p.key)
    if "ciphers" in settings:
        c.set_ciphers(settings.pop("ciphers"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that are to be refused
        for name, value in settings.items():
            setattr(c, name, value)
    return c


def openssl(*args, **kw):
    done = subprocess.run(["openssl", *map(str, args)], timeout=60,
                          capture_output=True, text=True, **kw)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.lru_cache(maxsize=None)
def pair(name, kind="rsa", hosts=(HOST,)):
    """One for the whole run: a key takes a while to be made."""
    return Pair(FOLDER, name, kind, hosts)


FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="lictor-tls-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def section(*pairs):
    """The section tls of the settings."""
    def names(paths):
        return "{" + ", ".join(f'"{p}"' for p in paths) + "}"
    return (f"tls {{ certificate = {names(p.certificate for p in pairs)}\n"
            f"key = {names(p.key for p in pairs)} }}")


def context(*pairs, **settings):
    """A client's; with pairs it verifies that it talks to one of them."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = bool(pairs)
    c.verify_mode = ssl.CERT_REQUIRED if pairs else ssl.CERT_NONE
    for p in pairs:
        c.load_verify_locations(p.certificate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions that are to be refused
        for name, value in settings.items():
            setattr(c, name, value)
    return c


def only(version, ciphers=None):
    """A client's that speaks one version, whatever it is worth."""
    c = context()
    c.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        c.minimum_version = c.maximum_version = version
    return c


class TlsClient(RawClient):
    """As RawClient; starttls() changes over."""

    def starttls(self, ctx=None, host=None, session=None):
        self.send(b"STARTTLS\r\n")
        self.expect("220 2.0.0")
        assert self.buffer == b""
        return self.shake(ctx, host, session)

    def shake(self, ctx=None, host=None, session=None):
        self.sock = (ctx or context()).wrap_socket(
            self.sock, server_hostname=host, session=session)
        return self

    def plain(self):
        """The socket below TLS, on a descriptor of its own."""
        s = socket.socket(fileno=os.dup(self.sock.fileno()))
        s.settimeout(10)
        return s

    def close_notify(self):
        """Say that nothing more will come, and wait for nothing."""
        self.sock.setblocking(False)
        try:
            self.sock.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLError, OSError):
            pass


def open_tls(gateway, source=None, **kw):
    """Connect, say EHLO, change over, say EHLO again."""
    c = TlsClient(gateway.port, source)
    c.expect("220")
    c.steps((b"EHLO client.example\r\n", "250"))
    c.starttls(**kw)
    c.steps((b"EHLO client.example\r\n", "250"))
    return c


def greeted(gateway, source=None, port=None):
    c = TlsClient(port or gateway.port, source)
    c.expect("220")
    return c


def keys_helpers(gateway):
    """The pids of the master's helpers that hold keys."""
    out = subprocess.run(["ps", "-o", "pid=,args=", "--ppid",
                          str(gateway.process.pid)],
                         text=True, capture_output=True).stdout
    return [int(line.split()[0]) for line in out.splitlines()
            if "lictord: keys" in line]


def numbers(key):
    """The secret numbers of a key, as octets."""
    text = openssl("pkey", "-in", key, "-noout", "-text")
    found = {}
    for name, digits in re.findall(
            r"^(privateExponent|prime\d|exponent\d|coefficient|priv):\s*\n"
            r"((?:    +[0-9a-f:]+\n)+)", text, re.M):
        found[name] = bytes.fromhex(
            re.sub(r"[\s:]", "", digits)).lstrip(b"\0")
    assert found, text
    return found


def memory(pid):
    """All that a process can write, piece by piece."""
    try:
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
        mem = open(f"/proc/{pid}/mem", "rb", buffering=0)
    except OSError as error:
        pytest.skip(f"memory of other processes is for root: {error}")
    with mem:
        for line in maps.splitlines():
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if not m:
                continue
            begin, end = (int(x, 16) for x in m.groups())
            if end - begin > 1 << 26:
                continue  # a sanitizer's shadow
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, ValueError):
                continue
