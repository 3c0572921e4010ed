-- How many campaigns are in their slice right now.
SELECT count(*) FROM leases WHERE until > clock_timestamp()
