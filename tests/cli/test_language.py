"""The command line in Portuguese: help, refusals, numbers and times. With --json, every text is English."""

from __future__ import annotations

import ast
import datetime as dt
import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from campaigns import cli, language
from campaigns.cli.hints import _, advise, in_commands, plural, write_command
from campaigns.cli.output import confirm, local_time
from campaigns.cli.root import main
from campaigns.domain.campaign import CampaignStatus, missing_campaign
from campaigns.domain.optout.recognition import Source
from campaigns.domain.recipients import list_names
from campaigns.domain.statement import (
    Count,
    Duration,
    Entry,
    Field,
    Finding,
    Hint,
    HintAction,
    Moment,
    Refusal,
    Sentence,
    Severity,
    Word,
)
from campaigns.domain.template import MediaKind, ParameterFormat, TemplateStatus
from campaigns.language import (
    ENGLISH,
    PORTUGUESE,
    Translation,
    choose,
    current,
    find_language,
    read_language,
    restoring,
)
from campaigns.store.accounts import add_account_event
from campaigns.store.optouts.reviews import Decision
from tests.golden.gather import list_commands

NOON = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


@pytest.fixture
def portuguese():
    with restoring():
        choose(PORTUGUESE)
        yield


def test_a_long_list_of_names_is_in_portuguese(portuguese):
    names = _("{names}.", names=list_names(["", *"abcdefghij", "k"]))
    assert names == "(sem nome), a, b, c, d, e, f, g, h, i e mais 2."


def run(*arguments, **environment):
    return CliRunner().invoke(
        main, list(arguments), prog_name="revoada", env={"REVOADA_LANGUAGE": PORTUGUESE, "COLUMNS": "100"} | environment
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pt_BR", PORTUGUESE), ("pt-br", PORTUGUESE), (" PT ", PORTUGUESE), ("pt_PT.UTF-8", PORTUGUESE),
        ("pt_BR.UTF-8@euro", PORTUGUESE), ("en", ENGLISH), ("en-GB", ENGLISH), ("C.UTF-8", ENGLISH), ("POSIX", ENGLISH),
    ],
)  # fmt: skip
def test_a_language_is_read_as_people_and_systems_write_it(text, name):
    assert read_language(text) == name


@pytest.mark.parametrize("text", ["", "fr_FR", "english", "brasil", "p"])
def test_another_language_is_refused(text):
    with pytest.raises(ValueError, match="must be pt_BR or en"):
        read_language(text)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, ENGLISH),
        ({"LANG": "pt_BR.UTF-8"}, PORTUGUESE),
        ({"LANG": "pt_BR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, ENGLISH),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "pt_BR"}, PORTUGUESE),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "fr:pt_BR:en"}, PORTUGUESE),
        ({"LANG": "pt_BR.UTF-8", "REVOADA_LANGUAGE": "en"}, ENGLISH),
        ({"LANG": "de_DE.UTF-8"}, ENGLISH),
        ({"LANG": "pt_BR", "REVOADA_LANGUAGE": " "}, PORTUGUESE),
    ],
)
def test_the_language_is_that_of_revoada_or_else_that_of_the_system(environment, name):
    assert find_language(environment) == name


def test_a_language_that_revoada_lacks_is_refused_by_a_command_that_reads_the_settings(revoada):
    assert "REVOADA_LANGUAGE is wrong: must be pt_BR or en" in revoada.refusal(
        "campaign", "list", REVOADA_LANGUAGE="klingon"
    )


def test_the_language_may_stand_in_the_env_file(revoada, tmp_path):
    (tmp_path / ".env").write_text("REVOADA_LANGUAGE=pt_BR\n")
    (tmp_path / ".env").chmod(0o600)
    revoada.environment["REVOADA_LANGUAGE"] = None
    assert revoada.ok("--help").startswith("Uso:")
    assert revoada.ok("suppress", "list") == "Ninguém está bloqueado.\n"
    assert revoada.ok("suppress", "list", REVOADA_LANGUAGE="en") == "Nobody is suppressed.\n"


def test_refusals_are_written_in_portuguese_with_commands(revoada):
    text = revoada.refusal("template", "show", "promo:pt_BR", REVOADA_LANGUAGE=PORTUGUESE)
    assert text == "Erro: Não existe o template promo:pt_BR; `revoada template list` mostra todos."


def test_json_and_the_errors_of_a_command_with_json_stay_english(house):
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    house.ok("template", "add", "other", "--language", "pt_BR", "--body", "{{1}} e {{2}}")
    rows = json.loads(house.ok("template", "list", "--json"))
    assert {row["name"] for row in rows} == {"promo", "other"}
    refused = json.loads(house.refusal("template", "show", "gone:pt_BR", "--json"))
    assert refused["error"]["message"].startswith("There is no template gone:pt_BR")
    assert house.refusal("template", "show", "gone:pt_BR").startswith("Erro: Não existe o template gone:pt_BR")


def test_the_errors_of_click_are_in_portuguese():
    assert run("migrat").stderr.startswith("Erro: Não existe o comando 'migrat'.")
    assert run("migrat").stderr.endswith("Veja `revoada -h`.\n")
    assert "Não existe a opção '--colour'" in run("keygen", "--colour").stderr
    assert "Falta o argumento 'TELEFONE'" in run("forget").stderr
    assert "Falta a opção '--language'" in run("template", "add", "promo").stderr
    assert "não é um número inteiro, como 90" in run("retention", "--days", "many").stderr
    assert "está fora do intervalo x>=1" in run("retention", "--days", "0").stderr
    assert "'nowhere.csv' não existe" in run("suppress", "import", "nowhere.csv").stderr


def test_the_language_of_one_command_does_not_reach_the_next(revoada):
    revoada.ok("--help", REVOADA_LANGUAGE=PORTUGUESE)
    assert current().name == ENGLISH
    assert revoada.ok("suppress", "list") == "Nobody is suppressed.\n"


@pytest.mark.usefixtures("portuguese")
def test_values_take_the_form_of_the_language():
    values = {"n": 1234567, "rate": 12.5, "of": Count(2000, "message"), "one": Count(1, "message")}
    text = Sentence("{n:,} {rate:.1f} {of} {one} {wait} {long}", **values, wait=Duration(7200), long=Duration(172_800))
    assert in_commands(text) == "1.234.567 12,5 2.000 mensagens 1 mensagem 2 h 2 dias"
    assert in_commands(Sentence("{at}", at=Moment(NOON, "America/Sao_Paulo"))) == "27/11/2026 09:00:00 -03"
    assert local_time(NOON, "America/Manaus") == "27/11/2026 08:00:00 -04"


@pytest.mark.usefixtures("portuguese")
def test_a_word_is_translated_and_equal_data_is_not():
    assert in_commands(Sentence("{word} {name}", word=Word("body"), name="body")) == "corpo body"


@pytest.mark.usefixtures("portuguese")
def test_a_status_has_the_gender_of_its_thing():
    statuses = [CampaignStatus.PAUSED, TemplateStatus.PAUSED]
    assert in_commands(Sentence("{statuses}", statuses=statuses)) == "pausada, pausado"


@pytest.mark.usefixtures("portuguese")
@pytest.mark.parametrize(
    ("value", "text"),
    [(MediaKind.IMAGE, "imagem"), (ParameterFormat.NAMED, "nomeado"), (Decision.DISMISSED, "descartada")],
)
def test_a_kind_that_a_refusal_names_is_translated(value, text):
    assert in_commands(Sentence("{value}", value=value)) == text


@pytest.mark.usefixtures("portuguese")
def test_sentences_within_sentences_and_advice_are_translated():
    refusal = Refusal("campaigns_refused", "{refusals}", refusals=[missing_campaign(7)])
    assert in_commands(refusal) == "A campanha 7 não existe: `revoada campaign list` mostra todas."
    start = Hint(HintAction.START_CAMPAIGN, 7)
    finding = Finding(
        "draft", Severity.NOTE, "Campaign {campaign_id} is a draft.", "Start it: {start}.", campaign_id=7, start=start
    )
    assert advise(finding) == "Inicie a campanha: `revoada campaign start 7`."


@pytest.mark.usefixtures("portuguese")
def test_the_names_of_values_in_commands_are_translated_and_options_are_not():
    hint = Hint(HintAction.CHANGE_ACCOUNT, entry=Entry(Field.ACCOUNT))
    assert write_command(hint) == "revoada account set CONTA --account NOME"
    assert write_command(Hint(HintAction.IMPORT_RECIPIENTS, 7)) == "revoada campaign import 7 ARQUIVO"


@pytest.mark.usefixtures("portuguese")
@pytest.mark.parametrize(("number", "text"), [(0, "0 telefones"), (1, "1 telefone"), (2500, "2.500 telefones")])
def test_a_plural_follows_its_number(number, text):
    assert plural("{count:,} phone suppressed", "{count:,} phones suppressed", number).startswith(text)


@pytest.mark.parametrize(
    ("name", "typed", "is_yes"),
    [
        (PORTUGUESE, "s\n", True), (PORTUGUESE, "Sim\n", True), (PORTUGUESE, "y\n", True), (PORTUGUESE, "\n", False),
        (PORTUGUESE, "n\n", False), (PORTUGUESE, "NÃO\n", False), (PORTUGUESE, "talvez\ns\n", True),
        (ENGLISH, "y\n", True), (ENGLISH, "\n", False), (ENGLISH, "s\ny\n", True),
    ],
)  # fmt: skip
def test_a_question_takes_the_answers_of_its_language(name, typed, is_yes):
    @click.command()
    def ask():
        with restoring():
            choose(name)
            confirm("Go on?", "Nothing was changed.")

    result = CliRunner().invoke(ask, input=typed)
    assert (result.exit_code == 0) is is_yes
    assert ("[s/N]" if name == PORTUGUESE else "[y/N]") in result.output


class Marked(Translation):
    """A language in which each translated letter is a dot, so any letter in an output was not translated."""

    def translate(self, text):
        return re.sub(r"[^\W\d_]", "·", text)

    def translate_in(self, context, text):
        return self.translate(text)


# Lines of examples, and what a person types: commands, options, choices, and the words of click's own texts.
_TYPED = re.compile(
    r"^    .*\b(?:revoada|pass show|--[a-z]).*$|^Uso: revoada [a-z -]*|--?[a-z][a-z-]*|\[[a-z_|,-]+\]|\[padrão: .*?\]|"
    r"obrigatória\]|Opções:|Comandos:|Mostra (?:esta mensagem|a versão) e termina\.|^ {2}[a-z][a-z-]*(?=  )",
    re.MULTILINE,
)


@pytest.mark.parametrize("path", [path for path, _command in list_commands(main)], ids=" ".join)
def test_every_text_of_the_help_of_a_command_is_translated(path, monkeypatch):
    for _path, command in list_commands(main):
        monkeypatch.setattr(command, "_help_option", None)  # click keeps the texts of the first language
    if path == ("simulate",):
        return  # its help is that of the simulator, a program of its own
    monkeypatch.setattr(language, "load", Marked)
    output = run(*path, "--help").output.replace("\\\n", " ")  # a long command is one line
    assert "·" in output
    assert re.findall(r"[^\W\d_]{2,}", _TYPED.sub("", output)) == [], output


def test_a_text_without_a_translation_stays_english():
    with restoring():
        choose(PORTUGUESE)
        assert _("A text that no catalogue has, {n:,}.", n=1000) == "A text that no catalogue has, 1.000."


# What is shown is translated

# The calls that show a text, and the functions whose texts people read.
_SHOWING = {
    "say", "confirm", "print_table", "print_facts", "prompt", "add_task", "fail",
    "CommandError", "UsageError", "BadParameter",
}  # fmt: skip
_UNTRANSLATED = {"META_APP_SECRET", "WABA", ": --daily-limit ", "uid "}


def list_bare_texts(node):
    """List the strings with letters in an expression, also in f-strings, but not those that are given to a call."""
    if isinstance(node, ast.FormattedValue):
        node = node.value  # without the format
    if isinstance(node, ast.Call | ast.Compare | ast.Dict):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and any(map(str.isalpha, node.value)):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from list_bare_texts(child)


def list_shown_texts(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            keywords = [each.value for each in node.keywords if each.arg in {"text", "empty", "description"}]
            for argument in [*node.args, *keywords] if name in _SHOWING else []:
                yield from list_bare_texts(argument)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from list_bare_texts(node.value)


@pytest.mark.parametrize(
    "source",
    [
        'say("Nothing is wrong.")', 'say(f"Campaign {id} is changed.")', 'raise CommandError("Not " + "now")',
        'say(_("Nothing is wrong.") if fine else "Something is wrong.")', 'print_facts([("status", row.status)])',
        'def name(row):\n    return f"about {row}"', 'print_table((_("id"),), [], empty="There is none.")',
    ],
)  # fmt: skip
def test_a_text_that_is_shown_without_a_translation_is_found(source):
    assert [*list_shown_texts(ast.parse(source))] != []


def test_no_command_shows_a_text_without_a_translation():
    """The answers of `celery control` are no output of a command: they go over the broker, to Celery's own client."""
    paths = [path for path in sorted(Path(cli.__file__).parent.rglob("*.py")) if path.name != "remote_control.py"]
    assert len(paths) > 20
    found = [
        (path.name, text)
        for path in paths
        for text in list_shown_texts(ast.parse(path.read_text("utf-8")))
        if text not in _UNTRANSLATED
    ]
    assert found == []


# Commands are typed, and a table of Rich cuts no word. A word of this list is in no output in Portuguese.
_COMMAND = re.compile(r"`[^`]*`|^ *revoada .*|revoada campaign [a-z-]+ \d+.*|--[a-z-]+|REVOADA_\w+", re.MULTILINE)
_ENGLISH = re.compile(
    r"\b(?:the|of|is|are|and|to|with|from|not|no row|there|has|have|was|will|nothing|messages?|campaigns?|accounts?|"
    r"recipients?|sent|delivered|read|replied|failed|skipped|rows?|columns?|reason|active|inactive|status|name|by|now|"
    r"today|tomorrow|first|next|per|second|seconds|window|interval|limit|error|warning|health|checked|when|why|until)\b",
    re.IGNORECASE,
)
_SAME = {"no", "status"}  # words of both languages


def find_english(output):
    return [word for word in _ENGLISH.findall(_COMMAND.sub("", output)) if word.casefold() not in _SAME]


def test_english_words_are_found_and_commands_are_not():
    assert find_english("A campanha 1 was sent; veja `revoada campaign show 1`, --class") == ["was", "sent"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--help",), "uso: revoada simulate"),
        (("--portt", "8800"), "erro: argumentos desconhecidos: --portt"),
        (("--port", "high"), "erro: argumento --port: não é um valor válido (int): 'high'"),
        (("--latency-ms", "soon"), "'soon' não é um número, true, false ou [menor, maior]"),
    ],
)
def test_the_simulator_speaks_portuguese(arguments, text):
    output = run("simulate", *arguments).output
    assert text in output
    described = re.sub(r"--?[a-z-]+|`\w+`|\[[^]]*\]|^uso:.*?\n\n", "", output, flags=re.DOTALL | re.MULTILINE)
    assert find_english(described) == []


def test_the_list_of_commands_is_in_portuguese():
    listed = run("--help").output.partition("Comandos:\n")[2]
    assert len(listed.splitlines()) >= 15
    assert find_english(re.sub(r"^ {2}[a-z-]+", "", listed, flags=re.MULTILINE)) == []


def test_the_main_commands_speak_portuguese(house, create, tmp_path):
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    people = tmp_path / "pessoas.csv"
    people.write_text("phone,nome\n+5511999990001,Ana\n+5511999990001,Bia\n08001234567,Caio\n,Davi\n", encoding="utf-8")
    outputs = [
        house.ok(*words)
        for words in (
            ("migrate",),
            ("account", "list"),
            ("account", "show", "sales"),
            ("account", "set", "sales", "--messages-per-second", "90"),
            ("portfolio", "add", "acme", "--daily-limit", "1000"),
            ("portfolio", "list"),
            ("portfolio", "show", "acme"),
            ("template", "list"),
            ("template", "show", "promo:pt_BR"),
            ("campaign", "list"),
            ("campaign", "create", "Natal", "--template", "promo:pt_BR", "--account", "sales",
             "--recipients", str(people), "--interval", "2", "--weekdays", "seg-sáb",
             "--pause-after", "10", "--pause-for", "5"),
            ("campaign", "list"),
            ("campaign", "show", "1"),
            ("campaign", "preview", "1"),
            ("campaign", "import-errors", "1"),
            ("campaign", "errors", "1"),
            ("campaign", "set", "1", "--window", "00:00-24:00", "--expire-at", "em 9 dias"),
            ("campaign", "start", "1"),
            ("campaign", "pause", "1"),
            ("campaign", "resume", "1"),
            ("campaign", "cancel", "1"),
            ("campaign", "watch"),
            ("account", "deactivate", "sales"),
            ("account", "list"),
            ("account", "activate", "sales"),
            ("suppress", "add", "+5511999990009"),
            ("suppress", "list"),
            ("optouts", "review"),
            ("retention", "--days", "9"),
        )
    ]  # fmt: skip
    assert [(output, words) for output in outputs if (words := find_english(output))] == []
    assert any(output.startswith("A campanha 1 (Natal) está cancelada.\n") for output in outputs)
    assert any(re.search("dias da semana +seg-sáb", output) for output in outputs)


def test_a_later_time_is_suggested_in_words_that_can_be_typed(house, create):
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    create()
    refused = house.refusal("campaign", "set", "1", "--schedule-at", "ontem 00:00")
    later = re.search(r"Informe um horário posterior, como '(\d{4}-\d\d-\d\d 00:00)' \(America/Sao_Paulo\)\.", refused)
    assert later, refused
    house.ok("campaign", "set", "1", "--schedule-at", later[1])


def test_a_command_that_gives_a_draft_a_later_time_has_words_that_can_be_typed(house, create, database):
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    create()
    database.run(lambda c: c.execute("UPDATE campaigns SET scheduled_at = now() - interval '25 hours'"))
    refused = house("campaign", "start", "1").stderr
    later = re.search(r"`revoada campaign set 1 --schedule-at '(\d{4}-\d\d-\d\d \d\d:\d\d)'`", refused)
    assert later, refused
    house.ok("campaign", "set", "1", "--schedule-at", later[1])


EVENTS = [
    ("category_deactivated", {"category": "MARKETING", "errors": [{"code": 131063, "title": "unknown error"}]}),
    ("activated", {"was": "5 consecutive send failures: 190 access token is missing"}),
    ("deactivated", {"reason": "deactivated by a person"}),
    ("blocked", {"reason": "throttled: 4 the app reached its call limit", "until": NOON.isoformat()}),
    ("health_worse", {"changes": "quality GREEN → YELLOW, can send AVAILABLE → LIMITED", "quality": "YELLOW"}),
    ("health_better", {"changes": "status FLAGGED → CONNECTED", "status": "CONNECTED"}),
    ("health_failed", {"reason": "No answer: the host of the address was not found", "said": ""}),
    ("health_failed", {"reason": "Request failed with status code 400 (code 190)", "said": "Sessão inválida"}),
    ("reported", {"errors": [{"code": 131026, "title": "unknown error"}], "source": "webhooks"}),
]


def test_the_events_and_the_stored_reasons_of_an_account_are_in_portuguese(house, create, database):
    def store(connection):
        for kind, details in EVENTS:
            add_account_event(connection, 1, kind, details)
        connection.execute(
            "UPDATE accounts SET active = false, inactive_reason = '5 consecutive send failures: 190 unknown error',"
            " blocked_until = now() + interval '1 hour', health = %s,"
            " blocked_reason = 'throttled: 4 the app reached its call limit', health_checked_at = now() WHERE id = 1",
            (Jsonb({"quality": "RED", "can_send": "BLOCKED"}),),
        )
        connection.execute("UPDATE campaigns SET status = 'running', started_at = now()")

    create()
    database.run(store)
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    shown = house.ok("account", "show", "sales")
    others = [house.ok(*words) for words in (("account", "list"), ("campaign", "show", "1"))]
    others += [house("doctor", "1").stdout]
    assert [(output, words) for output in (shown, *others) if (words := find_english(output))] == []
    for text in (
        "categoria desativada  MARKETING; 131063 erro desconhecido",
        "ativada               antes: 5 falhas de envio seguidas: 190 falta o token de acesso",
        "desativada            desativada por uma pessoa",
        "em descanso           limite da Meta: 4 o app atingiu o limite de chamadas; até 27/11/2026 09:00:00 -03",
        "saúde piorou          qualidade GREEN → YELLOW, pode enviar AVAILABLE → LIMITED",
        "saúde melhorou        status FLAGGED → CONNECTED",
        "saúde não verificada  Sem resposta: o host do endereço não foi encontrado",
        "saúde não verificada  A requisição falhou com o status HTTP 400 (código 190); Sessão inválida",
        "falhas informadas     131026 erro desconhecido",
        "qualidade RED, pode enviar BLOCKED",
    ):
        assert re.search(re.sub(" {2,}", " +", re.escape(text).replace(r"\ ", " ")), shown), text
    for output in others:
        assert "5 falhas de envio seguidas: 190 erro desconhecido" in output


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1=a\tb", "O valor de 1 do template promo:pt_BR tem uma tabulação."),
        ("1=     ", "O valor de 1 do template promo:pt_BR está vazio."),
        ("9=x", "O template promo:pt_BR não tem '9' para definir; ele pede 1."),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_portuguese(house, create, value, text):
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    create()
    assert house.refusal("campaign", "set", "1", "--set", value) == f"Erro: {text}"


def test_a_template_that_takes_other_values_is_refused_in_portuguese(house, create):
    create()
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    house.ok("template", "add", "two", "--language", "pt_BR", "--body", "{{1}} {{2}}")
    refused = house.refusal("campaign", "set", "1", "--template", "two:pt_BR")
    assert "têm 1 valor (1), mas o template two:pt_BR precisa de 2 valores (1, 2) para cada um." in refused


def test_the_meaning_of_metas_code_in_a_refusal_is_in_portuguese(house, far):
    far.script(tokens=["another-token"])
    house.environment |= {"REVOADA_LANGUAGE": PORTUGUESE, "GRAPH_API_URL": f"{far.url}/v24.0"}
    ids = ("--phone-number-id", "1099", "--waba-id", "22")
    refused = house.refusal("account", "add", "other", *ids, "--token-env", "WHATSAPP_TOKEN")
    assert "(código 190: token de acesso expirado, revogado ou ilegível)" in refused


def test_the_result_of_a_retry_begins_in_portuguese(house, create, database):
    create()
    database.run(lambda connection: connection.execute("UPDATE campaigns SET status = 'running', started_at = now()"))
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    for words in (("retry", "1", "--class", "server"), ("retry-uncertain", "1", "--yes")):
        output = house.ok("campaign", *words)
        assert output.startswith("Campanha 1 (")
        assert find_english(output) == []


def test_the_reasons_of_meta_and_of_the_system_are_in_portuguese(house, create, tmp_path):
    house.environment["REVOADA_LANGUAGE"] = PORTUGUESE
    refused = house.refusal("account", "check", "sales", GRAPH_API_URL="http://host.invalid/v24.0")
    assert ": Sem resposta: o host do endereço não foi encontrado. " in refused
    refused = house.refusal("suppress", "import", str(tmp_path), exit_code=2)
    assert refused.startswith(f"Erro: Valor inválido para 'ARQUIVO': Arquivo '{tmp_path}' é uma pasta.")
    house.ok("template", "list")
    create()
    file = tmp_path / "gone" / "black-friday.csv"
    refused = house.refusal("campaign", "export", "1", "--output", str(file))
    assert refused.endswith(f"{file.parent} não existe, por isso {file} não foi gravado. Crie a pasta antes.")


def test_a_date_is_read_in_the_language_of_the_person_also_with_json(create, house):
    house.environment |= {"REVOADA_LANGUAGE": None, "LC_ALL": None, "LC_MESSAGES": None, "LANG": "pt_BR.UTF-8"}
    create()
    assert house.json("campaign", "set", "1", "--schedule-at", "01/12/2999 09:00")["status"] == "draft"
    assert house.json("campaign", "show", "1")["scheduled_at"].startswith("2999-12-01")


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("REVOADA_QUIET_HOURS", "noite", "precisa ser um horário como 20:00-08:00, menor que um dia"),
        ("LOG_FORMAT", "xml", "precisa ser uma destas palavras: text, json"),
        ("REDIS_URL", "redis://host/0/1", "precisa terminar com o número de um banco, como /0"),
        ("GRAPH_API_URL", "graph", "precisa ser como https://…"),
        ("REVOADA_REGION", "Brasil", "precisa ser um país de duas letras, como BR"),
    ],
)
def test_a_wrong_setting_is_refused_in_portuguese(revoada, variable, text, told):
    more = {variable: text, "REVOADA_LANGUAGE": PORTUGUESE}
    assert revoada.refusal("campaign", "list", **more) == f"Erro: {variable} está errada: {told}"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["account", "set", "sales", "--messages-per-second", "80,5"], "'80,5' não é um número inteiro, como 80."),
        (["campaign", "set", "1", "--interval", "2,5"], "'2,5' não é um número, como 2 ou 2.5 (com ponto)."),
        (["campaign", "preview", "1", "--rows", "três"], "'três' não é um número inteiro, como 3."),
    ],
)
def test_a_number_in_another_form_is_refused_with_an_example(house, create, arguments, text):
    create()
    assert text in house.refusal(*arguments, exit_code=2, REVOADA_LANGUAGE=PORTUGUESE)


def test_a_column_without_a_name_and_a_source_are_in_portuguese(house, create, tmp_path):
    file = tmp_path / "more.csv"
    file.write_text("phone,name\n+5511999990003,Caio,x\n")
    told = house.ok("campaign", "import", create(), str(file), "--map", "1=name", REVOADA_LANGUAGE=PORTUGUESE)
    assert "(coluna 3 não está no cabeçalho)" in told
    house.ok("suppress", "add", "+5511999990003")
    assert "manual" in house.ok("suppress", "list", REVOADA_LANGUAGE=PORTUGUESE)
    assert current_word(Source.WORD) == "palavra"


def current_word(value):
    return Translation(PORTUGUESE).translate_word(value)
