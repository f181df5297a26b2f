"""A whole Postfix as the next hop, set up to trust us blindly.

It is told to take bare line ends as they come, as Postfix did for twenty
years: what it delivers is what one who reads them otherwise than we do makes
of the octets that we pass on.
"""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile

import pytest

from conftest import free_port, wait_until

MAIN = """compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
myhostname = postfix.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_forbid_bare_newline = no
smtpd_forbid_unauth_pipelining = no
smtpd_client_connection_rate_limit = 0
smtputf8_enable = yes
local_recipient_maps =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_transport = virtual
"""

MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
smtp unix - - n - - smtp
tls unix - - n - - smtp -o smtp_tls_security_level=secure
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Started on a port of its own; first is what a client says unasked."""

    def __init__(self, domains="example.org", more="", first=b""):
        """more: lines of main.cf; what is in none of its domains it sends on,
        if they name a relayhost."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-postfix-"))
        self.dir.chmod(0o755)
        self.port, self.first = free_port(), first
        who = pwd.getpwnam("nobody")
        for name in ("conf", "spool", "data", "mail"):
            (self.dir / name).mkdir()
        shutil.chown(self.dir / "data", "postfix")
        shutil.chown(self.dir / "mail", "nobody")
        values = {"dir": self.dir, "port": self.port, "uid": who.pw_uid,
                  "gid": who.pw_gid, "domains": domains}
        (self.dir / "conf/main.cf").write_text(MAIN.format(**values) + more)
        (self.dir / "conf/master.cf").write_text(MASTER.format(**values))
        self.run("start")
        wait_until(self.greets, what="Postfix")

    def run(self, verb):
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", self.dir / "conf", verb],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()

    def log(self):
        path = self.dir / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                s.sendall(self.first)
                return s.recv(100).startswith(b"220")
        except OSError:
            return False

    def mails(self):
        """The messages that it has delivered."""
        files = sorted((self.dir / "mail/all/new").glob("*"))
        return [f.read_bytes() for f in files]

    def settled(self):
        """Nothing is on its way any more."""
        return not [f for name in ("maildrop", "incoming", "active", "deferred")
                    for f in (self.dir / "spool" / name).rglob("*")
                    if f.is_file()]

    def close(self):
        subprocess.run(["/usr/sbin/postfix", "-c", self.dir / "conf", "abort"],
                       stdin=subprocess.DEVNULL, capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)


def started(**kw):
    """One for a module; only root can start it."""
    if os.geteuid() != 0:
        pytest.skip("Postfix is started by root alone")
    return Postfix(**kw)
