"""The settings, the database and the broker of a command. Errors end a command with one line and an exit code.

Most imports are in the functions, because `revoada --help` imports this module and must not load a client of Postgres.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from click.exceptions import Exit, NoArgsIsHelpError
from dotenv import dotenv_values

from campaigns import language
from campaigns.cli.help import Group, translate_parameter
from campaigns.cli.hints import _, in_commands
from campaigns.domain.controls import escape_controls
from campaigns.domain.statement import Count, Hint, HintAction, Kind, Refusal, deferred

if TYPE_CHECKING:
    from campaigns.config import Settings
    from campaigns.domain.phone.number import PhoneReader
    from campaigns.domain.users.actor import Actor
    from campaigns.store.database import Database

# The timeout of a connection to Postgres. It is shorter than a worker's timeout, because a person is waiting.
_WAIT_SECONDS = 3.0

# The file in which `revoada up` writes its settings for other terminals.
UP_ENVIRONMENT = ".revoada/env"

# Two reasons that libpq and psycopg give in English for a server that cannot be reached.
_REFUSED = re.compile(r'connection to server at "(?P<host>[^"]+)".*, port (?P<port>[0-9]+) failed: Connection refused')
_UNKNOWN_HOST = re.compile(r"failed to resolve host '(?P<host>[^']+)'")

_AS_JSON = "campaigns.as_json"
_REASON = "campaigns.reason"


def prints_json() -> bool:
    """Return whether the present command was called with `--json`."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_AS_JSON))


def reason_option(command: Any) -> Any:
    """Add `--reason` to a command that changes something. The audit keeps the reason: see `Session.actor`."""

    def keep(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
        ctx.meta[_REASON] = value

    return click.option(
        "--reason", expose_value=False, callback=keep, metavar="TEXT", help="The reason; `revoada audit` shows it."
    )(command)


def find_login_name() -> str:
    """Return the login name of the user who runs this process; under sudo, of the user who called sudo.

    The name comes from the id of the process, because a user can set variables such as LOGNAME to any name. Only root
    is believed when it names another user in SUDO_USER. A user id without a name, as in a container, is `uid 1000`.
    """
    import pwd

    user_id = os.geteuid()
    if user_id == 0 and (caller := os.environ.get("SUDO_USER")):
        return caller
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"uid {user_id}"


class Session:
    """One run of `revoada`. The settings are read, and the database is opened, only when a command needs them."""

    def __init__(self, ctx: click.Context) -> None:
        self._ctx = ctx
        self._pool_log = _LastMessage()
        logging.getLogger("psycopg.pool").addHandler(self._pool_log)

    @cached_property
    def settings(self) -> Settings:
        from campaigns.config import read_settings

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
        """The open database. Raises CommandError if the database lacks migrations."""
        from campaigns.store.database import Database
        from campaigns.store.migrate import find_missing_migrations

        database = Database(
            self.database_url,
            max_connections=2,
            wait_seconds=_WAIT_SECONDS,
            name="revoada command",
            is_pooled=self.settings.is_pooled,
        )
        database.open()
        self._ctx.call_on_close(database.close)
        if missing := database.run(find_missing_migrations):
            text = _(
                "The database lacks {migrations}: run {migrate}.",
                migrations=Count(len(missing), "migration"),
                migrate=Hint(HintAction.MIGRATE),
            )
            raise CommandError(text, code="migrations_missing")
        return database

    @property
    def actor(self) -> Actor:
        """The person who runs this command, with the reason that the person gives: see `find_login_name`."""
        from campaigns.domain.users.actor import Actor, ActorKind, Surface

        return Actor(find_login_name(), ActorKind.CLI, Surface.CLI, reason=self._ctx.meta.get(_REASON))

    def read_phones(self, phones: Sequence[str], *, asks: bool = True) -> list[str]:
        """Return typed phones in E.164, as an import reads them. Raises CommandError for a text that is no phone.

        `asks`: ask about each phone that may be one of another country; see `_confirm_countries`.
        """
        from campaigns.domain.text.normal import is_copied_example
        from campaigns.management.suppressions import read_phone

        if copied := [phone for phone in phones if is_copied_example(phone)]:
            text = _("{text} stands for a phone: write the phone in its place, such as +5511999990000.", text=copied[0])
            raise CommandError(text, code="placeholder_copied", kind=Kind.INVALID)
        numbers = [self._read_phone(phone, lambda text: read_phone(text, self.settings.region)) for phone in phones]
        if asks:
            self._confirm_countries(phones, numbers)
        return numbers

    def read_valid_phones(self, phones: Sequence[str]) -> list[str]:
        """Return typed phones in E.164; Meta's test numbers are valid, too. Raises CommandError for invalid phones."""
        from campaigns.domain.phone.number import make_phone_reader

        read = make_phone_reader(self.settings.region, takes_tests=True)
        numbers = [self._read_phone(phone, read) for phone in phones]
        self._confirm_countries(phones, numbers)
        return numbers

    def _confirm_countries(self, phones: Sequence[str], numbers: Sequence[str]) -> None:
        """Ask a person about each phone that may be one of another country. A script gets a CommandError."""
        from campaigns.cli.output import confirm, has_terminal
        from campaigns.domain.phone.foreign import may_be_foreign

        region = self.settings.region
        for phone, number in zip(phones, numbers, strict=True):
            if not may_be_foreign(phone, number, region):
                continue
            values = {"phone": phone, "number": number, "region": region}
            otherwise = _("Nothing was changed. Write the phone with + and its country code, such as +44 7700 900123.")
            if prints_json() or not has_terminal():
                text = _(
                    "{phone} has no country code, so it would be {number} ({region}). Write {number} if that is right,"
                    " or the number with + and its country code.",
                    **values,
                )
                raise CommandError(text, code="phone_doubtful", kind=Kind.INVALID)
            confirm(_("{phone} has no country code. Is {number} ({region}) the right phone?", **values), otherwise)

    def _read_phone(self, phone: str, read: PhoneReader) -> str:
        from campaigns.cli.reasons import translate_reason
        from campaigns.domain.phone.written import PhoneError

        try:
            return read(phone)
        except PhoneError as error:
            text = _("{phone!r} {problem}.", phone=phone, problem=translate_reason(str(error)))
            raise CommandError(text, code="phone_invalid") from None

    def why_unreachable(self, error: Exception) -> str:
        """Return the reason why the pool could not connect.

        The reason is taken from the pool's log, because the pool's error says only that the pool waited for a
        connection.
        """
        text = self._pool_log.text.removeprefix("error connecting in 'revoada': ") or str(error) or type(error).__name__
        text = one_line(text).partition(" Is the server running")[0]  # `advise_up` asks this in the person's language
        if match := _REFUSED.search(text):
            return _("the connection to {host}, port {port}, was refused", host=match["host"], port=match["port"])
        if match := _UNKNOWN_HOST.search(text):
            return _("there is no host {host}", host=match["host"])
        return language.current().translate(text)

    def enqueue(self, campaign_ids: Sequence[int]) -> None:
        """Enqueue campaigns that are committed with the mark `enqueued_at`.

        If the broker fails, warn that the next tick enqueues the campaigns.
        """
        if not campaign_ids:
            return
        from campaigns.cli.output import say
        from campaigns.config import SettingsError
        from campaigns.store.leases import unmark_campaigns

        try:
            is_enqueued = enqueue_campaigns(campaign_ids)
            why = _("the broker does not answer")
        except SettingsError as error:
            self.database.run(unmark_campaigns, campaign_ids)
            is_enqueued, why = False, in_commands(error)
        if not is_enqueued:
            text = _("Warning: {reason}; the next tick enqueues these campaigns.", reason=one_line(why))
            say(text, is_warning=True)


def enqueue_campaigns(campaign_ids: Sequence[int]) -> bool:
    """Publish the tasks of campaigns; return False if the broker did not accept the tasks.

    The import is in the function, so that a command that enqueues nothing needs no broker.
    """
    from campaigns.tasks import enqueue_campaigns as publish

    return publish(campaign_ids)


class _LastMessage(logging.Handler):
    """Keeps the last message that was logged."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class CommandError(click.ClickException):
    """A command was refused; `message` is the reason, in one line. `code` and `kind` are for programs."""

    is_json = False

    def __init__(self, message: str, *, code: str = "command_refused", kind: str | None = None) -> None:
        super().__init__(one_line(message))
        self.code, self.kind = code, kind

    def show(self, file: IO[Any] | None = None) -> None:
        if self.is_json:
            from campaigns.cli.output import print_json_line

            print_json_line({"error": {"code": self.code, "kind": self.kind, "message": self.message}}, is_error=True)
        else:
            super().show(file)


class DeclinedError(CommandError):
    """A person answered a question with no, so nothing was changed. `message` says what the person can do."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="aborted")

    def show(self, file: IO[Any] | None = None) -> None:
        if self.is_json:
            super().show(file)
        else:
            from campaigns.cli.output import say

            say(self.message, is_warning=True)


class MissingExtraError(CommandError):
    """A command needs packages that a production installation lacks."""

    def __init__(self, error: ImportError) -> None:
        text = _("This command needs the extra `demo` (pip install 'revoada[demo]'): {error}.", error=error)
        super().__init__(text, code="extra_missing")


class CommandUsageError(CommandError):
    """A command could not be parsed."""

    exit_code = 2


class RefusingGroup(Group):
    """The root group: chooses the language, and turns the errors of its commands into a `CommandError`."""

    def main(self, *args: Any, **extra: Any) -> Any:
        with language.restoring():
            return super().main(*args, **extra)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        is_json = "--json" in args[: args.index("--") if "--" in args else None]
        choose_language(is_json=is_json)
        try:
            ctx = super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _in_format(_explain_usage(error), is_json=is_json) from None
        ctx.meta[_AS_JSON] = is_json
        return ctx

    def invoke(self, ctx: click.Context) -> Any:
        is_json = ctx.meta[_AS_JSON]
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _in_format(_explain_usage(error), is_json=is_json) from None
        except click.ClickException as error:
            raise _in_format(error, is_json=is_json) from None
        except Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if (explained := _explain(error, ctx.obj)) is None:
                raise
            raise _in_format(explained, is_json=is_json) from None


# The errors of the system that people meet when they name a file.
_SYSTEM_ERRORS = (
    deferred("File exists"),
    deferred("Is a directory"),
    deferred("No space left on device"),
    deferred("No such file or directory"),
    deferred("Not a directory"),
    deferred("Permission denied"),
    deferred("Read-only file system"),
)


def choose_language(*, is_json: bool) -> None:
    """Choose the language that the environment or `.env` names, before the arguments are parsed.

    A command with `--json` is for programs, so its texts are English. The rest of `.env` is read later, by a command
    that runs. If the file cannot be read, that command says so.
    """
    in_file: dict[str, str | None] = {}
    with suppress(OSError, UnicodeDecodeError):
        in_file = dotenv_values(".env", interpolate=False)
    known = {"REVOADA_LANGUAGE": in_file.get("REVOADA_LANGUAGE") or ""}
    name = language.find_language({**known, **os.environ})
    language.choose(language.ENGLISH if is_json else name, of_person=name)


def one_line(text: str) -> str:
    """Return a text as one line, with control characters escaped."""
    return escape_controls(" ".join(text.split()))


def _explain_usage(error: click.UsageError) -> click.ClickException:
    if isinstance(error, NoArgsIsHelpError):
        return error
    if isinstance(error, click.BadParameter) and error.param is not None and error.ctx is not None:
        error.param = translate_parameter(error.param, error.ctx)
    command = error.ctx.command_path if error.ctx else "revoada"
    if isinstance(error, click.NoSuchOption) and error.ctx is not None and (place := _find_option(error)):
        text = _(
            "`{command}` has no option {option}. This command has it: {place}. See `{command} -h`.",
            command=command,
            option=error.option_name,
            place=place,
        )
        return CommandUsageError(text, code="usage", kind="invalid")
    text = _("{error} See `{command} -h`.", error=error.format_message(), command=command)
    return CommandUsageError(text, code="usage", kind="invalid")


# An option that more commands have, such as --output, says nothing about what the person wants.
_MOST_PLACES = 3


def _find_option(error: click.NoSuchOption) -> str:
    """Return the command that has an unknown option, with its arguments; "" if no command has it, or many have it.

    A command of the same group comes first, and then a command that changes a thing.
    """
    ctx = error.ctx
    assert ctx is not None
    own = ctx.command_path.split()[1:-1]
    found = [
        (path, command, option)
        for path, command in _list_commands(ctx.find_root(), ())
        for option in command.params
        if isinstance(option, click.Option) and error.option_name in option.opts
    ]
    if not found or len(found) > _MOST_PLACES:
        return ""
    path, command, option = min(found, key=lambda each: (list(each[0][:-1]) != own, each[0][-1] != "set"))
    words = [*(each for each in command.params if isinstance(each, click.Argument)), option]
    values = [] if option.is_flag else [translate_parameter(option, ctx).metavar or ""]
    arguments = [translate_parameter(each, ctx).metavar or "" for each in words[:-1]]
    return f"`{' '.join(['revoada', *path, *arguments, error.option_name, *values])}`"


def _list_commands(ctx: click.Context, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands below the group of a context, each with the words that call it."""
    group = ctx.command
    if not isinstance(group, click.Group):
        yield path, group
        return
    for name in group.list_commands(ctx):
        _name, command, _rest = group.resolve_command(ctx, [name])
        if command is not None:
            yield from _list_commands(click.Context(command, ctx, name), (*path, name))


def _in_format(error: click.ClickException, *, is_json: bool) -> click.ClickException:
    """Let an error be shown as JSON if the command prints JSON."""
    if isinstance(error, CommandError):
        error.is_json = is_json
    return error


_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


def advise_up(text: str, url: str | None = None) -> str:
    """Add to a text about a missing database the advice for a folder in which `revoada up` has written its settings.

    `url`: the address of the database; if it is one of this machine, `revoada up` of another folder may be stopped.
    """
    if not Path(UP_ENVIRONMENT).exists():
        if url is None or urlsplit(url).hostname not in _THIS_MACHINE:
            return text
        return _("{problem} Is `revoada up`, or the Postgres of this machine, stopped? If so, start it.", problem=text)
    return _(
        "{problem} Is `revoada up` running? If not, start it. If it is, load its settings again: `. {environment}`",
        problem=text,
        environment=UP_ENVIRONMENT,
    )


def _explain(error: BaseException, session: Session) -> CommandError | None:
    """Return the error that a person gets; None for an error of click, and for a fault of the program."""
    from campaigns.store.database import DatabaseError, DatabaseUnavailable

    code: str
    kind: str | None = None
    if isinstance(error, Refusal):
        text, code, kind = in_commands(error), error.code, error.kind
        if code == "setting_missing" and error.values["variable"] == "DATABASE_URL":
            text = advise_up(text)
    elif isinstance(error, DatabaseUnavailable):
        text = _("The database does not answer: {reason}.", reason=session.why_unreachable(error).rstrip("."))
        text = advise_up(text, session.settings.database_url)
        code, kind = "database_away", Kind.AWAY
    elif isinstance(error, DatabaseError):
        text, code = _("The database refuses: {error}", error=error), "database_refuses"
    elif isinstance(error, UnicodeEncodeError):
        text = _("An argument, or a name in one, is not text in UTF-8.")
        code, kind = "not_utf8", Kind.INVALID
    elif isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:  # such as `> report.csv`
        text = _("The disk is full, so the output is not complete. Free some space, and run the command again.")
        code = "file_error"
    elif isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        where = f"{error.filename}: " if error.filename else ""
        text, code = f"{where}{language.current().translate(error.strerror or str(error))}", "file_error"
    elif isinstance(error, (click.Abort, KeyboardInterrupt)) and prints_json():  # a person said no, or pressed Ctrl-C
        text, code = _("Aborted!"), "aborted"
    else:  # also a broken pipe: when a reader such as `head` has closed the pipe, click ends quietly
        return None
    return CommandError(text, code=code, kind=kind)
