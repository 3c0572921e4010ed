"""Every error that is to be expected ends as one line on stderr and an exit code, never as a traceback."""

from __future__ import annotations

from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from campaigns.config import SettingsError
from campaigns.doctor.recover import RecoveryError
from campaigns.doctor.setup_checks import SetupError
from campaigns.domain.campaign import CampaignError
from campaigns.domain.recipients import RecipientsError
from campaigns.domain.template import TemplateError
from campaigns.management.accounts import DirectoryError
from campaigns.management.reviews import ReviewError
from campaigns.management.suppressions import SuppressionError
from campaigns.management.templates import SyncError
from campaigns.privacy.forgotten_people import ForgettingError
from campaigns.secrets import TokenError
from campaigns.store.database import DatabaseError, DatabaseUnavailable

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
