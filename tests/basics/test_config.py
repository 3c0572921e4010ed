from __future__ import annotations

import re
from dataclasses import fields

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from campaigns.config import Settings, SettingsError, list_variables, read_settings

SECRETS = {
    "DATABASE_URL": "postgresql://revoada:pass-word@localhost/revoada",
    "REDIS_URL": "redis://:pass-word@localhost:6379/0",
    "BROKER_URL": "sentinel://revoada:pass-word@localhost/0?master_name=main&sentinel_password=pass-word",
    "META_APP_SECRET": "pass-word",
    "META_VERIFY_TOKEN": "pass-word",
    "REVOADA_SECRET_KEY": Fernet.generate_key().decode(),
    "ALERT_WEBHOOK_URL": "https://hooks.example/services/pass-word",
}
VARIABLES = {spec.metadata["variable"]: spec for spec in fields(Settings)}
# Of these, 0 is off.
SWITCHED = {
    *("REVOADA_RETENTION_DAYS", "REVOADA_EXIT_ON_STALL_SECONDS"),
    *("REVOADA_AUDIT_DAYS", "REVOADA_APPROVE_ABOVE", "REVOADA_METRICS_PORT"),
}
NUMBERS = [name for name, spec in VARIABLES.items() if isinstance(spec.default, int | float) and name not in SWITCHED]


def refuse(environment):
    with pytest.raises(SettingsError) as caught:
        read_settings(environment)
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults():
    assert read_settings({}) == Settings()


def test_the_times_are_those_of_the_design():
    settings = Settings()
    assert (settings.tick_seconds, settings.task_expiry_seconds, settings.slice_seconds) == (10, 30, 30)
    assert (settings.connect_timeout_seconds, settings.http_timeout_seconds) == (5, 20)
    assert (settings.lease_seconds, settings.renew_seconds, settings.settle_seconds) == (45, 10, 0.1)
    assert (settings.visibility_timeout_seconds, settings.reconcile_seconds, settings.health_seconds) == (300, 60, 300)


@pytest.mark.parametrize("variable", VARIABLES)
def test_every_default_is_one_that_the_environment_may_give(variable):
    spec = VARIABLES[variable]
    if spec.default is not None:
        assert getattr(read_settings({variable: str(spec.default)}), spec.name) == spec.default


def test_what_is_set_is_read():
    settings = read_settings(SECRETS | {"REVOADA_TICK_SECONDS": "0.5", "REVOADA_SLOTS": " 4 ", "LOG_LEVEL": ""})
    assert settings.database_url == SECRETS["DATABASE_URL"]
    assert (settings.tick_seconds, settings.slots, settings.log_level) == (0.5, 4, "INFO")


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_may_stand_in_a_file(tmp_path, variable):
    file = tmp_path / "secret"
    file.write_text(f"{SECRETS[variable]}\n")
    assert read_settings({f"{variable}_FILE": str(file)}) == read_settings({variable: SECRETS[variable]})
    assert f"{variable}_FILE" in list_variables()


def test_a_setting_that_is_no_secret_has_no_file(tmp_path):
    assert read_settings({"REVOADA_SLOTS_FILE": str(tmp_path / "missing")}) == Settings()
    assert "REVOADA_SLOTS_FILE" not in list_variables()


def test_a_file_without_a_text_sets_nothing(tmp_path):
    file = tmp_path / "secret"
    file.write_text("\n")
    assert read_settings({"DATABASE_URL_FILE": str(file), "REDIS_URL_FILE": ""}) == Settings()


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    missing, binary = tmp_path / "missing", tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    text = refuse({"DATABASE_URL_FILE": str(missing)})
    assert text == f"DATABASE_URL_FILE is wrong: {missing} cannot be read: No such file or directory."
    assert refuse({"DATABASE_URL_FILE": str(tmp_path)}).endswith("cannot be read: Is a directory.")
    assert refuse({"DATABASE_URL_FILE": str(binary)}).endswith("is not a text in UTF-8.")


def test_a_wrong_secret_of_a_file_is_not_told(tmp_path):
    file = tmp_path / "secret"
    file.write_text("mysql://u:pass-word@localhost")
    assert "pass-word" not in refuse({"DATABASE_URL_FILE": str(file)})


def test_a_secret_that_is_set_twice_is_refused(tmp_path):
    file = tmp_path / "secret"
    file.write_text(SECRETS["DATABASE_URL"])
    text = refuse({"DATABASE_URL": SECRETS["DATABASE_URL"], "DATABASE_URL_FILE": str(file)})
    assert text == "DATABASE_URL and DATABASE_URL_FILE are both set: leave one of them out."


def test_the_end_of_the_graph_url_may_have_a_slash():
    assert read_settings({"GRAPH_API_URL": "https://x.example/v24.0/"}).graph_api_url == "https://x.example/v24.0"


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "META_APP_SECRET", "REVOADA_SECRET_KEY"])
def test_a_missing_variable_is_named(variable):
    settings = read_settings({name: value for name, value in SECRETS.items() if name != variable})
    with pytest.raises(SettingsError, match=f"^{variable} is not set"):
        settings.require(*(spec.name for spec in VARIABLES.values()))


def test_what_nobody_requires_may_be_missing():
    settings = read_settings({"DATABASE_URL": SECRETS["DATABASE_URL"]})
    assert settings.require("database_url", "graph_api_url") is settings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *((name, value) for name in NUMBERS for value in ["x", "0", "-1", "nan", "inf", "1e99", "1,5", "10s"]),
        ("REVOADA_SLOTS", "1.5"),
        *(("REVOADA_RETENTION_DAYS", value) for value in ["x", "-1", "1.5", "nan", "1e9", "36501"]),
        *(("REVOADA_AUDIT_DAYS", value) for value in ["x", "-1", "364", "1.5", "36501"]),
        *(("REVOADA_APPROVE_ABOVE", value) for value in ["x", "-1", "1.5", "1e9", "1000000001"]),
        *(("REVOADA_USER_HEADER", value) for value in ["X User", "X-User:", "é"]),
        *(("REVOADA_TRUSTED_PROXIES", value) for value in ["proxy", "10.0.0.1/8", "0.0.0.0/0", "10.0.0.1,::/0"]),
        *(("REVOADA_EXIT_ON_STALL_SECONDS", value) for value in ["x", "-1", "0.5", "nan", "inf", "1e99", "10s"]),
        *(("REVOADA_METRICS_PORT", value) for value in ["x", "-1", "65536", "1.5"]),
        *(("REVOADA_METRICS_HOST", value) for value in ["localhost", "8.8.8.8", "2606:4700::1111", "10.0.0.1/8"]),
        ("REVOADA_STOP_WORDS", "sair,,parar"),
        ("REVOADA_STOP_PAYLOADS", "!"),
        ("REVOADA_STOP_REPLY", "x" * 1_001),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("DATABASE_URL", "localhost"),
        ("REDIS_URL", "http://localhost"),
        ("BROKER_URL", "amqp://localhost//"),
        ("BROKER_URL", "sentinel://localhost"),
        ("GRAPH_API_URL", "graph.facebook.com"),
        ("GRAPH_API_URL", "https://"),
        ("ALERT_WEBHOOK_URL", "file:///etc/passwd"),
        ("REVOADA_SECRET_KEY", "short"),
        ("REVOADA_SECRET_KEY", "é" * 44),
        ("REVOADA_SECRET_KEY", ","),
        ("REVOADA_SECRET_KEY", "A" * 43 + "=,short"),
        ("REVOADA_TIMEZONE", "Sao_Paulo"),
        ("REVOADA_TIMEZONE", "../../etc/passwd"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(variable, value):
    assert refuse({variable: value}).startswith(f"{variable} is wrong: ")


@pytest.mark.parametrize(("value", "zone"), [("London", "Europe/London"), ("America/Sao_Paolo", "America/Sao_Paulo")])
def test_a_zone_that_does_not_exist_is_refused_with_a_likely_one(value, zone):
    text = refuse({"REVOADA_TIMEZONE": value})
    assert text == f"REVOADA_TIMEZONE is wrong: must be a time zone; did you mean {zone}?"


@pytest.mark.parametrize("variable", VARIABLES)
@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_text_ends_in_another_error(variable, value):
    try:
        read_settings({variable: value})
    except SettingsError as error:
        assert str(error).startswith((f"{variable} is wrong: ", "REVOADA_LEASE_SECONDS is wrong: "))  # noqa: PT017


@pytest.mark.parametrize("variable", SECRETS)
@pytest.mark.parametrize("wrong", ["mysql://u:pass-word@localhost", "pass-word"])
def test_a_wrong_secret_is_not_told(variable, wrong):
    try:
        settings = read_settings({variable: wrong})
    except SettingsError as error:
        assert "pass-word" not in str(error)  # noqa: PT017
    else:
        assert "pass-word" not in repr(settings)


@pytest.mark.parametrize("password", ["pass[word]", "pass\N{CARE OF}word"])
def test_a_password_that_a_url_cannot_hold_is_not_told(password):
    text = refuse({"DATABASE_URL": f"postgresql://revoada:{password}@localhost/revoada"})
    assert "pass" not in text
    assert "word" not in text


def test_no_secret_is_in_the_repr():
    text = repr(read_settings(SECRETS))
    assert "pass-word" not in text
    assert SECRETS["REVOADA_SECRET_KEY"] not in text


@pytest.mark.parametrize(("lease", "http", "renew"), [(30, 20, 10), (29, 20, 10), (45, 40, 5), (45, 20, 25)])
def test_a_lease_that_a_request_may_outlive_is_refused(lease, http, renew):
    environment = {
        "REVOADA_LEASE_SECONDS": str(lease),
        "REVOADA_HTTP_TIMEOUT_SECONDS": str(http),
        "REVOADA_RENEW_SECONDS": str(renew),
    }
    assert refuse(environment).startswith("REVOADA_LEASE_SECONDS is wrong: must be longer")


def test_every_variable_has_a_name_of_its_own_and_a_help():
    assert len(VARIABLES) == len(fields(Settings))
    assert all(str(spec.metadata["help"]) for spec in VARIABLES.values())


def examples(project, pattern):
    text = (project / ".env.example").read_text(encoding="utf-8")
    return dict(re.findall(rf"^{pattern}([A-Z][A-Z0-9_]+)=([^\s#]*)", text, re.MULTILINE))


def test_the_example_lists_exactly_the_variables_that_there_are(project):
    ours = [project / name for name in ("Procfile", "docker-compose.yml")]
    theirs = {"COMPOSE_FILE", "COMPOSE_PROFILES"}  # compose itself reads them
    theirs |= {name for path in ours for name in re.findall(r"\$\{([A-Z_]+)", path.read_text(encoding="utf-8"))}
    assert examples(project, "#?").keys() == VARIABLES.keys() | theirs


def test_what_the_example_shows_behind_a_hash_is_the_default(project):
    assert read_settings(examples(project, "#")) == Settings()
