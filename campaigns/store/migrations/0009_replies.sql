-- Counts the replies of people to campaigns: docs/decisions/0052. The migration rewrites no table, because new columns
-- without a value, or with a constant default, need no rewrite. Messages from before the migration have no reply. It
-- locks the tables in the order in which transactions lock them, for as long as it takes to index the campaigns.
CREATE INDEX campaigns_by_end ON campaigns ((coalesce(completed_at, cancelled_at, 'infinity'::timestamptz)))
    WHERE started_at IS NOT NULL;
ALTER TABLE messages ADD COLUMN replied_at timestamptz;
ALTER TABLE tallies ADD COLUMN replied_count bigint NOT NULL DEFAULT 0;
CREATE OR REPLACE FUNCTION tally_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
        SELECT campaign_id, status, count(*), count(replied_at) FROM after GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE
        SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
        SELECT campaign_id, status, -count(*), -count(replied_at) FROM before GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE
        SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count;
    ELSIF TG_OP = 'TRUNCATE' THEN
        DELETE FROM tallies;
    ELSE
        INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
        SELECT campaign_id, status, sum(change), sum(replied_change) FROM (
            SELECT campaign_id, status, -1 AS change, -(replied_at IS NOT NULL)::int AS replied_change FROM before
            UNION ALL
            SELECT campaign_id, status, 1, (replied_at IS NOT NULL)::int FROM after
        ) changes GROUP BY 1, 2 HAVING sum(change) <> 0 OR sum(replied_change) <> 0 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE
        SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count;
    END IF;
    RETURN NULL;
END $$;
