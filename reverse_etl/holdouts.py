"""Who is left out of a segment, so that its effect can be measured against them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import duckdb

from reverse_etl.configuration import Holdout


def assign(connection: duckdb.DuckDBPyConnection, holdouts: Mapping[str, Holdout]) -> None:
    """Fill the temporary table `held_out_members` (segment, salt, profile_id).

    The first 60 bits of an MD5 hash of salt, profile and segment place each member in [0, 1); those
    below the share are held out. So nobody's side ever changes, a larger share holds out the same
    people and more, and another salt or segment draws anew.
    """
    connection.execute(
        """
        create or replace temp table held_out_members (
            segment varchar, salt varchar, profile_id varchar
        )
        """
    )
    for segment, holdout in holdouts.items():
        connection.execute(
            """
            insert into held_out_members
            select segment, $salt, profile_id
            from sync.segment_members
            where
                segment = $segment
                and ('0x' || left(md5(concat_ws(chr(31), $salt, profile_id, segment)), 15))::bigint
                / pow(2::double, 60) < $share
            """,
            {"segment": segment, "salt": holdout.salt, "share": holdout.share},
        )


def record(connection: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Keep the assignments of `assign` in `reverse_etl.holdouts`, each once."""
    connection.execute(
        """
        insert into reverse_etl.holdouts (profile_id, segment, salt, assigned_at)
        select profile_id, segment, salt, $as_of::timestamp
        from held_out_members
        anti join reverse_etl.holdouts using (profile_id, segment, salt)
        """,
        {"as_of": as_of},
    )
