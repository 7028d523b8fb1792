"""Who may import whom: the table of the design, read from the imports themselves."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "dbp_ros"

GROUND = {
    *("bundle", "clock_estimator", "clock_mapping", "config", "contract", "decision", "errors"),
    *("files", "joint_states", "json_fields", "latency", "loops", "pace", "parameter_files"),
    *("parameter_yaml", "pixels", "placement", "proof", "realtime", "share", "stamps", "trace"),
    *("core_leases", "extras"),
}
SERVICES = {"policy", "motion", "drift", "learning", "episodes", "sim"}
ROS_FREE_MIDDLE = {"diagnosis", "domain", "preflight", "remaps", "stack", "supervisor"}
EVERYTHING = GROUND | SERVICES | ROS_FREE_MIDDLE

# Part of the package -> other parts that it may import.
MAY_IMPORT = {
    "clock_estimator": set(),
    "clock_mapping": {"clock_estimator", "stamps"},
    "config": {"errors"},
    "contract": set(),
    "core_leases": set(),
    "decision": {"contract", "errors", "json_fields"},
    "errors": set(),
    "files": {"errors"},
    "joint_states": {"contract", "errors"},
    "json_fields": set(),
    "latency": {"contract"},
    "pixels": {"contract", "errors"},
    "pace": {"config"},
    "parameter_files": {"config", "errors", "parameter_yaml"},
    "parameter_yaml": {"errors"},
    "placement": set(),
    "realtime": {"config", "core_leases", "placement"},
    "loops": {"pace", "realtime"},
    "share": {"errors"},
    "stamps": {"contract"},
    "trace": {"contract", "errors", "latency"},
    "bundle": {"errors", "files", "share"},
    "proof": {"bundle", "contract", "errors"},
    "delivery": {"bundle", "contract", "errors", "json_fields"},
    "domain": {"errors"},
    "diagnosis": {"contract"},
    "extras": set(),
    "preflight": GROUND | {"motion", "remaps", "stack"},
    "remaps": {"errors", "parameter_yaml"},
    "stack": {"config", "errors", "remaps", "share"},
    "supervisor": set(),
    "policy": GROUND,
    "motion": GROUND,
    "episodes": GROUND,
    "sim": GROUND,
    "drift": GROUND,
    "learning": GROUND | {"drift", "episodes", "policy"},
    "nodes": GROUND | SERVICES | {"delivery", "diagnosis"},
    "bench": EVERYTHING | {"nodes"},
    "cli": EVERYTHING | {"nodes", "bench"},
}

LIGHT = {"numpy", "yaml"}
ROS = {
    *("builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs", "rcl_interfaces", "rclpy"),
    *("rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs", "trajectory_msgs"),
}
TORCH = {"torch"}
SHOWN = {"rich", "matplotlib", "PIL"}

# Part of the package -> libraries it may import beside the standard ones and the light ones.
MAY_NEED = {
    "pixels": {"PIL"},
    "policy": {"onnxruntime"},
    "drift": TORCH,
    "learning": TORCH
    | {"accelerate", "onnx", "onnxruntime", "onnxscript", "safetensors", "matplotlib"},
    "episodes": {"h5py", "zarr", "pyarrow", "PIL", "mcap", "mcap_ros2"},
    "sim": {"mujoco", "mink", "daqp", "PIL", "gymnasium", "metaworld", "ray"},
    "nodes": ROS,
    "bench": SHOWN | TORCH,
    "cli": SHOWN,
}

# The verbs that train or export need torch.
TORCH_VERBS = {"train.py", "finetune.py", "export.py", "quantize.py", "bench_infer.py"}
# The verbs that run the whole stack are the only ones that need ROS.
ROS_VERBS = {
    *("demo.py", "demo_learn.py", "trace.py", "bench_swap.py", "bench_rate.py"),
    *("operation.py", "status.py", "stop.py", "home.py", "enable.py", "disable.py", "reset.py"),
    *("activate.py", "deactivate.py", "rollback.py"),
    *("episode_new.py", "episode_begin.py", "episode_success.py", "episode_failure.py"),
    *("cell_activate.py", "cell_deactivate.py", "cell_protective_stop.py"),
}
ROS_BENCHES = (
    "dbp_ros.nodes",
    *(f"dbp_ros.bench.{name}" for name in ("demo", "load", "rate", "running", "swap", "trace")),
)


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
            assert node.level == 0, f"{path}: relative imports hide who imports whom"
            if node.module == "dbp_ros":
                yield from (f"dbp_ros.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def all_sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_every_part_is_there_and_has_code(part: str) -> None:
    files = sources(part)
    assert files
    for path in files:
        assert path.is_file(), f"{path} is gone: change the table"


def test_every_file_belongs_to_a_part_of_the_table() -> None:
    parts = {part_of(path) for path in all_sources()} - {"__init__"}
    assert parts == set(MAY_IMPORT) - {"__init__"}


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_part_imports_only_the_parts_below_it(part: str) -> None:
    for path in sources(part):
        for name in imported(path):
            top, _, rest = name.partition(".")
            if top != "dbp_ros" or rest.startswith("__"):
                continue
            target = rest.split(".")[0]
            allowed = MAY_IMPORT[part] | {part}
            assert target in allowed, f"{path}: {part} imports {name}, may import {allowed}"


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_a_part_needs_only_the_libraries_of_its_own(part: str) -> None:
    allowed = LIGHT | MAY_NEED.get(part, set()) | {"dbp_ros"}
    for path in sources(part):
        needed = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names)
        assert needed <= allowed, f"{path} imports {needed - allowed}, may import {allowed}"


def test_only_the_verbs_that_learn_reach_torch() -> None:
    for path in sources("cli"):
        learns = any(name.startswith("dbp_ros.learning") for name in imported(path))
        assert path.name in TORCH_VERBS or not learns, path


def test_only_the_verbs_that_run_the_stack_reach_ros() -> None:
    for path in sources("cli"):
        names = set(imported(path))
        reaches = any(name.startswith(ROS_BENCHES) for name in names)
        assert path.name in ROS_VERBS or not reaches, path


def test_no_import_hides_in_a_function() -> None:
    for path in all_sources():
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                for node in ast.walk(function):
                    assert not isinstance(node, ast.Import | ast.ImportFrom), (
                        f"{path}:{getattr(node, 'lineno', 0)} imports inside a function"
                    )


def test_a_package_file_holds_a_docstring_and_names_alone() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body[1:]:
            names = isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign)
            assert names, f"{path}:{node.lineno} holds code"


def test_a_breach_is_found(tmp_path: Path) -> None:
    file = tmp_path / "breach.py"
    file.write_text(
        "def f():\n    from dbp_ros.learning.trainer import Trainer\n    import torch.nn\n"
    )
    assert list(imported(file)) == ["dbp_ros.learning.trainer", "torch.nn"]
