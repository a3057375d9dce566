"""Small random worlds that stand on the edges of the definitions, and their landing folders.

A world is a function of its seed. Instants come from a small lattice around `as_of` (window
boundaries, a microsecond before and after, instants already used), so that ties and boundaries
are the rule. No world has everything: each draws which troubles it has.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion import contract
from tests.oracle.raw import COLUMNS, Row, World

MICROSECOND = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)

MACHINE_AGENTS = (
    "Mozilla/5.0 (compatible; BarracudaCentral/1.0; +https://www.barracudacentral.org)",
    "Mimecast-URL-Protection/2.0",
    "Mozilla/5.0 (compatible; Proofpoint URL Defense)",
)
"""User agents that the seed of known scanners should recognise; of `HUMAN_AGENTS` it may none."""

HUMAN_AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    None,
)

NAMES = ("ada", "bo", "cy", "dee", "eli", "fay", "gus", "hal", "ivy", "jo", "kim", "lou")
DOMAINS = ("example.com", "mail.example.org", "shop.example.net", "xn--bcher-kva.example")
ODD_VALID = (
    "o'brien+tag@example.co.uk",
    "dots..twice@example.com",
    '"quoted"@example.com',
    "a@b.c",
    "x" * 242 + "@example.com",  # 254 characters
)
INVALID = (
    "no-at-sign.example.com",
    "two@@example.com",
    "dee@localhost",
    "eli@.com",
    "fay@example.",
    "gus@exämple.com",
    "hal smith@example.com",
    "@example.com",
    "ivy@",
    "jo\u200b@example.com",
    "kim@example.com\u2003",
    "y" * 243 + "@example.com",  # 255 characters
)
URLS = (
    "https://shop.example.com/p/1?utm_source=mail",
    "https://shop.example.com/p/2",
    "https://shop.example.com/p/2#reviews",
    "https://shop.example.com/sale,today",
    None,
)
TIME_ZONES = (
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",
    "UTC",
    "Mars/Olympus",
    "not a zone",
    None,
)
PLACES = (
    ("US", "NY", "New York"),
    ("US", "New York", None),
    ("US", "CA", "Los Angeles"),
    ("US", None, None),
    ("DE", "BY", "München"),
    ("NZ", None, "Auckland"),
    ("CA", "NY", "Nowhere"),
    (None, "NY", "Nowhere"),
    (None, None, None),
)
AS_OFS = (
    datetime(2024, 3, 1),  # noqa: DTZ001 - naive times are UTC here
    datetime(2024, 2, 28, 12),  # noqa: DTZ001
    datetime(2023, 2, 26, 23, 59, 59, 999999),  # noqa: DTZ001
    datetime(2023, 2, 22, 12),  # noqa: DTZ001 - 28 February is the last day of its week
    datetime(2025, 3, 1, 3),  # noqa: DTZ001 - in New York it is still 28 February
    datetime(2024, 5, 1),  # noqa: DTZ001 - 30 days after the cutoff of April
    datetime(2023, 12, 31, 18, 30, 0, 1),  # noqa: DTZ001
    datetime(2024, 11, 1, 0, 0, 0, 1),  # noqa: DTZ001
    datetime(2025, 6, 15, 10, 20, 30, 456789),  # noqa: DTZ001
    datetime(2022, 8, 30, 23, 30),  # noqa: DTZ001
)


def is_machine_agent(user_agent: str) -> bool:
    """Tell the machines among the user agents of these worlds."""
    return user_agent in MACHINE_AGENTS


def random_world(seed: int) -> tuple[World, datetime]:
    """Make a world and an `as_of` to look at it from."""
    rng = random.Random(seed)
    return _Maker(rng, rng.choice(AS_OFS)).make()


class _Maker:
    """Draws one world; keeps the instants and names already used, so that they recur."""

    def __init__(self, rng: random.Random, as_of: datetime) -> None:
        self.rng = rng
        self.as_of = as_of
        self.world = World()
        self.used: list[datetime] = []
        self.numbers = 0
        self.is_hidden = False
        self.troubles = {
            trouble
            for trouble in (
                "future", "duplicates", "bursts", "machines", "null_ids", "invalid", "versions",
                "erasure", "visitors", "shared_visitors", "spelling", "months", "old", "odd",
                "complaints", "bounces", "consents", "reused_ids", "dense", "ties",
            )
            if rng.random() < 0.6
        }  # fmt: skip

    def make(self) -> tuple[World, datetime]:
        rng = self.rng
        count = rng.randint(3, 12)
        people = [f"{name}@{rng.choice(DOMAINS)}" for name in rng.sample(NAMES, count)]
        if "odd" in self.troubles:
            people[: min(2, count)] = rng.sample(ODD_VALID, min(2, count))
        self.people = people
        self.visitors = [f"v-{number}" for number in range(1, rng.randint(2, count + 2))]
        self.products = [f"p-{number}" for number in range(1, 6)]
        self.campaigns = [f"spring-{number}" for number in range(1, 4)]
        self.catalogue()
        for address in people:
            if self.chance(0.2):
                self.sparse_life(address)
                continue
            if self.chance(0.85):
                self.mailings(address)
            if self.chance(0.6):
                self.orders(address)
            if self.chance(0.75):
                self.visits(address)
            if self.chance(0.3):
                self.shopping(address)
            if self.chance(0.2):
                self.changes_of_mind(address)
            if self.chance(0.85):
                self.consents(address)
        self.contacts()
        if "duplicates" in self.troubles:
            self.duplicates()
        if "invalid" in self.troubles:
            self.invalid_rows()
        if "erasure" in self.troubles:
            self.erasures()
        if not self.world.contacts and not self.world.email_events:
            self.add("contacts", contact_id="c-0", email=people[0], updated_at=self.instant())
        for table in COLUMNS:
            rng.shuffle(self.world.rows(table))
        return World(**{table: self.world.rows(table) for table in COLUMNS}), self.as_of

    # Draws ---------------------------------------------------------------------------------

    def add(self, table: str, **values: Any) -> Row:
        row: Row = {column: values.get(column) for column in COLUMNS[table]}
        assert set(values) <= set(row), f"{table} has no column {set(values) - set(row)}"
        self.world.rows(table).append(row)
        return row

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def instant(self, near: Sequence[datetime] = ()) -> datetime:
        """Draw an instant, most often one where something changes."""
        rng = self.rng
        draw = rng.random()
        jitter = rng.choice((-MICROSECOND, 0 * SECOND, 0 * SECOND, MICROSECOND))
        if near and draw < 0.3:
            drawn = rng.choice(list(near)) + jitter
        elif "ties" in self.troubles and self.used and draw < 0.4:
            drawn = rng.choice(self.used) + jitter
        elif "future" in self.troubles and draw < 0.47:
            drawn = self.as_of + rng.choice((MICROSECOND, SECOND, HOUR, DAY, 30 * DAY))
        elif "months" in self.troubles and draw < 0.55:
            month = rng.randint(0, 12)
            first = self.as_of.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            for _ in range(month):
                first = (first - DAY).replace(day=1)
            drawn = first + rng.choice((-60, -30, 0, 30)) * DAY + jitter
        elif "old" in self.troubles and draw < 0.62:
            drawn = self.as_of - rng.randint(300, 800) * DAY - rng.randint(0, 86_399) * SECOND
        elif draw < 0.8:
            drawn = self.as_of - rng.choice((0, 1, 1, 3, 7, 14, 30, 60, 90, 365)) * DAY + jitter
        elif draw < 0.9:
            drawn = self.as_of - rng.randint(0, 45 * 24) * HOUR
        else:
            drawn = self.as_of - rng.randint(0, 40 * 86_400_000_000) * MICROSECOND
        if "future" not in self.troubles:
            drawn = min(drawn, self.as_of)
        self.used.append(drawn)
        return drawn

    def lately(self, days: int) -> datetime:
        """Draw an instant of the last days."""
        drawn = self.as_of - self.rng.randint(0, days * 24 - 1) * HOUR
        self.used.append(drawn)
        return drawn

    def spelled(self, address: str) -> str:
        """Write an address the way people do."""
        if "spelling" not in self.troubles or self.chance(0.5):
            return address
        letters = (c.upper() if self.chance(0.4) else c for c in address)
        blanks = ("", "", " ", "\t", "\u00a0", " \u00a0", "\n", "\v", "\r\n", "\f")
        return self.rng.choice(blanks) + "".join(letters) + self.rng.choice(blanks)

    # Tables --------------------------------------------------------------------------------

    def catalogue(self) -> None:
        rng = self.rng
        for product_id in self.products:
            if self.chance(0.8):
                for _ in range(1 if "versions" not in self.troubles else rng.randint(1, 3)):
                    self.add(
                        "products",
                        product_id=product_id,
                        name=rng.choice(("Teapot", "Kettle", "Čaj", None)),
                        category=rng.choice(("tea", "coffee", "Äpfel", None)),
                        price=rng.choice((Decimal("10.00"), Decimal("33.34"), Decimal(100), None)),
                        updated_at=rng.choice((None, self.instant(), self.instant())),
                    )
        for campaign_id in self.campaigns:
            if self.chance(0.7):
                for _ in range(rng.randint(1, 2)):
                    self.add(
                        "campaigns",
                        campaign_id=campaign_id,
                        name=f"Campaign {campaign_id}",
                        subject=rng.choice(("Hello, you", 'The "best" tea', None)),
                        sent_at=rng.choice((None, self.instant())),
                        category=rng.choice(("news", "sale", None)),
                        updated_at=rng.choice((None, self.instant())),
                    )

    def mailings(self, address: str) -> None:
        rng = self.rng
        keen = "dense" in self.troubles and self.chance(0.4)
        self.is_hidden = "machines" in self.troubles and self.chance(0.25)
        for _ in range(rng.randint(4, 8) if keen else rng.randint(0, 5)):
            self.mailing(address, self.lately(8) if keen else self.instant(), keen)

    def mailing(self, address: str, sent_at: datetime, keen: bool) -> None:
        rng = self.rng
        message_id = f"m-{self.number()}"
        if "null_ids" in self.troubles and self.chance(0.2):
            message_id = rng.choice((None, "m-shared", "m-1"))  # type: ignore[assignment]
        campaign_id = rng.choice((*self.campaigns, None))
        provider = rng.choice(("sendgrid", "klaviyo", None))

        def event(event_type: str, occurred_at: datetime, **values: Any) -> None:
            if "future" not in self.troubles and occurred_at > self.as_of:
                return
            no_id = "null_ids" in self.troubles and self.chance(0.3)
            event_id = None if no_id else f"e-{self.number()}"
            if "reused_ids" in self.troubles and self.chance(0.15):
                event_id = rng.choice(("e-1", "e-2", "E-2", "é-2"))
            self.add(
                "email_events",
                event_id=event_id,
                event_type=event_type,
                occurred_at=occurred_at,
                email=self.spelled(address),
                message_id=message_id,
                campaign_id=campaign_id if self.chance(0.95) else rng.choice(self.campaigns),
                provider=provider,
                **values,
            )

        def agent() -> dict[str, Any]:
            machine = "machines" in self.troubles and self.chance(0.3)
            if self.is_hidden:
                return {"user_agent": rng.choice(MACHINE_AGENTS), "is_machine": True}
            return {
                "user_agent": rng.choice(MACHINE_AGENTS if machine else HUMAN_AGENTS),
                "is_machine": rng.choice((True, False, None) if machine else (False, None)),
                "ip": rng.choice(("203.0.113.9", None)),
            }

        if self.chance(0.85):
            event("sent", sent_at)
        delivered_at = sent_at + rng.choice((0, 1, 300)) * SECOND
        if self.chance(0.8):
            event("delivered", delivered_at)
            if self.chance(0.1):
                event("delivered", delivered_at + rng.choice((-1, 1, 60)) * SECOND)
        if self.chance(0.1):
            event(rng.choice(("deferred", "dropped")), delivered_at)
        if self.chance(0.85 if keen else 0.6):
            for _ in range(rng.randint(1, 2)):
                opened_at = sent_at + rng.choice(
                    (
                        0 * SECOND, -MICROSECOND, MICROSECOND, HOUR, 5 * HOUR, 72 * HOUR,
                        72 * HOUR - MICROSECOND, 72 * HOUR + MICROSECOND, 10 * DAY,
                    )
                )  # fmt: skip
                event("open", opened_at, **agent())
        if self.chance(0.85 if keen else 0.4):
            for _ in range(rng.randint(1, 2)):
                clicked_at = delivered_at + rng.choice(
                    (
                        0 * SECOND, -MICROSECOND, SECOND, 2 * SECOND, 2 * SECOND - MICROSECOND,
                        HOUR, 2 * HOUR, 6 * DAY,
                    )
                )  # fmt: skip
                event("click", clicked_at, url=rng.choice(URLS), **agent())
        if "bursts" in self.troubles and self.chance(0.4):
            begin = delivered_at + rng.choice((SECOND, 3 * SECOND, HOUR))
            last = rng.choice((10 * SECOND, 10 * SECOND, 10 * SECOND + MICROSECOND))
            urls = rng.choice((URLS[:3], URLS[:2], (*URLS[:3], None), (URLS[0], URLS[0], URLS[1])))
            offsets = [0 * SECOND, *(rng.randint(1, 9) * SECOND for _ in urls[2:]), last]
            for offset, url in zip(offsets, rng.sample(urls, len(urls)), strict=True):
                event("click", begin + offset, url=url, **agent())
            if self.chance(0.5):
                stray = rng.choice((-9, -1, 5, 11, 15, 20)) * SECOND
                event("click", begin + stray, url=rng.choice(URLS), **agent())
        if "complaints" in self.troubles and self.chance(0.15):
            event(rng.choice(("complaint", "unsubscribe", "unsubscribe")), delivered_at + HOUR)
        if "bounces" in self.troubles and self.chance(0.12):
            event("bounce", delivered_at, bounce_type=rng.choice(("hard", "soft", "soft", None)))

    def orders(self, address: str) -> None:
        rng = self.rng
        for _ in range(rng.randint(1, 4)):
            order_id = f"o-{self.number()}"
            ordered_at = self.instant()
            for _ in range(rng.randint(1, 3) if "versions" in self.troubles else 1):
                later = rng.choice((0 * SECOND, 0 * SECOND, MICROSECOND, HOUR, DAY, 20 * DAY))
                owner = address if self.chance(0.85) else rng.choice(self.people)
                moved = self.chance(0.1)
                self.add(
                    "orders",
                    order_id=order_id,
                    email=self.spelled(owner),
                    ordered_at=ordered_at + (rng.choice((-HOUR, HOUR)) if moved else 0 * SECOND),
                    status=rng.choice((None, "placed", "paid", "paid", "cancelled", "refunded")),
                    currency=rng.choice(("USD", "EUR", None)),
                    total_amount=rng.choice(
                        (Decimal("19.99"), Decimal("0.00"), Decimal("120.50"), Decimal("33.33"))
                    ),
                    updated_at=None if self.chance(0.3) else ordered_at + later,
                )
            if "future" in self.troubles and self.chance(0.1):
                self.add(
                    "orders",
                    order_id=order_id,
                    email=address,
                    ordered_at=self.as_of + MICROSECOND,
                    total_amount=Decimal("7.00"),
                    updated_at=self.as_of,
                )
            for line_number in range(1, rng.randint(1, 6)):
                for _ in range(rng.randint(1, 2) if "versions" in self.troubles else 1):
                    self.add(
                        "order_lines",
                        order_id=order_id,
                        line_number=line_number,
                        product_id=rng.choice((*self.products, "p-unknown")),
                        quantity=rng.randint(1, 4),
                        unit_price=rng.choice((Decimal("0.333333"), Decimal("10.000000"))),
                        updated_at=rng.choice((None, ordered_at, ordered_at + DAY)),
                    )

    def visits(self, address: str) -> None:
        rng = self.rng
        visitors: list[str | None] = [rng.choice(self.visitors)]
        if "shared_visitors" in self.troubles:
            visitors.append(rng.choice(self.visitors))
        if "visitors" not in self.troubles:
            visitors = [None]
        order_instants = [order["ordered_at"] for order in self.world.orders]
        if self.chance(0.2):
            for session_id in ("s-1", "s-2", "s-3"):
                self.add(
                    "web_events",
                    event_type="product_view",
                    occurred_at=self.lately(8),
                    email=self.spelled(address),
                    session_id=session_id,
                )
        busy = self.chance(0.4)
        for _ in range(rng.randint(4, 14) if busy else rng.randint(1, 6)):
            visitor = rng.choice(visitors)
            named = visitor is None or self.chance(0.35)
            event_type = rng.choice(
                (
                    "page_view", "product_view", "product_view", "add_to_cart", "add_to_cart",
                    "remove_from_cart", "checkout_started", "search", "wishlist_add",
                )
            )  # fmt: skip
            country, region, city = rng.choice(PLACES)
            on_product = event_type not in ("page_view", "search") and self.chance(0.9)
            occurred_at = self.lately(rng.choice((1, 8))) if busy and self.chance(0.6) else None
            event_id = None if self.chance(0.2) else f"w-{self.number()}"
            if "reused_ids" in self.troubles and self.chance(0.15):
                event_id = rng.choice(("w-1", "w-2"))
            self.add(
                "web_events",
                event_id=event_id,
                event_type=event_type,
                occurred_at=occurred_at or self.instant(order_instants),
                anonymous_id=visitor,
                email=self.spelled(address) if named else None,
                session_id=rng.choice(("s-1", "s-2", "s-3", f"s-{address[:2]}", None)),
                url=rng.choice(URLS),
                referrer=rng.choice(("https://search.example/", None)),
                utm_source=rng.choice(("newsletter", None)),
                product_id=rng.choice(self.products) if on_product else None,
                category=rng.choice(("tea", None)),
                quantity=rng.choice((None, 0, 1, 2, 5)),
                unit_price=rng.choice((None, Decimal("10.00"), Decimal("49.99"), Decimal(50))),
                device_type=rng.choice(("desktop", "mobile", "tablet", None)),
                country=country,
                region=region,
                city=city,
                properties=rng.choice((None, '{"depth": 3}', '{"list": ["a", "b"]}')),
            )

    def consents(self, address: str) -> None:
        rng = self.rng
        said_no = [
            event["occurred_at"]
            for event in self.world.email_events
            if event["event_type"] in ("complaint", "unsubscribe")
            and event["email"].strip().lower() == address
        ]
        early = self.as_of - rng.choice((200 * DAY, 30 * DAY, 30 * DAY - MICROSECOND))
        if self.chance(0.8):
            for purpose in ("email_marketing", "profiling"):
                self.add(
                    "consents",
                    email=self.spelled(address),
                    purpose=purpose,
                    status="granted",
                    recorded_at=early,
                    source="form",
                )
        if "consents" not in self.troubles:
            return
        recorded_at = self.instant([*said_no, early])
        for _ in range(rng.randint(0, 5)):
            if self.chance(0.7):
                recorded_at = self.instant([*said_no, early])
            self.add(
                "consents",
                email=self.spelled(address),
                purpose=rng.choice(
                    ("email_marketing", "email_marketing", " Email_Marketing ", "profiling", "sms")
                ),
                status=rng.choice(("granted", "granted", "withdrawn")),
                recorded_at=recorded_at,
                source=rng.choice(("form", "import", None)),
                expires_at=rng.choice(
                    (
                        None, None, self.as_of, self.as_of + MICROSECOND, self.as_of - MICROSECOND,
                        self.as_of + DAY,
                    )
                ),
            )  # fmt: skip

    def sparse_life(self, address: str) -> None:
        """Give somebody so few events that each decides something alone."""
        rng = self.rng
        for _ in range(rng.randint(1, 3)):
            event_type = rng.choice(
                ("sent", "delivered", "bounce", "deferred", "open", "open", "click")
            )
            self.add(
                "email_events",
                event_id=f"e-{self.number()}",
                event_type=event_type,
                occurred_at=self.boundary(),
                email=self.spelled(address),
                message_id=f"m-{self.number()}",
                bounce_type="soft" if event_type == "bounce" else None,
            )
        if self.chance(0.4):
            self.add(
                "contacts",
                contact_id=f"c-{self.number() + 100}",
                email=address,
                updated_at=self.as_of - rng.choice((30, 31, 90)) * DAY,
                birth_date=self.birth_date(),
                timezone=rng.choice(TIME_ZONES),
            )
        if self.chance(0.3):
            self.add(
                "orders",
                order_id=f"o-{self.number()}",
                email=address,
                ordered_at=self.boundary(),
                total_amount=Decimal("1.00"),
            )

    def boundary(self) -> datetime:
        """Draw an instant on the edge of a window of `as_of` or of a recent cutoff."""
        rng = self.rng
        jitter = rng.choice((-MICROSECOND, 0 * SECOND, 0 * SECOND, MICROSECOND))
        first = self.as_of.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        for _ in range(rng.randint(1, 4)):
            first = (first - DAY).replace(day=1)
        edges = [self.as_of - days * DAY for days in (1, 3, 7, 14, 30, 60, 90)]
        edges += [first + days * DAY for days in (-60, 0, 30)]
        return rng.choice(edges) + jitter

    def shopping(self, address: str) -> None:
        """Let somebody view, fill a cart and perhaps order, all at the same few instants."""
        rng = self.rng
        begin = self.as_of - rng.choice((2 * HOUR, 20 * HOUR, DAY - MICROSECOND, DAY))
        moments = [begin, begin + MICROSECOND, begin + HOUR, begin + 2 * HOUR]
        product_id = rng.choice(self.products)
        for _ in range(rng.randint(2, 6)):
            self.add(
                "web_events",
                event_type=rng.choice(("product_view", "add_to_cart", "add_to_cart")),
                occurred_at=rng.choice(moments),
                email=self.spelled(address),
                session_id=rng.choice(("s-1", "s-2")),
                product_id=product_id if self.chance(0.8) else None,
                quantity=rng.choice((None, 1, 2)),
                unit_price=rng.choice((None, Decimal(25), Decimal(50), Decimal(100))),
                country=rng.choice(("US", "CA", None)),
                region="NY",
            )
        if self.chance(0.7):
            self.add(
                "orders",
                order_id=f"o-{self.number()}",
                email=self.spelled(address),
                ordered_at=rng.choice(moments) - rng.choice((0, 0, 1)) * MICROSECOND,
                status=rng.choice(("paid", "paid", "cancelled", None)),
                total_amount=Decimal("42.00"),
            )

    def changes_of_mind(self, address: str) -> None:
        """Let somebody complain, unsubscribe and agree again, at the same few instants."""
        rng = self.rng
        begin = self.as_of - rng.choice((0, 1, 40)) * DAY
        steps = (-HOUR, -MICROSECOND, 0 * SECOND, MICROSECOND, HOUR)
        allowed = [
            begin + step
            for step in steps
            if "future" in self.troubles or begin + step <= self.as_of
        ]
        for _ in range(rng.randint(1, 2)):
            self.add(
                "email_events",
                event_id=f"e-{self.number()}",
                event_type=rng.choice(("complaint", "unsubscribe")),
                occurred_at=rng.choice(allowed),
                email=self.spelled(address),
                message_id=f"m-{self.number()}",
            )
        for _ in range(rng.randint(1, 3)):
            self.add(
                "consents",
                email=self.spelled(address),
                purpose="email_marketing",
                status=rng.choice(("granted", "granted", "withdrawn")),
                recorded_at=rng.choice(allowed),
                source=rng.choice(("form", "import", None)),
                expires_at=rng.choice((None, None, self.as_of, self.as_of + DAY)),
            )

    def contacts(self) -> None:
        rng = self.rng
        times = [self.instant() for _ in range(4)]
        for _ in range(rng.randint(0, len(self.people) + 3)):
            contact_id = f"c-{rng.randint(1, len(self.people))}"
            source_system = rng.choice(("crm", "shop", None))
            home = rng.choice(self.people[:3] if "ties" in self.troubles else self.people)
            for _ in range(rng.randint(1, 3) if "versions" in self.troubles else 1):
                address = home if self.chance(0.8) else rng.choice((*self.people, None))
                country, region, city = rng.choice(PLACES)
                updated_at = rng.choice(times) if "ties" in self.troubles else self.instant()
                self.add(
                    "contacts",
                    contact_id=contact_id,
                    email=None if address is None else self.spelled(address),
                    phone=rng.choice(("+1 555 0100", None)),
                    first_name=rng.choice(("Ada", "Zoë", "Łukasz", "李", None)),
                    last_name=rng.choice(("O'Brien", 'de "la" Cruz', "Smith, Jr.", None)),
                    birth_date=self.birth_date(),
                    country=country,
                    region=region,
                    city=city,
                    postal_code=rng.choice(("01234", None)),
                    timezone=rng.choice(TIME_ZONES),
                    created_at=rng.choice(
                        (None, updated_at - 100 * DAY, updated_at, updated_at + DAY)
                    ),
                    updated_at=updated_at,
                    is_deleted=rng.choice((None, False, False, True)),
                    source_system=source_system,
                )

    def birth_date(self) -> date | None:
        draw = self.rng.random()
        if draw < 0.3:
            return None
        if draw < (0.7 if self.as_of.month in (2, 3) else 0.35):
            return date(1992, 2, 29)
        near = self.as_of.date() + timedelta(days=self.rng.choice((-2, -1, 0, 1, 3, 5, 6, 7, 8)))
        return date(self.rng.choice((1964, 1992, 2000)), near.month, near.day)

    # Troubles ------------------------------------------------------------------------------

    def duplicates(self) -> None:
        rng = self.rng
        for table in ("email_events", "web_events"):
            rows = self.world.rows(table)
            for original in rng.sample(rows, min(len(rows), rng.randint(1, 12))):
                copy = dict(original)
                if copy["email"] is not None:
                    copy["email"] = self.spelled(copy["email"].strip().lower())
                later = copy["occurred_at"] + rng.choice((-1, 1, 7)) * SECOND
                changes: list[Row] = [
                    {},
                    {"event_id": f"d-{self.number()}"},
                    {"event_id": None},
                    {"event_id": "0"},
                    {"occurred_at": later},
                    {"url": rng.choice(URLS)},
                    {"url": rng.choice(URLS), "event_id": original["event_id"]},
                ]
                if table == "email_events":
                    changes += [
                        {"is_machine": rng.choice((True, True, False, None))},
                        {"is_machine": True, "event_id": f"z-{self.number()}"},
                        {"provider": rng.choice(("sendgrid", "klaviyo", None))},
                        {"campaign_id": rng.choice((*self.campaigns, None))},
                        {"user_agent": rng.choice((*MACHINE_AGENTS, *HUMAN_AGENTS))},
                        {"bounce_type": rng.choice(("hard", "soft", None))},
                        {"message_id": rng.choice(("m-1", "m-2", None))},
                        {"event_type": rng.choice(("open", "click"))},
                        {
                            "message_id": rng.choice(("m-1", "m-2", None)),
                            "event_type": rng.choice(("open", "click")),
                            "url": rng.choice(URLS),
                        },
                    ]
                else:
                    changes += [
                        {"session_id": rng.choice(("s-1", "s-9", None))},
                        {"product_id": rng.choice((*self.products, None))},
                        {"quantity": rng.choice((1, 9, None))},
                        {"unit_price": rng.choice((Decimal(99), None))},
                        {"country": rng.choice(("US", "AT", None))},
                        {
                            "event_type": rng.choice(("product_view", "search")),
                            "url": rng.choice(URLS),
                            "product_id": rng.choice((*self.products, None)),
                        },
                        {"email": rng.choice((None, rng.choice(self.people)))}
                        if copy["anonymous_id"] is not None
                        else {},
                    ]
                for change in rng.sample(changes, rng.randint(1, 2)):
                    copy.update(change)
                if "future" not in self.troubles and copy["occurred_at"] > self.as_of:
                    continue
                rows.append(copy)

    def invalid_rows(self) -> None:
        rng = self.rng
        for _ in range(rng.randint(1, 8)):
            address = rng.choice(INVALID)
            table = rng.choice(("email_events", "web_events", "orders", "contacts", "consents"))
            instant = self.instant()
            if table == "email_events":
                self.add(
                    table, event_id=f"e-{self.number()}", event_type="open", occurred_at=instant,
                    email=address, campaign_id=rng.choice(self.campaigns),
                )  # fmt: skip
            elif table == "web_events":
                self.add(
                    table, event_id=f"w-{self.number()}", event_type="page_view",
                    occurred_at=instant, email=address, session_id="s-1",
                    anonymous_id=rng.choice((None, rng.choice(self.visitors))),
                )  # fmt: skip
            elif table == "orders":
                version_of = rng.choice([None, *[row["order_id"] for row in self.world.orders]])
                self.add(
                    table, order_id=version_of or f"o-{self.number()}", email=address,
                    ordered_at=instant, total_amount=Decimal("5.00"),
                )  # fmt: skip
            elif table == "contacts":
                self.add(
                    table, contact_id=f"c-{rng.randint(1, 4)}", email=address, updated_at=instant,
                    first_name="Nobody", source_system=rng.choice(("crm", None)),
                )  # fmt: skip
            else:
                self.add(
                    table, email=address, purpose="email_marketing", status="granted",
                    recorded_at=instant,
                )  # fmt: skip

    def erasures(self) -> None:
        for address in self.rng.sample(self.people, self.rng.randint(1, 2)):
            self.add("erasure_requests", email=self.spelled(address), requested_at=self.instant())


# Raw tables --------------------------------------------------------------------------------


def fill_raw(world: World, connection: duckdb.DuckDBPyConnection, loaded_at: datetime) -> None:
    """Fill the `raw` schema of a warehouse with a world, as any other loader would."""
    connection.execute(f'create schema if not exists "{contract.SCHEMA}"')
    for table in contract.TABLES.values():
        typed = [(c.name, c.sql_type) for c in (*table.columns, *contract.ROW_ORIGIN)]
        target = f'"{contract.SCHEMA}"."{table.name}"'
        listed = ", ".join(f'"{name}" {sql_type}' for name, sql_type in typed)
        connection.execute(f"create table if not exists {target} ({listed})")
        rows = [
            {"_loaded_at": loaded_at, "_file": "world", "_row": number, **row}
            for number, row in enumerate(world.rows(table.name), start=1)
        ]
        if rows:
            marks = ", ".join("?" for _ in typed)
            connection.executemany(
                f"insert into {target} values ({marks})",
                [[row[name] for name, _ in typed] for row in rows],
            )


# Landing folders ---------------------------------------------------------------------------

FORMATS = (".parquet", ".ndjson", ".jsonl.gz", ".csv", ".csv.gz")
TIMES = {
    "occurred_at", "ordered_at", "updated_at", "created_at", "recorded_at", "expires_at",
    "sent_at", "requested_at",
}  # fmt: skip
INTEGERS = {"quantity", "line_number"}
DECIMALS = {"unit_price": 2, "total_amount": 2, "price": 2}


def write_landing(world: World, folder: Path, rng: random.Random) -> None:
    """Write a world as a landing folder, each table split over files of every format."""
    for table in COLUMNS:
        rows = list(world.rows(table))
        if not rows:
            continue
        rng.shuffle(rows)
        cuts = sorted(rng.randint(0, len(rows)) for _ in range(rng.randint(0, 3)))
        for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
            if start < end:
                depth = rng.choice(("", "2024", "2024/daily load"))
                suffix = rng.choice(FORMATS)
                path = folder / table / depth / f"part-{number}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_content(table, rows[start:end], suffix, rng))


def _content(table: str, rows: list[Row], suffix: str, rng: random.Random) -> bytes:
    columns = list(COLUMNS[table])
    rng.shuffle(columns)
    required = {"event_type", "occurred_at", "ordered_at", "updated_at", "recorded_at"}
    columns = [
        column
        for column in columns
        if column in required or any(row[column] is not None for row in rows) or rng.random() < 0.5
    ]
    if table in ("email_events", "web_events", "contacts") and "email" not in columns:
        columns.append("email")
    names = {column: rng.choice((column, column, column.upper())) for column in columns}
    if not suffix.startswith(".csv"):
        rows = [_some_nulls_empty(row, table, rng) for row in rows]
    if suffix == ".parquet":
        return _parquet(rows, names, table, rng)
    write = _csv if suffix.startswith(".csv") else _json_lines
    content = write(rows, names, rng).encode("utf-8")
    return gzip.compress(content, mtime=0) if suffix.endswith(".gz") else content


def _some_nulls_empty(row: Row, table: str, rng: random.Random) -> Row:
    """An optional text that is empty says as little as a null, and some exports write it so."""
    optional_texts = {
        column.name
        for column in contract.TABLES[table].columns
        if column.type == "text" and not column.is_required
    }
    return {
        name: "" if value is None and name in optional_texts and rng.random() < 0.1 else value
        for name, value in row.items()
    }


def _epoch(instant: datetime) -> timedelta:
    return instant.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)


def written_time(instant: datetime, rng: random.Random) -> str | int:
    """Write an instant in one of the ways the contract allows, to the full microsecond."""
    ways: list[Callable[[], str | int]] = [
        lambda: instant.isoformat(),
        lambda: instant.isoformat(sep=" "),
        lambda: instant.isoformat(timespec="microseconds") + "Z",
        lambda: instant.isoformat() + "+00:00",
        lambda: (instant + timedelta(hours=5, minutes=30)).isoformat() + "+05:30",
        lambda: (instant - timedelta(hours=8)).isoformat(sep=" ") + "-08:00",
    ]
    if instant.microsecond == 0:
        ways.append(lambda: _epoch(instant) // SECOND)
    if instant.microsecond % 1000 == 0:
        ways.append(lambda: _epoch(instant) // timedelta(milliseconds=1))
    return rng.choice(ways)()


def _csv(rows: list[Row], names: dict[str, str], rng: random.Random) -> str:
    def cell(column: str, value: Any) -> str:
        if value is None:
            return ""
        if column in TIMES:
            return str(written_time(value, rng))
        if isinstance(value, bool):
            return rng.choice(("true", "TRUE") if value else ("false", "False"))
        return str(value)

    out = io.StringIO()
    writer = csv.writer(out, lineterminator=rng.choice(("\n", "\r\n")))
    writer.writerow(names.values())
    for row in rows:
        writer.writerow([cell(column, row[column]) for column in names])
    return out.getvalue()


def _json_lines(rows: list[Row], names: dict[str, str], rng: random.Random) -> str:
    def cell(column: str, value: Any) -> Any:
        if value is None:
            return None
        if column in TIMES:
            return written_time(value, rng)
        if isinstance(value, Decimal):
            return rng.choice((float(value), str(value)))
        if isinstance(value, date):
            return value.isoformat()
        if column == "properties":
            return json.loads(value)
        return value

    lines = []
    for row in rows:
        cells = {name: cell(column, row[column]) for column, name in names.items()}
        if rng.random() < 0.5:
            cells = {name: value for name, value in cells.items() if value is not None}
        lines.append(json.dumps(cells, ensure_ascii=rng.random() < 0.5))
    return "\n".join(lines) + rng.choice(("", "\n"))


def _parquet(rows: list[Row], names: dict[str, str], table: str, rng: random.Random) -> bytes:
    arrays = []
    for column in names:
        values = [row[column] for row in rows]
        arrays.append(_array(column, values, table, rng))
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, names=list(names.values())), out)
    return out.getvalue()


def _array(column: str, values: list[Any], table: str, rng: random.Random) -> Any:
    if column in TIMES:
        way = rng.choice(("us", "utc", "ns", "text"))
        if way == "text":
            texts = [None if v is None else str(v.isoformat()) for v in values]
            return pa.array(texts, type=pa.string())
        if way == "utc":
            aware = [None if v is None else v.replace(tzinfo=UTC) for v in values]
            return pa.array(aware, type=pa.timestamp("us", tz="UTC"))
        return pa.array(values, type=pa.timestamp("us")).cast(pa.timestamp(way))
    if column in INTEGERS:
        return pa.array(values, type=rng.choice((pa.int32(), pa.int64())))
    if column in DECIMALS:
        if rng.random() < 0.3:
            floats = [None if v is None else float(v) for v in values]
            return pa.array(floats, type=pa.float64())
        scale = 6 if table == "order_lines" else DECIMALS[column]
        exact = [None if v is None else v.quantize(Decimal(1).scaleb(-scale)) for v in values]
        return pa.array(exact, type=pa.decimal128(18, scale))
    if column in ("is_machine", "is_deleted"):
        return pa.array(values, type=pa.bool_())
    if column == "birth_date":
        return pa.array(values, type=pa.date32())
    return pa.array(values, type=pa.string())
