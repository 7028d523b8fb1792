"""Size, time and error of a bundle's head by precision."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from dbp_ros.bundle.bundle import Bundle, read_bundle
from dbp_ros.bundle.golden import GoldenCases
from dbp_ros.errors import BundleError
from dbp_ros.evaluation.result_table import ResultTable, Row
from dbp_ros.learning.quantization import PRECISIONS, QuantizationError, quantize_bundle
from dbp_ros.policy.model import Model
from dbp_ros.telemetry.stopwatch import Call, time_interleaved

NAME = "infer_precision"
FULL = "float32"
COLUMNS = (
    *("model", "precision", "head_mb", "p50_ms", "cold_ms", "working_ms", "encode_ms"),
    *("cases", "error_mean", "error_p99", "error_max", "note"),
)


def run_precision(
    source: Bundle, recorded: GoldenCases, seconds: float, table: ResultTable
) -> None:
    """Quantize to every precision, time the heads and add a row for each."""
    name = source.manifest.name
    if table.has({"model": name, "precision": FULL}):
        return
    models, found = (
        {FULL: Model(source)},
        {FULL: QuantizationError(len(recorded.positions), 0.0, 0.0, 0.0)},
    )
    with tempfile.TemporaryDirectory() as folder:
        for precision in PRECISIONS:
            target = Path(folder, precision)
            try:
                found[precision] = quantize_bundle(source, target, precision, recorded, name, "")
                models[precision] = Model(read_bundle(target))
            except BundleError as error:
                row: Row = {**dict.fromkeys(COLUMNS, ""), "model": name, "precision": precision}
                if not table.has(row):
                    table.add({**row, "note": str(error)})
        for precision, measured in _rows(models, recorded, seconds):
            errors = found[precision]
            measured |= {"model": name, "precision": precision, "cases": errors.cases, "note": ""}
            measured |= {"error_mean": errors.error_mean, "error_p99": errors.error_p99}
            table.add({**measured, "error_max": errors.error_max})


def _rows(
    models: dict[str, Model], recorded: GoldenCases, seconds: float
) -> Iterator[tuple[str, Row]]:
    calls: dict[str, Call] = {}
    for precision, model in models.items():
        features = model.encode_case(recorded, 0)
        state, latent = recorded.positions[0], recorded.latent[0]
        calls[f"head {precision}"] = partial(model.predict, state, features, latent)
        calls[f"encode {precision}"] = partial(model.encode_case, recorded, 0)
    times = time_interleaved(calls, seconds)
    for precision, model in models.items():
        head = times[f"head {precision}"]
        yield (
            precision,
            {
                "head_mb": model.bundle.path(model.manifest.head).stat().st_size / 1e6,
                "p50_ms": head.warm_ms(50),
                "cold_ms": head.cold_ms,
                "working_ms": head.cpu_ms,
                "encode_ms": times[f"encode {precision}"].cpu_ms,
            },
        )


def summary(table: ResultTable) -> Iterator[Row]:
    """Yield a row for each precision."""
    for row in table.rows:
        if row["note"]:
            continue
        yield {
            "precision": row["precision"],
            **{
                title: float(row[column]) if row[column] else "-"
                for title, column in (
                    ("head [MB]", "head_mb"),
                    ("head p50 [ms]", "p50_ms"),
                    ("cold caches [ms]", "cold_ms"),
                    ("all encoders [ms]", "encode_ms"),
                    ("error mean", "error_mean"),
                    ("p99", "error_p99"),
                    ("max", "error_max"),
                )
            },
        }
