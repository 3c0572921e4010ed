"""The session cookie. Its value is a random token; Postgres has the token's hash and the user (`users.sessions`)."""

from __future__ import annotations

import hashlib
import secrets

from flask import Flask
from flask.sessions import SessionInterface, SessionMixin
from flask.wrappers import Request, Response

from console.security import PublicAddress

_VISIT_BYTES = 32


class ConsoleSession(dict[str, object], SessionMixin):
    """The session of a request. Its only key is `csrf_token`, which Flask-WTF reads.

    `token`: the secret of a signed-in browser; None for a visitor. `visit`: a random secret of a visitor's browser, to
    which the token against forged logins is bound. The browser keeps the values of `token` and `visit` in cookies.
    """

    def __init__(self, token: str | None, visit: str | None) -> None:
        self.token, self.sent_token, self.sent_visit = token, token, visit
        self.visit = visit or secrets.token_urlsafe(_VISIT_BYTES)
        super().__init__(csrf_token=_derive(token or self.visit))


class Sessions(SessionInterface):
    """Reads and writes the cookies.

    A browser keeps a cookie whose name begins with `__Host-` or `__Secure-` only if it came over TLS. `__Host-` also
    demands the path `/`, so that no other application of the host can set it. Under a path prefix, other applications
    share the host, and the cookie is bound to the prefix instead.
    """

    def __init__(self, address: PublicAddress) -> None:
        guard = "" if not address.is_secure else "__Secure-" if address.prefix else "__Host-"
        self._address = address
        self.name, self._visit_name = f"{guard}revoada", f"{guard}revoada-visit"

    def open_session(self, app: Flask, request: Request) -> ConsoleSession:  # noqa: ARG002  Flask's signature
        return ConsoleSession(request.cookies.get(self.name), request.cookies.get(self._visit_name))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:  # noqa: ARG002
        assert isinstance(session, ConsoleSession)
        if session.token is None and session.sent_token is not None:
            response.delete_cookie(self.name, path=self._path, secure=self._address.is_secure, httponly=True)
        elif session.token is not None and session.token != session.sent_token:
            self._set(response, self.name, session.token)
        if session.token is None and session.sent_visit is None and response.mimetype == "text/html":
            self._set(response, self._visit_name, session.visit)

    @property
    def _path(self) -> str:
        return f"{self._address.prefix}/"

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, path=self._path, secure=self._address.is_secure, httponly=True, samesite="Lax")


def _derive(secret: str) -> str:
    return hashlib.sha256(b"token against forged requests:" + secret.encode(errors="backslashreplace")).hexdigest()
