-- Adds to campaigns the key of the form that made a draft, so that a form that is sent twice makes one draft. The new
-- column has no default, and no campaign has a key yet, so the migration rewrites no table and the index is empty.
ALTER TABLE campaigns ADD COLUMN draft_key bytea;
CREATE UNIQUE INDEX campaigns_draft_key ON campaigns (draft_key) WHERE draft_key IS NOT NULL;
