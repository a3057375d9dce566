"""How a command ends. Wrong usage is 2; shells know 130 as ended by Ctrl-C."""

DONE, FAILED, STOPPED, INTERRUPTED = 0, 1, 3, 130

# What DuckDB raises, as a RuntimeError, where Ctrl-C meets one of its queries.
INTERRUPTED_QUERY = "Query interrupted"
