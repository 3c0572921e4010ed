"""Makes the certificate with which the simulator serves https."""

import datetime as dt
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LOOPBACK = "127.0.0.1"
_DAY = dt.timedelta(days=1)


def make_context(host: str, ca_file: Path) -> ssl.SSLContext:
    """Return the TLS context of a server on `host`. Write the certificate that its clients must trust to `ca_file`.

    The certificate is valid for `host`, 127.0.0.1 and localhost, from yesterday for a month. ALPN offers HTTP/1.1 only.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Revoada simulator")])
    now = dt.datetime.now(dt.UTC)
    hosts = [_name_host(each) for each in dict.fromkeys((host, _LOOPBACK, "localhost"))]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    ).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ca_file.write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as chain:  # `ssl` reads keys from files only
        chain.write(private + certificate)
        chain.flush()
        context.load_cert_chain(chain.name)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _name_host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
