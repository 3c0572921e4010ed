"""What a command works with: settings, the database once it is needed, and the doorbell."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property

import click

from campaigns.cli.refusals import Refusal, one_line
from campaigns.config import Settings, SettingsError, read_settings
from campaigns.domain.phone.number import PhoneError, make_phone_reader
from campaigns.store.database import Database
from campaigns.store.migrate import missing_migrations
from campaigns.store.ticks import unmark_campaigns

# A person waits: sooner than a worker would give up.
_WAIT_SECONDS = 3.0


class Session:
    """One run of the command. Nothing is read or opened before a command asks for it."""

    def __init__(self, ctx: click.Context) -> None:
        self._ctx = ctx
        self._pool_log = _LastMessage()
        logging.getLogger("psycopg.pool").addHandler(self._pool_log)

    @cached_property
    def settings(self) -> Settings:
        return read_settings()

    @property
    def database_url(self) -> str:
        url = self.settings.require("database_url").database_url
        assert url is not None
        return url

    @property
    def secret_key(self) -> str:
        key = self.settings.require("secret_key").secret_key
        assert key is not None
        return key

    @cached_property
    def database(self) -> Database:
        """The database, reached and migrated, or a refusal."""
        database = Database(self.database_url, max_connections=2, wait_seconds=_WAIT_SECONDS, name="revoada command")
        database.open()
        self._ctx.call_on_close(database.close)
        if missing := database.run(missing_migrations):
            raise Refusal(f"The database lacks {len(missing)} migration(s): run `revoada migrate`.")
        return database

    def read_phones(self, phones: Sequence[str]) -> list[str]:
        """Return typed phones as E.164: with a + as they are, others as they would stand in a list of the region."""
        return [phone if phone.strip().startswith("+") else self._read_phone(phone) for phone in phones]

    def _read_phone(self, phone: str) -> str:
        try:
            return make_phone_reader(self.settings.region)(phone)
        except PhoneError as error:
            raise Refusal(f"{phone!r} {error}.") from None

    def why_unreachable(self, error: Exception) -> str:
        """Return what the pool was told when it could not connect; its own error only says that it waited."""
        text = self._pool_log.text.removeprefix("error connecting in 'revoada': ") or str(error) or type(error).__name__
        return one_line(text)

    def ring(self, campaign_ids: Sequence[int]) -> None:
        """Ring campaigns that are committed and marked as rung. Without a broker the next tick does it: a warning."""
        if not campaign_ids:
            return
        try:
            is_rung = ring_campaigns(campaign_ids)
            why = "the broker does not answer"
        except SettingsError as error:
            self.database.run(unmark_campaigns, campaign_ids)
            is_rung, why = False, str(error)
        if not is_rung:
            click.echo(f"Warning: {one_line(why)}; the next tick rings what may run now.", err=True)


def ring_campaigns(campaign_ids: Sequence[int]) -> bool:
    """Publish; False when the broker took nothing. Imported here, so that a command without it needs no broker."""
    from campaigns.tasks import ring_campaigns as publish  # noqa: PLC0415

    return publish(campaign_ids)


class _LastMessage(logging.Handler):
    """Keeps the last thing that was logged."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()
