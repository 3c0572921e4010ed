"""Recognition of refusals: a labelled set of answers, and the rules one by one."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.optout import phrases
from campaigns.domain.optout.recognition import DEFAULT_PAYLOADS, DEFAULT_WORDS, Stop, StopRules, fold, read_words
from campaigns.domain.phone.person import is_number, list_forms, recipient_key

RULES = StopRules()

with (Path(__file__).parent / "optout_phrases.csv").open(encoding="utf-8", newline="") as lines:
    PHRASES = [(row["language"], row["label"], row["phrase"]) for row in csv.DictReader(lines)]

MIXED = ["não", "quero", "mais", "receber", "parar", "de", "sair", "stop", "me", "mandar", "no", "?", "."]


def judge(text):
    refusal = RULES.find_word(text)
    if refusal is None:
        return "none"
    return "certain" if refusal.is_certain else "review"


def count(label, language=None):
    return Counter(judge(text) for lang, kind, text in PHRASES if kind == label and language in (None, lang))


def test_the_set_is_large_enough_to_say_something():
    counts = Counter((language, label) for language, label, _ in PHRASES)
    assert len(PHRASES) >= 300
    assert all(counts[language, label] >= 100 for language in ("pt", "es", "en") for label in ("refusal", "other"))
    assert len({phrase for _, _, phrase in PHRASES if phrase}) > 0.98 * len(PHRASES)


@pytest.mark.parametrize("language", ["pt", "es", "en"])
def test_of_the_refusals_nearly_all_are_held(language):
    """A refusal is held if the person is suppressed at once, or if an operator decides about it."""
    judged = count("refusal", language)
    assert judged["none"] <= 0.02 * judged.total()
    assert judged["certain"] >= 0.4 * judged.total()


def test_what_is_no_refusal_for_certain_suppresses_nobody():
    suppressed = [text for _, label, text in PHRASES if label != "refusal" and judge(text) == "certain"]
    assert suppressed == []


def test_a_person_has_few_ordinary_answers_to_decide():
    judged = count("other")
    assert judged["review"] <= 0.06 * judged.total()


@pytest.mark.parametrize(
    "text",
    [
        *("STOP", "STOPALL", "UNSUBSCRIBE", "UNSUB", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "Opt-out"),
        *(
            "SAIR",
            "sair",
            " Sair. ",
            "SAIR!!!",
            "Parar 🙏🏽",
            "*PARAR*",
            "stop\n",
            "“STOP”",
            "\uff33\uff34\uff2f\uff30",
        ),
        *("BAJA", "Cancelar suscripción", "cancelar  suscripcion!", "Descadastrar", "arrêt", "STOPP", "S\u0301AIR"),
        *("❌ Stop ❌", "\u200eStop\u200f", "Não quero receber", "nao quero receber", "Stop promotions"),
        *("SAIR, por favor", "Stop. Thank you", "pls stop", "Oi, bom dia! Sair, obrigada", "Baja por favor, gracias"),
        *("saiiir", "STOPPPP", "stop stop stop", "S.T.O.P.", "s a i r", "Não, não quero mais receber mensagens"),
        *("não quero mais receber", "Parar de receber", "me tira da lista", "n quero mais receber msg", "quero sair"),
        *("Por favor, me tira, moço, dessa lista", "no me escriban más", "quítenme de la lista", "Don't text me again"),
        *("SAIR. Não quero mais receber mensagens!", "para de me mandar mensagem, porra", "take me off your list"),
    ],
)
def test_a_message_that_says_nothing_else_is_certain(text):
    assert judge(text) == "certain"


@pytest.mark.parametrize(
    "text",
    [
        *("SAIR?", "¿Baja?", "STOP\uff1f", "Como faço para sair?", "Can you remove me from this list?"),
        *("Sair. Quando chega meu pedido?", "Já mandei SAIR três vezes", "I quit", "stop me now", "Stop it"),
        *("sari", "stpo", "descadastar", "unsubcribe", "me tira da lsta", "não tenho interesse", "número errado"),
        *("cancel my subscription", "quero cancelar", "chega", "spam", "me deixem em paz", "vou bloquear vocês"),
        "Bom dia. " + "Compro aí há anos e sempre gostei do atendimento. " * 9 + "Mas parem de me mandar mensagem.",
    ],
)
def test_what_is_near_a_refusal_goes_to_a_person(text):
    assert judge(text) == "review"


@pytest.mark.parametrize(
    "text",
    [
        *("Quando posso sair para buscar?", "pare na porta", "cancelar meu pedido", "quero cancelar a consulta"),
        *("bus stop", "stop by tomorrow?", "muito alto", "end of the month?", "quit smoking course?", "Parabéns"),
        *("Não quero mais PARAR", "Quero sair na foto", "não pare", "sairá", "não quero sair da lista", "don't stop"),
        *(
            "não pare de mandar",
            "no me den de baja",
            "no quiero darme de baja",
            "me tira uma dúvida",
            "shop",
            "para mim",
        ),
        *(
            "não quero o azul, quero o verde",
            "vai parar de chover?",
            "End.: Rua das Flores 123",
            "não recebi a mensagem",
        ),
        *("Para encerrar o atendimento digite SAIR", "Reply STOP to unsubscribe", "Quero sair do sistema"),
        *("", " ", "🙏", "👎", "1️⃣", "STO P", "sair" * 100, "\x00", "Obrigado", "Por favor"),
    ],
)
def test_anything_else_is_none(text):
    assert judge(text) == "none"


@given(st.sampled_from([word.strip() for word in DEFAULT_WORDS.split(",")]), st.sampled_from(" .!*_~\n\u200d🙏👍🏾"))
def test_case_and_what_stands_around_a_word_change_nothing(word, around):
    assert RULES.find_word(f"{around}{word.upper()}{around}") == Stop(fold(word), is_certain=True)


@given(
    st.sampled_from(["oi", "Bom dia!", "Hola,", "please", "Por favor,", "pfv"]),
    st.sampled_from([word.strip() for word in DEFAULT_WORDS.split(",")]),
    st.sampled_from(["por favor", ", obrigada", "pls", "🙏 thank you", ". Gracias!"]),
)
def test_courtesy_around_a_word_changes_nothing(before, word, after):
    assert RULES.find_word(f"{before} {word} {after}") == Stop(fold(word), is_certain=True)


@given(st.text())
def test_any_text_can_be_folded(text):
    folded = fold(text)
    assert folded == " ".join(folded.split())


@given(st.text() | st.lists(st.sampled_from(MIXED)).map(" ".join))
def test_any_text_is_judged(text):
    assert judge(text) in ("none", "review", "certain")


def test_a_long_text_is_read_and_is_never_certain():
    assert judge("Não quero mais receber mensagens. " * 120) == "review"
    assert judge("stop" + " " * 500) == "review"
    assert judge("quero que " * 400) == "none"


def test_the_phrases_are_written_as_the_texts_they_are_compared_with():
    """A phrase never matches if it has a word that `fold`, SPELLINGS or EMPHASIS remove from every text."""
    variants = {variant for listed in phrases.SPELLINGS.values() for variant in listed.split()}
    left_out = {word.strip() for word in re.split(r"[|\n]", phrases.COURTESY + phrases.EMPHASIS)}
    lists = (phrases.OPENINGS, phrases.ENDINGS, phrases.ALONE, phrases.CLEAR)
    lists += (phrases.UNCLEAR_ALONE, phrases.UNCLEAR, phrases.HARMLESS, phrases.FILLING)
    text = "\n".join(
        line for each in (*lists, *phrases.NAMED.values()) for line in each.splitlines() if line[:1] != "#"
    )
    names = set(re.findall(r"\{(\w+)\}", text))
    assert names == set(phrases.NAMED)
    words = set(re.findall(r"\w+", re.sub(r"\{\w+\}", "", text)))
    assert {word for word in words if fold(word) != word} == set()
    assert words & (variants | left_out) == set()


@pytest.mark.parametrize(
    ("payload", "text", "found"),
    [
        ("STOP", "Não quero mais", "stop"),
        ("opt_out", "", "opt out"),
        ("UNSUB:c17", "Tchau", "unsub"),
        ("STOP_c17", "", "stop"),
        ("stop_marketing", "", "stop"),
        ("STOP_PROMOTIONS", "", "stop promotions"),
        ("Sair", "Sair", "sair"),
        ("c17", "Parar de receber", "parar de receber"),
        ("c17", "Não quero mais receber 😢", "nao quero mais receber"),
    ],
)
def test_a_button_is_an_opt_out_by_its_payload_or_its_text(payload, text, found):
    assert RULES.find_button(payload, [text]) == Stop(found, is_certain=True)


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("cancel_17", "Cancelar"),
        ("Remover", "Remover"),
        ("btn_optout", "Ok"),
        ("c17:STOP", "Ok"),
        ("c17", "Como sair da lista?"),
    ],
)
def test_a_button_that_may_be_about_something_else_goes_to_a_person(payload, text):
    refusal = RULES.find_button(payload, [text])
    assert refusal is not None
    assert not refusal.is_certain


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("YES", "Quero!"),
        ("STOP_LOSS", "Stop loss"),
        ("no_unsubscribe", "Keep me"),
        ("unsub:no", "Ficar"),
        ("no", "Não tenho interesse"),
        ("x" * 5_000 + "_stop", ""),
        ("", ""),
    ],
)
def test_any_other_button_is_none(payload, text):
    assert RULES.find_button(payload, [text]) is None


def test_words_and_payloads_are_lists_of_ones_own():
    rules = StopRules(read_words("Chega!, tô fora, saaair"), read_words("NO_MORE"))
    texts = ("CHEGA", "chega, por favor", "to fora", "saaair", "parar")
    found = [
        refusal and refusal.detail for refusal in map(rules.find_word, texts) if refusal is None or refusal.is_certain
    ]
    assert found[:4] == ["chega", "chega", "to fora", "saaair"]
    assert rules.find_button("no-more", []) == Stop("no more", is_certain=True)


def test_the_default_words_and_payloads_are_read_once_each():
    for default in (DEFAULT_WORDS, DEFAULT_PAYLOADS):
        assert len(read_words(default)) == len(default.split(","))


@pytest.mark.parametrize("text", ["", "sair,", "sair,,parar", "!!"])
def test_a_list_with_something_that_is_no_word_is_refused(text):
    with pytest.raises(ValueError, match="words, separated by commas"):
        read_words(text)


@pytest.mark.parametrize(
    ("number", "forms"),
    [
        ("+5511987654321", ["5511987654321", "551187654321"]),
        ("+551187654321", ["5511987654321", "551187654321"]),
        ("+551133334444", ["551133334444"]),
        ("+5215512345678", ["525512345678", "5215512345678"]),
        ("+5491112345678", ["541112345678", "5491112345678"]),
        ("+15551234567", ["15551234567"]),
    ],
)
def test_every_form_of_a_number_is_listed(number, forms):
    assert list_forms(recipient_key(number)) == forms


@given(st.from_regex(r"(55|52|521|54|549|1)[1-9][0-9]{9,10}", fullmatch=True))
def test_all_forms_are_of_one_person(number):
    forms = list_forms(recipient_key(number))
    assert number in forms
    assert {recipient_key(form) for form in forms} == {recipient_key(number)}


@pytest.mark.parametrize(("text", "good"), [("+5511999990000", True), ("15551234567", True), ("+0123456789", False)])
def test_a_number_is_told_from_other_text(text, good):
    assert is_number(text) is good
    assert not is_number(f"{text}x")
