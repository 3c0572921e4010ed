from __future__ import annotations

import pytest

from campaigns.domain.optout import consent
from campaigns.domain.optout.consent import ConsentColumns, lacks_answer, says_no
from campaigns.domain.text.encoding import find_wrong_encoding


@pytest.mark.parametrize(
    "text",
    [
        *("não", "NÃO", "nao", "n", "no", "No.", "0", "0,0", "FALSO", "False", "recusou", "Recusou em 12/03/2026"),
        *("não aceita", "Não quero receber", "sem consentimento", "opt-out", "descadastrado", "❌", "👎", "No acepta"),
        *(" não\u200b ", "não!", "never", "revogado", "no thanks", "pediu para sair", "pediu pra sair da lista"),
    ],
)
def test_a_no_is_read_in_each_form(text):
    assert says_no(text)


@pytest.mark.parametrize(
    "text",
    [
        *("sim", "s", "1", "x", "TRUE", "✓", "12/03/2026", "no site", "No evento de novembro", "cadastro da loja"),
        *("reclamou da entrega", "complained about the delivery", "cancelou o pedido"),
        *("", " ", "-", "não informado", "não consta", "Norte", "10", "Noé", "formulário nº 0", "talvez"),
    ],
)
def test_other_answers_are_no_refusal(text):
    assert not says_no(text)


@pytest.mark.parametrize(
    "name",
    [
        *("aceita", "Aceita?", "ACEITA WHATSAPP", "aceita_whatsapp", "AceitaWhatsApp", "opt-in", "optin", "optIn"),
        *("Opt In", "consentimento", "consent", "autoriza", "Autorização LGPD", "autorizou mensagens?", "LGPD"),
        *("deseja receber ofertas", "permite contato", "acepta", "aceita e-mail e whatsapp", "Contact OK?"),
        *("Contactable", "Happy to be contacted", "Opted in", "Opted-in?"),
    ],
)
def test_a_no_in_a_column_of_consents_is_a_refusal(name):
    columns = ConsentColumns(["phone", name], None)
    assert columns.find_refusal(["1", "não"]) == name
    assert columns.find_refusal(["1", "sim"]) is None
    assert columns.find_refusal(["1", ""]) is None
    assert columns.find_refusal(["1"]) is None


@pytest.mark.parametrize("name", [
    *("opt-out", "OptOut", "descadastrado", "não perturbe", "Não enviar", "do not contact"),
    *("No marketing", "Opted out?", "no messages"),
])  # fmt: skip
def test_an_answer_in_a_column_of_refusals_is_a_refusal(name):
    columns = ConsentColumns(["phone", name], None)
    for answer in ("sim", "x", "1", "TRUE", "12/03/2026", "✅"):
        assert columns.find_refusal(["1", answer]) == name
    for answer in ("não", "0", "FALSO", "", "nenhum"):
        assert columns.find_refusal(["1", answer]) is None


@pytest.mark.parametrize(
    "name", ["nome", "aceita boleto", "opt-in e-mail", "aceita SMS", "no", "bloco", "valor a receber"]
)
def test_columns_about_other_things_say_nothing(name):
    assert ConsentColumns(["phone", name], None).find_refusal(["1", "não"]) is None


def test_the_column_that_a_person_names_has_consents():
    assert ConsentColumns(["phone", "origem"], None).find_refusal(["1", "não"]) is None
    assert ConsentColumns(["phone", "origem"], 1).find_refusal(["1", "não"]) == "origem"


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(
            ("status", "SAIU"),
            ("status", "saiu em 12/03"),
            ("Status", "Cancelado"),
            ("situação", "descadastrado"),
        ),
        *(
            ("Observação", "não quer"),
            ("obs", "cliente pediu pra sair da lista"),
            ("tags", "vip; opt-out"),
        ),
        *(("notes", "leave alone"), ("notes", "complained about SMS, leave her alone"), ("Remove", "x")),
        *(("obs", "pediu para não receber mais"), ("obs", "reclamou das mensagens"), ("obs", "cancelou a inscrição")),
        *(("notes", "do not contact"), ("tags", "unsubscribed"), ("resposta", "me tira dessa lista por favor")),
        *(("obs", "Não mandar mais mensagens!"), ("obs", "no quiere recibir mensajes"), ("x", "Opt Out")),
        *(
            ("marketing", "não"),
            ("newsletter", "0"),
            ("enviar?", "N"),
            ("whats", "não"),
            ("obs", "nã\u00ado quer"),
        ),
    ],
)
def test_words_of_a_refusal_count_in_a_column_of_any_name(column, cell):
    assert ConsentColumns(["phone", column], None).find_refusal(["1", cell]) == column
    assert ConsentColumns(["phone", column], None, unrelated={1}).find_refusal(["1", cell]) is None


def test_words_that_were_harmless_before_hide_no_refusal(monkeypatch):
    monkeypatch.setattr(consent, "_MOST_WORDS", 3)
    columns = ConsentColumns(["phone", "nome", "obs"], None, variables={1})
    rows = [
        *(
            (["1", "Ana", "quero saber mais"], None),
            (["1", "não", "Ana"], None),
            (["1", "Ana", "não quer mais"], "obs"),
        ),
        *((["1", "Bruno", "mais"], None), (["1", "descadastrado", "Ana"], "nome"), (["1", "Ana", "não"], None)),
        *((["1", "Ana", "SAIU"], "obs"), (["1", "Ana"], None), (["1", "Ana", "\u2003DNC"], "obs")),
    ]
    for _ in range(2):
        assert [columns.find_refusal(cells) for cells, _column in rows] == [column for _cells, column in rows]


@pytest.mark.parametrize(
    ("column", "no", "yes"),
    [
        *(
            ("consent", "withdrawn", "given"),
            ("Consentimento", "retirado", "sim"),
            ("Permission", "Withdrawn 3/2026", "ok"),
        ),
        *(("Marketing permission", "withdrawn", "granted"), ("Contact preference", "Email only", "WhatsApp")),
        *(("Contact preference", "None", "Email"), ("GDPR", "objected", "ok"), ("RGPD", "não", "sim")),
        *(("Texts", "no", "yes"), ("Can we contact you?", "no", "Yes"), ("Happy to hear from us", "No", "Yes")),
        *(
            ("Do not text", "TRUE", "FALSE"),
            ("Suppressed", "yes", "no"),
            ("Blocked", "yes", "no"),
            ("Flag", "TPS", "VIP"),
        ),
        *(
            ("Status", "removed", "lapsed"),
            ("Deceased", "yes", "no"),
            ("Gone away", "1", "0"),
            ("RGPD", "se opuso", "sí"),
        ),
        *(("Falecido", "12/03/2026", "José da Silva"), ("consentimiento", "rechazado", "otorgado")),
    ],
)
def test_words_of_consent_in_other_languages_are_read(column, no, yes):
    columns = ConsentColumns(["phone", column], None)
    assert columns.find_refusal(["1", no]) == column
    assert columns.find_refusal(["1", yes]) is None


@pytest.mark.parametrize(
    "note",
    [
        *("asked us to stop texting", "complained - please don't message again", "Asked not to be contacted"),
        *("took her name off", "take me off the list", "no longer wants messages", "objects to marketing", "post only"),
        *("withdrew her consent in May", "retirou o consentimento", "retiró su consentimiento", "se opuso a marketing"),
        *(
            "pidió que no le escribamos",
            "asked to be removed",
            "don't text",
            "wants to opt out",
            "pediu para não ser contatado",
            "pidió no ser contactado",
        ),
    ],
)
def test_a_sentence_of_a_colleague_is_a_refusal(note):
    assert ConsentColumns(["phone", "Notes"], None).find_refusal(["1", note]) == "Notes"


@pytest.mark.parametrize(
    "note",
    [
        *("no whatsapp please", "No WhatsApp messages", "no whatsapp, only email", "no msgs", "no promos", "Sem zap"),
        *("off the list", "take me off", "fora da lista", "tirar da lista", "pediu p/ tirar", "please remove"),
        *("do not message", "pls don't msg", "não mandar", "não ligar nem mandar mensagem", "não chamar mais"),
        *("not interested", "not interested, thanks", "sem interesse", "não tem interesse", "no thanks"),
        *(
            "wrong number",
            "Wrong person!",
            "número errado",
            "telefone errado",
            "numero equivocado",
            "não é essa pessoa",
        ),
        *("sem whatsapp", "sem mensagens", "não usar WhatsApp", "odeia whatsapp", "didn't want promos", "engano"),
    ],
)
def test_a_short_note_is_a_refusal(note):
    assert ConsentColumns(["phone", "Notes"], None).find_refusal(["1", note]) == "Notes"


@pytest.mark.parametrize(
    "note",
    [
        *("VIP", "likes whatsapp", "no whatsapp group", "wrong size delivered", "wrong number of boxes", "sem lactose"),
        *("off the record", "take off 10%", "off season", "no sugar", "remove the old sofa", "não mandar boleto"),
        *("tirar dúvidas", "retirar na loja", "produto errado", "endereço errado", "número da casa errado"),
        *("not interested in plan B", "sem interesse no plano B", "pediu para tirar dúvidas", "delete old invoice"),
    ],
)
def test_a_short_note_about_something_else_is_no_refusal(note):
    assert ConsentColumns(["phone", "Notes"], None).find_refusal(["1", note]) is None


@pytest.mark.parametrize(
    "note",
    [
        *("asked about delivery", "asked us to text her", "took off for holiday", "wants off-white sofa"),
        *("don't forget the gift", "no text on the cake", "wants text messages", "wants to opt for plan B"),
        *(
            "pediu para não mandar boleto",
            "pediu para não entregar à tarde",
            "not contacted yet",
            "take out order",
            "pediu no contato anterior",
        ),
    ],
)
def test_other_sentences_of_a_colleague_are_no_refusal(note):
    assert ConsentColumns(["phone", "Notes"], None).find_refusal(["1", note]) is None


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(
            ("nome", cell)
            for cell in (
                *("Davi (NÃO ENVIAR)", "Hugo - pediu pra sair", "Hugo pediu pra sair", "JOÃO PINTO *bloqueado*"),
                *("ZZZ Luís não usar", "NÃO LIGAR", "Maria (falecida)", "Ana do not contact", "Rosa - no enviar"),
            )
        ),
        *(
            ("obs", cell)
            for cell in (
                *("cliente (NÃO ENVIAR)", "cliente - NÃO ENVIAR", "JOÃO *bloqueado*", "Davi NÃO ENVIAR", "do not send"),
                *("para de mandar msg", "só email", "apenas por telefone", "não mandar mais nada"),
            )
        ),
        *(("Status", "Falecida"), ("Preferência de contato", "Nenhum"), ("canal preferido", "nenhuma")),
        *(("1", "Ana (NÃO ENVIAR)"), ("1", "Ana - descadastrada")),
    ],
)
def test_a_refusal_counts_beside_other_words(column, cell):
    columns = ConsentColumns(["phone", column], None, variables=[1] if column in {"nome", "1"} else [])
    assert columns.find_refusal(["1", cell]) == column


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(("nome", "Alto Sales"), ("nome", "Bloco Bar"), ("cliente", "Noé Nunes"), ("nome", "Não-Me-Toque Ltda.")),
        *(("1", "Não enviar documentos"), ("1", "pedido - cancelado"), ("1", "Não usar com outro cupom")),
        *(("obs", "pedido 33 - cancelado"), ("obs", "cartão (bloqueado)"), ("obs", "não enviar boleto")),
        *(("obs", "entregar na portaria - não ligar"), ("obs", "só e-mail para boleto"), ("obs", "filho falecido")),
        *(("Data de contato", "nenhum"), ("Preferência de contato", "E-mail"), ("endereço", "Rua Saída (fundos)")),
    ],
)
def test_other_words_beside_a_text_are_no_refusal(column, cell):
    columns = ConsentColumns(["phone", column], None, variables=[1] if column in {"nome", "1"} else [])
    assert columns.find_refusal(["1", cell]) is None


def test_a_possible_refusal_counts_in_a_column_that_has_certain_ones():
    columns = ConsentColumns(["phone", "retorno", "obs"], None)
    notes = ["quem é?", "não tenho interesse, obrigado", "Ativo", "cliente sem interesse", ""]
    for number, note in enumerate(notes, start=2):
        columns.keep_notes(number, ["1", note, note], f"+55119999000{number}")
    late = columns.find_late_refusals(["retorno"])
    assert {(row, column) for row, (column, _note) in late.items()} == {(3, "retorno"), (5, "retorno")}
    assert columns.list_others(["retorno"]) == {"retorno": [(2, "quem é?")]}
    assert columns.find_late_refusals([]) == {}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        *(("status do pedido", "Cancelado"), ("obs", "não quer parcelado"), ("obs", "quer receber mensagens")),
        *(("cidade", "Não-Me-Toque"), ("cupom", "STOP10"), ("produto", "Lista de presentes"), ("status", "ativo")),
        *(
            ("entrega", "Saiu"),
            ("obs", "cancelou o pedido 33"),
            ("obs", "não contatado"),
            ("obs", "enviar promoções"),
        ),
        *(("obs", "não informado"), ("obs", "optou pelo plano anual"), ("opt-in e-mail", "descadastrado")),
    ],
)
def test_other_words_are_no_refusal(column, cell):
    assert ConsentColumns(["phone", column], None).find_refusal(["1", cell]) is None


def test_only_a_clear_refusal_counts_in_a_value_of_the_message():
    columns = ConsentColumns(["phone", "status"], None, variables=[1])
    assert columns.find_refusal(["1", "cancelado"]) is None
    assert columns.find_refusal(["1", "responda SAIR para não receber mensagens"]) is None
    assert columns.find_refusal(["1", "descadastrado"]) == "status"


@pytest.mark.parametrize("text", ["talvez", "Talvez depois", "maybe", "não sei", "não informado", "-", "", "NULL"])
def test_an_answer_that_decides_nothing_is_no_answer(text):
    assert lacks_answer(text)


@pytest.mark.parametrize("text", ["Ã\uf181lvaro", "Ã\uf18dtalo"])
def test_a_capital_that_libreoffice_has_read_wrongly_is_found(text):
    assert find_wrong_encoding(text) is not None


@pytest.mark.parametrize("answer", ["Sim", "s", "x", "1", "ok", "✓", "TRUE", "Aceito em 12/3", "não", "0", "❌"])
def test_a_column_with_a_yes_or_a_no_is_a_column_of_answers(answer):
    columns = ConsentColumns(["aceita", "data do aceite"], None, first_rows=[[answer, "12/3/2026"], ["", ""]])
    assert columns.find_unanswered(["", ""]) == {"aceita": ""}


@pytest.mark.parametrize("text", ["1/12/2026", "site", "Claro", "loja 1", "", "não informado"])
def test_a_list_without_such_a_column_needs_an_entry_in_each_column_of_consents(text):
    columns = ConsentColumns(["consentimento", "data do aceite"], None, first_rows=[[text, "12/3/2026"]])
    assert columns.find_unanswered(["", ""]) == {"consentimento": "", "data do aceite": ""}
    assert columns.find_unanswered(["site", ""]) == {"data do aceite": ""}
    assert columns.find_unanswered(["site", "12/3/2026"]) == {}


UNDECIDED = [
    *("pending", "TBC", "awaiting reply", "unknown", "to confirm", "no reply", "pendente", "a confirmar"),
    *("aguardando", "aguardando retorno", "sem resposta", "em análise", "?", "Lead"),
]


@pytest.mark.parametrize("text", UNDECIDED)
@pytest.mark.parametrize("name", ["consent", "WhatsApp"])
def test_any_word_beside_a_yes_and_a_no_is_no_answer(name, text):
    rows = [["1", "Y"], ["2", "N"], ["3", text]]
    columns = ConsentColumns(["phone", name], None, first_rows=rows)
    assert columns.find_unanswered(["3", text]) == {name: text}
    assert columns.find_unanswered(["1", "Y"]) == columns.find_unanswered(["2", "N"]) == {}
    assert columns.find_unanswered(["1", "sim, aceito"]) == columns.find_unanswered(["2", "Yes, on 12/3/2026"]) == {}


@pytest.mark.parametrize("text", UNDECIDED)
def test_any_word_beside_a_yes_and_a_no_of_another_column_is_no_answer(text):
    assert find_late_unanswered("Zapp?", ["Y", "N", text]) == {4: {"Zapp?": text}}


def test_a_column_without_a_no_may_be_about_anything_so_only_known_words_are_no_answer():
    assert find_late_unanswered("Loja", ["1", "1", "Centro"]) == {}
    assert find_late_unanswered("Zapp?", ["Y", "Y", "pending"]) == {4: {"Zapp?": "pending"}}
    assert find_late_unanswered("Cidade", ["Recife", "Natal", "N", "pending"]) == {}
    assert find_late_unanswered("VIP", ["Y", "N", "pending"]) == {}


def find_late_unanswered(name, answers):
    columns = ConsentColumns(["phone", name], None)
    for number, answer in enumerate(answers, start=2):
        columns.keep_notes(number, ["1", answer], f"+55119999000{number}")
    return columns.find_late_unanswered()
