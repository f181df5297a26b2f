"""Which TLS is spoken: 1.2 and 1.3 with forward secrecy, and nothing older.

What the OpenSSL at hand cannot say any more is said by hand: a ClientHello,
octet by octet, and the first record of the answer.
"""

import ssl
import struct
import subprocess

import pytest

from raw import serving
from tls import HOST, context, greeted, open_tls, pair, section

ALERT, HANDSHAKE = 21, 22
HANDSHAKE_FAILURE, PROTOCOL_VERSION, INAPPROPRIATE_FALLBACK = 40, 70, 86
GOOD_12 = [0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9]
GOOD_13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
           "TLS_CHACHA20_POLY1305_SHA256"}
WEAK = {
    "NULL": [0x0001, 0x0002, 0x003b, 0xc006, 0xc010],
    "anonymous": [0x0018, 0x0034, 0x006d, 0xc018, 0xc019],
    "export": [0x0003, 0x0006, 0x0008, 0x0011, 0x0014, 0x0062],
    "RC4": [0x0004, 0x0005, 0xc007, 0xc011],
    "DES": [0x0009, 0x0015, 0x000c],
    "3DES": [0x000a, 0x0016, 0xc008, 0xc012],
    "RC2 and IDEA": [0x0006, 0x0007],
    "RSA key exchange": [0x002f, 0x0035, 0x003c, 0x003d, 0x009c, 0x009d],
    "DHE": [0x0033, 0x0039, 0x009e, 0x009f, 0x0067, 0x006b, 0xccaa],
    "PSK and SRP": [0x008c, 0x00a8, 0xc01d, 0xc020, 0xccab, 0xccac],
    "CCM": [0xc09c, 0xc0a0, 0xc0ac, 0xc0ae],
    "Camellia and ARIA": [0x0041, 0x0084, 0xc076, 0xc077, 0xc05c, 0xc060],
    "none but a signal": [0x00ff],
}


@pytest.fixture(scope="module")
def gw():
    with serving(section(pair("usual"), pair("usual-ec", "ec")),
                 "workers { min = 3  max = 8  spare = 2 }",
                 "limits { per_client = 0  errors = 1000 }") as g:
        yield g


def extension(number, octets):
    return struct.pack(">HH", number, len(octets)) + octets


def hello(version=0x0303, suites=GOOD_12, groups=(29, 23, 24),
          signatures=(0x0403, 0x0804, 0x0401), more=b"", compression=b"\0"):
    """A ClientHello in its record; before TLS 1.0 there are no extensions."""
    def shorts(values):
        octets = b"".join(struct.pack(">H", v) for v in values)
        return struct.pack(">H", len(octets)) + octets
    body = struct.pack(">H", version) + bytes(range(32)) + b"\0" + \
        shorts(suites) + bytes([len(compression)]) + compression
    if version > 0x0300:
        extensions = extension(10, shorts(groups)) + \
            extension(11, b"\1\0") + extension(13, shorts(signatures)) + more
        body += struct.pack(">H", len(extensions)) + extensions
    body = b"\1" + struct.pack(">I", len(body))[1:] + body
    return struct.pack(">BHH", HANDSHAKE, min(version, 0x0301), len(body)) + body


def answer(gateway, octets):
    """The type of the first record, and what is in it."""
    with greeted(gateway) as c:
        c.steps((b"STARTTLS\r\n", "220"))
        c.send(octets)
        got = b""
        while len(got) < 5 or len(got) < 5 + int.from_bytes(got[3:5], "big"):
            piece = c.sock.recv(65536)
            assert piece, got
            got += piece
    return got[0], got[5:5 + int.from_bytes(got[3:5], "big")]


def test_a_hello_by_hand_is_taken(gw):
    """Else the tests below would prove nothing."""
    for suite in GOOD_12:
        kind, body = answer(gw, hello(suites=[suite]))
        assert kind == HANDSHAKE and body[0] == 2, body
        assert body[4:6] == b"\3\3" and body[39 + body[38]:][:2] == \
            struct.pack(">H", suite)


@pytest.mark.parametrize("suites", WEAK.values(), ids=WEAK)
def test_weak_ciphers(gw, suites):
    for some in [suites] + [[suite] for suite in suites]:
        assert answer(gw, hello(suites=some)) == \
            (ALERT, bytes([2, HANDSHAKE_FAILURE]))


def test_a_weak_one_is_not_chosen_because_it_comes_first(gw):
    every = [suite for suites in WEAK.values() for suite in suites]
    kind, body = answer(gw, hello(suites=every + [GOOD_12[0]]))
    assert kind == HANDSHAKE
    assert body[39 + body[38]:][:2] == struct.pack(">H", GOOD_12[0])


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302],
                         ids=["SSL 3.0", "TLS 1.0", "TLS 1.1"])
def test_old_versions(gw, version):
    before = len(gw.events("tls"))
    kind, body = answer(gw, hello(version, GOOD_12 + [0xc013, 0xc014, 0x002f]))
    assert (kind, body[:1]) == (ALERT, b"\2")
    assert body[1] == (PROTOCOL_VERSION if version > 0x0300 else
                       HANDSHAKE_FAILURE), body
    gw.wait_for_more("tls", before)


@pytest.mark.parametrize("offered", [b"\2\3\0", b"\2\3\1", b"\4\3\2\3\1",
                                     b"\2\x7f\x1c"])
def test_old_versions_in_the_extension_of_1_3(gw, offered):
    """supported_versions counts, and not the field that looks like 1.2."""
    kind, body = answer(gw, hello(more=extension(43, offered)))
    assert (kind, body) == (ALERT, bytes([2, PROTOCOL_VERSION]))


def test_nobody_on_the_way_can_push_a_client_down(gw):
    """A client that tries again with less says so, and is told (RFC 7507)."""
    assert answer(gw, hello(suites=GOOD_12 + [0x5600])) == \
        (ALERT, bytes([2, INAPPROPRIATE_FALLBACK]))


@pytest.mark.parametrize("signatures", [
    (0x0101,), (0x0201, 0x0203), (0x0202, 0x0402)],
    ids=["MD5", "SHA-1", "DSA"])
def test_weak_signatures(gw, signatures):
    kind, body = answer(gw, hello(signatures=signatures))
    assert (kind, body[:1]) == (ALERT, b"\2"), body


@pytest.mark.parametrize("groups", [(19, 21), (1, 9, 14), (22,), (15, 16, 17)],
                         ids=["P-192", "binary", "secp256k1", "K-163"])
def test_weak_groups(gw, groups):
    kind, body = answer(gw, hello(groups=groups))
    assert (kind, body) == (ALERT, bytes([2, HANDSHAKE_FAILURE]))


def test_compression_is_not_used(gw):
    kind, body = answer(gw, hello(compression=b"\1\0"))
    assert kind == HANDSHAKE
    assert body[41 + body[38]] == 0


@pytest.mark.parametrize("suite", sorted(GOOD_13))
def test_ciphers_of_1_3(gw, suite):
    out = subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-connect",
         f"127.0.0.1:{gw.port}", "-tls1_3", "-ciphersuites", suite],
        input="QUIT\r\n", text=True, capture_output=True, timeout=30)
    assert f"New, TLSv1.3, Cipher is {suite}\n" in out.stdout, out.stdout


def test_weak_ciphers_of_1_3(gw):
    for suite in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
        out = subprocess.run(
            ["openssl", "s_client", "-starttls", "smtp", "-connect",
             f"127.0.0.1:{gw.port}", "-tls1_3", "-ciphersuites", suite],
            input="QUIT\r\n", text=True, capture_output=True, timeout=30)
        assert "Cipher is (NONE)" in out.stdout, out.stdout


@pytest.mark.parametrize("name", ["prime256v1", "secp384r1", "X25519"])
def test_groups(gw, name):
    ctx = context()
    if name != "X25519":  # which the others have as their first choice
        ctx.set_ecdh_curve(name)
    with open_tls(gw, ctx=ctx) as c:
        assert c.sock.cipher()[0] in GOOD_13
        c.in_step()


def test_usual_clients_get_the_newest(gw):
    with open_tls(gw, host=HOST) as c:
        assert c.sock.version() == "TLSv1.3"
        assert c.sock.cipher()[2] >= 128 and c.sock.compression() is None
        c.in_step()
    with pytest.raises(ssl.SSLError), greeted(gw) as c:
        c.starttls(context(maximum_version=ssl.TLSVersion.TLSv1_1,
                           minimum_version=ssl.TLSVersion.TLSv1))
