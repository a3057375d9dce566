"""Ada asks to be forgotten: what goes with her, what stays, and that she does not come back."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

import pytest

from ingestion.erasure import Erased, erase
from tests.ingestion.conftest import LOADED_AT, World

KEY = b"a key for tests"
AS_OF = datetime.fromisoformat("2026-06-01")


@pytest.fixture
def asked(world: World) -> World:
    """A shop in which Ada has asked for erasure on 1 May."""
    world.write("erasure_requests/1.csv", "email,requested_at\n ADA@x.example,2026-05-01\n")
    return world


def forget(world: World, as_of: datetime = AS_OF, key: bytes = KEY) -> Erased:
    return erase(world.warehouse, key=key, as_of=as_of, erased_at=as_of)


def test_all_rows_with_the_address_go_however_it_is_written(asked: World) -> None:
    asked.write(
        "consents/1.csv",
        "email,purpose,status,recorded_at\n"
        '"\tAda@X.example ",email_marketing,granted,2026-01-01\n'
        "bo@x.example,email_marketing,granted,2026-01-01\n"
        "ada@x.example.org,email_marketing,granted,2026-01-01\n",
    )
    asked.load()

    erased = forget(asked)

    assert asked.column("select email from raw.consents order by all") == [
        "ada@x.example.org",
        "bo@x.example",
    ]
    assert asked.rows("select * from raw.erasure_requests") == []
    assert erased == Erased(
        addresses=1,
        rows={"consents": 1, "erasure_requests": 1},
        files=("consents/1.csv", "erasure_requests/1.csv"),
    )


def test_what_is_kept_is_an_hmac(asked: World) -> None:
    asked.load()
    forget(asked)
    digest = hmac.new(KEY, b"address\nada@x.example", hashlib.sha256).hexdigest()
    assert asked.rows("select kind, digest from raw.erasures") == [("address", digest)]


def test_a_key_longer_than_a_block_is_hashed_first(asked: World) -> None:
    asked.load()
    forget(asked, key=b"k" * 65)
    digest = hmac.new(b"k" * 65, b"address\nada@x.example", hashlib.sha256).hexdigest()
    assert asked.column("select digest from raw.erasures") == [digest]


def test_a_request_of_the_future_erases_nobody_yet(asked: World) -> None:
    asked.load()
    assert forget(asked, datetime.fromisoformat("2026-04-30")) == Erased(0, {}, ())
    assert len(asked.rows("select * from raw.erasure_requests")) == 1


def test_every_version_of_a_contact_that_ever_carried_the_address_goes(asked: World) -> None:
    asked.write(
        "contacts/1.csv",
        "contact_id,source_system,email,first_name,updated_at\n"
        "1,crm,ada@x.example,Ada,2026-01-01\n"
        "1,crm,augusta@x.example,Ada,2026-02-01\n"
        "1,till,cy@x.example,Cy,2026-02-01\n"
        "1,,dee@x.example,Dee,2026-02-01\n",
    )
    asked.load()
    forget(asked)
    assert asked.column("select first_name from raw.contacts order by all") == ["Cy", "Dee"]


def test_an_order_that_ever_carried_the_address_goes_with_its_lines(asked: World) -> None:
    asked.write(
        "orders/1.csv",
        "order_id,email,ordered_at,total_amount,updated_at\n"
        "7,ada@x.example,2026-01-01,10,2026-01-01\n"
        "7,bo@x.example,2026-01-01,10,2026-01-02\n"
        "8,bo@x.example,2026-01-01,10,2026-01-02\n",
    )
    asked.write(
        "order_lines/1.csv",
        "order_id,line_number,product_id,quantity,unit_price\n7,1,mug,1,10\n8,1,mug,1,10\n",
    )
    asked.load()
    forget(asked)
    assert asked.column("select order_id from raw.orders") == ["8"]
    assert asked.column("select order_id from raw.order_lines") == ["8"]


VISITS = (
    "event_type,occurred_at,anonymous_id,email\n"
    "page_view,2026-01-01,v,\n"
    "page_view,2026-01-02,v,no address\n"
    "page_view,2026-01-03,v,ada@x.example\n"
    "page_view,2026-01-04,v,bo@x.example\n"
    "page_view,2026-01-01,w,bo@x.example\n"
    "page_view,2026-01-02,w,ada@x.example\n"
    "page_view,2026-01-03,w,\n"
)


def test_a_visitor_goes_with_the_address_first_seen_and_others_in_the_browser_stay(
    asked: World,
) -> None:
    """The first visitor is Ada's, the second Bo's."""
    asked.write("web_events/1.csv", VISITS)
    asked.load()
    forget(asked)
    assert asked.rows(
        "select anonymous_id, email, day(occurred_at) from raw.web_events order by all"
    ) == [("v", "bo@x.example", 4), ("w", "bo@x.example", 1), ("w", None, 3)]


def test_of_two_addresses_first_seen_at_one_instant_the_smallest_has_the_visitor(
    asked: World,
) -> None:
    """The first visitor is Ada's, the second Abe's; the third was seen with Ada alone."""
    asked.write(
        "web_events/1.csv",
        "event_type,occurred_at,anonymous_id,email\n"
        "page_view,2026-01-01,v,bo@x.example\n"
        "page_view,2026-01-01,v,ada@x.example\n"
        "page_view,2026-01-02,v,\n"
        "page_view,2026-01-01,w,ada@x.example\n"
        "page_view,2026-01-01,w,abe@x.example\n"
        "page_view,2026-01-02,w,\n"
        "page_view,2026-01-02,x,ada@x.example\n"
        "page_view,2026-01-01,x,\n",
    )
    asked.load()
    forget(asked)
    assert asked.rows("select anonymous_id, email from raw.web_events order by all") == [
        ("v", "bo@x.example"),
        ("w", "abe@x.example"),
        ("w", None),
    ]


def test_an_empty_text_is_no_visitor_and_no_address(asked: World) -> None:
    """Everybody who has none would go with the first of them who asks."""
    asked.write_json("erasure_requests/2.ndjson", [{"email": " ", "requested_at": "2026-05-01"}])
    visit = {"event_type": "page_view", "occurred_at": "2026-01-01", "anonymous_id": ""}
    asked.write_json(
        "web_events/1.ndjson",
        [
            {**visit, "email": "ada@x.example"},
            {**visit, "email": "no address"},
            {**visit, "email": " ", "anonymous_id": "v"},
        ],
    )
    asked.load()
    forget(asked)
    assert asked.column("select email from raw.web_events order by all") == [" ", "no address"]


def test_rejected_rows_that_name_the_person_go_and_others_stay(asked: World) -> None:
    asked.write(
        "contacts/1.csv",
        "contact_id,email,first_name,updated_at\n"
        "c-1,ada@x.example,Ada,2026-01-01\n"
        "c-1,,Ada,someday\n"
        "c-12,,Bo,someday\n",
    )
    asked.write_json(
        "consents/1.ndjson", [{"email": "Ada@X.example", "purpose": "email_marketing"}]
    )
    asked.load()
    forget(asked)
    assert asked.column("select raw_text from raw.rejected_rows") == ["c-12,,Bo,someday"]


def test_a_rejected_row_with_a_longer_address_is_somebody_elses(asked: World) -> None:
    """What may be an opt-out of Amanda stops the line, and must not go with Ada."""
    for rejected, text in enumerate(
        (
            "amanda.ada@x.example",
            "ada@x.example.org",
            "ada@x.example-shop.org",
            "ada@x.example",
            "<ada@x.example>",
            "ada@x.example.",
            "ada@x.example|Ada",
        )
    ):
        asked.write(
            f"consents/{rejected}.csv", f"email,purpose,status,recorded_at\n{text},,,someday\n"
        )
    asked.load()
    forget(asked)
    assert asked.column("select raw_text from raw.rejected_rows order by path") == [
        "amanda.ada@x.example,,,someday",
        "ada@x.example.org,,,someday",
        "ada@x.example-shop.org,,,someday",
    ]


def test_the_ledger_counts_what_is_left(asked: World) -> None:
    asked.write("web_events/1.csv", VISITS)
    asked.write(
        "consents/1.csv",
        "email,purpose,status,recorded_at\nada@x.example,email_marketing,granted,someday\n"
        "ada@x.example,email_marketing,granted,2026-01-01\n",
    )
    asked.load()
    forget(asked)
    assert asked.rows(
        "select path, rows_loaded, rows_rejected from raw.loaded_files order by 1"
    ) == [
        ("consents/1.csv", 0, 0),
        ("erasure_requests/1.csv", 0, 0),
        ("web_events/1.csv", 3, 0),
    ]


def test_what_is_loaded_later_is_known_again(asked: World) -> None:
    asked.write("web_events/1.csv", VISITS)
    asked.write("contacts/1.csv", "contact_id,email,updated_at\n1,ada@x.example,2026-01-01\n")
    asked.load()
    forget(asked)
    asked.write(
        "contacts/2.csv",
        "contact_id,email,updated_at\n1,augusta@x.example,2026-02-01\n2,bo@x.example,2026-02-01\n",
    )
    asked.write("web_events/2.csv", "event_type,occurred_at,anonymous_id\npage_view,2026-02-01,v\n")
    asked.write(
        "consents/2.csv",
        "email,purpose,status,recorded_at\nada@x.example,email_marketing,granted,someday\n",
    )
    asked.load(LOADED_AT + timedelta(hours=1))

    erased = forget(asked)

    assert erased.addresses == 0
    assert erased.rows == {"contacts": 1, "web_events": 1, "rejected_rows": 1}
    assert asked.column("select contact_id from raw.contacts") == ["2"]


def test_rows_that_another_loader_fills_in_late_are_held_against_the_list_too(asked: World) -> None:
    asked.load()
    forget(asked)
    asked.warehouse.execute(
        "insert into raw.consents by name select 'ada@x.example' as email, 'profiling' as purpose,"
        " 'granted' as status, timestamp '2026-01-01' as recorded_at,"
        " timestamp '2026-01-01' as _loaded_at"
    )
    forget(asked)
    asked.warehouse.execute(
        "insert into raw.consents by name select 'bo@x.example' as email, 'profiling' as purpose,"
        " 'granted' as status, timestamp '2026-01-01' as recorded_at,"
        " timestamp '2026-03-01' as _loaded_at"
    )
    forget(asked)
    asked.warehouse.execute(
        "insert into raw.consents by name select 'ada@x.example' as email, 'profiling' as purpose,"
        " 'granted' as status, timestamp '2026-01-01' as recorded_at,"
        " timestamp '2026-02-01' as _loaded_at"
    )
    forget(asked)
    assert asked.column("select email from raw.consents") == ["bo@x.example"]


def test_rows_of_another_loader_without_a_load_time_are_held_against_the_list(
    asked: World,
) -> None:
    asked.write(
        "consents/1.csv",
        "email,purpose,status,recorded_at\nbo@x.example,profiling,granted,2026-01-01\n",
    )
    asked.load()
    forget(asked)
    asked.warehouse.execute(
        "insert into raw.consents by name select 'ada@x.example' as email, 'profiling' as purpose,"
        " 'granted' as status, timestamp '2026-01-01' as recorded_at"
    )
    forget(asked)
    assert asked.column("select email from raw.consents") == ["bo@x.example"]


def test_a_tie_of_the_future_waits_for_its_day(asked: World) -> None:
    """On 15 May contact 1 is Bo; on 20 May it turns out to have been Ada all along."""
    asked.write(
        "contacts/1.csv",
        "contact_id,email,updated_at\n1,bo@x.example,2026-01-01\n1,ada@x.example,2026-05-20\n",
    )
    asked.load()
    forget(asked, datetime.fromisoformat("2026-05-15"))
    assert asked.column("select email from raw.contacts") == ["bo@x.example"]
    forget(asked, datetime.fromisoformat("2026-05-21"))
    assert asked.column("select email from raw.contacts") == []


def test_a_version_of_an_order_ties_when_both_of_its_times_have_come(asked: World) -> None:
    """Until 20 May order 7 is Bo's; order 8 was Ada's from the day it was made on."""
    asked.write(
        "orders/1.csv",
        "order_id,email,ordered_at,total_amount,updated_at\n"
        "7,bo@x.example,2026-01-01,10,2026-01-01\n"
        "7,ada@x.example,2026-01-01,10,2026-05-20\n"
        "8,ada@x.example,2026-01-01,10,\n"
        "8,bo@x.example,2026-01-01,10,2026-05-20\n",
    )
    asked.load()
    forget(asked, datetime.fromisoformat("2026-05-15"))
    assert asked.column("select order_id from raw.orders") == ["7"]
    forget(asked, datetime.fromisoformat("2026-05-21"))
    assert asked.column("select order_id from raw.orders") == []
