"""The hours of a campaign: when its messages may leave, and for whom it is night then."""
