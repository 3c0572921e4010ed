"""The pages about the result of a campaign: its report, and the comparison of two campaigns."""
