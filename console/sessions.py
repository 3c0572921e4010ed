"""The session cookie. Its value is a random token; Postgres has the token's hash and the user (`users.sessions`)."""

from __future__ import annotations

import hashlib
import secrets

from flask import Flask, g
from flask.sessions import SessionInterface, SessionMixin
from flask.wrappers import Request, Response

from console.security import PublicAddress

_VISIT_BYTES = 32
_YEAR_SECONDS = 365 * 86_400


class ConsoleSession(dict[str, object], SessionMixin):
    """The session of a request. Its only key is `csrf_token`, which Flask-WTF reads.

    `token`: the secret of a signed-in browser; None for a visitor. `owner`: the id of its user, which the token of a
    form also says (`find_owner`); "" for a visitor. `visit`: a random secret of a visitor's browser, to which the token
    against forged logins is bound. `sent_language`: the language of the person who was signed in last, so that the page
    of the login has it. The browser keeps these values in cookies.
    """

    def __init__(self, cookie: str | None, visit: str | None, language: str | None = None) -> None:
        self.sent_cookie, self.sent_visit, self.sent_language = cookie, visit, language
        self.owner, _dot, token = (cookie or "").rpartition(".")
        self.token = token or None
        self.visit = visit or secrets.token_urlsafe(_VISIT_BYTES)
        super().__init__(csrf_token=_join(self.owner, _derive(token or self.visit)))

    @property
    def cookie(self) -> str | None:
        """The value of the cookie; None if the browser shall have none."""
        return None if self.token is None else _join(self.owner, self.token)


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
        self._language_name = f"{guard}revoada-language"

    def open_session(self, app: Flask, request: Request) -> ConsoleSession:  # noqa: ARG002  Flask's signature
        names = (self.name, self._visit_name, self._language_name)
        return ConsoleSession(*(request.cookies.get(name) for name in names))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:  # noqa: ARG002
        assert isinstance(session, ConsoleSession)
        if session.cookie is None and session.sent_cookie is not None:
            response.delete_cookie(self.name, path=self._path, secure=self._address.is_secure, httponly=True)
        elif session.cookie is not None and session.cookie != session.sent_cookie:
            self._set(response, self.name, session.cookie)
        if session.token is None and session.sent_visit is None and response.mimetype == "text/html":
            self._set(response, self._visit_name, session.visit)
        user = g.get("user")
        if user is not None and user.language != session.sent_language and response.mimetype == "text/html":
            self._set(response, self._language_name, user.language, max_age=_YEAR_SECONDS)

    @property
    def _path(self) -> str:
        return f"{self._address.prefix}/"

    def _set(self, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
        """`max_age`: for how many seconds the browser keeps the cookie; None: until it is closed."""
        is_secure = self._address.is_secure
        response.set_cookie(name, value, max_age, path=self._path, secure=is_secure, httponly=True, samesite="Lax")


def _join(owner: str, text: str) -> str:
    return f"{owner}.{text}" if owner else text


def _derive(secret: str) -> str:
    return hashlib.sha256(b"token against forged requests:" + secret.encode(errors="backslashreplace")).hexdigest()
