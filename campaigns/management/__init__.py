"""What people do to campaigns, recipients, accounts and templates."""
