"""`revoada` itself, and the commands that belong to no group."""

from __future__ import annotations

import logging

import click

from campaigns.cli.accounts import account, portfolio
from campaigns.cli.campaigns import campaign
from campaigns.cli.doctor import check_setup, doctor, recover
from campaigns.cli.env_file import load_env_file, write_key
from campaigns.cli.privacy import forget, retention
from campaigns.cli.session import Refusal, RefusingGroup, Session
from campaigns.cli.suppressions import optouts, suppress
from campaigns.cli.templates import template
from campaigns.secrets import make_key
from campaigns.store.migrate import migrate as apply_migrations


@click.group(cls=RefusingGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="revoada")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Send WhatsApp template campaigns: all of them at once, nobody twice, nobody skipped.

    Settings come from the environment, and from a file `.env` in the working directory for what the environment does
    not say. `.env.example` lists them all.

    \b
    Try it without a WhatsApp account:
      revoada demo

    \b
    A first real campaign (see `revoada campaign create -h`):
      revoada keygen --env-file .env      # once: REVOADA_SECRET_KEY
      revoada migrate                     # after each update
      revoada account add sales --phone-number-id 1065 --waba-id 2201 --token-env WHATSAPP_TOKEN
      revoada template add promo --language pt_BR --body 'Oi {{1}}!'
      revoada campaign create 'Black Friday' --template promo:pt_BR --account sales --recipients people.csv
      revoada campaign start 1
      revoada campaign watch 1
    """
    # What libraries log is not for this terminal: each command says in one line what happened.
    logging.getLogger().addHandler(logging.NullHandler())
    load_env_file()
    ctx.obj = Session(ctx)


@main.command()
@click.pass_obj
def migrate(session: Session) -> None:
    """Bring the database to the newest schema. Running it again does no harm.

    \b
    Example:
      DATABASE_URL=postgresql://localhost/revoada revoada migrate
    """
    applied = apply_migrations(session.database_url)
    for name in applied:
        click.echo(f"Applied {name}.")
    if not applied:
        click.echo("The database is up to date.")


@main.command(short_help="Make a new key for REVOADA_SECRET_KEY.")
@click.option("--env-file", metavar="FILE", help="Write it into this file instead, which has none yet.")
def keygen(env_file: str | None) -> None:
    """Print a new key for REVOADA_SECRET_KEY, which encrypts access tokens.

    Keep it as safe as the tokens themselves: without it they cannot be read any more. With --env-file the key is
    written into the file and not shown. A file that has a key already is refused; one without is made if need be, and
    only you may read it then (mode 0600).

    \b
    Examples:
      revoada keygen --env-file .env
      revoada keygen
    """
    if env_file is None:
        click.echo(make_key())
        return
    if write_key(env_file, make_key()):
        click.echo(f"{env_file} could be read by other users of this machine; now only by its owner (mode 0600).")
    click.echo(f"REVOADA_SECRET_KEY stands in {env_file} now. Keep a copy: access tokens cannot be read without it.")


@main.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run a stand-in for Meta's Graph API on this machine.

    Any code that speaks WhatsApp can be pointed at it; all options: `revoada simulate -h`.

    \b
    Example:
      revoada simulate --port 8800 --latency-ms '[80, 200]'
    """
    try:
        from simulator.__main__ import main as run_simulator  # noqa: PLC0415  an extra that a server lacks
    except ImportError as error:
        raise _without_extra(error) from None
    run_simulator(list(arguments), prog="revoada simulate")


@main.command(short_help="Run everything here against the real API.")
@click.pass_context
def up(ctx: click.Context) -> None:
    """Run everything here against the real API: webhooks, worker, events, beat, Flower, Postgres and Valkey.

    Settings come from the environment and `.env`. Ctrl-C stops everything, in order.
    """
    try:
        from devstack.up import run  # noqa: PLC0415  an extra that a server lacks
    except ImportError as error:
        raise _without_extra(error) from None
    ctx.exit(run() or 0)


@main.command(short_help="Watch three campaigns go out at once, simulated.")
@click.option("--exit", "exits", is_flag=True, help="End when all campaigns have completed; 0 only if all arrived.")
@click.pass_context
def demo(ctx: click.Context, exits: bool) -> None:
    """Watch three campaigns go out at the same time, against a simulated API.

    Needs no account, no database and no settings. Ctrl-C stops everything, in order.
    """
    try:
        from devstack.demo import run  # noqa: PLC0415  an extra that a server lacks
    except ImportError as error:
        raise _without_extra(error) from None
    ctx.exit(run(exit_when_done=exits) or 0)


def _without_extra(error: ImportError) -> Refusal:
    return Refusal(f"This command needs the extra `demo` (pip install 'revoada[demo]'): {error}.")


main.add_command(account)
main.add_command(portfolio)
main.add_command(template)
main.add_command(campaign)
main.add_command(check_setup)
main.add_command(doctor)
main.add_command(suppress)
main.add_command(optouts)
main.add_command(forget)
main.add_command(retention)
main.add_command(recover)
