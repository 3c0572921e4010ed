"""A person is shown what a start sends before the question, and gets a next step with each refusal."""

from __future__ import annotations

import re
import shlex

import pytest

from campaigns.cli import output
from campaigns.cli.campaign import hours
from campaigns.management.accounts import add_template
from tests.cli.conftest import ANA, BIA, quiet_hours
from tests.store.rows import fetch
from tests.support.actors import TESTER

BY_DAY = {"REVOADA_QUIET_HOURS": quiet_hours(in_hours=12)}
ALL_HOURS = ("--window", "00:00-24:00")
NO_PRICE = (
    "  Cost: not known, because no price is loaded for these countries: BR (2). `revoada prices -h` says how to load"
    " prices\n"
)


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(hours, "has_terminal", lambda: True)


@pytest.mark.usefixtures("terminal")
def test_the_first_message_and_the_numbers_stand_before_the_question(create, house, people):
    people.write_text(f"{people.read_text()}+5511999990003,Dora\n")
    campaign_id = create("Sale", *ALL_HOURS)
    house.ok("suppress", "add", BIA)
    result = house("campaign", "start", campaign_id, stdin="n\n", **BY_DAY)
    assert result.stdout.startswith(
        "Campaign 1 (Sale) sends promo:pt_BR:\n"
        "  First message: Oi Ana!\n"
        "  List: people.csv\n"
        "  2 messages to send\n"
        "  1 person has opted out or is blocked, and will get no message\n"
        "  1 row of the list was rejected, so its person will get no message\n"
        f"{NO_PRICE}"
        "  Sent from account sales\n"
        "  If you start the campaign now, the first message may leave now.\n"
        "Start campaign 1 (Sale): 2 messages? [y/N]: n\n"
    )


@pytest.mark.usefixtures("terminal")
def test_a_start_that_would_send_nothing_is_refused_with_the_numbers_and_the_way(create, house, people, database):
    people.write_text(f"{people.read_text()}+5511999990003,Dora\n")
    house.ok("campaign", "start", create("One"), "--yes")
    fetch(
        database,
        "UPDATE messages SET status = 'sent', claimed_at = now(), sent_at = now(), send_no = 1, account_id = 1,"
        " wamid = 'w' || id",
    )
    fetch(database, "UPDATE campaigns SET started_at = now()")
    campaign_id = create("Sale", *ALL_HOURS, "--max-per-person", "1", "--within", "7")
    house.ok("suppress", "add", BIA)
    result = house("campaign", "start", campaign_id, stdin="y\n", **BY_DAY)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: Nothing was started, because nobody would get a message.\n",
    )
    assert result.stdout == (
        "Nobody on the list of campaign 2 (Sale) would get a message:\n"
        "  2 more people are skipped as things stand, because of the limit of messages per person\n"
        "  1 person has opted out or is blocked, and will get no message\n"
        "  1 row of the list was rejected, so its person will get no message\n"
        "  `revoada campaign import 2 FILE` adds other people.\n"
        "  `revoada campaign set 2 --no-max-per-person` removes the limit of messages per person.\n"
    )
    assert house.json("campaign", "show", campaign_id)["status"] == "draft"


@pytest.mark.usefixtures("terminal")
def test_people_who_said_no_are_left_out_and_not_rejected(create, house, people):
    people.write_text(f"phone,name,newsletter\n{ANA},Ana,sim\n{BIA},Bia,não\n5511,Caio,sim\n")
    campaign_id = create("Sale", *ALL_HOURS, "--refusals", "skip", "--map", "1=name")
    asked = house("campaign", "start", campaign_id, stdin="n\n", **BY_DAY).stdout
    assert "  left out: 1 said no\n  1 row of the list was rejected" in asked
    for command in ("show", "preview"):
        shown = " ".join(house.ok("campaign", command, campaign_id).split())
        assert "rows rejected 1 left out 1 said no" in shown


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "end of input"])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Nothing was started. To start later, run this command again.\n"),
        ("pt_BR", "Nada foi iniciado. Para iniciar mais tarde, rode este comando de novo.\n"),
    ],
)
def test_a_no_says_that_nothing_was_changed(create, house, answer, language, text):
    campaign_id = create("Sale", *ALL_HOURS)
    result = house("campaign", "start", campaign_id, stdin=answer, REVOADA_LANGUAGE=language, **BY_DAY)
    assert result.exit_code == 1
    assert result.stderr.endswith(text)
    assert "Aborted" not in result.stderr + result.stdout
    assert house.json("campaign", "show", campaign_id)["status"] == "draft"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("cancel",), "Nothing was cancelled, and the campaigns go on as before. `revoada campaign pause 1` stops"),
        (("discard",), "The draft was not deleted: `revoada campaign show 1` shows it."),
    ],
)
def test_a_no_to_another_question_says_so_too(create, house, command, text):
    result = house("campaign", *command, create("Sale"), stdin="n\n")
    assert (result.exit_code, text in result.stderr) == (1, True), result.stderr


@pytest.mark.usefixtures("terminal")
def test_a_no_is_json_for_a_program(create, house):
    result = house("campaign", "start", create("Sale", *ALL_HOURS), "--json", stdin="n\n", **BY_DAY)
    assert (result.exit_code, result.stdout) == (1, "")
    assert '{"error": {"code": "aborted", "kind": null, "message": "Nothing was started.' in result.stderr


@pytest.mark.usefixtures("terminal")
def test_a_colleague_who_started_the_same_list_meanwhile_stops_the_start(create, house, monkeypatch):
    """Both people see their question before either of the two drafts has started."""
    one, two = create("One", *ALL_HOURS), create("Two", *ALL_HOURS)

    def say_yes_after_the_colleague(_question, **_default):
        house.ok("campaign", "start", one, "--yes")
        return True

    monkeypatch.setattr(output, "_ask", say_yes_after_the_colleague)
    result = house("campaign", "start", two, **BY_DAY)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: Campaign 1 (One) now reaches 2 recipients of campaign 2 (Two), too; when you were asked, the number was"
        " 0. Nothing was started: `revoada campaign start 2` asks again.\n"
    )
    assert house.json("campaign", "show", two)["status"] == "draft"


TWO = f"phone,name\n{ANA},Ana\n{BIA},Bia\n"
NEWER = (
    "Campaign 2 (Right) is a newer draft. It has 2 of 2 recipients of campaign 1. If campaign 2 replaces"
    " campaign 1, start campaign 2 and not this one: `revoada campaign start 2`. To delete the older draft:"
    " `revoada campaign discard 1`.\n"
)


@pytest.mark.usefixtures("terminal")
def test_a_newer_draft_for_the_same_people_is_a_question(create, house, database):
    """A person who noticed a mistake has made a second draft, and starts the first one by its id."""
    add_template(database, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    create("Wrong", *ALL_HOURS)
    create("Right", "--template", "other:pt_BR", *ALL_HOURS)
    result = house("campaign", "start", "1", stdin="n\n", **BY_DAY)
    assert (result.exit_code, f"{NEWER}Start campaign 1" in result.stdout) == (1, True), result.output
    assert "newer draft" not in house("campaign", "start", "2", stdin="n\n", **BY_DAY).output


@pytest.mark.usefixtures("terminal")
def test_a_newer_draft_that_starts_together_or_has_other_people_is_no_warning(create, house, people):
    create("One", *ALL_HOURS)
    people.write_text(f"phone,name\n{ANA},Ana\n+5511999990007,Gil\n+5511999990008,Ivo\n")
    create("Two", *ALL_HOURS)
    assert "newer draft" not in house.ok("campaign", "start", "1", stdin="y\n", **BY_DAY)
    people.write_text(f"phone,name\n{BIA},Bia\n+5511999990017,Gil\n+5511999990018,Ivo\n")
    create("Three", *ALL_HOURS)
    create("Four", *ALL_HOURS)
    result = house("campaign", "start", "3", "4", "--yes", **BY_DAY)
    assert (result.exit_code, "newer draft" in result.output) == (0, False)


def test_a_script_is_warned_of_a_newer_draft_and_sees_what_is_sent(create, house, people):
    people.write_text(TWO)
    for name in ("Wrong", "Right"):
        create(name, *ALL_HOURS)
    result = house("campaign", "start", "1", **BY_DAY)
    assert result.exit_code == 0
    assert result.stderr == f"Warning: {NEWER}"
    assert result.stdout == (
        "Campaign 1 (Wrong) sends promo:pt_BR:\n"
        "  First message: Oi Ana!\n"
        "  List: people.csv\n"
        "  2 messages to send\n"
        f"{NO_PRICE}"
        "  Sent from account sales\n"
        "Campaign 1 (Wrong) is pending.\n"
        "  The first message may leave now.\n"
    )
    assert "First message" not in house.ok("campaign", "start", "2", "--json", **BY_DAY)


@pytest.mark.usefixtures("terminal")
def test_a_start_with_a_yes_shows_the_first_message_and_the_accounts(create, house, people, database):
    people.write_text(TWO)
    fetch(database, """UPDATE accounts SET health = '{"display_phone_number": "+55 11 3333-4444"}'""")
    output = house.ok("campaign", "start", create("Sale", *ALL_HOURS), "--yes", **BY_DAY)
    assert output.startswith(
        "Campaign 1 (Sale) sends promo:pt_BR:\n  First message: Oi Ana!\n  List: people.csv\n  2 messages to send\n"
        f"{NO_PRICE}"
        "  Sent from account sales (+55 11 3333-4444)\nCampaign 1 (Sale) is pending.\n"
    )


def test_create_says_which_accounts_send(house, people):
    people.write_text(TWO)
    output = house.ok(
        *("campaign", "create", "Sale", "--account", "sales", "--template", "promo:pt_BR", "--recipients", str(people))
    )
    assert "\n  First message: Oi Ana!\n  Sent from account sales\n" in output


STUCK = {
    "account": "UPDATE accounts SET active = false, inactive_reason = '190 expired'",
    "paused": "UPDATE templates SET status = 'paused'",
    "form": "UPDATE templates SET components = replace(components::text, '{{1}}', '{{1}} {{2}}')::jsonb",
    "people": "DELETE FROM messages",
}


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("reason", [*STUCK])
def test_nothing_is_asked_if_no_message_can_leave(create, house, database, reason):
    campaign_id = create("Sale", *ALL_HOURS)
    fetch(database, STUCK[reason])
    result = house("campaign", "start", campaign_id, stdin="y\n", **BY_DAY)
    assert result.exit_code == 1
    assert "[y/N]" not in result.stdout
    why = result.stdout.splitlines()[-1]
    assert "No message of campaign 1 can leave now" in why or "has no recipients" in why
    assert result.stderr == (
        "Error: Nothing was started, because no message can leave. To start all the same, and send once a message can"
        " leave: `revoada campaign start 1 --yes`.\n"
    )
    assert house.json("campaign", "show", campaign_id)["status"] == "draft"


@pytest.fixture
def dead_token(house, create, database, far):
    """A draft with the account `sales`, whose token Meta refuses."""
    house.environment["GRAPH_API_URL"] = f"{far.url}/v24.0"
    far.script(tokens=["another"])
    fetch(database, "UPDATE templates SET waba_id = '22'")
    return create("Sale", *ALL_HOURS)


REFUSED = (
    "No message of campaign 1 can leave now, because Meta refuses the token of each of its accounts (sales). Request"
)
NEW_TOKEN = "Make a new token (Business settings, System users), then `revoada account set sales --token-stdin`."


@pytest.mark.usefixtures("terminal")
def test_a_dead_token_stops_a_start_before_any_question(house, dead_token):
    result = house("campaign", "start", dead_token, stdin="y\n", **BY_DAY)
    assert (result.exit_code, "may leave" in result.stdout) == (1, False)
    assert result.stdout.startswith(REFUSED)
    assert result.stdout.endswith(f"{NEW_TOKEN}\n")
    assert "Nothing was started, because no message can leave." in result.stderr
    assert house.json("campaign", "show", dead_token)["status"] == "draft"


@pytest.mark.parametrize("options", [(), ("--yes",)], ids=["script", "yes"])
def test_a_start_with_a_dead_token_promises_nothing(house, dead_token, options):
    output = house.ok("campaign", "start", dead_token, *options, **BY_DAY)
    assert "may leave" not in output
    assert output.index("Campaign 1 (Sale) is pending.\n") < output.index(REFUSED) < output.index(NEW_TOKEN)


def test_a_program_gets_a_dead_token_as_an_obstacle(house, dead_token):
    (move,) = house.json("campaign", "start", dead_token)
    assert (move["first_message_at"], [each["kind"] for each in move["obstacles"]]) == (None, ["tokens_refused"])


@pytest.mark.usefixtures("terminal")
def test_a_token_that_a_start_found_refused_is_named_before_the_start(house, dead_token, database):
    house("campaign", "start", dead_token, stdin="y\n", **BY_DAY)
    told = house("doctor", dead_token).stdout
    refused, draft = "Meta refused the token of account sales when it was asked last.", "Campaign 1 is a draft."
    assert told.index(refused) < told.index(NEW_TOKEN.split("`")[1]) < told.index(draft)
    assert "Once the token is right, start it: `revoada campaign start 1`." in told
    watched = house("campaign", "watch", dead_token).stdout
    assert watched.index(refused) < watched.index("Then `revoada campaign start 1` starts it.")
    house.ok("account", "set", "sales", "--token-stdin", "--no-check", stdin="new\n")
    told = house("doctor", dead_token).stdout
    assert refused not in told
    assert "Start it: `revoada campaign start 1`." in told


def test_errors_name_an_account_that_was_deactivated(house, create, database):
    create("Sale", *ALL_HOURS)
    fetch(database, "UPDATE campaigns SET status = 'running', started_at = now(), waiting_reason = 'no_active_account'")
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = 'by hand'")
    output = house.ok("campaign", "errors", "1")
    assert "Account sales is inactive: by hand. To let it send again: `revoada account activate sales`." in output


@pytest.mark.usefixtures("terminal")
def test_a_campaign_that_cannot_leave_is_started_with_yes(create, house, database):
    campaign_id = create("Sale", *ALL_HOURS)
    fetch(database, STUCK["paused"])
    assert "is pending" in house.ok("campaign", "start", campaign_id, "--yes")


@pytest.mark.usefixtures("terminal")
def test_a_resume_of_a_campaign_without_a_message_left_goes_on(create, house, database):
    campaign_id = create("Sale", *ALL_HOURS)
    house.ok("campaign", "start", campaign_id, "--yes")
    house.ok("campaign", "pause", campaign_id)
    fetch(database, "UPDATE campaigns SET started_at = now()")
    fetch(database, "UPDATE messages SET status = 'cancelled'")
    assert "is running" in house.ok("campaign", "resume", campaign_id)


@pytest.mark.usefixtures("terminal")
def test_a_resume_with_people_of_a_later_file_shows_the_message_and_the_number_and_asks(
    create, house, database, tmp_path
):
    campaign_id = create("Sale", *ALL_HOURS)
    house.ok("campaign", "start", campaign_id, "--yes")
    house.ok("campaign", "pause", campaign_id)
    fetch(database, "UPDATE campaigns SET started_at = now()")
    (tmp_path / "more.csv").write_text("phone,name\n+5511999990003,Dora\n")
    told = house.ok("campaign", "import", campaign_id, str(tmp_path / "more.csv"), "--map", "1=name")
    assert told.startswith("Campaign 1 (Sale): 1 recipient added (now 3).\n")
    asked = house("campaign", "resume", campaign_id, stdin="n\n", **BY_DAY)
    assert asked.exit_code == 1
    assert "First message of file 2 (more.csv): Oi Dora!" in asked.stdout
    assert "3 messages to send" in asked.stdout
    assert "Campaign 1 got 1 recipient from more.csv after its start." in asked.stdout
    assert "Resume campaign 1 (Sale): 3 messages?" in asked.stdout


def test_a_change_of_the_accounts_names_all_that_send_now(create, house):
    told = house.ok("campaign", "set", create("Sale"), "--account", "sales")
    assert "  Sent from account sales\n" in told


def test_a_cancelled_campaign_says_how_to_reach_the_others(create, house, database):
    pace = ("--interval", "2", "--pause-after", "200", "--pause-for", "600", "--max-per-person", "3", "--within", "5")
    campaign_id = create("Sale", *ALL_HOURS, "--weekdays", "mon-sat", *pace)
    house.ok("campaign", "start", campaign_id, "--yes")
    fetch(database, "UPDATE campaigns SET started_at = now()")
    told = house.ok("campaign", "cancel", campaign_id)
    command = (
        f"{CREATE.removesuffix('`')} --max-per-person 3 --within 5 --interval 2 --pause-after 200 --pause-for 600"
        " --window 00:00-24:00 --weekdays mon-sat --timezone America/Sao_Paulo`"
    )
    assert AGAIN.format(status="cancelled").replace(CREATE, command) in told
    assert command in house.refusal("campaign", "resume", campaign_id)
    assert "`revoada campaign show 1` shows the pace, the hours and the limits to give it again." in told


def test_a_campaign_that_is_cancelled_before_its_first_message_says_so_too(create, house):
    campaign_id = create("Sale", "--schedule-at", "2999-12-02 09:00")
    house.ok("campaign", "start", campaign_id, "--yes")
    assert AGAIN.format(status="cancelled") in house.ok("campaign", "cancel", campaign_id)


def test_a_cancelled_schedule_is_named(create, house, terminal):
    campaign_id = create("Sale", "--schedule-at", "2999-12-02 09:00")
    house.ok("campaign", "start", campaign_id, "--yes")
    told = house.ok("campaign", "cancel", campaign_id, stdin="y\n")
    time = "2999-12-02 09:00:00 -03"
    assert f"Cancel campaign 1 (Sale, scheduled for {time}) for ever? 2 messages will never be sent. [y/N]" in told
    assert f"Campaign 1 (Sale) is cancelled.\n  It was to start at {time}.\n" in told
    assert re.search(rf"^was to start +{time}", house.ok("campaign", "show", campaign_id), re.MULTILINE)
    assert "was to start" not in house.ok("campaign", "show", create("Two", "--schedule-at", "2999-12-02 09:00"))


def test_people_who_got_another_campaign_can_be_skipped(create, house, database, people):
    house.ok("campaign", "start", create("One"), "--yes")
    fetch(
        database,
        "UPDATE messages SET status = 'sent', claimed_at = now(), sent_at = now(), send_no = 1, account_id = 1,"
        " wamid = 'w' || id",
    )
    told = house("campaign", "start", create("Two", *ALL_HOURS), "--yes")
    command = "`revoada campaign set 2 --max-per-person 1 --within 7`"
    assert f"{command} skips everybody who got a message of another campaign in the last 7 days" in told.stderr


@pytest.mark.usefixtures("terminal")
def test_other_campaigns_to_the_same_people_stand_before_the_question(create, house, people, database):
    add_template(database, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    house.ok("campaign", "start", create("One"), "--yes")
    people.write_text(people.read_text() + "+5511999990003,Dora\n")
    campaign_id = create("Two", "--template", "other:pt_BR", *ALL_HOURS)
    result = house("campaign", "start", campaign_id, stdin="n\n", **BY_DAY)
    before, _, _ = result.stdout.partition("Start campaign 2 (Two)")
    assert "Warning: 2 of 3 recipients are also in campaign 1 (One), about to run.\n" in before


@pytest.mark.usefixtures("terminal")
def test_a_changed_template_is_a_question(create, house, database):
    add_template(database, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    campaign_id = create("Sale", *ALL_HOURS)
    house.ok("campaign", "set", campaign_id, "--template", "other:pt_BR")
    result = house("campaign", "start", campaign_id, stdin="n\n", **BY_DAY)
    assert "  First message: Tchau Ana!\n" in result.stdout
    assert (
        "The draft of campaign 1 was made with the template promo:pt_BR. It sends other:pt_BR now.\nStart campaign 1"
    ) in result.stdout


@pytest.fixture
def two_values(database):
    add_template(database, "offer", language="pt_BR", body="Oi {{1}}! Hoje você tem {{2}} de desconto.", actor=TESTER)
    body = "Oi {{nome}}! Use {{cupom}}."
    add_template(database, "named", language="pt_BR", body=body, actor=TESTER)


EXCHANGED = (
    "The columns of the variables seem to be exchanged: {{1}} ← desconto, {{2}} ← nome. By their names and the text of"
    " the template, it would be {{1}} ← nome, {{2}} ← desconto. Read the first message. If a value is in the wrong"
    " place, import the file again: `revoada campaign import 1 FILE --replace --map 1=nome --map 2=desconto`.\n"
)


@pytest.mark.usefixtures("two_values")
def test_columns_that_a_person_exchanged_are_warned_of_at_once_and_at_the_start(house, people):
    people.write_text(f"telefone;nome;desconto\n{ANA};Ana;20%\n{BIA};Bia;15%\n")
    options = ("--account", "sales", "--template", "offer:pt_BR", "--recipients", str(people), *ALL_HOURS)
    made = house("campaign", "create", "Sale", *options, "--map", "1=desconto", "--map", "2=nome")
    assert made.stderr == f"Warning: {EXCHANGED}"
    assert house("campaign", "start", "1", **BY_DAY).stderr == f"Warning: {EXCHANGED}"


@pytest.mark.usefixtures("two_values")
@pytest.mark.parametrize(
    ("header", "maps", "is_warned"),
    [
        ("telefone;nome;desconto", ("1=nome", "2=desconto"), False),
        ("telefone;a;b", ("1=b", "2=a"), False),
        ("telefone;cliente;valor", ("1=cliente", "2=valor"), False),
        ("telefone;cliente;valor", ("1=valor", "2=cliente"), True),
        ("telefone;nome;cupom", ("nome=cupom", "cupom=nome"), True),
        ("telefone;apelido;código", ("nome=apelido", "cupom=código"), False),
    ],
)
def test_only_columns_that_fit_better_the_other_way_round_are_exchanged(house, people, header, maps, is_warned):
    people.write_text(f"{header}\n{ANA};Ana;Bia\n{BIA};Bia;Ana\n")
    template = "offer:pt_BR" if maps[0].startswith("1=") else "named:pt_BR"
    options = ("--account", "sales", "--template", template, "--recipients", str(people), *ALL_HOURS)
    made = house("campaign", "create", "Sale", *options, *(word for each in maps for word in ("--map", each)))
    assert (made.exit_code, "exchanged" in made.stderr) == (0, is_warned), made.output


CITIES = f"phone,Nome,Cidade\n{ANA},Ana,Recife\n"
MORE = "phone,Nome,Cidade\n+5511999990007,Gil,Natal\n"


@pytest.fixture
def two_files(house, create, people, tmp_path):
    """Makes a draft of two files; `options` are those of the second import. Returns the result of that import."""

    def make(text, *options):
        people.write_text(CITIES)
        create("Sale", "--map", "1=Nome", *ALL_HOURS)
        more = tmp_path / "more.csv"
        more.write_text(text)
        return house("campaign", "import", "1", str(more), *options)

    return make


CONTRADICTION = (
    "File 2 (more.csv) fills variables from other columns than file 1 (people.csv): {{1}} from Cidade, and not from"
    " Nome. Read the first message of each file. If the columns of file 2 are wrong, begin again with `revoada campaign"
    " import 1 {path} --replace --map 1=Nome`, and import the other file with --map 1=Nome."
)


def test_a_second_file_with_other_columns_is_warned_of_at_the_import_and_at_the_start(house, two_files, people):
    contradiction = CONTRADICTION.replace("{path}", str(people))
    assert f"Warning: {contradiction}\n" in two_files(MORE, "--map", "1=Cidade").stderr
    assert f"Warning: {contradiction}\n" in house("campaign", "start", "1", **BY_DAY).stderr


@pytest.mark.usefixtures("terminal")
def test_a_question_shows_the_first_message_of_each_file(house, two_files, tmp_path, people):
    two_files(MORE, "--map", "1=Cidade")
    for number in (3, 4, 5):
        file = tmp_path / f"list{number}.csv"
        file.write_text(f"phone,Nome\n+551199999001{number},P{number}\n")
        house.ok("campaign", "import", "1", str(file), "--map", "1=Nome")
    output = house("campaign", "start", "1", stdin="n\n", **BY_DAY).stdout
    assert (
        "  First message of file 1 (people.csv): Oi Ana!\n"
        "  First message of file 2 (more.csv): Oi Natal!\n"
        "  First message of file 3 (list3.csv): Oi P3!\n"
        "  … and 2 more files\n"
    ) in output
    assert CONTRADICTION.replace("{path}", str(people)) in output


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (MORE, "Nome"),
        ("phone,NOME COMPLETO\n+5511999990007,Gil\n", "NOME COMPLETO"),
        ("phone,Cliente\n+5511999990007,Gil\n", "Cliente"),
    ],
)
def test_a_second_file_whose_columns_mean_the_same_is_no_warning(two_files, text, column):
    assert "other columns" not in two_files(text, "--map", f"1={column}").stderr


def test_a_second_file_that_has_the_earlier_column_beside_the_chosen_one_is_a_warning(two_files):
    text = "phone,Nome,Nome da mãe\n+5511999990007,Gil,Rita\n"
    assert "{{1}} from Nome da mãe, and not from Nome." in two_files(text, "--map", "1=Nome da mãe").stderr


@pytest.mark.usefixtures("terminal")
def test_yes_asks_nothing_and_warns(create, house, people):
    house.ok("campaign", "start", create("Sale", *ALL_HOURS), "--yes", **BY_DAY)
    other = create("Other", *ALL_HOURS)
    result = house("campaign", "start", other, "--yes", **BY_DAY)
    assert result.exit_code == 0
    assert "Warning: " in result.stderr and "campaign 1 (Sale)" in result.stderr
    assert "[y/N]" not in result.stdout


def test_a_changed_template_shows_its_first_message(create, house, database):
    campaign_id = create("Sale", *ALL_HOURS)
    add_template(database, "novo", language="pt_BR", body="Olá {{1}}, chegou!", actor=TESTER)
    assert "  First message: Olá Ana, chegou!" in house.ok("campaign", "set", campaign_id, "--template", "novo:pt_BR")


def test_a_script_is_warned_of_a_text_that_was_edited_at_meta(create, house, database):
    campaign_id = create("Sale", *ALL_HOURS)
    fetch(database, "UPDATE templates SET components = replace(components::text, 'Oi', 'Adeus')::jsonb")
    result = house("campaign", "start", campaign_id, **BY_DAY)
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: The template promo:pt_BR was edited at Meta after the draft of campaign 1 was made. Before, its text"
        " was: Oi {{1}}!\n"
    )


def test_phones_of_a_column_for_other_numbers_are_warned_of_at_once_and_at_the_start(create, house, people):
    people.write_text(f"CPF,name\n{ANA},Ana\n")
    options = ("--account", "sales", "--template", "promo:pt_BR", "--recipients", str(people), "--phone-column", "CPF")
    made = house("campaign", "create", "Sale", *options, *ALL_HOURS)
    warning = (
        "Warning: The phones come from the column CPF, whose name says that it has other numbers. If the phones are in"
        " another column, import the file again with that column: `revoada campaign import 1 FILE --replace"
        " --phone-column NAME --map 1=name`.\n"
    )
    assert made.stderr == warning
    assert house("campaign", "start", "1", **BY_DAY).stderr == warning


DRAGGED = "Celular;nome\n+5521988776655;Ana\n" + "".join(
    f"+551196123004{number};{name}\n" for number, name in enumerate(("Bia", "Caio", "Davi", "Eva", "Fábio"))
)
DRAGGED_WARNING = (
    "In 5 rows one below the other, the phones of the column Celular change by the same number from row to row: from"
    " +55 11 9••••-0040 in row 3 to +55 11 9••••-0044 in row 7."
)


@pytest.fixture
def dragged(house, people):
    """Makes a draft of a list whose phones somebody has dragged down; returns what the command has told."""
    people.write_text(DRAGGED, encoding="utf-8")
    options = ("--account", "sales", "--template", "promo:pt_BR", "--recipients", str(people))
    made = house("campaign", "create", "Sale", *options, *ALL_HOURS)
    assert made.exit_code == 0
    return made.stderr


def test_a_script_that_starts_a_list_that_was_dragged_down_is_only_warned(dragged, house):
    assert f"Warning: {DRAGGED_WARNING}" in dragged
    started = house("campaign", "start", "1", "--yes", **BY_DAY)
    assert (started.exit_code, DRAGGED_WARNING in started.stderr) == (0, True)


@pytest.mark.usefixtures("terminal", "dragged")
def test_a_person_who_starts_a_list_that_was_dragged_down_is_asked(house):
    asked = house("campaign", "start", "1", stdin="n\n", **BY_DAY)
    assert (asked.exit_code, DRAGGED_WARNING in asked.output) == (1, True)


@pytest.mark.usefixtures("terminal")
def test_a_template_in_another_language_than_the_people_speak_is_a_question(create, house, database):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    result = house("campaign", "start", create("Sale", "--template", "promo:en", *ALL_HOURS), stdin="n\n", **BY_DAY)
    assert (
        "The template promo:en is in another language than that of the countries of 2 recipients of campaign 1. The"
        " phones are those of BR 2. If it is the wrong one, choose another template: `revoada campaign set 1 --template"
        " NAME:LANG`.\n"
    ) in result.stdout
    assert result.exit_code == 1


def test_create_warns_of_a_template_in_another_language(house, people, database):
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    options = ("--account", "sales", "--template", "promo:en", "--recipients", str(people))
    warning = "Warning: The template promo:en is in another language than that of the countries of 2 recipients"
    assert warning in house("campaign", "create", "Sale", *options, *ALL_HOURS).stderr


def test_create_counts_the_people_who_are_blocked(create, house, people):
    house.ok("suppress", "add", BIA)
    options = ("--account", "sales", "--template", "promo:pt_BR", "--recipients", str(people))
    assert "  1 person has opted out or is blocked, and will get no message\n" in house.ok(
        "campaign", "create", "Sale", *options
    )
    assert house.json("campaign", "create", "Sale", *options)["blocked_count"] == 1


@pytest.fixture
def put(create, database):
    """Makes a campaign, and puts it into a status."""

    def put_one(status):
        create("Sale")
        started = "now()" if status in {"running", "paused", "completed"} else "NULL"
        ended = "now()" if status == "completed" else "NULL"
        change = f"UPDATE campaigns SET status = %s, started_at = {started}, completed_at = {ended}"
        fetch(database, change, status)

    return put_one


CREATE = "`revoada campaign create NAME --template NAME:LANG --account ACCOUNT --recipients FILE`"
CREATE_SKIPPING = f"{CREATE.removesuffix('`')} --max-per-person 1 --within 7`"
AGAIN = (
    "To send to its people, make a new campaign: `revoada campaign export 1 --output FILE --status {status}` lists"
    f" those who got no message, with their values of now, and {CREATE} makes the campaign from such a file."
    " If a list was wrong, take the right list in its place; --max-per-person 1 --within 7 leaves out those who have"
    " got this message."
    " `revoada campaign show 1` shows the pace, the hours and the limits to give it again."
)


@pytest.mark.parametrize(
    ("status", "command", "step"),
    [
        ("cancelled", ("start",), AGAIN.format(status="cancelled")),
        ("cancelled", ("resume",), AGAIN.format(status="cancelled")),
        ("cancelled", ("retry", "--class", "all-retryable"), AGAIN.format(status="cancelled,failed")),
        (
            "completed",
            ("resume",),
            f"and `revoada campaign retry 1 --class all-retryable` sends them again. {CREATE_SKIPPING}",
        ),
        ("completed", ("pause",), "It sends nothing any more. `revoada campaign show 1` shows it."),
        ("cancelled", ("cancel",), "It sends nothing any more. `revoada campaign show 1` shows it."),
        ("cancelled", ("set", "--name", "x"), f"{CREATE} makes a new campaign."),
        ("draft", ("pause",), "A draft sends nothing before `revoada campaign start 1`. `revoada campaign discard 1`"),
        ("draft", ("retry", "--class", "all-retryable"), "`revoada campaign start 1` starts it."),
        ("paused", ("pause",), "`revoada campaign resume 1` resumes it, and `revoada campaign cancel 1` ends it"),
        ("paused", ("discard",), "`revoada campaign cancel 1` ends it for ever."),
        ("completed", ("discard",), "Its record stays; `revoada campaign show 1` shows it."),
    ],
)
def test_a_refusal_names_the_next_step(house, put, status, command, step):
    put(status)
    verb, *options = command
    assert step in house.refusal("campaign", verb, "1", *options)


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        (
            "running",
            ["`revoada campaign pause 1` stops it at once", "`revoada campaign cancel 1` ends it", CREATE_SKIPPING],
        ),
        ("paused", ["`revoada campaign cancel 1` ends it for ever", CREATE_SKIPPING]),
        (
            "cancelled",
            ["Make a new campaign from the right file, which skips the people who have got", CREATE_SKIPPING],
        ),
    ],
)
def test_wrong_people_of_a_started_campaign_have_a_way_out(house, put, people, status, steps):
    put(status)
    line = house.refusal("campaign", "import", "1", str(people), "--replace")
    assert all(step in line for step in steps), line
    assert ("pause" in line.split(": ", 1)[1]) == (status == "running")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("name", ["corrected.csv", "people.csv"])
def test_rejected_rows_are_told_by_file_because_a_later_file_may_correct_them(name, create, house, people, tmp_path):
    people.write_text(f"phone,name\n{ANA},Ana\n5511,Bia\n5522,Dora\n")
    campaign_id = create("Sale", *ALL_HOURS)
    corrected = tmp_path / name
    corrected.write_text(f"phone,name\n{ANA},Ana\n{BIA},Bia\n5522,Dora\n")
    house.ok("campaign", "import", campaign_id, str(corrected))
    asked = house("campaign", "start", campaign_id, stdin="n\n", **BY_DAY).stdout
    assert (
        "  2 messages to send\n"
        "  2 rows of file 1 (people.csv) were rejected; their people get a message only if a later file has them\n"
        f"  1 row of file 2 ({name}) was rejected, so its person will get no message\n"
    ) in asked


BRITISH = "phone,name\n+447911123456,Ann\n+442071838750,Ben\n"


def test_a_window_on_another_clock_than_that_of_all_people_is_told_with_the_way(create, house, people):
    people.write_text(BRITISH)
    options = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people), "--map", "1=name")
    made = house("campaign", "create", "Sale", *options, "--window", "09:00-20:00", "--timezone", "Asia/Tokyo")
    told = re.search(
        r"Warning: All people of campaign 1 \(2 recipients\) are in Europe/London\. The window 09:00-20:00 of"
        r" Asia/Tokyo"
        r" is 0([01]):00-1([12]):00 there\. If these hours are meant on the clock of the people:"
        r" `revoada campaign set 1 --timezone Europe/London`\.\n",
        made.stderr,
    )
    assert told is not None and int(told[2]) == int(told[1]) + 1
    assert told[0] in house("campaign", "start", "1", "--yes", **BY_DAY).stderr
    house.ok("campaign", "create", "Two", *options, "--window", "09:00-20:00", "--timezone", "Europe/London")
    for zone in (("--timezone", "Europe/Lisbon"), ("--timezone", "Asia/Tokyo", "--recipient-timezone")):
        made = house("campaign", "create", "Three", *options, "--window", "09:00-20:00", *zone)
        assert "on the clock of the people" not in made.stderr
    people.write_text(f"{BRITISH}{ANA},Ana\n")
    made = house("campaign", "create", "Four", *options, "--window", "09:00-20:00", "--timezone", "America/Sao_Paulo")
    assert "Most people of campaign 5 (2 of 3 recipients) are in other time zones than America/Sao_Paulo" in made.stderr
    assert ": `revoada campaign set 5 --recipient-timezone`." in made.stderr
    house.ok("campaign", "set", "5", "--recipient-timezone")
    assert "on the clock of the people" not in house("campaign", "start", "5", "--yes", **BY_DAY).stderr
    people.write_text(f"{BRITISH}{ANA},Ana\n{BIA},Bia\n")
    made = house("campaign", "create", "Five", *options, "--window", "09:00-20:00", "--timezone", "America/Sao_Paulo")
    assert "on the clock of the people" not in made.stderr


def test_a_schedule_on_another_clock_than_that_of_most_people_is_told_with_the_way(create, house, people):
    people.write_text(f"{BRITISH}{ANA},Ana\n")
    options = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people), "--map", "1=name")
    zone = ("--timezone", "America/Sao_Paulo")
    made = house("campaign", "create", "Sale", *options, *zone, "--schedule-at", "2099-01-15 09:00")
    told = "2099-01-15 09:00 in America/Sao_Paulo, is 2099-01-15 12:00 in Europe/London."
    assert told in made.stderr
    (command,) = re.findall(r"meant on the clock of Europe/London: `revoada (.+?)`", made.stderr)
    assert shlex.split(command)[2:] == ["1", "--schedule-at", "2099-01-15 09:00", "--timezone", "Europe/London"]
    house.ok(*shlex.split(command))
    assert "on the clock of" not in house("campaign", "start", "1", "--yes", **BY_DAY).stderr


OLDER = "Campaign 1 (Wrong) is an older draft with the same template. It has 2 of 2 recipients of campaign 2."


def test_the_newer_of_two_equal_drafts_names_the_older_one(create, house, people, database):
    people.write_text(TWO)
    for name in ("Wrong", "Right"):
        create(name, *ALL_HOURS)
    output = house("campaign", "start", "2", "--yes", **BY_DAY).output
    assert OLDER in output
    assert "delete the older draft, so that nobody starts it: `revoada campaign discard 1`." in output


def test_an_older_draft_with_another_template_is_no_equal_draft(create, house, people, database):
    people.write_text(TWO)
    add_template(database, "other", language="pt_BR", body="Tchau {{1}}!", actor=TESTER)
    create("Wrong", "--template", "other:pt_BR", *ALL_HOURS)
    create("Right", *ALL_HOURS)
    assert "older draft" not in house("campaign", "start", "2", "--yes", **BY_DAY).output


def test_a_warning_of_two_files_is_shown_once(create, house, people):
    create("Sale", *ALL_HOURS)
    people.write_text("phone,name\n" + "".join(f"0151234567{number:02},Ana\n" for number in range(20)))
    for _ in range(2):
        assert (
            "Nearly all of these phones would be valid in DE." in house("campaign", "import", "1", str(people)).output
        )
    output = house("campaign", "start", "1", "--yes", **BY_DAY).output
    assert output.count("Nearly all of these phones would be valid in DE.") == 1


def test_an_import_tells_that_many_people_speak_another_language(create, house, people):
    create("Sale", *ALL_HOURS)
    people.write_text("phone,name\n" + "".join(f"+49151234567{number:02},Ana\n" for number in range(20)))
    output = house("campaign", "import", "1", str(people)).output
    assert "The template promo:pt_BR is in another language than that of the countries of 20 recipients" in output
