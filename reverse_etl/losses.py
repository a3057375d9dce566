"""What a ledger has lost: tables that are empty although others tell of what was in them."""

from __future__ import annotations

import duckdb

# What a destination was last told of each profile and member, by its own word.
_LAST_TOLD = """
    select
        kind,
        segment,
        profile_id,
        -- Answers to one run have one time; the later one is further down.
        max_by(action, row("at", rowid)) as action
    from reverse_etl.receipts
    where
        destination = $destination
        and kind = '{kind}'
        and (outcome = 'delivered' or (outcome = 'suppressed' and action = 'remove'))
    group by all
    having max_by(action, row("at", rowid)) <> 'remove'
"""

_COUNTS = """
    select
        (select count(*) from reverse_etl.acknowledged_profiles where destination = $destination),
        (select count(*) from reverse_etl.acknowledged_members where destination = $destination),
        (select count(*) from reverse_etl.known_profiles where destination = $destination),
        (select count(*) from reverse_etl.unsettled_changes where destination = $destination),
        (select count(*) from reverse_etl.receipts where destination = $destination),
        (
            select count(*) from reverse_etl.runs
            where
                destination = $destination
                and status in ('sending', 'delivered', 'failed', 'nothing_to_do')
        ),
        (
            select coalesce(sum(delivered), 0)::bigint from reverse_etl.runs
            where destination = $destination
        ) - (
            select coalesce(sum(delivered), 0)::bigint from reverse_etl.forgotten_receipts
            where destination = $destination
        )
"""


def find_losses(connection: duckdb.DuckDBPyConnection, destination: str) -> list[str]:
    """Return a clause for everything that the ledger has lost about a destination.

    A table that was dropped is made again, empty, before anybody looks here. Lost suppressions are
    no loss: they are told once more, which does no harm.
    """
    ((profiles, members, known, unsettled, receipts, runs, delivered),) = connection.execute(
        _COUNTS, {"destination": destination}
    ).fetchall()
    losses = []
    told_profiles = 0 if profiles else _count_told(connection, destination, "profile")
    if told_profiles:
        losses.append(
            f"reverse_etl.acknowledged_profiles is empty, though by the receipts {destination} "
            f"holds {told_profiles:,} profiles"
        )
    told_members = 0 if members else _count_told(connection, destination, "segment_member")
    if told_members:
        losses.append(
            f"reverse_etl.acknowledged_members is empty, though by the receipts {destination} "
            f"holds {told_members:,} segment members"
        )
    if not receipts and not profiles and (delivered or (known and not unsettled)):
        losses.append(
            "reverse_etl.acknowledged_profiles and reverse_etl.receipts are empty, though "
            f"{destination} was told of {known:,} profiles by {delivered:,} delivered changes"
        )
    if profiles and not known:
        losses.append(
            f"reverse_etl.known_profiles is empty, though {destination} holds {profiles:,} profiles"
        )
    if not runs and (receipts or profiles or known):
        losses.append(
            f"reverse_etl.runs knows of no delivery to {destination}, though there are "
            f"{receipts:,} receipts of it"
        )
    return losses


def restore(connection: duckdb.DuckDBPyConnection, destination: str) -> None:
    """Fill what is empty with what other tables of the ledger tell, on the safe side.

    Of what was held it is known that, not what: who is wanted is sent again, who is not is removed.
    Where there are no receipts, everybody who was ever told of counts as held. Expects a
    transaction.
    """
    parameters = {"destination": destination}
    connection.execute(
        f"""
        insert into reverse_etl.acknowledged_profiles (destination, profile_id, fingerprint)
        select $destination, profile_id, null
        from (
            select profile_id from ({_LAST_TOLD.format(kind="profile")})

            union

            select profile_id from reverse_etl.known_profiles
            where
                destination = $destination
                and not exists (
                    from reverse_etl.receipts where destination = $destination
                )
        )
        where not exists (
            from reverse_etl.acknowledged_profiles where destination = $destination
        )
        """,
        parameters,
    )
    connection.execute(
        f"""
        insert into reverse_etl.acknowledged_members (destination, segment, profile_id, attribute)
        select $destination, segment, profile_id, null
        from ({_LAST_TOLD.format(kind="segment_member")})
        where not exists (
            from reverse_etl.acknowledged_members where destination = $destination
        )
        """,
        parameters,
    )
    connection.execute(
        """
        insert into reverse_etl.known_profiles (destination, profile_id, email)
        select $destination, profile_id, any_value(coalesce(profiles.email, suppressions.email))
        from reverse_etl.acknowledged_profiles as acknowledged
        left join sync.profiles as profiles using (profile_id)
        left join sync.suppressions as suppressions using (profile_id)
        where
            acknowledged.destination = $destination
            and not exists (from reverse_etl.known_profiles where destination = $destination)
        group by profile_id
        """,
        parameters,
    )


def _count_told(connection: duckdb.DuckDBPyConnection, destination: str, kind: str) -> int:
    ((told,),) = connection.execute(
        f"select count(*) from ({_LAST_TOLD.format(kind=kind)})", {"destination": destination}
    ).fetchall()
    return int(told)
