from __future__ import annotations

import pytest

from campaigns.domain.statement import Refusal
from campaigns.domain.users.credentials import MAX_PASSWORD, read_password, read_user_name


@pytest.mark.parametrize("text", ["maria", " Maria ", "maria.silva@example.com", "1a", "x" * 64])
def test_a_name_is_kept_in_lower_case(text):
    assert read_user_name(text) == text.strip().lower()


@pytest.mark.parametrize(
    "text", ["", " ", "joão", "maria silva", "-x", "x" * 65, "a\nb", "a/b", "+5511987654321", "<b>"]
)
def test_other_names_are_refused(text):
    with pytest.raises(Refusal) as caught:
        read_user_name(text)
    assert caught.value.code == "user_name_invalid"


@pytest.mark.parametrize(
    "text", ["correto cavalo bateria", "x9!kQ-27vbTz", "são joão da ponte", "12 gatos no telhado", "7204983316552"]
)
def test_a_password_of_twelve_characters_is_taken(text):
    assert read_password(text, name="maria") == text


@pytest.mark.parametrize("text", ["", "short", "elevenchars", "x" * (MAX_PASSWORD + 1)])
def test_a_short_or_endless_password_is_refused(text):
    with pytest.raises(Refusal) as caught:
        read_password(text, name="maria")
    assert caught.value.code == "password_length"


@pytest.mark.parametrize(
    "text",
    ["passwordpassword", "Password1234!", "P@ssw0rd1234", "senha12345678", "SENHA-2026-senha", "123456789012",
     "098765432109", "aaaaaaaaaaaa", "abcabcabcabc", "qwertyuiop12", "maria1234567", "mariamaria12", "2026maria2026",
     "correct horse battery staple"],
)  # fmt: skip
def test_one_of_the_first_guesses_is_refused(text):
    with pytest.raises(Refusal) as caught:
        read_password(text, name="maria@example.com")
    assert caught.value.code == "password_common"


def test_the_same_characters_are_the_same_password():
    assert read_password("cafe\u0301 com leite", name="x") == read_password("caf\u00e9 com leite", name="x")
