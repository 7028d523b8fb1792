"""The tables of the documentation are those of the committed results."""

import json
from pathlib import Path

import pytest

from benchmarks.page import markdown, refreshed
from dbp_ros.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"


def test_the_page_holds_what_was_measured() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("<!-- end -->") >= 5
    assert refreshed(text, ROOT / "docs" / "results") == text


def test_a_changed_number_is_written_anew_and_the_words_stay(tmp_path: Path) -> None:
    csv = (ROOT / "docs" / "results" / "scale.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "scale.csv").write_text("\n".join(csv[:2]) + "\n")
    page = "words\n<!-- scale -->\n| old |\n<!-- end -->\nmore words\n"
    written = refreshed(page, tmp_path)
    assert written.startswith("words\n<!-- scale -->\n| axis | cameras |")
    assert written.endswith("<!-- end -->\nmore words\n")
    assert len(written.splitlines()) == 4 + 3
    assert "old" not in written


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'scales' is unknown: use one of infer,"):
        refreshed("<!-- scales -->\n<!-- end -->\n", tmp_path)


def test_numbers_stand_to_the_right() -> None:
    rows = [{"name": "a", "ms": 1.23456}, {"name": "b", "ms": 1234.5}]
    assert markdown(rows).splitlines() == [
        *("| name | ms |", "| --- | --: |", "| a | 1.23 |", "| b | 1234 |"),
    ]


def test_the_episodes_that_the_page_counts_are_those_that_were_run() -> None:
    solved = {}
    for precision in ("float32", "int8", "int8_all"):
        file = ROOT / "docs" / "results" / f"evaluate_{precision}.json"
        outcomes = json.loads(file.read_text(encoding="utf-8"))
        assert [outcome["seed"] for outcome in outcomes] == list(range(100_000, 100_100))
        solved[precision] = sum(outcome["success"] for outcome in outcomes)
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert (
        f"{solved['float32']} of 100 episodes of `lift` are solved in full precision, and of the "
        f"same 100 {solved['int8']} in `int8` and {solved['int8_all']} in `int8_all`"
    ) in " ".join(page.split())
