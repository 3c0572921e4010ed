"""Hashes passwords with argon2id, which takes about 0.3 s of CPU and 64 MiB of memory for each password."""

from __future__ import annotations

from collections.abc import Callable
from threading import BoundedSemaphore
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from campaigns.domain.users.credentials import MAX_PASSWORD, normalise_password

# Further hashes at the same time would take memory and end no sooner, because a machine has few cores.
AT_ONCE = 2

P = ParamSpec("P")
T = TypeVar("T")


class Hasher:
    """Hashes and verifies at most two passwords at a time, with the defaults of the library.

    `under_gevent`: the process serves requests with greenlets. A hash in a greenlet would stop all requests of the
    process. So each hash runs in a native thread, and the greenlet waits for it while others go on.
    """

    def __init__(self, *, under_gevent: bool = False) -> None:
        self._argon2 = PasswordHasher()
        # A login with an unknown name verifies this hash, so that its answer takes as long as that for a known name.
        self._nobody = self._argon2.hash("nobody has this password")
        self._slots = BoundedSemaphore(AT_ONCE)
        self._under_gevent = under_gevent
        if under_gevent:
            # Commands do not load gevent.
            from gevent.threadpool import ThreadPool  # type: ignore[import-untyped]  # noqa: PLC0415

            self._threads = ThreadPool(AT_ONCE)

    def hash(self, password: str) -> str:
        return self._run(self._argon2.hash, password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether a password belongs to a hash. `password_hash` None: it belongs to nobody, and takes as long."""
        return self._run(self._verify, password_hash, normalise_password(password)[: MAX_PASSWORD + 1])

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made with other parameters than the present ones."""
        return self._argon2.check_needs_rehash(password_hash)

    def _verify(self, password_hash: str | None, password: str) -> bool:
        try:
            self._argon2.verify(password_hash or self._nobody, password)
        except (VerificationError, InvalidHashError):
            return False
        return password_hash is not None

    def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._under_gevent:
            result: T = self._threads.apply(work, args, kwargs)
            return result
        with self._slots:
            return work(*args, **kwargs)
