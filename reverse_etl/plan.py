"""What a destination should hear: the desired state against what it has acknowledged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb

from reverse_etl import holdouts
from reverse_etl.brakes import Brake, applied_brakes
from reverse_etl.configuration import RIDE_ALONG_BY_DEFAULT, DestinationSettings, Property
from reverse_etl.desired_state import property_types
from reverse_etl.ledger import next_delivery_number
from reverse_etl.shipment import Action, Kind, identifier

_EXAMPLES = 3


@dataclass(frozen=True)
class PlannedChanges:
    """Count the changes of one sort, with a few of the profiles as examples."""

    kind: Kind
    segment: str | None
    action: Action
    changes: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Sum up what a destination should hear.

    The rows are in the temporary table `planned_changes` of the connection until the next plan.
    `plan_id` names the content: the same desired state against the same ledger has the same one.
    `unchanged` counts, by kind and segment, what the destination holds already as it should be.
    """

    destination: str
    plan_id: str
    delivery_number: int
    as_of: datetime
    changes: tuple[PlannedChanges, ...]
    unchanged: Mapping[tuple[Kind, str | None], int]
    held_out: Mapping[str, int]
    tier_mix: Mapping[str, int]
    properties: Mapping[str, Property]
    brakes: tuple[Brake, ...]

    @property
    def total(self) -> int:
        """Changes of all kinds, actions and segments."""
        return sum(each.changes for each in self.changes)

    def count(self, kind: Kind, action: Action | None = None, segment: str | None = None) -> int:
        """Count the changes of a kind, or of these those of one action or segment."""
        return sum(
            each.changes
            for each in self.changes
            if each.kind == kind
            and action in (None, each.action)
            and segment in (None, each.segment)
        )

    def sentence(self) -> str:
        """Say in words what would be sent: `profiles: 3 add, 1 remove; …`."""
        kinds: Mapping[Kind, str] = {
            "profile": "profiles",
            "segment_member": "segment members",
            "suppression": "suppressions",
        }
        actions: tuple[Action, ...] = ("add", "change", "remove")
        parts = []
        for kind, words in kinds.items():
            counted = [
                f"{self.count(kind, action):,} {action}"
                for action in actions
                if self.count(kind, action)
            ]
            if counted:
                parts.append(f"{words}: {', '.join(counted)}")
        return "; ".join(parts) or "nothing"


def plan_delivery(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    settings: DestinationSettings,
    *,
    as_of: datetime,
) -> Plan:
    """Compare the desired state with what the destination has acknowledged.

    The tables of `sync` and the settings have passed `check_sync` and `check_settings`.
    """
    properties = _properties(connection, settings)
    holdouts.assign(connection, settings.holdouts)
    connection.execute(
        _PLAN.format(fingerprint=_fingerprint(properties)),
        {
            "destination": name,
            "segments": None if settings.segments is None else list(settings.segments),
        },
    )
    delivery_number = next_delivery_number(connection, name)
    tier_mix = _tier_mix(connection)
    return Plan(
        destination=name,
        plan_id=_plan_id(connection, name, delivery_number),
        delivery_number=delivery_number,
        as_of=as_of,
        changes=_planned_changes(connection),
        unchanged=_unchanged(connection, name),
        held_out=_held_out(connection),
        tier_mix=tier_mix,
        properties=properties,
        brakes=applied_brakes(connection, name, settings.brakes, tier_mix),
    )


# A destination may hold what it acknowledged, and what it was sent and did not settle. The latter
# is part of the plan whatever it was: wanted, it is sent again; unwanted, it is removed.
_PLAN = """
create or replace temp table planned_changes as
with
acknowledged_profiles as (
    select * from reverse_etl.acknowledged_profiles where destination = $destination
),

acknowledged_members as (
    select * from reverse_etl.acknowledged_members where destination = $destination
),

acknowledged_suppressions as (
    select * from reverse_etl.acknowledged_suppressions where destination = $destination
),

known_profiles as (
    select * from reverse_etl.known_profiles where destination = $destination
),

unsettled as (
    select * from reverse_etl.unsettled_changes where destination = $destination
),

unsettled_profiles as (
    select * from unsettled where kind = 'profile'
),

unsettled_members as (
    select * from unsettled where kind = 'segment_member'
),

unsettled_suppressions as (
    select * from unsettled where kind = 'suppression'
),

desired_profiles as (
    select profile_id, email, {fingerprint} as fingerprint
    from sync.profiles
    where profile_id not in (select profile_id from reverse_etl.refused_profiles)
),

desired_members as (
    select members.segment, members.profile_id, members.email, members.attribute
    from sync.segment_members as members
    anti join held_out_members using (segment, profile_id)
    where
        ($segments is null or list_contains($segments, members.segment))
        and members.profile_id not in (select profile_id from reverse_etl.refused_profiles)
),

held_profiles as (
    select
        profile_id,
        acknowledged_profiles.profile_id is not null as is_acknowledged,
        unsettled_profiles.profile_id is not null as is_unsettled,
        acknowledged_profiles.fingerprint
    from acknowledged_profiles
    full join unsettled_profiles using (profile_id)
),

held_members as (
    select
        segment,
        profile_id,
        acknowledged_members.profile_id is not null as is_acknowledged,
        unsettled_members.profile_id is not null as is_unsettled,
        acknowledged_members.attribute
    from acknowledged_members
    full join unsettled_members using (segment, profile_id)
),

compared_profiles as (
    select
        profile_id,
        case
            when desired_profiles.profile_id is null then 'remove'
            when held_profiles.is_acknowledged is not true then 'add'
            when
                held_profiles.is_unsettled
                or desired_profiles.fingerprint is distinct from held_profiles.fingerprint
            then 'change'
        end as action,
        desired_profiles.email,
        desired_profiles.fingerprint,
        coalesce(held_profiles.is_acknowledged, false) as is_acknowledged
    from desired_profiles
    full join held_profiles using (profile_id)
),

compared_members as (
    select
        segment,
        profile_id,
        case
            when desired_members.profile_id is null then 'remove'
            when held_members.is_acknowledged is not true then 'add'
            when
                held_members.is_unsettled
                or desired_members.attribute is distinct from held_members.attribute
            then 'change'
        end as action,
        desired_members.email,
        desired_members.attribute,
        coalesce(held_members.is_acknowledged, false) as is_acknowledged
    from desired_members
    full join held_members using (segment, profile_id)
),

-- Told once, and again when the reason changes; and only to a destination that knows the person.
compared_suppressions as (
    select
        suppressions.profile_id,
        case
            when acknowledged_suppressions.profile_id is null then 'add'
            when
                unsettled_suppressions.profile_id is not null
                or suppressions.reason is distinct from acknowledged_suppressions.reason
            then 'change'
        end as action,
        suppressions.email,
        suppressions.reason,
        acknowledged_suppressions.profile_id is not null as is_acknowledged
    from sync.suppressions as suppressions
    left join acknowledged_suppressions using (profile_id)
    left join unsettled_suppressions using (profile_id)
    where suppressions.profile_id in (select profile_id from known_profiles)
),

changes as (
    select
        'profile' as kind, action, null as segment, profile_id, email, null as attribute,
        null as reason, fingerprint, is_acknowledged
    from compared_profiles
    where action is not null

    union all

    select
        'segment_member', action, segment, profile_id, email, attribute,
        null, null, is_acknowledged
    from compared_members
    where action is not null

    union all

    select
        'suppression', action, null, profile_id, email, null,
        reason, null, is_acknowledged
    from compared_suppressions
    where action is not null
)

select
    row_number() over () as change_number,
    changes.kind,
    changes.action,
    changes.segment,
    changes.profile_id,
    -- Who was erased is removed by id alone: the address is written down nowhere any more.
    case
        when changes.profile_id not in (select profile_id from reverse_etl.erased_profiles)
        then coalesce(changes.email, known_profiles.email)
    end as email,
    changes.attribute,
    changes.reason,
    changes.fingerprint,
    changes.is_acknowledged
from changes
left join known_profiles
    on changes.profile_id = known_profiles.profile_id and changes.action = 'remove'
"""


def _properties(
    connection: duckdb.DuckDBPyConnection, settings: DestinationSettings
) -> Mapping[str, Property]:
    if settings.properties is not None:
        return settings.properties
    return {
        column: Property(field=column, ride_along=column in RIDE_ALONG_BY_DEFAULT)
        for column in property_types(connection)
    }


def _fingerprint(properties: Mapping[str, Property]) -> str:
    """Write the expression that changes when, and only when, there is news about a profile.

    It covers names and values, in an order of its own, so that a field that is renamed is sent
    again and one that moves in the configuration is not.
    """
    driving = sorted(
        (each.field, column) for column, each in properties.items() if not each.ride_along
    )
    if not driving:
        return "0::uhugeint"
    values = ", ".join(f"{identifier(field)} := {identifier(column)}" for field, column in driving)
    return f"md5_number(to_json(struct_pack({values}))::varchar)"


def _plan_id(connection: duckdb.DuckDBPyConnection, name: str, delivery_number: int) -> str:
    # The number of the delivery is part of it: a state that comes back (A, B, A, B) makes the same
    # changes again, and they are another delivery. MD5 and not the database's own hash, which may
    # change with its version: a plan that waits to be confirmed keeps its name meanwhile. No two
    # rows are equal, so none takes another out of the sum of bits, which needs no order. As text in
    # decimals a fingerprint would cost 0.1 ms (DuckDB 2.0.0), minutes for a million.
    ((digest,),) = connection.execute(
        """
        select
            bit_xor(
                md5_number(
                    to_json(
                        [kind, action, segment, profile_id, attribute, reason, hex(fingerprint)]
                    )::varchar
                )
            )
        from planned_changes
        """
    ).fetchall()
    content = f"{name}\n{delivery_number}\n{digest}"
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def _planned_changes(connection: duckdb.DuckDBPyConnection) -> tuple[PlannedChanges, ...]:
    rows = connection.execute(
        f"""
        select kind, segment, action, count(*), min(profile_id, {_EXAMPLES})
        from planned_changes
        group by all
        order by kind, segment nulls first, action
        """
    ).fetchall()
    return tuple(
        PlannedChanges(kind, segment, action, changes, tuple(examples))
        for kind, segment, action, changes, examples in rows
    )


def _unchanged(
    connection: duckdb.DuckDBPyConnection, name: str
) -> Mapping[tuple[Kind, str | None], int]:
    rows = connection.execute(
        """
        with
        held as (
            select 'profile' as kind, null as segment, count(*) as held
            from reverse_etl.acknowledged_profiles
            where destination = $destination

            union all

            select 'segment_member', segment, count(*)
            from reverse_etl.acknowledged_members
            where destination = $destination
            group by segment
        ),
        touched as (
            select kind, segment, count(*) as touched
            from planned_changes
            where is_acknowledged
            group by all
        )
        select held.kind, held.segment, held.held - coalesce(touched.touched, 0)
        from held
        left join touched
            on held.kind = touched.kind and held.segment is not distinct from touched.segment
        order by all
        """,
        {"destination": name},
    ).fetchall()
    return {(kind, segment): unchanged for kind, segment, unchanged in rows}


def _held_out(connection: duckdb.DuckDBPyConnection) -> Mapping[str, int]:
    return dict(
        connection.execute(
            "select segment, count(*) from held_out_members group by segment order by segment"
        ).fetchall()
    )


def _tier_mix(connection: duckdb.DuckDBPyConnection) -> Mapping[str, int]:
    return dict(
        connection.execute(
            """
            select engagement_tier, count(*)
            from sync.profiles
            where engagement_tier is not null
            group by engagement_tier
            order by engagement_tier
            """
        ).fetchall()
    )
