"""Ada, Bo, Cy and Dee on a Tuesday morning: one may be mailed, each other one is left alone.

Ada looked at a mug on Monday evening and has her birthday on Thursday: she is in the segments
potentially_interested and birthday_week. Bo withdrew his consent, Cy's address is dead, Dee never
consented.
"""

from __future__ import annotations

from tests.orchestration.checkout import Place

TUESDAY = "2026-03-03T06:00:00Z"
WEDNESDAY = "2026-03-04T06:00:00Z"

# What the data lets say at the end: Ada herself, and that she is in two segments.
FIRST_DELIVERY = "3 of 3 changes delivered (profiles: 1 add; segment members: 2 add)"


def fill(place: Place) -> None:
    """Write what the shop knows on Tuesday."""
    place.put(
        "contacts/crm.csv",
        "contact_id,email,first_name,birth_date,timezone,updated_at",
        "1,ada@tuesday.example,Ada,1990-03-05,UTC,2026-01-01T00:00:00Z",
        "2,bo@tuesday.example,Bo,1991-08-05,UTC,2026-01-01T00:00:00Z",
        "3,cy@tuesday.example,Cy,1992-08-05,UTC,2026-01-01T00:00:00Z",
        "4,dee@tuesday.example,Dee,1993-08-05,UTC,2026-01-01T00:00:00Z",
    )
    place.put(
        "consents/2026.csv",
        "email,purpose,status,recorded_at",
        "ada@tuesday.example,email_marketing,granted,2026-01-02T00:00:00Z",
        "bo@tuesday.example,email_marketing,granted,2026-01-02T00:00:00Z",
        "cy@tuesday.example,email_marketing,granted,2026-01-02T00:00:00Z",
        "bo@tuesday.example,email_marketing,withdrawn,2026-02-02T00:00:00Z",
    )
    place.put(
        "email_events/2026-03-01.ndjson",
        *(
            f'{{"event_type":"{kind}","occurred_at":"2026-03-01T08:00:0{second}Z",'
            f'"email":"{name}@tuesday.example","message_id":"{name}-1"{more}}}'
            for name, kind, second, more in (
                ("ada", "sent", 0, ""),
                ("cy", "sent", 0, ""),
                ("ada", "delivered", 1, ""),
                ("cy", "bounce", 2, ',"bounce_type":"hard"'),
            )
        ),
    )
    place.put(
        "web_events/2026-03-02.csv",
        "event_type,occurred_at,email,product_id",
        "product_view,2026-03-02T20:00:00Z,ada@tuesday.example,mug",
    )
