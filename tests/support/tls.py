"""TLS in front of a server that speaks plain, with certificates of an authority of the test's own."""

from __future__ import annotations

import datetime as dt
import select
import socket
import socketserver
import ssl
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devstack.ports import LOOPBACK
from tests.simulator.far_end import PATIENCE_SECONDS

_DAY = dt.timedelta(days=1)


class Authority:
    """Issues certificates. `path`: its own certificate, which clients trust."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.path = folder, folder / "authority.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"authority {folder.name}")
        now = dt.datetime.now(dt.UTC)
        public = self._key.public_key()
        certificate = (
            x509.CertificateBuilder(self._name, self._name, public, x509.random_serial_number())
            .not_valid_before(now - 2 * _DAY)
            .not_valid_after(now + 2 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, host: str = "localhost", *, is_expired: bool = False) -> Path:
        """Return a file with a certificate for a host and its key."""
        key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder(self._name, _name(host), key.public_key(), x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + (-_DAY / 2 if is_expired else _DAY))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs=False), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(ours, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        path = self.folder / f"{host}{'-expired' if is_expired else ''}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


class TlsFront(socketserver.ThreadingTCPServer):
    """Takes TLS connections on its `port` of loopback and passes their bytes to `upstream_port`.

    `client_authority`: the file of an authority whose certificates the clients must show.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, upstream_port: int, certificate: Path, *, client_authority: Path | None = None) -> None:
        super().__init__((LOOPBACK, 0), _TlsHandler)
        self.upstream_port, self.port = upstream_port, self.server_address[1]
        self.refused_count = 0
        self._client_authority = client_authority
        self._open: set[socket.socket] = set()
        self.show(certificate)

    def show(self, certificate: Path) -> None:
        """Show this certificate from now on, and end all connections."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate)
        if self._client_authority is not None:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(self._client_authority)
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _TlsHandler(socketserver.BaseRequestHandler):
    server: TlsFront

    def handle(self) -> None:
        plain = self.request
        plain.settimeout(PATIENCE_SECONDS)
        try:
            client = self.server.context.wrap_socket(plain, server_side=True)
        except OSError:
            self.server.refused_count += 1
            return
        with client, socket.create_connection((LOOPBACK, self.server.upstream_port)) as upstream:
            self.server._open.add(client)
            try:
                self._carry(client, upstream)
            except OSError:
                pass  # one side has gone
            finally:
                self.server._open.discard(client)

    @staticmethod
    def _carry(client: ssl.SSLSocket, upstream: socket.socket) -> None:
        while True:
            ready = [client] if client.pending() else select.select([client, upstream], [], [])[0]
            for source, target in ((client, upstream), (upstream, client)):
                if source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    target.sendall(data)
