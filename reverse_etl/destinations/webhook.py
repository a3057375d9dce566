"""A signed call to an address of one's own: for every service that has no module here.

A call is a POST of NDJSON, one change a line: `kind` (profile, segment_member, suppression),
`action` (add, change, remove), `profile_id`, `email` (null once somebody was erased), and, unless
it is a removal, `properties` of a profile, `segment` and `attribute` of a member, `reason` of a
suppression; a removed member has its `segment`. Headers: `Idempotency-Key`, the same for the same
changes of the same delivery; `Mailmart-Signature: t=<unix seconds>,v1=<hex>`, the HMAC-SHA256 of
the time, a full stop and the body, by the shared secret. An answer of 2xx takes all lines, unless
it is JSON with `errors`: a list of `{"line": 0, "outcome": "failed" or "suppressed", "reason": …}`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from reverse_etl.sending import Answer, Batch, Request, Route, Sender
from reverse_etl.shipment import OutcomeWord, Report, Shipment, identifier, iso_time

# What every change has beside what it tells.
_COLUMNS = ("change_number", "action", "profile_id", "email")
_REFUSALS: Mapping[str, OutcomeWord] = {"failed": "failed", "suppressed": "suppressed"}


@dataclass(frozen=True)
class WebhookDestination:
    """Post changes to a URL."""

    sender: Sender
    url: str
    secret: str

    def send(self, shipment: Shipment, report: Report) -> Iterator[pa.Table]:
        """Post first who must be left alone, then removals, then all else.

        Should the rest not arrive, nobody is mailed wrongly; and an address that moves to another
        profile is free when that one comes.
        """
        yield from self.sender.send(shipment, list(self._routes(shipment)), report)

    def recover(self, shipment: Shipment) -> Iterator[pa.Table]:
        """Know nothing: what was in flight is planned again, under the key that it had."""
        return iter(())

    def find_deliveries(self, destination: str) -> Mapping[str, str]:
        """See none."""
        return {}

    def forget(self, profile_ids: Collection[str]) -> None:
        """Keep nothing on this side that could name anybody."""

    def place(self, shipment: Shipment) -> str:
        """Return the host; a path or a query may hold a secret."""
        return urlsplit(self.url).hostname or self.url

    def _routes(self, shipment: Shipment) -> Iterator[Route]:
        removal = {"segment": "segment"}
        member = {"segment": "segment", "attribute": "attribute"}
        profile = {"properties": _properties(shipment)}
        for kind, is_removal, content in (
            ("suppression", False, {"reason": "reason"}),
            ("segment_member", True, removal),
            ("profile", True, {}),
            ("profile", False, profile),
            ("segment_member", False, member),
        ):
            fields = {
                "kind": f"'{kind}'",
                "action": "action",
                "profile_id": "profile_id",
                "email": "email",
                **content,
            }
            packed = ", ".join(f"{name} := {value}" for name, value in fields.items())
            yield Route(
                kind=kind,  # type: ignore[arg-type]
                condition="action = 'remove'" if is_removal else "action <> 'remove'",
                line=f"to_json(struct_pack({packed}))::varchar || chr(10)",
                compose=lambda batch: self._compose(shipment, batch),
                read=_read,
            )

    def _compose(self, shipment: Shipment, batch: Batch) -> Request:
        body = batch.lines
        seconds = str(int(self.sender.outside.clock()))
        signed = hmac.new(self.secret.encode(), f"{seconds}.".encode(), hashlib.sha256)
        signed.update(body)
        key = hashlib.sha256(f"{shipment.plan_id}\n".encode())
        key.update(body)
        return Request(
            "POST",
            self.url,
            {
                "Content-Type": "application/x-ndjson",
                "Idempotency-Key": key.hexdigest(),
                "Mailmart-Signature": f"t={seconds},v1={signed.hexdigest()}",
            },
            body,
        )


def _properties(shipment: Shipment) -> str:
    """Write the SQL of a profile's fields as one object."""
    types = shipment.types("profile")
    names = [name for name in types if name not in _COLUMNS]
    if not names:
        return "map()"
    packed = ", ".join(
        f"{identifier(name)} := "
        + (iso_time(identifier(name)) if types[name].startswith("TIMESTAMP") else identifier(name))
        for name in names
    )
    return f"struct_pack({packed})"


def _read(answer: Answer, batch: Batch, attempts: int) -> pa.Table:
    try:
        exceptions = _exceptions(answer.body, batch)
    except (ValueError, AttributeError, KeyError, TypeError):
        return batch.outcomes("failed", "its answer names errors in no way it may", attempts)
    return batch.outcomes("delivered", attempts=attempts, exceptions=exceptions)


def _exceptions(body: bytes, batch: Batch) -> Mapping[int, tuple[OutcomeWord, str | None]]:
    """Read which lines were not taken. Raise where errors are named and cannot be read."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        # Nothing is asked of an answer without errors: many say `ok`.
        return {}
    if not isinstance(document, dict) or not document.get("errors"):
        return {}
    exceptions: dict[int, tuple[OutcomeWord, str | None]] = {}
    for error in document["errors"]:
        line = error["line"]
        if not isinstance(line, int) or line not in range(batch.rows):
            raise ValueError(line)
        exceptions[line] = (_REFUSALS[error["outcome"]], str(error.get("reason") or "refused"))
    return exceptions
