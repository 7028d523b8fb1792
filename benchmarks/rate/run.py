"""`dbp bench rate`: rates, jitter and latency of the stack under several loads."""

import argparse
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rate.conditions import (
    PAGES,
    Condition,
    parse_condition,
    write_config,
)
from benchmarks.rate.report import NAME, plot, save_bars, summary, unmet_requirements
from benchmarks.rate.session import Measurement, RateConfig, Session
from benchmarks.swap import copy_bundle
from dbp_ros.bundle.bundle import bundle_directory
from dbp_ros.cli.terminal import show, status_line, terminal
from dbp_ros.errors import ConfigError
from dbp_ros.evaluation.result_table import ResultTable, Row, provenance
from dbp_ros.evaluation.running_stack import Log, running_stack
from dbp_ros.extras import EXTRAS, install_hint, is_missing
from dbp_ros.files import write_text
from dbp_ros.nodes.model_pusher import ModelPusher
from dbp_ros.settings.flags import add_settings, settings_from

PERCENTILES = ("p50", "p99", "p999", "max")
MEASURED = {
    "command_error": "command_period_error_ms",
    "floor_error": "floor_period_error_ms",
    "decision_error": "decision_period_error_ms",
    "reaction": "reaction_ms",
    "age": "image_age_at_command_ms",
    "inference": "inference_ms",
    "encoding": "encoding_ms",
}
COUNTED = (
    *("missed_decisions", "missed_commands", "decisions", "commands", "refused_decisions"),
    *("decision_rate_hz", "command_rate_hz", "episodes", "success_rate"),
)
PROCESSES = ("simulation", "policy", "guard", "recorder")
COLUMNS = (
    *("condition", "seconds", *COUNTED, "machine_stalls", "frames_hz"),
    *(f"{name}_{percentile}_ms" for name in MEASURED for percentile in PERCENTILES),
    *("swaps", "swaps_refused", "swap_p50_s", "recorded_mb", "recorded_dropped"),
    *(f"{name}_cores" for name in PROCESSES),
    *(f"{name}_mb" for name in PROCESSES),
)


def run_rate(config: RateConfig, table: ResultTable, status: Log) -> dict[str, Any]:
    """Measure each condition without a row, each on a new stack.

    Returns:
        Reports by condition, including those of earlier sessions.

    Raises:
        ConfigError: If a condition is unknown, or the table is of another task or model.
        DbpError: If the stack does not start or does not respond.
    """
    conditions = [parse_condition(name) for name in config.conditions]
    reports = read_reports(config.out)
    for name in ("task", "model"):
        before = [report[name] for report in reports.values() if name in report]
        table.require_same(name, getattr(config, name), before)
    for condition in conditions:
        if table.has({"condition": condition.name, "seconds": config.duration_s}):
            continue
        measurement = _measure(condition, config, status)
        table.add(_row(condition, config, measurement))
        facts = {"model": config.model, **provenance()}
        reports[condition.name] = {**measurement.report, **facts}
        write_reports(config.out, reports)
        save_bars(config.out, condition.name, measurement.bars)
    return reports


def read_reports(folder: Path) -> dict[str, Any]:
    """Return the saved reports by condition."""
    path = folder / f"{NAME}.json"
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    found: dict[str, Any] = known.get("conditions", {})
    return found


def write_reports(folder: Path, reports: dict[str, Any]) -> None:
    """Write all reports; the first one also at the top level, in the format of the demo."""
    first = next(iter(reports.values()))
    write_text(
        folder / f"{NAME}.json", json.dumps({**first, "conditions": reports}, indent=1) + "\n"
    )


def _measure(condition: Condition, config: RateConfig, status: Log) -> Measurement:
    folder = config.out / NAME / condition.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    status(f"{condition.name}: preparing")
    flags = ("--config", str(write_config(condition, folder / "config")))
    models = list(_bundle_copies(condition, config, folder))
    with running_stack(config.task, config.model, folder, ModelPusher, status, flags) as pusher:
        measurement = Session(condition, config, folder, pusher, status).run(models)
    for leftover in ("models", "bags"):
        shutil.rmtree(folder / leftover, ignore_errors=True)
    return measurement


def _bundle_copies(condition: Condition, config: RateConfig, folder: Path) -> Iterator[Path]:
    """Yield one bundle for each swap."""
    if condition.load == "swap":
        for number in range(int(config.duration_s / config.swap_interval_s)):
            target = folder / "models" / str(number)
            yield copy_bundle(bundle_directory(config.model), target, version=2 + number)


def _row(condition: Condition, config: RateConfig, measurement: Measurement) -> Row:
    report, (before, after) = measurement.report, measurement.usage
    row: Row = dict.fromkeys(COLUMNS, "")
    row |= {"condition": condition.name, "seconds": config.duration_s}
    row |= {name: report[name] for name in COUNTED}
    for name, key in MEASURED.items():
        for percentile in PERCENTILES:
            value = report[key][percentile]
            row[f"{name}_{percentile}_ms"] = "" if value is None else value
    cores = after.cores_since(before)
    row |= {f"{name}_cores": cores.get(name, "") for name in PROCESSES}
    row |= {f"{name}_mb": after.memory_mb.get(name, "") for name in PROCESSES}
    if report["machine_stalls_known"]:
        row["machine_stalls"] = sum(report["machine_stalls"].values())
    row["frames_hz"] = measurement.frames_hz
    if condition.load == "swap":
        row |= {"swaps": len(measurement.swap_times_s), "swaps_refused": measurement.swaps_refused}
        row["swap_p50_s"] = (
            float(np.median(measurement.swap_times_s)) if measurement.swap_times_s else ""
        )
    if measurement.recorded:
        row["recorded_mb"] = measurement.recorded["megabytes"]
        row["recorded_dropped"] = measurement.recorded["dropped_messages"]
    return row


def register(parser: argparse.ArgumentParser) -> None:
    """Add the benchmark."""
    parser.description = (
        "Run the whole stack with the simulated cell and images of 84x84 and 640x480: idle, with "
        "model swaps, with a recording and with a CPU load; of the conditions page and pages, also "
        "with the operator's page in one and in ten browsers. Conditions in the table are not "
        "repeated. Images of 640x480 are rendered at 84x84 and upscaled, because rendering is not "
        "part of the measurement."
    )
    add_settings(parser, RateConfig)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure missing conditions, print the table and save the plot."""
    config: RateConfig = settings_from(RateConfig, arguments)
    _require_libraries(config)
    console = terminal(width=140)
    table = ResultTable(config.out, NAME, COLUMNS, ("condition", "seconds"))
    with status_line(console) as status:
        run_rate(config, table, status)
    show(console, "the stack and the simulated cell on one machine", list(summary(table)))
    for row in table.rows:
        for sentence in unmet_requirements(row):
            console.print(sentence, highlight=False)
    console.print(f"{table.path}, {config.out / f'{NAME}.json'}, {plot(table)}")
    return 0


def _require_libraries(config: RateConfig) -> None:
    """Raise `ConfigError` if a library of a condition's recorder or page is missing."""
    for name in config.conditions:
        condition = parse_condition(name)
        libraries = ("mcap", "mcap_ros2") if condition.records else ()
        for library in (*libraries, *(EXTRAS["panel"] if condition.load in PAGES else ())):
            if is_missing(library):
                raise ConfigError(f"condition {name} needs {library}; {install_hint(library)}")
