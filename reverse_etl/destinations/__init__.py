"""The services that can be told, each behind the same few calls."""
