"""`revoada migrate`, `keygen` and `rekey`: the schema of the database, and the key that encrypts access tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import click

from campaigns.cli.env_file import write_key
from campaigns.cli.help import Command
from campaigns.cli.hints import _, plural
from campaigns.cli.output import json_option, print_json, say
from campaigns.cli.session import Session, reason_option
from campaigns.domain.statement import Duration, Entry, Field, Hint, HintAction, deferred
from campaigns.management.rekey import Rekeyed
from campaigns.management.rekey import rekey as encrypt_anew
from campaigns.secrets import make_key
from campaigns.store.migrate import OpenTransaction
from campaigns.store.migrate import migrate as apply_migrations


@click.command(cls=Command)
@json_option
@click.pass_obj
def migrate(session: Session, as_json: bool) -> None:
    """Bring the database to the newest schema. A second run changes nothing.

    A change of a table waits until the transactions that use the table have ended, such as the import of a list. The
    command names them, and goes on by itself.

    \b
    Example:
      DATABASE_URL=postgresql://localhost/revoada revoada migrate
    """
    applied = apply_migrations(session.database_url, report=_make_teller())
    if as_json:
        print_json({"applied": applied})
        return
    for name in applied:
        say(_("Applied {name}.", name=name))
    if not applied:
        say(_("The database is up to date."))


def _make_teller() -> Callable[[str, Sequence[OpenTransaction]], None]:
    """Return a function that tells for which transactions a migration waits, once for each transaction."""
    told: set[int] = set()

    def tell(name: str, found: Sequence[OpenTransaction]) -> None:
        for each in found:
            if each.pid not in told:
                text = _(
                    "{name} waits for the end of a transaction: {session}, process {pid} of Postgres, open for"
                    " {duration}. Everything else goes on meanwhile.",
                    name=name,
                    session=each.session or _("a session without a name"),
                    pid=each.pid,
                    duration=Duration(each.seconds),
                )
                say(text, is_warning=True)
        told.update(each.pid for each in found)

    return tell


@click.command(cls=Command, short_help="Make a new key for REVOADA_SECRET_KEY.")
@click.option("--env-file", metavar="FILE", help="Write the key into this file instead.")
@click.option("--rotate", is_flag=True, help="With --env-file: put the new key in front of the keys that the file has.")
def keygen(env_file: str | None, rotate: bool) -> None:
    """Print a new key for REVOADA_SECRET_KEY, which encrypts access tokens.

    Keep it as safe as the tokens themselves: without it they cannot be read any more. With --env-file the key is
    written into the file and not shown. A file that already has a key is refused. A file that does not exist is
    created. Afterwards only you may read the file (mode 0600).

    With --rotate the new key stands in front of the old ones: it encrypts from the next start of the roles on, and the
    old ones still decrypt. Restart all roles, then run `revoada rekey`.

    \b
    Examples:
      revoada keygen --env-file .env
      revoada keygen --env-file .env --rotate
      revoada keygen
    """
    if env_file is None:
        if rotate:
            raise click.UsageError(_("--rotate needs --env-file."))
        say(make_key())
        return
    if write_key(env_file, make_key(), rotates=rotate):
        say(_("{file} could be read by other users of this machine; now only by its owner (mode 0600).", file=env_file))
    if rotate:
        text = deferred("{file} has a new key, in front of the old ones. Restart all roles, then run `revoada rekey`.")
    else:
        text = deferred(
            "REVOADA_SECRET_KEY stands in {file} now. Keep a copy: access tokens cannot be read without it."
        )
    say(_(text, file=env_file))


@click.command(cls=Command)
@reason_option
@json_option
@click.pass_context
def rekey(ctx: click.Context, as_json: bool) -> None:
    """Encrypt all stored access tokens anew with the newest key of REVOADA_SECRET_KEY.

    REVOADA_SECRET_KEY has the newest key first, then the older ones, with commas between them. Run this after all roles
    have been restarted with the newest key. People who were forgotten under an older key stay forgotten. Afterwards the
    older keys can be removed. A second run changes nothing. The exit code is 1 if a token cannot be read with any key.

    \b
    Examples:
      revoada keygen --env-file .env --rotate     # then restart all roles
      revoada rekey
    """
    done = encrypt_anew(ctx.obj.database, actor=ctx.obj.actor, secret_key=ctx.obj.secret_key)
    if as_json:
        print_json({**asdict(done), "is_complete": done.is_complete})
    else:
        _report_rekeyed(done, has_older_keys="," in ctx.obj.secret_key)
    if not done.is_complete:
        ctx.exit(1)


def _report_rekeyed(done: Rekeyed, *, has_older_keys: bool) -> None:
    text = plural(
        "{count:,} access token encrypted anew; {current:,} had the newest key already.",
        "{count:,} access tokens encrypted anew; {current:,} had the newest key already.",
        done.token_count,
        current=done.current_count,
    )
    say(text)
    for name in done.unreadable:
        hint = Hint(HintAction.CHANGE_ACCOUNT, name, Entry(Field.TOKEN))
        say(
            _(
                "No key can read the token of account {name}. Add its key, or give the token again: {hint}.",
                name=name,
                hint=hint,
            )
        )
    for forward_id in done.unreadable_forwards:
        text = _(
            "No key can read the secret of forward {id}. Add its key, or remove it and add it again.", id=forward_id
        )
        say(text)
    for hook_id in done.unreadable_hooks:
        say(_("No key can read the secret of hook {id}. Add its key, or remove the hook and add it again.", id=hook_id))
    if done.has_unknown_hashes:
        say(_("People were forgotten under a key that is missing here. Add that key: without it no list is imported."))
    if done.is_complete and has_older_keys:
        say(_("The newest key reads everything. Remove the older keys from REVOADA_SECRET_KEY."))
