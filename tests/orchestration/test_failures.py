"""What a run says of itself when it did not end well."""

from __future__ import annotations

import os
import signal
import threading

import dagster as dg
import duckdb

from orchestration import failures


@dg.op
def sum_for_seconds() -> None:
    """Send Ctrl-C to this process while DuckDB is at work."""
    with duckdb.connect() as connection:
        press = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        press.start()
        connection.execute("select sum(sqrt(range)) from range(1_000_000_000)")


@dg.op
def fail() -> None:
    """Raise what anybody may raise."""
    raise RuntimeError("the disk is full")


@dg.graph
def interrupted() -> None:
    """Be interrupted in a query."""
    sum_for_seconds()


@dg.graph
def broken() -> None:
    """Break."""
    fail()


def test_ctrl_c_that_meets_a_query_of_duckdb_is_an_interruption() -> None:
    ended = interrupted.execute_in_process(raise_on_error=False)

    assert not ended.success
    assert failures.was_interrupted(ended.all_events)


def test_any_other_error_is_none() -> None:
    ended = broken.execute_in_process(raise_on_error=False)

    assert not failures.was_interrupted(ended.all_events)
    (failure,) = failures.find_failures(ended.all_events)
    assert failure.sentence == "fail: the disk is full"
