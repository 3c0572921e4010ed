-- Meta accepted a message with it: whatever was wrong with the template is over.
UPDATE templates SET status = 'approved', blocked_until = NULL
WHERE id = %(template_id)s AND (status <> 'approved' OR blocked_until IS NOT NULL)
