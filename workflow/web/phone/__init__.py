"""The simulated phone and the mailbox: for development only, and clearly marked as such."""
