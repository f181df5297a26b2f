"""Exim as a sending MTA, from the folder into which make setup unpacks it.

It looks for a user that its package would make: nss_wrapper lends it one.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from conftest import ROOT

BINARY = ROOT / "build/peers/exim/usr/sbin/exim4"
KEPT = "LD_PRELOAD:NSS_WRAPPER_PASSWD:NSS_WRAPPER_GROUP"
IDS = ["x", "65533", "65533"]

CONF = """primary_hostname = exim.example
exim_path = {binary}
exim_user = nobody
exim_group = nogroup
spool_directory = {dir}/spool
log_file_path = {dir}/%slog
keep_environment = {kept}
domainlist local_domains =
never_users =
deliver_drop_privilege = true
disable_ipv6 = true
message_size_limit = 0
local_from_check = false
untrusted_set_sender = *
tls_certificate =
{more}

begin routers
gateway:
  driver = manualroute
  transport = gateway
  route_list = * 127.0.0.1
  self = send

begin transports
gateway:
  driver = smtp
  port = {port}
  allow_localhost
  {transport}
  helo_data = client.example
  message_linelength_limit = 100000
  {tls}
"""
ENCRYPTED = """hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_cert_hostnames =
  tls_verify_certificates = {certificate}"""


class Exim:
    """It hands what it is given on to that port, and is gone again."""

    def __init__(self, port, certificate=None, more="", transport=""):
        if os.geteuid() != 0:
            pytest.skip("Exim changes its user and is started by root alone")
        assert BINARY.exists(), f"{BINARY}: make setup has not unpacked it"
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="lictor-exim-"))
        self.dir.chmod(0o755)
        (self.dir / "spool").mkdir()
        shutil.chown(self.dir, "nobody")
        shutil.chown(self.dir / "spool", "nobody")
        tls = "hosts_avoid_tls = *"
        if certificate:
            shutil.copy(certificate, self.dir / "certificate")
            tls = ENCRYPTED.format(certificate=self.dir / "certificate")
        (self.dir / "conf").write_text(CONF.format(
            binary=BINARY, dir=self.dir, port=port, tls=tls, kept=KEPT,
            more=more, transport=transport))
        for name, fields in (("passwd", IDS + ["", "/", "/bin/false"]),
                             ("group", IDS[:2] + [""])):
            known = pathlib.Path("/etc", name).read_text()
            (self.dir / name).write_text(
                known + ":".join(["Debian-exim", *fields]) + "\n")

    def send(self, sender, rcpts, message):
        """Give it a message and wait until it has tried to deliver it."""
        if isinstance(rcpts, str):
            rcpts = [rcpts]
        return self.run("-odi", "-oi", "-f", sender, *rcpts, input=message)

    def run(self, *args, **kw):
        env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": "libnss_wrapper.so",
               "NSS_WRAPPER_PASSWD": str(self.dir / "passwd"),
               "NSS_WRAPPER_GROUP": str(self.dir / "group")}
        return subprocess.run(
            [BINARY, "-C", self.dir / "conf", *args], env=env,
            capture_output=True, timeout=60, **kw)

    def log(self):
        return "".join(path.read_text(errors="replace")
                       for path in self.dir.glob("*log"))

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)
