-- name: load_approvable
-- The caller has locked the campaign, so nobody changes its template, its accounts or its people meanwhile.
SELECT c.template_id, t.components, c.parameters, c.columns,
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
    c.is_standing
FROM campaigns c JOIN templates t ON t.id = c.template_id
LEFT JOIN LATERAL (
    SELECT a.approved_by, a.digest FROM approvals a WHERE a.campaign_id = c.id ORDER BY a.id DESC LIMIT 1
) p ON true
WHERE c.id = %(campaign_id)s

-- name: insert_approval
INSERT INTO approvals (campaign_id, approved_by, digest) VALUES (%(campaign_id)s, %(approved_by)s, %(digest)s)
