"""One time slice of one campaign, and what starts slices."""
