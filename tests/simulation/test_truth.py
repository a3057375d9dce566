"""The truth: its probabilities come true, its machines are caught by the rules, and who is who."""

import pytest

from tests.simulation.conftest import Shop

# A profile is active at a cutoff if it did something in the 60 days before, and has churned if it
# does nothing in the 30 days after: by the words of the project, from the raw tables.
_CHURN = """
with activity as (
    select email, occurred_at from human
    union all
    select email, ordered_at from valid_orders
),
examples as (
    select
        churn.churn_probability as probability,
        count(*) filter (
            activity.occurred_at <= churn.cutoff_at
            and activity.occurred_at > churn.cutoff_at - interval 60 days
        ) > 0 as is_active,
        count(*) filter (
            activity.occurred_at > churn.cutoff_at
            and activity.occurred_at <= churn.cutoff_at + interval 30 days
        ) = 0 as is_churned
    from truth.churn
    join activity using (email)
    where churn.cutoff_at < timestamp '2025-12-02'
    group by churn.email, churn.cutoff_at, churn.churn_probability
),
active as (select * from examples where is_active)
"""

_OPENS = """
with opened as (
    select
        messages.open_probability_within_72_hours as probability,
        coalesce(opens.opened_at <= messages.sent_at + interval 72 hours, false) as is_opened
    from truth.messages
    left join (
        select message_id, min(occurred_at) as opened_at from human
        where event_type = 'open' group by message_id
    ) as opens using (message_id)
    where messages.sent_at < timestamp '2025-12-28'
)
"""

_TENTHS = """
select avg(probability), avg({label}::int) from (
    select *, ntile(10) over (order by probability) as tenth from {rows}
) group by tenth order by tenth
"""


def test_true_churn_probabilities_come_true_in_every_tenth(shop: Shop) -> None:
    tenths = shop.database.sql(
        _CHURN + _TENTHS.format(label="is_churned", rows="active")
    ).fetchall()
    expected, happened = zip(*tenths, strict=True)
    # 900 examples a tenth, some of one person: three standard errors are 0.05.
    assert happened == pytest.approx(expected, abs=0.06)
    assert expected[0] < 0.05
    assert expected[-1] > 0.75


def test_true_open_probabilities_come_true_in_every_tenth(shop: Shop) -> None:
    tenths = shop.database.sql(_OPENS + _TENTHS.format(label="is_opened", rows="opened")).fetchall()
    expected, happened = zip(*tenths, strict=True)
    assert happened == pytest.approx(expected, abs=0.02)
    assert expected[-1] > 0.4


def test_every_message_has_its_truth_and_the_truth_no_other(shop: Shop) -> None:
    of_events = (
        "select distinct message_id from raw.email_events where event_type in ('sent', 'delivered')"
    )
    of_truth = "select message_id from truth.messages"
    assert shop.value(f"select count(*) from ({of_events} except {of_truth})") == 0
    # A message can be known by neither: its `sent` was lost and it bounced.
    missing = shop.value(f"select count(*) from ({of_truth} except {of_events})")
    assert missing <= 0.001 * shop.summary.truth_rows["messages"]


# The rules of the project, in its words; the agents are those that scanners are known by.
_RULES = r"""
with events as (
    select
        normal(email) as email, message_id, event_type, occurred_at, url,
        bool_or(coalesce(is_machine, false)) as is_flagged,
        any_value(user_agent) as user_agent,
        bool_or(event_id in (select event_id from truth.machine_events)) as is_machine
    from (
        -- The same event_id again, a little later, is a copy.
        select * from raw.email_events where event_type in ('open', 'click')
        qualify occurred_at = min(occurred_at) over (partition by event_id)
    ) group by all
),
delivered as (
    select message_id, min(occurred_at) as delivered_at
    from raw.email_events where event_type = 'delivered' group by message_id
),
bursts as (
    select distinct last.message_id, last.occurred_at - interval 10 seconds as begins_at,
        last.occurred_at as ends_at
    from events as last
    join events as other on
        other.message_id = last.message_id and other.event_type = 'click'
        and other.occurred_at between last.occurred_at - interval 10 seconds and last.occurred_at
    where last.event_type = 'click'
    group by last.message_id, last.occurred_at having count(distinct other.url) >= 3
),
judged as (
    select
        events.*,
        is_flagged
        or user_agent = 'Mozilla/5.0'
        or regexp_matches(user_agent, 'Proofpoint|Barracuda|Mimecast|IronPort|Symantec')
        or (
            event_type = 'click' and occurred_at >= delivered_at
            and occurred_at < delivered_at + interval 2 seconds
        )
        or (event_type = 'click' and exists (
            select 1 from bursts where bursts.message_id = events.message_id
                and occurred_at between begins_at and ends_at
        )) as is_caught
    from events left join delivered using (message_id)
)
"""


def test_the_rules_catch_every_machine(shop: Shop) -> None:
    missed = shop.value(f"{_RULES} select count(*) from judged where is_machine and not is_caught")
    assert missed == 0
    assert shop.value(f"{_RULES} select count(*) from judged where is_machine") > 10_000


def test_the_rules_take_no_person_for_a_machine(shop: Shop) -> None:
    accused = shop.value(f"{_RULES} select count(*) from judged where is_caught and not is_machine")
    assert accused == 0


@pytest.mark.parametrize(
    "cause", ["privacy_proxy", "scanner_agent", "known_to_provider", "burst", "fast_click"]
)
def test_every_kind_of_machine_is_there(shop: Shop, cause: str) -> None:
    assert shop.value(f"select count(*) from truth.machine_events where cause = '{cause}'") > 50


def test_opens_behind_a_privacy_proxy_are_never_seen_as_human(shop: Shop) -> None:
    seen = shop.value(
        """select count(*) from human join truth.people using (email)
        where human.event_type = 'open' and not people.has_visible_opens"""
    )
    assert seen == 0


def test_a_browser_seen_with_an_address_is_its_persons(shop: Shop) -> None:
    strangers = shop.value(
        """
        select count(*)
        from (
            select distinct anonymous_id, normal(email) as email
            from raw.web_events where email is not null
        ) as seen
        join truth.people using (email)
        left join truth.identities as browser on
            browser.kind = 'anonymous_id' and browser.value = seen.anonymous_id
        where browser.person_id is distinct from people.person_id
        """
    )
    assert strangers == 0


def test_contacts_are_their_persons_and_one_number_means_two_people(shop: Shop) -> None:
    wrong = shop.value(
        """
        select count(*)
        from raw.contacts
        join truth.identities as contact on
            contact.kind = 'contact_id' and contact.value = contacts.contact_id
            and contact.source_system = contacts.source_system
        join truth.people using (person_id)
        where normal(contacts.email) not in (
            people.email, people.second_email, 'old.' || people.email
        )
        """
    )
    assert wrong == 0
    shared = shop.value(
        """
        select count(*) from (
            select value from truth.identities where kind = 'contact_id'
            group by value having count(distinct person_id) = 2
        )
        """
    )
    assert shared > 100


def test_nobody_reads_what_was_sent_after_they_had_churned(shop: Shop) -> None:
    late = shop.value(
        """
        select count(*) from human
        join truth.messages using (message_id)
        join truth.people using (person_id)
        where messages.sent_at >= people.churned_at
        """
    )
    assert late == 0


def test_people_decline_before_they_leave(shop: Shop) -> None:
    rates = shop.database.sql(
        """
        select
            avg(open_probability) filter (sent_at < decline_started_at),
            avg(open_probability) filter (sent_at >= decline_started_at and sent_at < churned_at),
            avg(open_probability) filter (sent_at >= churned_at)
        from truth.messages join truth.people using (person_id)
        """
    ).fetchall()[0]
    assert rates[0] > 1.3 * rates[1] > 0
    assert rates[2] == 0
