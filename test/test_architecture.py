"""The import law: which part of the package may import which, checked in the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "dbp_ros"

# Part of the package -> other parts that it may import.
GROUND = {
    *("errors", "extras", "files", "guard_state", "random_streams", "resources", "ros_support"),
    "types",
}
SERVICES = {"settings", "bundle", "runtime", "telemetry", "sensing"}
BELOW = GROUND | SERVICES
MAY_IMPORT = {
    "errors": set(),
    "types": set(),
    "guard_state": set(),
    "random_streams": set(),
    "ros_support": set(),
    "extras": {"ros_support"},
    "files": {"errors"},
    "resources": {"errors"},
    "settings": GROUND,
    "bundle": GROUND | {"settings"},
    "telemetry": GROUND | {"settings"},
    "runtime": GROUND | {"settings"},
    "sensing": GROUND | {"settings", "runtime"},
    "diagnosis": {"guard_state", "types"},
    "policy": BELOW,
    "policy_import": BELOW | {"policy"},
    "hotswap": BELOW | {"policy"},
    "motion": BELOW,
    "data": BELOW,
    "sim": BELOW | {"robots"},
    "envs": BELOW | {"sim"},
    "drift": {"errors"},
    "learning": BELOW | {"drift", "data", "policy", "policy_import", "robots"},
    "lerobot_import": BELOW | {"learning", "policy_import"},
    "rl": BELOW | {"drift", "data", "policy", "learning"},
    "robots": GROUND | {"settings"},
    "teleop": BELOW | {"robots", "motion", "sim"},
    "stack": BELOW | {"motion", "robots"},
    "teach": BELOW | {"data"},
    "panel": BELOW | {"robots", "diagnosis", "teach"},
    "nodes": BELOW
    | {
        "robots",
        "policy",
        "hotswap",
        "motion",
        "data",
        "sim",
        "diagnosis",
        "panel",
        "teach",
        "teleop",
    },
    "evaluation": BELOW
    | {
        "robots",
        "policy",
        "hotswap",
        "motion",
        "data",
        "sim",
        "envs",
        "learning",
        "rl",
        "stack",
        "nodes",
    },
}
MAY_IMPORT["cli"] = set(MAY_IMPORT)

LIGHT = {"numpy", "yaml"}
ROS = {
    *("builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces", "rclpy"),
    *("geometry_msgs", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs"),
    *("trajectory_msgs", "visualization_msgs"),
}
TORCH = {"torch"}
TRAINING = TORCH | {"accelerate", "onnx", "onnxruntime", "onnxscript", "safetensors", "matplotlib"}
SHOWN = {"rich", "matplotlib", "PIL"}

# Part of the package -> libraries it may import besides the standard and the light ones.
MAY_NEED = {
    "sensing": {"PIL"},
    "policy": {"onnxruntime"},
    "policy_import": {"onnx", "onnxruntime"},
    "robots": {"xacro"},
    "drift": TORCH,
    "learning": TRAINING,
    "lerobot_import": TRAINING,
    "rl": TRAINING,
    "data": {
        *("h5py", "zarr", "imagecodecs", "pyarrow", "av", "PIL", "mcap", "mcap_ros2", "rosbags"),
        "zstandard",
    },
    "sim": {"mujoco", "mink", "daqp", "PIL"},
    "teleop": {"mujoco", "mink"},
    "envs": {"mujoco", "gymnasium", "metaworld", "ray"},
    "panel": {"rerun", "viser", "websockets"},
    "nodes": ROS,
    "evaluation": SHOWN,
    "cli": SHOWN,
}

# The verbs that train or export need torch.
TORCH_VERBS = {"train.py", "finetune.py", "export.py", "quantize.py", "import_lerobot.py"}
# The verbs that run the whole stack are the only ones that need ROS.
ROS_VERBS = {
    *("demo.py", "demo_learn.py", "trace.py"),
    *("operator_verbs.py", "status.py", "record.py", "teleop.py"),
}
ROS_EVALUATIONS = (
    "dbp_ros.nodes",
    *(f"dbp_ros.evaluation.{name}" for name in ("demo", "running_stack", "stack_trace")),
)
# Imports inside functions, each for a choice at run time: a verb, a data format, an environment, a
# GL backend.
LAZY = {
    *("cli/main.py", "cli/episodes.py", "data/exports.py", "data/formats.py"),
    *("envs/registry.py", "sim/gl.py", "panel/viewers.py"),
}


def part_of(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def sources(part: str) -> list[Path]:
    found = sorted((PACKAGE / part).rglob("*.py")) or [PACKAGE / f"{part}.py"]
    return [path for path in found if path.name != "__init__.py"]


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the importing package"
            if node.module == "dbp_ros":
                yield from (f"dbp_ros.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def all_sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_every_package_of_the_table_exists_and_has_code(part: str) -> None:
    files = sources(part)
    assert files
    for path in files:
        assert path.is_file(), f"{path} is gone: change the table"


def test_every_file_belongs_to_a_package_of_the_table() -> None:
    parts = {part_of(path) for path in all_sources()} - {"__init__"}
    assert parts == set(MAY_IMPORT) - {"__init__"}


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_package_imports_only_the_packages_below_it(part: str) -> None:
    for path in sources(part):
        for name in imported(path):
            top, _, rest = name.partition(".")
            if top != "dbp_ros" or rest.startswith("__"):
                continue
            target = rest.split(".")[0]
            allowed = MAY_IMPORT[part] | {part}
            assert target in allowed, f"{path}: {part} imports {name}, may import {allowed}"


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_package_imports_only_its_own_libraries(part: str) -> None:
    allowed = LIGHT | MAY_NEED.get(part, set()) | {"dbp_ros"}
    for path in sources(part):
        needed = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
        assert needed <= allowed, f"{path} imports {needed - allowed}, may import {allowed}"


def test_only_the_training_verbs_import_torch() -> None:
    for path in sources("cli"):
        learns = any(name.startswith(("dbp_ros.learning", "dbp_ros.rl")) for name in imported(path))
        assert path.name in TORCH_VERBS or not learns, path


def test_only_the_stack_verbs_import_ros() -> None:
    for path in sources("cli"):
        names = set(imported(path))
        reaches = any(name.startswith(ROS_EVALUATIONS) for name in names)
        assert path.name in ROS_VERBS or not reaches, path


def test_imports_inside_functions_are_only_for_run_time_choices() -> None:
    for path in all_sources():
        if path.relative_to(PACKAGE).as_posix() in LAZY:
            continue
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                for node in ast.walk(function):
                    assert not isinstance(node, ast.Import | ast.ImportFrom), (
                        f"{path}:{getattr(node, 'lineno', 0)} imports inside a function"
                    )


def test_an_init_file_contains_only_a_docstring_and_names() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body[1:]:
            names = isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign)
            assert names, f"{path}:{node.lineno} holds code"


def test_a_violation_is_found(tmp_path: Path) -> None:
    file = tmp_path / "breach.py"
    file.write_text(
        "def f():\n    from dbp_ros.learning.trainer import Trainer\n    import torch.nn\n"
    )
    assert list(imported(file)) == ["dbp_ros.learning.trainer", "torch.nn"]
