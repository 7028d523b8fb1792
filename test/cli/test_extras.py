"""What has to be installed: each verb runs with its extras alone, and a hint names what is missing.

Libraries that its extras do not bring are made unavailable in a process of its own.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

from benchmarks.__main__ import VERBS as BENCHMARKS
from dbp_ros import extras
from dbp_ros.cli.command import Verb
from dbp_ros.cli.main import VERBS
from dbp_ros.extras import EXTRAS, SEPARATE, install_hint, is_missing, missing

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = """
import sys
import dbp_ros.extras
dbp_ros.extras.has_system_ros = lambda: False
for name in filter(None, sys.argv.pop().split(",")):
    sys.modules[name] = None
command = sys.argv.pop(1)
if command == "bench":
    from benchmarks.__main__ import main
else:
    from dbp_ros.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
EVERY_LIBRARY = {*SEPARATE, *(name for names in EXTRAS.values() for name in names)}


def run(
    words: Sequence[str], blocked: Iterable[str], command: str = "dbp"
) -> subprocess.CompletedProcess[str]:
    """Run the `dbp` command, or its benchmarks, where some libraries cannot be imported."""
    line = [sys.executable, "-c", BLOCKED, command, *words, ",".join(blocked)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def required() -> Mapping[str, Sequence[str]]:
    """The requirements of setup.py by extra, those that are always installed under ''."""
    script = (
        "import json, setuptools\n"
        "from distutils.core import run_setup\n"
        "made = run_setup('setup.py', stop_after='init')\n"
        "print(json.dumps({'': made.install_requires, **made.extras_require}))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
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


# It reads the files of every installed distribution.
installed = cache(packages_distributions)


def distributions_of(library: str) -> set[str]:
    return {name_of(name) for name in installed().get(library, ())}


# PyTorch takes seconds to import: of the verbs that need it these stand for the others.
EVERY = [*(("dbp", verb) for verb in VERBS), *(("bench", verb) for verb in BENCHMARKS)]
IMPORTED = [
    (command, verb)
    for command, verb in EVERY
    if "learn" not in verb.extras or verb.name in ("train", "export")
]


@pytest.mark.parametrize(("command", "verb"), IMPORTED, ids=[f"{c}-{v.name}" for c, v in IMPORTED])
def test_a_verb_needs_its_extras_and_no_others(
    command: str, verb: Verb, required: Mapping[str, Sequence[str]]
) -> None:
    if missing(*verb.extras):
        pytest.skip(f"not installed: {missing(*verb.extras)}")
    own = brought_by(one for extra in ("", *verb.extras) for one in required[extra])
    blocked = {name for name in EVERY_LIBRARY if not distributions_of(name) & own}
    done = run([*verb.name.split(), "--help"], blocked, command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
    assert "torch" in blocked or "learn" in verb.extras


def test_learning_on_a_robot_needs_only_the_extra_learner(
    required: Mapping[str, Sequence[str]],
) -> None:
    if missing("ros", "learner"):
        pytest.skip(f"not installed: {missing('ros', 'learner')}")
    own = brought_by(one for extra in ("", "ros", "learner") for one in required[extra])
    blocked = {name for name in EVERY_LIBRARY if not distributions_of(name) & own}
    assert {"mujoco", "h5py", "ray"} <= blocked
    script = (
        f"import sys\nfor name in {sorted(blocked)}: sys.modules[name] = None\n"
        "import dbp_ros.nodes.learner_node, dbp_ros.rl.from_robot.learner_worker\n"
        "import torch.onnx, onnxscript"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_library_of_an_extra_is_installed_by_a_requirement_of_setup(
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
        ("dbp train", "torch", "dbp train needs torch; from the clone: pip install '.[learn]'"),
        (
            "dbp demo",
            "mujoco,rclpy",
            "needs rclpy; from the clone: pip install '.[ros,sim]' (or sou",
        ),
        ("dbp demo", "sensor_msgs", "pip install '.[ros]' (or source a ROS 2 installation)"),
        ("dbp demo", "matplotlib", "from the clone: pip install '.[sim]'"),
        ("dbp train", "matplotlib", "from the clone: pip install '.[learn]'"),
        (
            "dbp evaluate --env metaworld/push",
            "metaworld",
            "metaworld/push needs metaworld; pip install --no-deps metaworld==3.1.1",
        ),
        ("dbp inspect", "onnxruntime", "needs onnxruntime; from the clone: pip install .\n"),
        ("dbp up --sim", "mujoco", "the stack needs mujoco; from the clone: pip install '.[sim]'"),
        (
            "dbp up",
            "rclpy",
            "the stack needs rclpy; from the clone: pip install '.[ros]' (or source",
        ),
        (
            "dbp up --learner --checkpoint x",
            "torch,mcap",
            "needs torch; from the clone: pip install '.[learner]'",
        ),
        (
            "dbp up --recorder",
            "mcap",
            "the stack needs mcap; from the clone: pip install '.[record]'",
        ),
        (
            "bench rate --conditions 84-record",
            "mcap",
            "84-record needs mcap; from the clone: pip install '.[data]'",
        ),
    ],
)
def test_a_hint_names_only_what_is_missing(
    words: str, blocked: str, hint: str, tmp_path: Path
) -> None:
    command, *rest = words.split()
    out = ["--out", str(tmp_path)] if command == "bench" else []
    done = run([*rest, *out], blocked.split(","), command)
    assert done.returncode == 1
    assert hint in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_no_hint_installs_dbp_ros_from_a_registry(root: Path) -> None:
    for path in (root / "dbp_ros").rglob("*.py"):
        assert not re.search(r"install '?dbp_ros", path.read_text(encoding="utf-8")), path


def test_a_library_without_an_extra_is_a_dependency_of_the_package() -> None:
    assert install_hint("yaml") == "from the clone: pip install ."
    assert install_hint("h5py.defs") == "from the clone: pip install '.[data]'"


def test_hints_suit_the_python_of_a_ros_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "has_system_ros", lambda: True)
    pip = "pip install --break-system-packages"
    assert install_hint("h5py.defs") == f"from the clone: {pip} '.[data]' 'numpy<2'"
    assert install_hint("onnxruntime") == f"{pip} onnxruntime 'numpy<2'"
    assert install_hint("yaml") == f"{pip} pyyaml 'numpy<2'"


def test_a_folder_in_the_working_directory_is_not_taken_for_a_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no_such_library").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(EXTRAS, "some", ("no_such_library", "yaml"))
    assert missing("some") == {"some": ["no_such_library"]}


@pytest.mark.parametrize("library", ["rosbags", "no_such_library"])
def test_a_namespace_package_is_missing_only_if_it_is_not_installed(library: str) -> None:
    assert is_missing(library) == (library == "no_such_library")
