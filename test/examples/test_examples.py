"""The examples run and print the expected output; the notebook holds its outputs and runs."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import matplotlib
import pytest

NOTEBOOK = "tour.ipynb"
# test/processes/test_recording_to_policy.py runs these on a stack and its recordings.
ON_A_STACK = {"drive_by_topics.py", "read_lerobot.py"}
LARGEST_BYTES = 300_000
SCRIPTS = {
    "load_policy.py": ([], "chunk of shape (8, 14)"),
    "drift_loss.py": (["--num-steps", "3", "--plot", "{folder}/plot.png"], "between modes: "),
    "train_from_arrays.py": (["--num-steps", "3"], "ONNX Runtime ["),
    "evaluate_in_cell.py": (["--episodes", "1"], "1 of 1 solved"),
    "own_environment.py": ([], "solved: True"),
    "train_in_own_loop.py": (["--num-steps", "3", "--episodes", "2"], "of 2 episodes solved"),
}


@pytest.fixture
def examples(root: Path) -> Path:
    return root / "examples"


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_runs(
    name: str,
    examples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    flags, expected = SCRIPTS[name]
    arguments = [flag.format(folder=tmp_path) for flag in flags]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    runpy.run_path(str(examples / name), run_name="__main__")
    assert expected in capsys.readouterr().out
    assert (tmp_path / "plot.png").exists() == ("--plot" in flags)


def test_every_example_is_run(examples: Path) -> None:
    assert {path.name for path in examples.glob("*.*")} == {*SCRIPTS, *ON_A_STACK, NOTEBOOK}


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_contains_the_outputs_of_one_sequential_run(examples: Path) -> None:
    cells = code_cells(examples / NOTEBOOK)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "display_data"}
    assert not any(output.get("name") == "stderr" for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert (examples / NOTEBOOK).stat().st_size < LARGEST_BYTES


def test_the_notebook_runs(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *cells = code_cells(examples / NOTEBOOK)
    assert first["metadata"]["tags"] == ["parameters"]
    matplotlib.use("agg")
    names: dict[str, Any] = {"num_steps": 3, "episodes": 1}
    for cell in cells:
        exec("".join(cell["source"]), names)
    out = capsys.readouterr().out
    assert "chunk of shape (8, 14)" in out
    assert "success True" in out
    assert names["chunks"].shape == (300, 8, 4, 2)
