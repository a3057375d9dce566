"""A second, independent way to the public tables: the definitions read as plain Python."""
