"""What a command works with: settings, database, broker; and how its errors end: one line and an exit code."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from campaigns.config import Settings, SettingsError, read_settings
from campaigns.doctor.recover import RecoveryError
from campaigns.doctor.setup_checks import SetupError
from campaigns.domain.campaign import CampaignError
from campaigns.domain.phone.number import PhoneError, make_phone_reader
from campaigns.domain.recipients import RecipientsError
from campaigns.domain.template import TemplateError
from campaigns.management.accounts import DirectoryError
from campaigns.management.reviews import ReviewError
from campaigns.management.suppressions import SuppressionError
from campaigns.management.templates import SyncError
from campaigns.privacy.forgotten_people import ForgettingError
from campaigns.secrets import TokenError
from campaigns.store.database import Database, DatabaseError, DatabaseUnavailable
from campaigns.store.leases import unmark_campaigns
from campaigns.store.migrate import missing_migrations

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


_EXPECTED = (
    *(SettingsError, CampaignError, RecipientsError, TemplateError, DirectoryError),
    *(SetupError, SyncError, TokenError, SuppressionError, ForgettingError, RecoveryError, ReviewError),
)


class Refusal(click.ClickException):
    """A command was not done; `message` says why, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageRefusal(Refusal):
    """A command was not understood."""

    exit_code = 2


class RefusingGroup(click.Group):
    """The root group: turns what its commands raise into a `Refusal`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _explain_usage(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _explain_usage(error) from None
        except _EXPECTED as error:
            raise Refusal(str(error)) from None
        except DatabaseUnavailable as error:
            raise Refusal(f"The database does not answer: {ctx.obj.why_unreachable(error)}") from None
        except DatabaseError as error:
            raise Refusal(f"The database refuses: {error}") from None
        except UnicodeEncodeError:
            raise Refusal("What was typed, or a name in it, is not text in UTF-8.") from None
        except BrokenPipeError:
            raise  # who read the output has seen enough, such as `head`: click ends quietly
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Refusal(f"{where}{error.strerror or error}") from None


def one_line(text: str) -> str:
    """Return a text for one line of a terminal, which obeys what is not printable."""
    return "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))


def _explain_usage(error: click.UsageError) -> click.ClickException:
    if isinstance(error, NoArgsIsHelpError):
        return error
    command = error.ctx.command_path if error.ctx else "revoada"
    return UsageRefusal(f"{error.format_message()} See `{command} -h`.")
