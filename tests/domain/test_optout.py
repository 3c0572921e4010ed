import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.domain.optout import DEFAULT_WORDS, Refusal, StopRules, fold, read_words
from campaigns.domain.person import is_number, list_forms, recipient_key

RULES = StopRules()


@pytest.mark.parametrize(
    "text",
    [
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
            "S\u0301AIR",
        ),
        *("BAJA", "Cancelar suscripción", "cancelar  suscripcion!", "Descadastrar", "arrêt", "Opt-out", "STOPP"),
        *("❌ Stop ❌", "\u200eStop\u200f", "Não quero receber", "nao quero receber", "Stop promotions"),
    ],
)
def test_a_whole_message_that_is_a_stop_word_is_an_opt_out(text):
    assert RULES.find_word(text).is_certain


@pytest.mark.parametrize(
    "text",
    [
        *("Não quero mais PARAR", "Quero sair na foto", "stop me now", "não pare", "Parabéns", "sairá", "", " ", "🙏"),
        *("1️⃣", "STO P", "stop" + " " * 500, "sair" * 100, "\x00"),
    ],
)
def test_anything_else_is_not(text):
    assert RULES.find_word(text) is None


@given(st.sampled_from([word.strip() for word in DEFAULT_WORDS.split(",")]), st.sampled_from(" .!?*_~\n\u200d🙏👍🏾"))
def test_case_and_what_stands_around_a_word_change_nothing(word, around):
    assert RULES.find_word(f"{around}{word.upper()}{around}") == Refusal(fold(word), is_certain=True)


@given(st.text())
def test_any_text_can_be_folded(text):
    folded = fold(text)
    assert folded == " ".join(folded.split())


@pytest.mark.parametrize(
    ("payload", "text", "found"),
    [
        ("STOP", "Não quero mais", "stop"),
        ("opt_out", "", "opt out"),
        ("UNSUB:c17", "Descadastrar", "descadastrar"),
        ("Sair", "Sair", "sair"),
        ("YES", "Quero!", None),
        ("STOP_LOSS", "Stop loss", None),
    ],
)
def test_a_button_is_an_opt_out_by_its_payload_or_its_text(payload, text, found):
    assert RULES.find_button(payload, [text]) == (found and Refusal(found, is_certain=True))


def test_words_and_payloads_are_lists_of_ones_own():
    rules = StopRules(read_words("Chega!, tô fora"), read_words("NO_MORE"))
    found = [rules.find_word(text) for text in ("CHEGA", "to fora", "parar")]
    assert found == [Refusal("chega", is_certain=True), Refusal("to fora", is_certain=True), None]
    assert rules.find_button("no-more", []) == Refusal("no more", is_certain=True)


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
