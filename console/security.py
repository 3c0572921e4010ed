"""Which requests the console answers, and the headers of its answers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, request
from flask.wrappers import Response
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from campaigns.config import LOOPBACK_HOSTS, Settings
from campaigns.domain.users.proxy import CLIENT, Network, find_client
from campaigns.management.files.uploads import refuse_large
from console.texts import _

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

View = TypeVar("View", bound=Callable[..., Any])

# A load balancer asks these paths by an address of its own, and without the prefix.
PROBES = frozenset({"/healthz", "/readyz"})
# A browser runs no script and loads no style, picture or page that does not come from the console.
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_STRICT_TRANSPORT = "max-age=31536000"
_STATIC_CACHE = "public, max-age=31536000, immutable"
_SAFE_METHODS = frozenset({"GET", "HEAD"})
# A form has more bytes than its file.
_FORM_BYTES = 64 * 1024
_PIECE_BYTES = 256 * 1024
# The most fields of a form with a file. So a visitor occupies little memory with such a form.
_MOST_FIELDS = 10
# The values of `Sec-Fetch-Site` with which a change may come. Old browsers do not send this header.
_OWN_SITES = frozenset({"same-origin", "none"})
# A path that no view has, in place of a path outside the prefix.
_NOWHERE = "/outside-the-prefix"
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class PublicAddress:
    """The address of the console in a browser. `host` None: no address is set, and only this machine is served."""

    scheme: str = "http"
    host: str | None = None
    port: int | None = None
    prefix: str = ""

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    def is_ours(self, host: str) -> bool:
        """Tell whether the header `Host` of a request names this address."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname, parts.port
        except ValueError:
            return False
        if self.host is None:
            return name in LOOPBACK_HOSTS
        return name == self.host and (port or _PORTS[self.scheme]) == (self.port or _PORTS[self.scheme])


def read_public_address(settings: Settings) -> PublicAddress:
    if settings.public_url is None:
        return PublicAddress()
    parts = urlsplit(settings.public_url)
    return PublicAddress(parts.scheme, parts.hostname, parts.port, parts.path)


def derive_signing_key(settings: Settings) -> bytes:
    """Return the key that signs the tokens of forms, made from the first key of REVOADA_SECRET_KEY."""
    first = (settings.secret_key or "").partition(",")[0]
    return hmac.new(first.encode(), b"tokens of the forms of the console", hashlib.sha256).digest()


def read_peer() -> str:
    """Return the IP address at the other end of the connection; "" if the server listens on a Unix socket."""
    return request.remote_addr or ""


def read_address() -> str:
    """Return the IP address of the client, also behind a trusted proxy. Limits and the audit use it."""
    return str(request.environ[CLIENT]) or "127.0.0.1"  # a connection on a Unix socket has no address


def read_next() -> str:
    """Return the page that the person wanted: a path of the console, or "" if the address names anything else."""
    wanted = request.values.get("next", "")
    if not wanted.startswith(f"{request.script_root}/") or wanted.startswith("//"):
        return ""
    # Browsers read a backslash as a slash, and drop line breaks within an address.
    return wanted if "\\" not in wanted and wanted.isprintable() else ""


class Mount:
    """Serves the application under the path prefix and the scheme of its public address.

    The proxy passes each path whole. A path outside the prefix is not found. `trusted`: the networks of the proxies
    whose header `X-Forwarded-For` is believed.
    """

    def __init__(self, application: WSGIApplication, address: PublicAddress, trusted: Sequence[Network]) -> None:
        self._application, self._address, self._trusted = application, address, trusted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path, prefix = environ["PATH_INFO"], self._address.prefix
        environ["wsgi.url_scheme"] = self._address.scheme
        forwarded, peer = environ.get("HTTP_X_FORWARDED_FOR", ""), environ.get("REMOTE_ADDR") or ""
        environ[CLIENT] = find_client(forwarded, peer, trusted=self._trusted)
        if prefix and path not in PROBES:
            is_inside = path == prefix or path.startswith(f"{prefix}/")
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, path[len(prefix) :] if is_inside else _NOWHERE
        return self._application(environ, start_response)


def refuse_strangers(address: PublicAddress) -> None:
    """Refuse a request for another host, and a change that another site sends."""
    if request.path in PROBES:
        return
    if not address.is_ours(request.headers.get("Host", "")):
        abort(
            400,
            _(
                "The console does not answer under this address. The setting REVOADA_PUBLIC_URL names its address."
                " Without this setting it answers only as localhost, 127.0.0.1 and [::1]."
            ),
        )
    if request.method not in _SAFE_METHODS and request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITES:
        abort(403, _("Another web site sent this request. Nothing was changed."))


def refuse_nul() -> None:
    """Refuse a request with a NUL character, which Postgres cannot store and which no keyboard types."""
    if request.endpoint is None:  # no such page: nothing reads the request
        return
    files = ((name, file.filename or "") for name, file in request.files.items(multi=True))
    texts = chain(request.args.items(multi=True), request.form.items(multi=True), files)
    if "\0" in request.path or any("\0" in text for pair in texts for text in pair):
        abort(400, _("A text in the request has a character that cannot be stored (NUL). Nothing was changed."))


def takes_file(view: View) -> View:
    """Let a view take a file of REVOADA_UPLOAD_MB. All other requests have a much smaller limit."""
    view.takes_file = True  # type: ignore[attr-defined]
    return view


def admit_files(settings: Settings) -> None:
    """Set the limit of a request whose view takes a file. Raises Refusal if the request is larger.

    If the view has a text of its own about a file that is too large, the error of HTTP is raised instead.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, "takes_file", False):
        return
    most = settings.upload_mb * 1_000_000
    length = request.content_length or 0
    if length > most + _FORM_BYTES:
        pass_over(length)
        if hasattr(view, "too_large"):
            abort(413)
        raise refuse_large(most)
    request.max_content_length = most + _FORM_BYTES
    request.max_form_memory_size = 2 * _PIECE_BYTES  # werkzeug reads a file through a buffer that counts as memory


class _Nowhere(BytesIO):
    """Takes the bytes of a file, and keeps none."""

    def write(self, data: ReadableBuffer) -> int:
        return memoryview(data).nbytes


class _FieldParser(FormDataParser):
    """Reads the fields of a form, and drops its files while they arrive."""

    def __init__(self, stream_factory: object, **limits: Any) -> None:  # noqa: ARG002  werkzeug names it
        super().__init__(lambda *_, **__: _Nowhere(), **limits)


def find_most_bytes(settings: Settings) -> int | None:
    """Return how large a form with a file may be; None if the view of this request takes no such form."""
    view = current_app.view_functions.get(request.endpoint or "")
    has_file = getattr(view, "takes_file", False) and request.mimetype == "multipart/form-data"
    return settings.upload_mb * 1_000_000 + _FORM_BYTES if has_file else None


def read_fields_only() -> list[tuple[str, str]]:
    """Read the fields of a form with a file from a visitor who has not signed in. The file is not kept.

    The result is empty if the fields are too large. In each case, nothing of the request is left to be read.
    """
    request.form_data_parser_class = _FieldParser
    request.max_content_length = request.content_length
    request.max_form_memory_size, request.max_form_parts = 2 * _PIECE_BYTES, _MOST_FIELDS
    try:
        return list(request.form.items(multi=True))
    except RequestEntityTooLarge:
        while request.stream.read(_PIECE_BYTES):
            pass
        return []
    finally:
        request.environ["wsgi.input"] = BytesIO()  # else `pass_over` would wait for more


def pass_over(length: int) -> None:
    """Read a body to its end, and drop it. A browser shows no response before it has sent its whole request."""
    stream = request.environ["wsgi.input"]
    while length > 0 and (piece := stream.read(min(length, _PIECE_BYTES))):
        length -= len(piece)


def add_headers(app: Flask, address: PublicAddress) -> None:
    """Add the security and cache headers to each response, also to errors."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.update(_HEADERS)
        if address.is_secure:
            response.headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
        is_static = request.endpoint == "static" and response.status_code == 200  # noqa: PLR2004
        response.headers["Cache-Control"] = _STATIC_CACHE if is_static else "no-store"
        return response
