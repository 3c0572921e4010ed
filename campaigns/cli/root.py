"""`revoada` itself: the table of its commands, and the command `completion`.

`revoada --help` and the completion of command names import only this module, `session` and click. All other modules are
imported when their command runs, because they load clients of Postgres and Meta, which takes longer than the help.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

import click
from click.shell_completion import shell_complete

from campaigns.cli.help import Command
from campaigns.cli.session import MissingExtraError, RefusingGroup, Session

_ANY_ARGUMENTS = {"ignore_unknown_options": True, "allow_extra_args": True}
# For each command: its module and name there, and the first sentence of its help. A test compares the sentences.
COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "account": ("accounts:account", "Accounts: the phone numbers that send."),
    "audit": ("users.audit:audit", "Show who changed what, the newest change first."),
    "campaign": ("campaign.group:campaign", "Campaigns: one template sent to many people."),
    "check-setup": (
        "doctor:check_setup",
        "Test each piece of the setup, and show what is missing and where to fix it; it changes nothing.",
    ),
    "doctor": ("doctor:doctor", "Find out why campaigns are not sent, and what to do about it."),
    "forget": ("privacy:forget", "Erase all data about one person."),
    "forward": (
        "forwards.commands:forward",
        "Webhook forwards: other programs that get Meta's webhooks too, such as a chat or a CRM.",
    ),
    "hook": ("hooks.hooks:hook", "Hooks: addresses of other programs that get a POST for each event."),
    "keygen": ("setup:keygen", "Make a new key for REVOADA_SECRET_KEY."),
    "migrate": ("setup:migrate", "Bring the database to the newest schema."),
    "optouts": ("suppressions:optouts", "Answers that may be opt-outs: read them, and decide."),
    "person": ("privacy:person", "Show one person: opt-outs, and each message with its status."),
    "portfolio": ("accounts:portfolio", "Portfolios: accounts that share a limit of unique people in 24 hours."),
    "prices": (
        "prices.commands:prices",
        "Prices of messages, as Meta's rate card has them, and what campaigns have cost.",
    ),
    "recover": ("doctor:recover", "Prevent second copies after a restore to an older state."),
    "rekey": ("setup:rekey", "Encrypt all stored access tokens anew with the newest key of REVOADA_SECRET_KEY."),
    "retention": ("privacy:retention", "Erase the recipients of campaigns that ended long ago."),
    "suppress": ("suppressions:suppress", "Suppressions: people who must not be messaged, by any campaign."),
    "template": ("templates:template", "Templates: the approved texts that campaigns send."),
    "token": ("users.tokens:token", "Tokens: the keys with which programs use the API."),
    "user": ("users.users:user", "Users: the people who may sign in."),
})  # fmt: skip


class LazyCommand(Command):
    """Stands in the list of commands for a command whose module is imported only when the command is needed."""

    def __init__(self, name: str, place: str, help: str) -> None:  # noqa: A002  click's word
        super().__init__(name, help=help)
        self._place = place

    def load(self) -> click.Command:
        module, _, attribute = self._place.partition(":")
        command: click.Command = getattr(import_module(f"campaigns.cli.{module}"), attribute)
        return command


class LazyGroup(RefusingGroup):
    """Imports the module of a command when a person has named the command: to run, to explain or to complete it."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, rest


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="revoada")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Send WhatsApp template campaigns: all of them at once, nobody twice, nobody skipped.

    Settings are read from the environment, and from the file `.env` in the working directory; the environment has
    precedence. `.env.example` lists all settings.

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
    # The log lines of libraries are not shown here, because each command prints one line about its result.
    logging.getLogger().addHandler(logging.NullHandler())
    if ctx.invoked_subcommand != completion.name:  # a shell runs `completion` whenever it starts, in any folder
        from campaigns.cli.env_file import load_env_file  # noqa: PLC0415  `revoada --help` does not need it

        load_env_file()
    ctx.obj = Session(ctx)


@main.command(short_help="Print a script that lets a shell complete commands and options.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script for a shell: afterwards the Tab key completes commands, options and values.

    \b
    Examples, each for the next start of the shell:
      echo 'eval "$(revoada completion bash)"' >> ~/.bashrc
      echo 'eval "$(revoada completion zsh)"' >> ~/.zshrc
      revoada completion fish > ~/.config/fish/completions/revoada.fish
    """
    ctx.exit(shell_complete(main, {}, "revoada", "_REVOADA_COMPLETE", f"{shell}_source"))


def load_command(entry_point: EntryPoint) -> click.Command:
    """Return the command of an entry point. If its package is missing, return a command that says what to install."""
    try:
        command: click.Command = entry_point.load()
    except ImportError as error:
        refusal = MissingExtraError(error)
    else:
        return command

    @click.command(entry_point.name, cls=Command, short_help="Needs the extra `demo`.", context_settings=_ANY_ARGUMENTS)
    def refuse() -> None:
        """Not available here: needs the extra `demo` (pip install 'revoada[demo]')."""
        raise refusal

    return refuse


for _name, (_place, _help) in COMMANDS.items():
    main.add_command(LazyCommand(_name, _place, _help))
# These commands belong to packages that a production installation lacks.
for each in entry_points(group="revoada.commands"):
    main.add_command(load_command(each))
