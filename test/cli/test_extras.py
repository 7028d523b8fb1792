"""What has to be installed: each verb runs with its extras alone, and a hint names what is missing.

Libraries that its extras do not bring are made unavailable in a process of its own.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

from dbp_ros.cli.main import VERBS, Verb
from dbp_ros.extras import BY_ITSELF, EXTRAS, install_hint, missing

BLOCKED = """
import sys
for name in filter(None, sys.argv.pop().split(",")):
    sys.modules[name] = None
from dbp_ros.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
EVERY_LIBRARY = {*BY_ITSELF, *(name for names in EXTRAS.values() for name in names)}


def run(words: Iterable[str], blocked: Iterable[str]) -> subprocess.CompletedProcess[str]:
    """Run the `dbp` command where some libraries cannot be imported."""
    command = [sys.executable, "-c", BLOCKED, *words, ",".join(blocked)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def required() -> Mapping[str, Sequence[str]]:
    """The requirements of setup.py by extra, those that are always installed under ''."""
    script = (
        "import json, setuptools\n"
        "from distutils.core import run_setup\n"
        "made = run_setup('setup.py', stop_after='init')\n"
        "print(json.dumps({'': made.install_requires, **made.extras_require}))"
    )
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    found: Mapping[str, Sequence[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def name_of(requirement: str) -> str:
    """Return the name of a distribution as all its spellings have it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[;<>=!~(]", requirement)[0]).lower()


def brought_by(requirements: Iterable[str]) -> set[str]:
    """Return the distributions that come with some, themselves included."""
    found, left = set[str](), [name_of(requirement) for requirement in requirements]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            try:
                needed = requires(name) or ()
            except PackageNotFoundError:
                continue
            left += [name_of(one) for one in needed if "extra ==" not in one]
    return found


def distributions_of(library: str) -> set[str]:
    return {name_of(name) for name in packages_distributions().get(library, ())}


# PyTorch takes seconds to import: of the verbs that need it these stand for the others.
IMPORTED = [v for v in VERBS if "learn" not in v.extras or v.name in ("train", "export")]


@pytest.mark.parametrize("verb", IMPORTED, ids=[verb.name for verb in IMPORTED])
def test_a_verb_needs_its_extras_and_no_others(
    verb: Verb, required: Mapping[str, Sequence[str]]
) -> None:
    if missing(*verb.extras):
        pytest.skip(f"not installed: {missing(*verb.extras)}")
    own = brought_by(one for extra in ("", *verb.extras) for one in required[extra])
    blocked = {name for name in EVERY_LIBRARY if not distributions_of(name) & own}
    done = run([*verb.name.split(), "--help"], blocked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert "torch" in blocked or "learn" in verb.extras


def test_learning_on_a_robot_needs_the_extra_of_that_name_alone(
    required: Mapping[str, Sequence[str]],
) -> None:
    if missing("ros", "learner"):
        pytest.skip(f"not installed: {missing('ros', 'learner')}")
    own = brought_by(one for extra in ("", "ros", "learner") for one in required[extra])
    blocked = {name for name in EVERY_LIBRARY if not distributions_of(name) & own}
    assert {"mujoco", "h5py", "ray"} <= blocked
    script = (
        f"import sys\nfor name in {sorted(blocked)}: sys.modules[name] = None\n"
        "import dbp_ros.nodes.learner_node, dbp_ros.learning.online.study, torch.onnx, onnxscript"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_library_of_an_extra_is_brought_by_what_setup_asks_for(
    extra: str, required: Mapping[str, Sequence[str]]
) -> None:
    if missing(extra):
        pytest.skip(f"not installed: {missing(extra)}")
    brought = brought_by((*required[""], *required[extra]))
    for library in EXTRAS[extra]:
        assert distributions_of(library) & brought, library


@pytest.mark.parametrize(
    ("words", "blocked", "hint"),
    [
        ("train", "torch", "dbp train needs torch; from the clone: pip install '.[learn]'"),
        ("demo", "mujoco,rclpy", "needs rclpy; from the clone: pip install '.[ros,sim]' (or sou"),
        ("demo", "sensor_msgs", "pip install '.[ros]' (or source a ROS 2 installation)"),
        ("demo", "matplotlib", "from the clone: pip install '.[sim]'"),
        ("train", "matplotlib", "from the clone: pip install '.[learn]'"),
        ("finetune", "metaworld", "metaworld; pip install --no-deps metaworld==3.1.1"),
        ("inspect", "onnxruntime", "needs onnxruntime; from the clone: pip install .\n"),
        ("up --sim", "mujoco", "the stack needs mujoco; from the clone: pip install '.[sim]'"),
        ("up", "rclpy", "the stack needs rclpy; from the clone: pip install '.[ros]' (or source"),
        (
            "up --learner --checkpoint x",
            "torch,mcap",
            "needs torch; from the clone: pip install '.[learner]'",
        ),
        (
            "bench rate --conditions 84-record",
            "mcap",
            "84-record needs mcap; from the clone: pip install '.[data]'",
        ),
    ],
)
def test_a_hint_names_what_is_missing_and_nothing_else(
    words: str, blocked: str, hint: str, tmp_path: Path
) -> None:
    out = ["--out", str(tmp_path)] if words.startswith("bench") else []
    done = run([*words.split(), *out], blocked.split(","))
    assert done.returncode == 1
    assert hint in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_no_hint_names_a_package_of_a_registry(root: Path) -> None:
    for path in (root / "dbp_ros").rglob("*.py"):
        assert not re.search(r"install '?dbp_ros", path.read_text(encoding="utf-8")), path


def test_a_library_of_no_extra_comes_with_the_package_itself() -> None:
    assert install_hint("yaml") == "from the clone: pip install ."
    assert install_hint("h5py.defs") == "from the clone: pip install '.[data]'"


def test_a_folder_in_the_working_directory_is_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_library").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(EXTRAS, "some", ("no_such_library", "yaml"))
    assert missing("some") == {"some": ["no_such_library"]}
