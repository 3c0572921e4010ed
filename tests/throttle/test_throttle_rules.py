"""What one account's bucket gives, on fakeredis and on Valkey."""

import math

import pytest
import redis

from campaigns.throttle.bucket import Ask, Throttle

KEY = "revoada:throttle:7"
PARTS = ("", ":waiting", ":until")


def test_new_bucket_is_empty(world):
    assert world.grant(100).tokens == 0


def test_tokens_are_there_when_it_was_told_to_ask_again(world):
    first = world.grant(100)
    world.sleep(first.retry_seconds)

    assert 0 < first.retry_seconds <= 0.11
    assert 8 <= world.grant(100).tokens <= 20


def test_single_wanted_token_is_not_kept_back_until_a_lot_is_there(world):
    assert world.grant(1).retry_seconds == pytest.approx(1 / 80, abs=0.001)


def test_full_grant_needs_no_retry(world):
    world.fill()

    grant = world.grant(3)

    assert (grant.tokens, grant.retry_seconds) == (3, 0)


def test_bucket_holds_a_quarter_of_a_second(world):
    world.grant(100)
    world.sleep(0.3)
    assert world.grant(100).tokens == 20


def test_slow_bucket_holds_one_token(world):
    world.grant(1, rate=4)
    world.sleep(0.6)
    assert world.grant(100, rate=4).tokens == 1


def test_grant_carries_the_servers_time_and_the_rate(world):
    def ask_time() -> float:
        seconds, microseconds = world.client.time()
        return seconds + microseconds / 1_000_000

    before, grant, after = ask_time(), world.grant(1, rate=12.5), ask_time()

    assert before <= grant.granted_at <= after
    assert grant.rate == 12.5


def test_unused_tokens_go_back(world):
    world.fill(rate=1000)
    world.grant(250, rate=1000)
    assert world.grant(250, rate=1000, give_back=100).tokens >= 100


def test_more_than_the_capacity_cannot_go_back(world):
    assert world.grant(1000, give_back=1000).tokens == 20


def test_overdrawn_tokens_are_missing(world):
    world.fill()
    assert world.grant(100, give_back=-5).tokens == 15


def test_debt_ends_after_a_second_at_most(world):
    assert world.grant(1, give_back=-1000).retry_seconds == pytest.approx(1 + 1 / 80, abs=0.001)


def test_asking_for_nothing_gives_nothing_and_gives_back(world):
    nothing = world.grant(0, give_back=10)

    assert (nothing.tokens, nothing.retry_seconds) == (0, 0)
    assert world.grant(10).tokens == 10


def test_change_of_the_configured_rate_takes_effect_at_once(fake):
    fake.fill(rate=1000)
    assert fake.grant(1000, rate=20).tokens == 5

    raised = fake.grant(1, rate=80)
    assert (raised.rate, raised.retry_seconds) == (80, pytest.approx(1 / 80, abs=0.001))


def test_time_before_a_raise_counts_at_the_old_rate(fake):
    fake.grant(0, rate=20)
    fake.sleep(0.13)
    assert fake.grant(100, rate=1000).tokens == 2


def test_retry_is_never_too_soon_to_be_worth_it(world):
    assert world.grant(1, rate=1000).retry_seconds == 0.005


def test_one_call_asks_for_many_accounts_in_their_order(world):
    world.fill(account=1)
    world.fill(account=3)

    grants = world.throttle.grant(1, [Ask(3, 80, 5), Ask(2, 40, 5), Ask(1, 80, 6)])

    assert [(g.account_id, g.tokens, g.rate) for g in grants] == [(3, 5, 80), (2, 0, 40), (1, 6, 80)]


def test_one_call_is_one_command(real):
    real.grant(1)
    real.client.config_resetstat()

    real.throttle.grant(1, [Ask(account, 80, 5) for account in range(10)])

    from_clients = {"cmdstat_evalsha", "cmdstat_eval", "cmdstat_script|load"}
    calls = {name: stat["calls"] for name, stat in real.client.info("commandstats").items() if name in from_clients}
    assert calls == {"cmdstat_evalsha": 1}


def test_server_that_forgot_the_script_is_told_again(world):
    world.fill()
    world.client.script_flush()
    assert world.grant(5).tokens == 5


def test_client_that_decodes_replies_is_fine(real, valkey):
    with redis.Redis.from_url(valkey.url, socket_timeout=120, decode_responses=True) as client:
        assert Throttle(client).grant(1, [Ask(7, 80, 5)])[0].rate == 80


@pytest.mark.parametrize("part", PARTS)
def test_key_of_another_type_counts_as_new(world, part):
    world.client.set(KEY + part, "not ours")
    world.fill()
    assert world.grant(5).tokens == 5


@pytest.mark.parametrize("name", ["tokens", "at", "rate", "factor", "halved_at", "served:1"])
@pytest.mark.parametrize("garbage", ["", "nan", "inf", "-1e300", "many", "\xff\x00"])
def test_garbage_counts_as_a_new_bucket(fake, name, garbage):
    fake.fill()
    fake.client.hset(KEY, name, garbage)

    assert fake.grant(1000).tokens in ({20} if name == "served:1" else {0})
    fake.sleep(0.3)
    assert fake.grant(1000).tokens == 20


@pytest.mark.parametrize("score", ["inf", "-inf", 1e300])
@pytest.mark.parametrize("part", PARTS[1:])
def test_garbage_among_the_askers_stops_nobody(fake, part, score):
    fake.client.zadd(KEY + part, {"not ours": score, "5": score})
    fake.fill()
    assert fake.grant(5).tokens == 5


def test_clock_set_back_gives_no_tokens_and_stops_nobody(fake):
    fake.fill()
    fake.grant(1000, campaign=1)
    fake.grant(1000, campaign=2)
    fake.sleep(-10_000)

    assert fake.grant(1000).tokens == 0
    fake.sleep(0.3)
    assert fake.grant(1000).tokens == 20


def test_clock_set_back_does_not_keep_the_rate_from_halving(fake):
    fake.grant(1, throttled_at=fake.now())
    fake.sleep(-10_000)
    fake.grant(1)
    fake.sleep(20)
    assert fake.grant(1, throttled_at=fake.now()).rate == 40


def test_all_keys_expire(world):
    world.grant(5)
    keys = world.client.keys("revoada:throttle:*")

    assert len(keys) == len(PARTS)
    assert all(3000 < world.client.ttl(key) <= 3600 for key in keys)


def test_account_that_sends_less_than_once_an_hour_is_not_forgotten_in_between(fake):
    rate = 1 / 7200
    fake.grant(1, rate=rate)
    fake.sleep(7200)
    assert fake.grant(1, rate=rate).tokens == 1


def test_campaigns_that_left_leave_nothing_behind(fake):
    for campaign in range(50):
        fake.grant(5, campaign=campaign)
    fake.sleep(100)
    fake.grant(5, campaign=99)

    assert fake.client.hlen(KEY) == 6
    assert fake.client.zcard(f"{KEY}:until") == 1
    assert fake.client.zcard(f"{KEY}:waiting") == 0


def test_throttled_request_halves_the_rate(world):
    sent = world.grant(1)
    assert world.grant(1, throttled_at=sent.granted_at).rate == pytest.approx(40, abs=0.1)


def test_halving_cuts_what_the_bucket_holds(world):
    world.fill()
    sent = world.grant(0)
    assert world.grant(100, throttled_at=sent.granted_at).tokens == 10


def test_many_replies_to_requests_from_before_a_halving_halve_once(fake):
    sent = fake.grant(1)
    fake.grant(1, throttled_at=sent.granted_at)
    fake.sleep(1.5)
    assert fake.grant(1, throttled_at=sent.granted_at).rate > 40


def test_rate_halves_at_most_once_a_second(fake):
    first = fake.grant(1)
    fake.grant(1, throttled_at=first.granted_at)
    fake.sleep(0.9)
    second = fake.grant(1)

    assert fake.grant(1, throttled_at=second.granted_at).rate > 40
    fake.sleep(0.1)
    assert fake.grant(1, throttled_at=second.granted_at).rate == pytest.approx(80 * 0.55 / 2)


def test_rate_that_is_halved_every_second_ends_where_the_climb_makes_up_for_it(fake):
    for _ in range(20):
        rate = fake.grant(1, throttled_at=fake.now()).rate
        fake.sleep(1)
    assert rate == pytest.approx(80 * 0.05, rel=0.01)


def test_rate_never_falls_under_a_thirty_second_part(fake):
    fake.grant(1)
    fake.client.hset(KEY, "factor", 0.03)
    assert fake.grant(1, throttled_at=fake.now()).rate == pytest.approx(80 / 32)


@pytest.mark.parametrize(("seconds", "rate"), [(0, 40), (1, 44), (5, 60), (10, 80), (3000, 80)])
def test_rate_climbs_back_by_a_twentieth_a_second(fake, seconds, rate):
    fake.grant(1, throttled_at=fake.now())
    fake.sleep(seconds)
    assert fake.grant(1).rate == pytest.approx(rate)


def test_retry_counts_on_the_climb(fake):
    for _ in range(6):
        fake.sleep(1)
        told = fake.grant(1, rate=1, throttled_at=fake.now())
    fake.sleep(told.retry_seconds)

    assert told.retry_seconds < 10 < 1 / told.rate
    assert fake.grant(1, rate=1).tokens == 1


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        Ask(7, rate, 1)


@pytest.mark.parametrize(
    "wrong", [{"want": -1}, {"want": 1, "throttled_at": math.nan}, {"want": 1, "throttled_at": -1}]
)
def test_impossible_ask_is_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Ask(7, 80, **wrong)
