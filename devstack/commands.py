"""The commands that start an embedded server or a simulated API: `revoada demo`, `up` and `simulate`.

`pyproject.toml` declares them as entry points of the group `revoada.commands`, because a production installation has
neither this package nor its dependencies.
"""

from __future__ import annotations

import click

from campaigns.cli.help import Command
from campaigns.cli.session import MissingExtraError
from campaigns.language import current


@click.command(
    cls=Command,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def simulate(arguments: tuple[str, ...]) -> None:
    """Run a simulator of Meta's Graph API on this machine.

    Any program that uses the Cloud API can be tested with it. `revoada simulate -h` lists all options.

    \b
    Example:
      revoada simulate --port 8800 --latency-ms '[80, 200]'
    """
    try:
        from simulator.__main__ import main as run_simulator  # noqa: PLC0415  needs the extra `demo`
    except ImportError as error:
        raise MissingExtraError(error) from None
    run_simulator(list(arguments), prog="revoada simulate", translate=current().translate)


@click.command(cls=Command, short_help="Run all roles on this machine with the real API.")
@click.pass_context
def up(ctx: click.Context) -> None:
    """Run all roles on this machine with the real API.

    It starts webhooks, console, worker, events, files, beat, Flower, and Postgres and Valkey unless settings name
    servers of your own. Settings are read from the environment and `.env`. Ctrl-C stops all roles, in order.
    """
    try:
        from devstack.up import run  # noqa: PLC0415  needs the extra `demo`
    except ImportError as error:
        raise MissingExtraError(error) from None
    ctx.exit(run() or 0)


@click.command(cls=Command, short_help="Watch three simulated campaigns that are sent at the same time.")
@click.option(
    "--exit", "exits", is_flag=True, help="End once all campaigns are completed; exit code 0 if all messages arrived."
)
@click.pass_context
def demo(ctx: click.Context, *, exits: bool) -> None:
    """Watch three campaigns that are sent at the same time, with a simulated API.

    It needs no account, no database and no settings. Ctrl-C stops all roles, in order.
    """
    try:
        from devstack.demo import run  # noqa: PLC0415  needs the extra `demo`
    except ImportError as error:
        raise MissingExtraError(error) from None
    ctx.exit(run(exit_when_done=exits) or 0)
