-- What was not sent when its campaign expired never is; what is on the wire stays, its reply settles it. For the holder
-- of the lease.
UPDATE messages m SET status = unless_doubted(m.doubted, 'expired'), not_before = NULL
WHERE campaign_id = %(campaign_id)s AND status = 'pending'
    AND EXISTS (
        SELECT FROM campaigns c JOIN leases l ON l.campaign_id = c.id
        WHERE c.id = %(campaign_id)s AND c.status = 'running' AND c.expire_at <= clock_timestamp()
            AND l.epoch = %(epoch)s
    )
