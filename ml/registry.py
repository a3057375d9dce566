"""The folder of models: every version that was trained, and which one is the champion.

    <models>/<target>/<version>/model.ubj          the trees
                               /calibration.json   what turns their log-odds into probabilities
                               /card.json          what it is, for people; names the others' sha256
    <models>/<target>/champion.json                the version that scores
    <models>/<target>/decisions.json               every promotion and refusal, oldest first

Whatever is seen under its name is whole: files and folders are written under a hidden name, synced
to the disk and renamed. One process writes at a time, as with the warehouse; any number may read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.calibration import Calibration
from ml.instants import to_utc
from ml.model import TrainedModel
from ml.params import ColumnParams, ReasonParams
from ml.promotion import Decision, decide

MODEL, CALIBRATION, CARD = "model.ubj", "calibration.json", "card.json"
CHAMPION, DECISIONS = "champion.json", "decisions.json"
UNFINISHED = ".unfinished-"


class RegistryError(Exception):
    """A models folder that cannot be used; the message names the file and the way out."""


class Registry:
    """Models kept in one folder, which need not exist before the first is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def champion(self, target: str) -> TrainedModel | None:
        """Return the champion, or None where none was ever promoted.

        Raises `RegistryError` where the pointer or the model it names is damaged.
        """
        version = self.champion_version(target)
        return None if version is None else self.load(target, version)

    def champion_version(self, target: str) -> str | None:
        """Return the champion's version, or None; raises `RegistryError` on a damaged pointer."""
        pointer = self.folder / target / CHAMPION
        if not pointer.exists():
            return None
        way_out = f"Delete it and train anew (mailmart train): {pointer}"
        version = _read_json(pointer, way_out).get("version")
        if not isinstance(version, str) or Path(version).name != version:
            raise RegistryError(f"{pointer} names no version. {way_out}")
        return version

    def versions(self, target: str) -> list[str]:
        """Return the saved versions, oldest `as_of` first."""
        folder = self.folder / target
        if not folder.is_dir():
            return []
        return sorted(
            each.name for each in folder.iterdir() if each.is_dir() and each.name[0] != "."
        )

    def decisions(self, target: str) -> list[dict[str, Any]]:
        """Return every decision on a promotion, oldest first."""
        log = self.folder / target / DECISIONS
        if not log.exists():
            return []
        way_out = "Move it away; a new log is begun."
        entries = _read_json(log, way_out).get("decisions")
        if not isinstance(entries, list):
            raise RegistryError(f"{log} holds no decisions. {way_out}")
        return entries

    def load(self, target: str, version: str) -> TrainedModel:
        """Return a saved model.

        Raises `RegistryError` naming the file that is missing, or is not what was saved.
        """
        from ml import boosting

        folder = self.folder / target / version
        way_out = (
            f"Restore {folder} from a backup, or delete {folder.parent / CHAMPION} "
            "and train anew (mailmart train)."
        )
        card = _read_json(folder / CARD, way_out)
        try:
            for name in (MODEL, CALIBRATION):
                if _sha256(_read(folder / name, way_out)) != card["files"][name]:
                    raise RegistryError(f"{folder / name} is not what was saved. {way_out}")
            calibrations = _read_json(folder / CALIBRATION, way_out)
            return TrainedModel(
                target=card["target"],
                version=card["version"],
                feature_names=tuple(card["features"]),
                booster=boosting.from_bytes(_read(folder / MODEL, way_out)),
                calibration=Calibration(**calibrations["scoring"]),
                tested_calibration=Calibration(**calibrations["tested"]),
                tested_until=datetime.fromisoformat(card["split"]["parts"]["test"]["to"]),
                columns=ColumnParams.model_validate(card["params"]["columns"]),
                reasons=ReasonParams.model_validate(card["params"]["reasons"]),
                card=card,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryError(
                f"{folder / CARD} is not a card that this version of mailmart understands: "
                f"{error!r}. {way_out}"
            ) from error

    def submit(self, model: TrainedModel, *, decided_at: datetime) -> Decision:
        """Save a new model and let it take over if it may; return what was decided.

        The order is: model, decision, pointer. A crash between leaves the old champion, and
        a second submission of the same model comes to the same end. Raises `ValueError` if the
        model was compared with another champion than the present one, `RegistryError` if the
        folder is damaged.
        """
        decision = decide(model.card, self.champion_version(model.target))
        decisions = self.decisions(model.target)
        self.save(model)
        target_folder = self.folder / model.target
        moment = to_utc(decided_at).isoformat()
        decisions.append({"decided_at": moment, **asdict(decision)})
        _write_atomically(target_folder / DECISIONS, _json({"decisions": decisions}))
        if decision.is_promoted:
            pointer = {"version": model.version, "promoted_at": moment}
            _write_atomically(target_folder / CHAMPION, _json(pointer))
        return decision

    def save(self, model: TrainedModel) -> Path:
        """Write a version's folder and return it; a whole one that is already there stays."""
        from ml import boosting

        target_folder = self.folder / model.target
        target_folder.mkdir(parents=True, exist_ok=True)
        for left_behind in target_folder.glob(f"{UNFINISHED}*"):
            _remove(left_behind)
        folder = target_folder / model.version
        if folder.exists():
            try:
                self.load(model.target, model.version)
            except RegistryError:
                folder.rename(target_folder / f"{UNFINISHED}damaged-{model.version}")
            else:
                return folder

        files = {
            MODEL: boosting.to_bytes(model.booster),
            CALIBRATION: _json(
                {
                    "logit_q": "weight_log_p ln p - weight_log_not_p ln(1 - p) + intercept",
                    "scoring": asdict(model.calibration),
                    "tested": asdict(model.tested_calibration),
                }
            ),
        }
        hashes = {name: _sha256(content) for name, content in files.items()}
        files[CARD] = _json({**model.card, "files": hashes})
        unfinished = target_folder / f"{UNFINISHED}{model.version}"
        unfinished.mkdir()
        for name, content in files.items():
            _write_and_sync(unfinished / name, content)
        _sync_folder(unfinished)
        unfinished.rename(folder)
        _sync_folder(target_folder)
        for damaged in target_folder.glob(f"{UNFINISHED}*"):
            _remove(damaged)
        return folder


def _read(path: Path, way_out: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}. {way_out}") from error


def _read_json(path: Path, way_out: str) -> dict[str, Any]:
    try:
        content = json.loads(_read(path, way_out))
    except ValueError as error:
        raise RegistryError(f"{path} is not the JSON that was written. {way_out}") from error
    if not isinstance(content, dict):
        raise RegistryError(f"{path} is not the JSON that was written. {way_out}")
    return content


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f"{UNFINISHED}{path.name}")
    _write_and_sync(unfinished, content)
    unfinished.replace(path)
    _sync_folder(path.parent)


def _write_and_sync(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # A rename is on the disk only when its folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
