"""What must hold: the doors that a batch of data has to pass, judged by Great Expectations."""
