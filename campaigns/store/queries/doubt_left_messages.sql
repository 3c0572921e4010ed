-- What a predecessor left on the wire may have been accepted: nobody knows, so it is uncertain and never sent again by
-- itself. Runs right after the lease was taken, when no older claim can commit any more. The tally saves the scan of a
-- whole campaign where nothing was left, which is nearly always.
UPDATE messages
SET status = 'uncertain', error_code = NULL, error_details = NULL, error_title = %(reason)s
WHERE campaign_id = %(campaign_id)s
    AND status = 'sending'
    AND EXISTS (
        SELECT FROM tallies t WHERE t.campaign_id = %(campaign_id)s AND t.status = 'sending' AND t.count > 0
    )
