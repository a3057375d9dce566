"""A run that fails tells the webhook which step and why, and nothing that is nobody's business."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest

from orchestration.alerts import AlertError, failed_run, post


class Listener:
    """A webhook on this machine: what it was told, and what it answers."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answer = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append(json.loads(body))
                self.send_response(listener.answer)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/secret"


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever)
    thread.start()
    monkeypatch.setenv("MAILMART_FAILURE_WEBHOOK", listener.address)
    yield listener
    listener.server.shutdown()
    thread.join()
    listener.server.server_close()


@dg.asset
def fragile() -> None:
    raise ValueError("ada@tuesday.example broke it")


@dg.asset
def braked() -> None:
    raise dg.Failure("file: nothing is sent, because 9 of 9 leave", metadata={"braked": True})


@dg.asset
def guarded() -> None:
    """Be judged."""


@dg.asset_check(asset=guarded, blocking=True)
def door() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, metadata={"verdict": "the door stopped the batch"})


def run_and_look(*assets: Any) -> tuple[str, Any]:
    """Let a job of these assets fail, and the sensor look at it."""
    checks = [each for each in assets if isinstance(each, dg.AssetChecksDefinition)]
    others = [each for each in assets if each not in checks]
    job = dg.Definitions(
        assets=others,
        asset_checks=checks,
        jobs=[dg.define_asset_job("nightly", selection=dg.AssetSelection.all())],
    ).resolve_job_def("nightly")
    with dg.DagsterInstance.ephemeral() as instance:
        ended = job.execute_in_process(instance=instance, raise_on_error=False)
        assert not ended.success
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_run",
            dagster_instance=instance,
            dagster_run=ended.dagster_run,
            dagster_event=ended.get_run_failure_event(),
        ).for_run_failure()
        return ended.run_id, failed_run(context)


def test_a_failure_is_told_with_its_step_and_reason_and_without_an_address(
    listener: Listener,
) -> None:
    run_id, _ = run_and_look(fragile)

    (heard,) = listener.heard
    assert (heard["job"], heard["run_id"], heard["outcome"]) == ("nightly", run_id, "failed")
    assert [each["step"] for each in heard["failures"]] == ["fragile"]
    assert "broke it" in heard["failures"][0]["reason"]
    assert heard["text"].startswith("mailmart: the job nightly did not end well: fragile: ")
    assert "@" not in json.dumps(heard)


@pytest.mark.parametrize(
    ("assets", "step", "reason"),
    [
        ((braked,), "braked", "file: nothing is sent, because 9 of 9 leave"),
        ((guarded, door), "guarded_door", "the door stopped the batch"),
    ],
)
def test_a_door_and_a_brake_stop_and_are_no_errors(
    listener: Listener, assets: tuple[Any, ...], step: str, reason: str
) -> None:
    run_and_look(*assets)

    (heard,) = listener.heard
    assert heard["outcome"] == "stopped"
    assert heard["failures"] == [{"step": step, "reason": reason}]


def test_without_a_webhook_nobody_is_told(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MAILMART_FAILURE_WEBHOOK")

    _, answer = run_and_look(fragile)

    assert isinstance(answer, dg.SkipReason)
    assert listener.heard == []


def test_a_webhook_that_refuses_is_an_error_without_its_address(listener: Listener) -> None:
    listener.answer = 500

    with pytest.raises(AlertError, match="answered 500") as refused:
        post(listener.address, {})

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "hooks.example/secret"])
def test_a_webhook_is_asked_over_http_alone(address: str) -> None:
    with pytest.raises(AlertError, match="must begin with https://") as refused:
        post(address, {})

    assert address not in str(refused.value)
