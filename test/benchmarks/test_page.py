"""The tables of the documentation are those of the committed results."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import chunks, modes, robust
from benchmarks.infer import timing
from benchmarks.metaworld import training as metaworld
from benchmarks.page import SOURCES, markdown, read_table, update_tables
from benchmarks.rl import training as rl
from benchmarks.scale import points
from benchmarks.sim import training as sim
from dbp_ros.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
# Columns that identify a row of each CSV.
KEYS = {
    "chunks": chunks.KEY,
    "demo_learn": ("episode",),
    "infer": timing.KEY,
    "infer_policy": ("model", "way"),
    "infer_precision": ("model", "precision"),
    "metaworld": metaworld.KEY,
    "modes": modes.KEY,
    "rate": ("condition", "seconds"),
    "rl": rl.KEY,
    "robust": robust.KEY,
    "scale": points.KEY,
    "sim": sim.KEY,
    "swap": ("way",),
}
TABLES = sorted(RESULTS.rglob("*.csv"))


def test_each_page_of_results_has_a_table_of_the_committed_csv() -> None:
    pages = sorted(set(RESULTS.glob("*.md")) - {RESULTS / "index.md"})
    assert len(pages) >= 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<!-- end -->" in text, page
        assert "<!-- end -->\n<!-- end -->" not in text, page
        assert update_tables(text, RESULTS) == text, page


@pytest.mark.parametrize("path", TABLES, ids=lambda path: str(path.relative_to(RESULTS)))
def test_no_two_rows_of_a_published_table_have_the_same_key(path: Path) -> None:
    table = read_table(path.parent, path.stem)
    assert table is not None
    found = Counter(tuple(row[column] for column in KEYS[path.stem]) for row in table.rows)
    assert found
    assert not [key for key, count in found.items() if count > 1]


def test_the_results_of_the_readme_are_those_of_the_committed_csv() -> None:
    # Of each benchmark the first rows: of the first toy.
    modes, metaworld = (
        {row["method"]: row for row in reversed(SOURCES[name].summary(read_table(RESULTS, name)))}
        for name in ("modes", "metaworld")
    )
    rows = {
        "two routes": ("energy", 3, lambda method: modes[method]["off_mode"]),
        "eight Meta-World tasks": ("meanflow", 3, lambda method: metaworld[method]["10 demos"]),
        "one decision": ("bc_mse", 2, lambda method: metaworld[method]["latency_ms"]),
    }
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for start, (other, digits, value) in rows.items():
        (line,) = (line for line in readme if line.startswith(f"| {start}"))
        shown = [cell.split()[0] for cell in line.split("|")[2:-1]]
        assert shown == [f"{value(method):.{digits}f}" for method in ("dbp", other, "ddim_100")]


def test_the_latencies_of_the_readme_are_those_of_the_committed_report() -> None:
    report = json.loads((RESULTS / "rate.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for start, key in (
        ("command period error", "command_period_error_ms"),
        ("period error of an idle reference loop", "floor_period_error_ms"),
        ("decision period error", "decision_period_error_ms"),
        ("inference", "inference_ms"),
        ("latency from image timestamp", "reaction_ms"),
        ("age of the newest image", "image_age_at_command_ms"),
    ):
        (line,) = (line for line in readme.splitlines() if line.startswith(f"| {start}"))
        shown = [cell.strip() for cell in line.split("|")[2:-1]]
        assert shown == [f"{report[key][p]:.2f}" for p in ("p50", "p99", "p999", "max")]
    rates = [f"{report[f'{name}_rate_hz']:.1f} Hz" for name in ("decision", "command")]
    assert f"Decisions at {rates[0]}, commands at {rates[1]}" in readme


def test_a_table_is_read_from_a_sub_folder() -> None:
    written = update_tables("<!-- rate xeon -->\n<!-- end -->\n", RESULTS)
    assert written.startswith("<!-- rate xeon -->\n| condition |")
    assert written != update_tables("<!-- rate -->\n<!-- end -->\n", RESULTS)


def test_the_runs_of_a_pattern_of_folders_are_columns(tmp_path: Path) -> None:
    for seed, solved in ((0, "True"), (1, "False")):
        folder = tmp_path / f"seed_{seed}"
        folder.mkdir()
        (folder / "demo_learn.csv").write_text(f"episode,solved\n1,{solved}\n2,True\n")
        facts = dict.fromkeys(("swaps", "rollbacks", "missed_commands", "guard_stops"), seed)
        (folder / "demo_learn.json").write_text(json.dumps({**facts, "wall_s": 60}))
    written = update_tables("<!-- demo_learn seed_* -->\n<!-- end -->\n", tmp_path)
    assert "| metric | seed 0 | seed 1 |" in written
    assert "| success in the last 50 episodes | 1 | 0.5 |" in written


def test_a_changed_number_is_updated_and_the_text_stays(tmp_path: Path) -> None:
    csv = (ROOT / "docs" / "results" / "scale.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "scale.csv").write_text("\n".join(csv[:2]) + "\n")
    page = "words\n<!-- scale -->\n| old |\n<!-- end -->\nmore words\n"
    written = update_tables(page, tmp_path)
    assert written.startswith("words\n<!-- scale -->\n| axis | cameras |")
    assert written.endswith("<!-- end -->\nmore words\n")
    assert len(written.splitlines()) == 4 + 3
    assert "old" not in written


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'scales' is unknown: use one of infer,"):
        update_tables("<!-- scales -->\n<!-- end -->\n", tmp_path)


def test_numbers_are_right_aligned() -> None:
    rows = [{"name": "a", "ms": 1.23456}, {"name": "b", "ms": 1234.5}]
    assert markdown(rows).splitlines() == [
        *("| name | ms |", "| --- | --: |", "| a | 1.23 |", "| b | 1234 |"),
    ]


def test_the_success_by_precision_is_that_of_the_evaluated_episodes() -> None:
    written = update_tables("<!-- evaluate -->\n<!-- end -->\n", RESULTS)
    for precision in ("float32", "int8"):
        file = RESULTS / f"evaluate_{precision}.json"
        outcomes = json.loads(file.read_text(encoding="utf-8"))
        assert [outcome["seed"] for outcome in outcomes] == list(range(100_000, 100_100))
        solved = sum(outcome["success"] for outcome in outcomes)
        assert f"| {precision} | 100 | {solved} |" in written
