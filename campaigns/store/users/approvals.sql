-- name: load_approvables
-- If the caller has locked the campaigns, nobody changes their templates, accounts or people meanwhile.
SELECT c.id, c.name, c.template_id, t.components, c.parameters, c.columns,
    ARRAY(SELECT a.account_id FROM campaign_accounts a WHERE a.campaign_id = c.id ORDER BY a.account_id),
    -- The people of a standing campaign change all the time, and are no part of what is approved.
    CASE WHEN NOT c.is_standing THEN c.recipient_count ELSE 0 END,
    (SELECT max(m.id) FROM messages m WHERE m.campaign_id = c.id AND NOT c.is_standing),
    coalesce((SELECT y.count FROM tallies y WHERE y.campaign_id = c.id AND y.status = 'pending'), 0),
    coalesce((SELECT sum(y.count) FROM tallies y
        WHERE y.campaign_id = c.id AND y.status IN ('pending', 'sending', 'uncertain', 'failed')), 0)::bigint,
    p.approved_by, p.digest,
    (SELECT e.actor FROM audit_events e
        WHERE split_part(e.what, '.', 1) = 'campaign' AND e.target_id = c.id
            AND e.what IN ('campaign.create', 'campaign.copy', 'campaign.change', 'campaign.import', 'campaign.replace')
        ORDER BY e.at DESC, e.id DESC LIMIT 1),
    c.is_standing, r.digest, r.asked_by, r.asked_at
FROM campaigns c JOIN templates t ON t.id = c.template_id
LEFT JOIN LATERAL (
    SELECT a.approved_by, a.digest FROM approvals a WHERE a.campaign_id = c.id ORDER BY a.id DESC LIMIT 1
) p ON true
LEFT JOIN approval_requests r ON r.campaign_id = c.id
WHERE c.id = ANY (%(campaign_ids)s)

-- name: insert_approval
INSERT INTO approvals (campaign_id, approved_by, digest) VALUES (%(campaign_id)s, %(approved_by)s, %(digest)s)

-- name: write_approval_request
INSERT INTO approval_requests (campaign_id, digest, asked_by) VALUES (%(campaign_id)s, %(digest)s, %(asked_by)s)
ON CONFLICT (campaign_id) DO UPDATE
SET digest = excluded.digest, asked_by = excluded.asked_by, asked_at = excluded.asked_at

-- name: delete_approval_request
DELETE FROM approval_requests WHERE campaign_id = %(campaign_id)s

-- name: list_approval_requests
SELECT r.campaign_id FROM approval_requests r JOIN campaigns c ON c.id = r.campaign_id
WHERE c.status <> ALL (%(ended)s)
