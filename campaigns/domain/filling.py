"""Fills a campaign's template with values for all recipients and values from each row, and checks the values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, NamedTuple

from campaigns.domain.statement import Kind, Problem, Sentence, Word, list_sentences
from campaigns.domain.template import (
    MAX_BODY,
    MAX_HEADER,
    MAX_URL,
    Button,
    ButtonKind,
    HeaderMedia,
    HeaderText,
    MediaKind,
    ParameterFormat,
    Template,
    TemplateError,
    count_uses,
    template_from_components,
    variable_problem,
)
from campaigns.domain.text.links import LinkError, read_suffix
from campaigns.domain.text.normal import is_blank, trim

# Largest numbers of characters. Meta documents the limits of payloads and coupon codes, but none for file names.
MAX_PAYLOAD = 128
MAX_CODE = 20
MAX_FILENAME = 240

_MEDIA_ID = re.compile(r"[0-9]{1,32}")
_LINK = re.compile(r"https://[^\s/?#@]+([/?#]\S*)?", re.IGNORECASE)
_SPACE = re.compile(r"\s")
_MOST_KEPT = 20_000  # the values of a column that are kept
_EXCERPT = 25  # the most characters of an excerpt on each side of a variable


class Misfit(NamedTuple):
    """A value that cannot be sent: its position among the values, and the reason, worded to follow a column's name."""

    position: int
    reason: str


# A function that takes the cells of one row. The function returns the values that are sent, or the first cell that does
# not fit.
RowReader = Callable[[Sequence[str]], list[str] | Misfit]


class ParameterKind(StrEnum):
    HEADER_TEXT = "header_text"
    MEDIA = "media"  # a public https link, or the id of an upload
    FILENAME = "filename"  # the name with which a document is shown
    BODY = "body"
    SUFFIX = "suffix"  # the end of a button's URL
    PAYLOAD = "payload"  # the text that a quick reply sends back
    CODE = "code"  # the text that a button copies


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a message. `name`: its name in columns and settings. `most`: the most characters of a value.

    `prefix`: the part of a button's link that stands in the template, before the value.
    """

    kind: ParameterKind
    name: str
    most: int
    is_required: bool = True
    button_index: int | None = None
    prefix: str = ""

    def read(self, text: str) -> str:
        """Return the value that is sent for a text, without spaces around it.

        Raises LinkError for a link that does not begin as the button's link does.
        """
        if self.kind is ParameterKind.SUFFIX and self.prefix and not is_blank(text):
            return read_suffix(text, self.prefix)
        return trim(text)

    def problem(self, value: str) -> str | None:
        """Return the reason why Meta would refuse `value`, worded to follow the name of a column, or None."""
        match self.kind:
            case ParameterKind.MEDIA:
                return _media_problem(value, self.most)
            case ParameterKind.SUFFIX | ParameterKind.CODE if not is_blank(value) and _SPACE.search(value):
                return "has a space"
            case _:
                return variable_problem(value, max_length=self.most)


@dataclass(frozen=True, slots=True)
class Filling:
    """A template with its values.

    `fixed`: by parameter name, the value for all recipients. `columns`: the parameters whose values come from each row.
    """

    template: Template
    fixed: Mapping[str, str]
    columns: tuple[Parameter, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def room(self) -> int:
        """The number of characters of the body that are left for the values of a row."""
        length, uses = count_uses(self.template.body_text)
        return MAX_BODY - length - sum(len(self.fixed.get(name, "")) * count for name, count in uses.items())

    @property
    def excerpts(self) -> dict[str, str]:
        """By name, the text of the template around each value of a row, such as `Oi {{1}}! Hoje`."""
        return {column.name: _excerpt(self.template, column) for column in self.columns}

    def make_reader(self) -> RowReader:
        """Return a function that reads each value of a row, and checks the length of the body with all values."""
        columns = self.columns
        _, uses = count_uses(self.template.body_text)
        room = self.room
        weights = [uses[column.name] if column.kind is ParameterKind.BODY else 0 for column in columns]
        most_uses = max(weights, default=0)

        # Names, amounts and dates come again and again in a list, so each is read once.
        readers = [lru_cache(_MOST_KEPT)(partial(_read_value, column)) for column in columns]

        def read(cells: Sequence[str]) -> list[str] | Misfit:
            values: list[str] = []
            for position, (read_value, cell) in enumerate(zip(readers, cells, strict=True)):
                value, problem = read_value(cell)
                if problem is not None:
                    return Misfit(position, problem)
                values.append(value)
            if sum(map(len, values)) * most_uses <= room:  # a cheap check that nearly every row passes
                return values
            lengths = [len(value) * weight for value, weight in zip(values, weights, strict=True)]
            if sum(lengths) <= room:
                return values
            return Misfit(lengths.index(max(lengths)), f"makes the message longer than {MAX_BODY} characters")

        return read


def _read_value(column: Parameter, cell: str) -> tuple[str, str | None]:
    """Return the value that is sent for a cell, and the reason why it cannot be sent, or None."""
    try:
        value = column.read(cell)
    except LinkError as error:
        return "", str(error)
    return value, column.problem(value)


def list_parameters(template: Template) -> tuple[Parameter, ...]:
    """Return all parameters of a message, also optional ones, in the order in which a send takes them."""
    header = "header" if "header" not in template.body_variables else "header 1"
    parameters: list[Parameter] = []
    if isinstance(template.header, HeaderMedia):
        parameters.append(Parameter(ParameterKind.MEDIA, header, MAX_URL))
        if template.header.kind is MediaKind.DOCUMENT:
            parameters.append(Parameter(ParameterKind.FILENAME, "file name", MAX_FILENAME, is_required=False))
    elif isinstance(template.header, HeaderText) and template.header.variable is not None:
        is_named = template.parameter_format is ParameterFormat.NAMED
        is_own = is_named and template.header.variable not in template.body_variables
        name = template.header.variable if is_own else header
        most = MAX_HEADER - count_uses(template.header_text)[0]
        parameters.append(Parameter(ParameterKind.HEADER_TEXT, name, most))
    parameters += [Parameter(ParameterKind.BODY, name, MAX_BODY) for name in template.body_variables]
    parameters += [parameter for button in template.buttons if (parameter := _parameter_of(button)) is not None]
    return tuple(parameters)


def fill(template: Template, given: Mapping[str, str | None]) -> Filling:
    """Fill a template with the values that are the same for all recipients.

    `given` has these values by parameter name. The values of all other required parameters come from each row. If
    `given` has None for an optional parameter, the values of this parameter come from each row, too. Raise
    TemplateError for values that do not fit, and for a template that no campaign can fill.
    """
    if template.unsupported:
        raise TemplateError(
            "template_unsupported",
            "A campaign cannot fill the template {template}: {parts}.",
            template=str(template),
            parts=template.unsupported,
        )
    parameters = list_parameters(template)
    names = [parameter.name for parameter in parameters]
    if strangers := [key for key in given if key not in names]:
        raise TemplateError(
            "parameter_unknown",
            "The template {template} has no {parameter!r} to set, it takes {takes}.",
            template=str(template),
            parameter=strangers[0],
            takes=_describe(parameters),
        )
    fixed = {
        parameter.name: _read_fixed(template, parameter, value)
        for parameter in parameters
        if (value := given.get(parameter.name)) is not None
    }
    columns = tuple(
        parameter
        for parameter in parameters
        if parameter.name not in fixed and (parameter.is_required or parameter.name in given)
    )
    filling = Filling(template, fixed, columns)
    if filling.room < 0:
        raise TemplateError(
            "parameters_too_long",
            "The values for all recipients make the template {template} longer than {most} characters.",
            template=str(template),
            most=MAX_BODY,
        )
    return filling


def _read_fixed(template: Template, parameter: Parameter, text: str) -> str:
    try:
        value = parameter.read(text)
        problem = parameter.problem(value)
    except LinkError as error:
        value, problem = "", str(error)
    if problem:
        raise TemplateError(
            "parameter_invalid",
            "The value for {parameter} of the template {template} {problem}.",
            template=str(template),
            parameter=parameter.name,
            problem=Problem(problem),
        )
    return value


def find_misfit(template: Template, given: Mapping[str, str | None], columns: Sequence[str]) -> TemplateError | None:
    """Return a refusal if a campaign was made for another form of this template; None if the form is the same."""
    try:
        names = fill(template, given).names
    except TemplateError as error:
        return error
    if names == list(columns):
        return None
    return TemplateError(
        "template_misfit",
        "The template {template} now takes {takes} from each row, but the campaign's rows have {brings}.",
        kind=Kind.CONFLICT,
        template=str(template),
        takes=names or Word("nothing"),
        brings=list(columns) or Word("nothing"),
    )


def describe_form(name: str, language: str, components: Sequence[Mapping[str, Any]]) -> str:
    """Return the names of the parameters that a template takes, for people."""
    try:
        template = template_from_components(name, language, components)
    except TemplateError:
        return Word("unreadable")
    return ", ".join(parameter.name for parameter in list_parameters(template)) or Word("none")


def drop_empty(template: Template, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return `given` without empty optional parameters. A person removes such a parameter by giving an empty value."""
    optional = {parameter.name for parameter in list_parameters(template) if not parameter.is_required}
    return {name: value for name, value in given.items() if value != "" or name not in optional}


def read_key(text: str) -> str:
    """Return the name of a parameter from a text such as `1`, `{{nome}}` or `Button 1`, as people write it."""
    return " ".join(text.strip().strip("{}").lower().split())


def is_media_id(value: str) -> bool:
    return _MEDIA_ID.fullmatch(value) is not None


def _parameter_of(button: Button) -> Parameter | None:
    name = f"button {button.index + 1}"
    match button.kind:
        case ButtonKind.URL if button.has_variable:
            return Parameter(
                ParameterKind.SUFFIX,
                name,
                MAX_URL - len(button.prefix),
                button_index=button.index,
                prefix=button.prefix,
            )
        case ButtonKind.COPY_CODE if button.has_variable:
            return Parameter(ParameterKind.CODE, name, MAX_CODE, button_index=button.index)
        case ButtonKind.QUICK_REPLY:
            return Parameter(
                ParameterKind.PAYLOAD,
                name,
                MAX_PAYLOAD,
                is_required=button.has_variable,
                button_index=button.index,
            )
    return None


def _excerpt(template: Template, parameter: Parameter) -> str:
    match parameter.kind:
        case ParameterKind.SUFFIX:
            return f"{parameter.prefix}{{{{{parameter.name}}}}}" if parameter.prefix else ""
        case ParameterKind.HEADER_TEXT:
            text, name = (
                template.header_text,
                template.header.variable if isinstance(template.header, HeaderText) else "",
            )
        case ParameterKind.BODY:
            text, name = template.body_text, parameter.name
        case _:
            return ""
    before, placeholder, after = text.partition(f"{{{{{name}}}}}")
    before, after = before.rpartition("}}")[2].lstrip(" !?.,;:"), after.partition("{{")[0]
    start = "" if len(before) <= _EXCERPT else "…"
    end = "" if len(after) <= _EXCERPT else "…"
    return " ".join(f"{start}{before[-_EXCERPT:]}{placeholder}{after[:_EXCERPT]}{end}".split())


def _media_problem(value: str, most: int) -> str | None:
    if is_blank(value):
        return "is empty"
    if len(value) > most:
        return f"is longer than {most} characters"
    if is_media_id(value):
        return None
    if not _LINK.fullmatch(value) or variable_problem(value, max_length=most):
        return "is neither a link that begins with https:// nor the id of an upload"
    return None


def _describe(parameters: Sequence[Parameter]) -> Sentence:
    if not parameters:
        return Sentence("nothing")
    return list_sentences(
        [Sentence("{name}" if each.is_required else "{name} (optional)", name=each.name) for each in parameters]
    )
