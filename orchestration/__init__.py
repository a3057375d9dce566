"""When, and in what order? Dagster, the command line, and all that knows the environment."""
