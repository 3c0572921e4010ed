-- A rest that Meta asked for, or that an unreachable API needs. A rest that runs is not made longer: the failures of
-- what was in flight together are one event. Every further one in a row is twice as long, up to `most_seconds`, and
-- never exact to the second, so that accounts do not come back in step.
UPDATE accounts a
SET blocked_until = clock_timestamp() + make_interval(
        secs => least(%(most_seconds)s, %(rest_seconds)s * 2 ^ least(a.block_count, 20)) * (0.85 + 0.3 * random())),
    blocked_reason = %(reason)s,
    block_count = a.block_count + 1
WHERE (a.id = %(account_id)s
        OR (%(is_for_waba)s AND a.waba_id = (SELECT b.waba_id FROM accounts b WHERE b.id = %(account_id)s)))
    AND (a.blocked_until IS NULL OR a.blocked_until <= clock_timestamp())
RETURNING a.id, a.blocked_until
