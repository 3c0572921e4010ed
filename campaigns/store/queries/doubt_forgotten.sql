-- Whatever of these campaigns may have been sent and is not known to have been: uncertain. Which sends that were, and by
-- whom, is forgotten with them; so every `send_no` that they may have had is doubted, and evidence about any settles the
-- message. They may have left as late as now: the limits of people count from here.
--
-- Plan: one pass over each campaign.
UPDATE messages
SET status = 'uncertain', not_before = NULL,
    doubted = coalesce(doubted, '{}') + int4multirange(int4range(
        least(send_no + (status = 'pending')::int, 32767), least(send_no + %(lost_sends)s, 32767), '[]')),
    send_no = least(send_no + %(lost_sends)s, 32767),
    account_id = NULL, claimed_at = clock_timestamp(),
    error_code = NULL, error_title = %(reason)s, error_details = NULL
WHERE campaign_id = ANY (%(campaign_ids)s) AND status IN ('pending', 'sending')
