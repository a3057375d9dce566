"""May a new model take over? Only numbers measured on the same test rows decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Decision:
    """Whether the challenger takes over, why, and the log losses that decided.

    Log losses are of the same `test_rows` rows, in nats; `champion_log_loss` is None where there
    is no champion or it could not be tested.
    """

    target: str
    challenger: str
    champion: str | None
    is_promoted: bool
    sentence: str
    test_rows: int
    log_loss: float
    base_rate_log_loss: float
    champion_log_loss: float | None


def decide(card: Mapping[str, Any], champion_version: str | None) -> Decision:
    """Decide on the model that `card` describes.

    A model that tells people apart no better than their base rate is never promoted: the tenth it
    ranks highest would be a random tenth, and somebody would write to them. A model that is
    better takes over unless the champion is better still by more than the tolerance, or has
    learned from later data. Raises `ValueError` if the card was compared with another champion.
    """
    challenger, target = str(card["version"]), str(card["target"])
    log_loss = float(card["test_metrics"]["log_loss"])
    base_rate = float(card["base_rate"]["log_loss"])
    tested = card["champion"]
    compared_with = tested["version"] if tested else None
    if compared_with != champion_version:
        raise ValueError(
            f"the {target} model {challenger} was compared with {compared_with or 'no champion'}, "
            f"but the champion is {champion_version or 'not there'}: train again"
        )
    champion_log_loss = tested.get("log_loss") if tested else None
    figures = f"log loss {log_loss:.4f}, base rate {base_rate:.4f}"

    if challenger == champion_version:
        is_promoted, why = False, "it is the champion already: same data, same settings"
    elif log_loss >= base_rate:
        is_promoted, why = False, f"it knows no more than the base rate ({figures})"
    elif tested is None:
        is_promoted, why = True, f"it is the first, and better than the base rate ({figures})"
    elif _moment(tested["as_of"]) > _moment(card["as_of"]):
        is_promoted = False
        why = f"the champion {champion_version} learned from later data ({tested['as_of']})"
    elif champion_log_loss is None:
        is_promoted = True
        why = (
            f"the champion {champion_version} can score no more: {tested['cannot_be_tested']} "
            f"({figures})"
        )
    else:
        figures = f"{figures}, champion {champion_version} {champion_log_loss:.4f}"
        is_promoted = log_loss <= champion_log_loss + float(
            card["params"]["promotion"]["tolerance"]
        )
        why = (
            f"it is not worse than the champion on the same test rows ({figures})"
            if is_promoted
            else f"the champion is better on the same test rows ({figures})"
        )
    verdict = "is promoted" if is_promoted else "is not promoted"
    return Decision(
        target=target,
        challenger=challenger,
        champion=champion_version,
        is_promoted=is_promoted,
        sentence=f"The {target} model {challenger} {verdict}: {why}.",
        test_rows=int(card["test_metrics"]["rows"]),
        log_loss=log_loss,
        base_rate_log_loss=base_rate,
        champion_log_loss=champion_log_loss,
    )


def _moment(iso: str) -> datetime:
    return datetime.fromisoformat(iso)
