"""Commands whose help is in the language of the process. The texts stand in English where a command is declared."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import click

from campaigns.language import METAVAR, current

_Translated = TypeVar("_Translated", bound=click.Command)


# click keeps the lines of a paragraph that begins with this line.
_KEPT = "\b\n"


def translate_help(text: str | None) -> str | None:
    """Return a help text in the language of the process."""
    if not text:
        return text
    language = current()
    return "\n\n".join(before + language.translate(part) + after for before, part, after in split_help(text))


def split_help(text: str) -> list[tuple[str, str, str]]:
    """Return the paragraphs of a help text, each as a text to translate with what stands before and after it.

    A paragraph that click wraps is one line here, so the translation does not depend on the lines of the source. The
    commands of an example stay as they are.
    """
    paragraphs = []
    for paragraph in inspect.cleandoc(text).partition("\f")[0].strip("\n").split("\n\n"):
        heading, _, commands = paragraph.removeprefix(_KEPT).partition("\n")
        if not paragraph.startswith(_KEPT):
            paragraphs.append(("", " ".join(paragraph.split()), ""))
        elif heading in {"Example:", "Examples:"} and "#" not in commands:
            paragraphs.append((_KEPT, heading, f"\n{commands}"))
        else:
            paragraphs.append((_KEPT, paragraph.removeprefix(_KEPT), ""))
    return paragraphs


def translate_parameter(parameter: click.Parameter, ctx: click.Context) -> click.Parameter:
    """Return a copy of an option or an argument, with its help and its metavar in the language of the process."""
    translated = copy.copy(parameter)
    translated.metavar = current().translate_in(METAVAR, parameter.make_metavar(ctx))
    if isinstance(translated, click.Option):
        translated.help = translate_help(translated.help)
    return translated


def _translate_texts(command: _Translated) -> _Translated:
    translated = copy.copy(command)
    translated.help, translated.short_help = translate_help(command.help), translate_help(command.short_help)
    return translated


def _translate_command(command: _Translated, ctx: click.Context) -> _Translated:
    translated = _translate_texts(command)
    translated.params = [translate_parameter(each, ctx) for each in command.params]
    translated.options_metavar = current().translate_in(METAVAR, command.options_metavar or "")
    if isinstance(translated, click.Group):
        translated.subcommand_metavar = current().translate_in(METAVAR, translated.subcommand_metavar)
    return translated


class Command(click.Command):
    """A command that refuses an option of one value that is given twice, because click would ignore the first value.

    `second_values`: by option, a text to translate that says how a person gives a second value.
    """

    def __init__(self, *arguments: Any, second_values: Mapping[str, str] = MappingProxyType({}), **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._second_values = second_values

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not ctx.resilient_parsing:  # a shell that completes a command reads the options without refusals
            self._refuse_second_values(ctx, args)
        return super().parse_args(ctx, args)

    def _refuse_second_values(self, ctx: click.Context, args: Sequence[str]) -> None:
        values, extra, order = self.make_parser(ctx).parse_args([*args])
        if extra and isinstance(name := values.get("name"), str):
            text = current().translate(
                "There is an argument too many: {word}. A name with spaces needs quotes: '{name}'."
            )
            raise click.UsageError(text.format(word=extra[0], name=" ".join([name, *extra])), ctx)
        given = Counter(order)
        for option, count in given.items():
            if count > 1 and isinstance(option, click.Option) and not (option.multiple or option.is_flag):
                name = max(option.opts, key=len)
                text = current().translate("{option} is given {count} times, but it takes one value: give it once.")
                advice = current().translate(self._second_values.get(name, ""))
                raise click.UsageError(f"{text.format(option=name, count=count)} {advice}".rstrip(), ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Command.format_help(_translate_command(self, ctx), ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        return click.Command.get_short_help_str(_translate_texts(self), limit)


# Words with which Portuguese speakers call commands.
_ENGLISH = MappingProxyType({
    "acompanhar": "watch", "adicionar": "add", "campanha": "campaign", "cancelar": "cancel", "conferir": "check-setup",
    "conta": "account", "criar": "create", "descartar": "discard", "erros": "errors", "exportar": "export",
    "importar": "import", "iniciar": "start", "listar": "list", "modelo": "template", "mostrar": "show",
    "pausar": "pause", "remover": "remove", "retomar": "resume", "sincronizar": "sync", "testar": "test",
})  # fmt: skip


class Group(click.Group):
    """A group whose subcommands are a `Command` or a `Group`, unless their declaration names another class."""

    command_class: type[click.Command] | None = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if (english := _ENGLISH.get(args[0].lower(), "")) in self.commands and args[0] not in self.commands:
            text = current().translate("Commands have English names: write {english} in the place of {word}.")
            raise click.UsageError(text.format(english=english, word=args[0]), ctx)
        return super().resolve_command(ctx, args)

    group_class: Any = type

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        click.Group.format_help(_translate_command(self, ctx), ctx, formatter)

    def get_short_help_str(self, limit: int = 45) -> str:
        return click.Group.get_short_help_str(_translate_texts(self), limit)
