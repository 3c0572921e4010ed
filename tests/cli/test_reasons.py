"""The reasons of rejected rows are translated by their form, although they are stored as English texts."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import campaigns
from campaigns.cli.reasons import translate_reason
from campaigns.domain.statement import Sentence
from campaigns.domain.text.reasons import ANSWERS, FORMATS, FORMS, find_form
from campaigns.language import PORTUGUESE, choose, restoring
from campaigns.secrets import TokenError
from campaigns.sheets.xlsx import ADVICE
from campaigns.whatsapp.graph import _Reader, explain_no_answer

READER = _Reader("token", 1.0, 1.0)
SOURCES = [
    path
    for folder in ("domain", "sheets", "management")
    for path in sorted((Path(campaigns.__file__).parent / folder).rglob("*.py"))
]
# Each maker of a reason, with the position of the reason among its arguments.
MAKERS = {"FormatError": 0, "LinkError": 0, "Misfit": 1, "PhoneError": 1, "RowProblem": 1}
TABLES = {"_NO_RESULT", "_PROBLEMS", "_REASONS"}


def list_strings(node):
    """List the strings and the f-strings in an expression, each as a whole."""
    if isinstance(node, ast.JoinedStr | ast.Constant):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from list_strings(child)


def write(node):
    """Return the text of a string or an f-string, with the word PLACE for each of its values; None for other code."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "PLACE" for part in node.values)
    return None


def list_reasons():
    """List the reasons in the source."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                position = MAKERS.get(getattr(node.func, "id", ""), len(node.args))
                problems = [each.value for each in node.keywords if each.arg == "problem"]
                yield from (
                    write(part) for each in [*node.args[position:][:1], *problems] for part in list_strings(each)
                )
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in TABLES:
                yield from map(write, list_strings(node.value))
            if isinstance(node, ast.FunctionDef) and node.name.endswith("problem"):
                yield from (write(each.value) for each in ast.walk(node) if isinstance(each, ast.Return) and each.value)


def test_each_reason_of_the_source_has_a_form():
    """A reason that stands in another place of the source is found by the tests of imports only."""
    begins = ("is ", "has ", "was ", "which ", "makes ", "goes ")
    reasons = {reason for reason in list_reasons() if reason and reason.startswith(begins)}
    assert len(reasons) > 30
    assert [reason for reason in reasons if find_form(reason) is None] == []


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("is empty", "está vazio"),
        ("is #N/D, an error of the spreadsheet", "é #N/D, um erro da planilha"),
        ("belongs to the person of row 12", "é da mesma pessoa da linha 12"),
        ("is a link to a, and the button's link leads to b", "é um link para a, e o link do botão leva a b"),
        (
            f"in 'Lista 1'!B2 has the number format 0;0;0;0;0, which has more than four sections: {ADVICE}",
            (
                "em 'Lista 1'!B2 tem o formato de número 0;0;0;0;0, que tem mais de quatro seções: escolha outro "
                "formato, ou formate como texto e digite o que as pessoas devem ler"
            ),
        ),
        ("is of a form that nobody knows", "is of a form that nobody knows"),
    ],
)
def test_a_reason_is_translated_with_its_values(reason, text):
    with restoring():
        assert translate_reason(reason) == reason
        choose(PORTUGUESE)
        assert translate_reason(reason) == text


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (explain_no_answer(TimeoutError()), "Sem resposta: TimeoutError"),
        (READER._make_error(503, b"").reason, "A requisição falhou com o status HTTP 503"),
        (
            READER._make_error(400, b'{"error": {"code": 190, "message": "Expired"}}').reason,
            "A requisição falhou com o status HTTP 400 (código 190)",
        ),
        (Sentence("The answer is not a JSON object"), "A resposta não é um objeto JSON"),
        (
            TokenError(),
            (
                "REVOADA_SECRET_KEY não tem a chave que criptografou este token de acesso: adicione a chave antiga "
                "depois da mais nova ou informe o token de novo com `revoada account set CONTA --token-stdin`."
            ),
        ),
    ],
)
def test_the_stored_reason_of_a_failed_health_check_is_translated(reason, text):
    with restoring():
        choose(PORTUGUESE)
        assert translate_reason(str(reason)) == text


@pytest.mark.parametrize("form", [*FORMS, *FORMATS, *ANSWERS])
def test_no_form_hides_another(form):
    found = find_form(form.replace("{", "").replace("}", ""))
    assert found is not None
    assert found[0] == form
