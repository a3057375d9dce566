"""What happened? Files become the raw tables, each row exactly once."""
