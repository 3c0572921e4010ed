-- Adds two indexes for the pages about uncertain messages and about templates. Each statement locks its table only while
-- it reads the table, which is small beside the messages. No process writes the columns of these indexes when a counter
-- or a campaign changes, so these changes cost as much as before.
CREATE INDEX tallies_uncertain ON tallies (campaign_id) WHERE status = 'uncertain';
CREATE INDEX campaigns_by_template ON campaigns (template_id) WHERE test_of IS NULL;
