"""What Revoada is compared with: how one usually sends, and what cannot be had for less."""
