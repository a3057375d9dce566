"""A receiver of signed calls, as `reverse_etl.destinations.webhook` describes them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fakes.server import FakeService, Faults

SECRET = "a secret for tests"

Line = dict[str, Any]
# Outcome and reason of a line that is not taken, None for one that is.
Refusal = Callable[[Line], tuple[str, str] | None]


class FakeWebhook(FakeService):
    """Hold what it was told; refuse calls with a wrong signature, and single lines as asked."""

    def __init__(
        self,
        faults: Faults = lambda call: None,
        refuses: Refusal = lambda line: None,
        unreadable: Callable[[Line], bool] = lambda line: False,
    ) -> None:
        """Refuse lines by `refuses`, and the whole call where one of its lines is unreadable."""
        super().__init__(faults)
        self.refuses = refuses
        self.unreadable = unreadable
        self.profiles: dict[str, dict[str, Any]] = {}
        self.members: dict[tuple[str, str], str | None] = {}
        self.suppressions: dict[str, str] = {}
        self.heard: list[Line] = []
        self.keys: list[str] = []

    async def act(self, request: web.Request, body: bytes) -> web.Response:
        told = dict(part.split("=", 1) for part in request.headers["Mailmart-Signature"].split(","))
        signed = f"{told['t']}.".encode() + body
        expected = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(told["v1"], expected) or abs(time.time() - int(told["t"])) > 300:
            return web.Response(status=401)
        lines: list[Line] = [json.loads(line) for line in body.splitlines()]
        if any(map(self.unreadable, lines)):
            return web.Response(status=422, text="a line of somebody@example.com is unreadable")
        self.keys.append(request.headers["Idempotency-Key"])
        errors = []
        for number, line in enumerate(lines):
            self.heard.append(line)
            refusal = self.refuses(line)
            if refusal is None:
                self._take(line)
            else:
                errors.append({"line": number, "outcome": refusal[0], "reason": refusal[1]})
        return web.json_response({"errors": errors})

    @property
    def repeated(self) -> list[bytes]:
        """Lines that came again although they had been answered."""
        answered: set[bytes] = set()
        repeated = []
        for body, is_answered in self.calls:
            lines = body.splitlines()
            repeated += [line for line in lines if line in answered]
            if is_answered:
                answered.update(lines)
        return repeated

    def _take(self, line: Line) -> None:
        who, is_removal = line["profile_id"], line["action"] == "remove"
        match line["kind"]:
            case "profile" if is_removal:
                self.profiles.pop(who, None)
            case "profile":
                self.profiles[who] = {"email": line["email"], **line["properties"]}
            case "segment_member" if is_removal:
                self.members.pop((line["segment"], who), None)
            case "segment_member":
                self.members[line["segment"], who] = line["attribute"]
            case "suppression":
                self.suppressions[who] = line["reason"]
