"""What a run makes, each asset one sentence around a function of another room."""
