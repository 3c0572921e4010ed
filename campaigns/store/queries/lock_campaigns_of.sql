-- Keeps the campaigns of some messages from completing or being cancelled until this transaction has put messages
-- back: whoever releases takes this lock first.
SELECT c.id, c.status::text FROM campaigns c
WHERE c.id = ANY (%(campaign_ids)s)
ORDER BY c.id
FOR SHARE
