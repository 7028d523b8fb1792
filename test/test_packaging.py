"""What is installed, and that its parts agree."""

import os
import re
import subprocess
import sys
import zipfile
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest
import yaml

import dbp_ros
from dbp_ros.errors import ConfigError, DbpError
from dbp_ros.resources import resource_directory
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.guard import GuardConfig
from dbp_ros.settings.learner import LearnerConfig
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.settings.simulation import SimulationConfig
from dbp_ros.stack.processes import StackConfig, processes

PARAMETER_FILES = {
    "guard.yaml": GuardConfig,
    "learner.yaml": LearnerConfig,
    "policy.yaml": PolicyConfig,
    "simulation.yaml": SimulationConfig,
}
EXECUTABLES = ["dbp", "guard_node", "learner_node", "policy_node", "sim_node"]


def parameters(path: Path) -> dict[str, object]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(document) == ["/**"], "any other name is ignored inside a namespace"
    return document["/**"]["ros__parameters"]


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameter_files_hold_the_defaults(root: Path, name: str) -> None:
    values = parameters(root / "config" / name)
    assert values
    assert from_mapping(PARAMETER_FILES[name], values) == PARAMETER_FILES[name]()


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameter_files_write_floats_as_floats(root: Path, name: str) -> None:
    defaults = {item.name: item.default for item in fields(PARAMETER_FILES[name])}
    for key, value in parameters(root / "config" / name).items():
        default = defaults[key]
        if isinstance(default, tuple):
            assert {type(item) for item in value} == {type(item) for item in default}, key
        else:
            assert type(value) is type(default), key


def test_parameter_files_leave_alone_what_the_stack_overrides(root: Path) -> None:
    for process in processes(StackConfig(learner=True, checkpoint="run")):
        assert not set(process.parameters) & set(parameters(process.parameter_file)), process.name


def test_an_unknown_parameter_is_named(root: Path) -> None:
    with pytest.raises(ConfigError, match="no comand_rate_hz"):
        from_mapping(GuardConfig, {"comand_rate_hz": 250.0})


def test_every_version_is_the_same(root: Path) -> None:
    manifest = ElementTree.parse(root / "package.xml").getroot()
    assert manifest.findtext("version") == dbp_ros.__version__
    out = subprocess.run(
        [sys.executable, "setup.py", "--version"], cwd=root, capture_output=True, text=True
    )
    assert out.stdout.strip().splitlines()[-1] == dbp_ros.__version__


def test_package_xml_is_valid(root: Path) -> None:
    package = pytest.importorskip("catkin_pkg.package").parse_package(str(root))
    package.validate()
    assert package.package_format == 3
    assert package.get_build_type() == "ament_python"


def test_package_xml_names_every_ros_package_that_is_imported(root: Path) -> None:
    manifest = ElementTree.parse(root / "package.xml").getroot()
    named = {element.text for element in manifest.findall("exec_depend")}
    text = "\n".join(path.read_text() for path in (root / "dbp_ros").rglob("*.py"))
    used = set(re.findall(r"^from (\w+_msgs|\w+_interfaces|std_srvs|rclpy)\b", text, re.MULTILINE))
    assert {"rclpy", "sensor_msgs"} <= used <= named


def test_the_resource_directory_of_a_clone_is_its_root(root: Path) -> None:
    if Path(dbp_ros.__file__).is_relative_to(root):
        assert resource_directory() == root


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git would give: a build writes files next to setup.py."""
    origin = Path(__file__).resolve().parent.parent
    copy = tmp_path_factory.mktemp("workspace") / "src" / "dbp_ros"
    copy.mkdir(parents=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=origin, check=True, capture_output=True).stdout
    for name in filter(None, files.decode().split("\0")):
        if (origin / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((origin / name).read_bytes())
    return copy


def shared_files(source: Path) -> list[str]:
    """What has to be found under share/dbp_ros."""
    folders = [
        path for name in ("config", "launch", "models") for path in (source / name).rglob("*")
    ]
    return ["package.xml", *(str(p.relative_to(source)) for p in folders if p.is_file())]


def test_a_wheel_holds_everything(source: Path, tmp_path: Path) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)),
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("dbp_ros-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    data = f"dbp_ros-{dbp_ros.__version__}.data/data/share"
    assert {f"{data}/dbp_ros/{name}" for name in shared_files(source)} <= names
    assert f"{data}/ament_index/resource_index/packages/dbp_ros" in names
    inside = [path for path in (source / "dbp_ros").rglob("*") if path.is_file()]
    assert {str(path.relative_to(source)) for path in inside} <= names


@pytest.mark.parametrize("options", [[], ["--symlink-install"]], ids=["copied", "linked"])
def test_colcon_installs_what_ros2_run_and_launch_look_for(
    source: Path, tmp_path: Path, options: list[str]
) -> None:
    pytest.importorskip("colcon_core")
    # What this process needed for its own ROS would be taken for a workspace to build upon.
    keep = ("PATH", "HOME", "LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    build = [
        *(sys.executable, "-m", "colcon", "--log-base", str(tmp_path / "log")),
        *("build", "--base-paths", str(source), *options),
        *("--build-base", str(tmp_path / "build"), "--install-base", str(tmp_path / "install")),
    ]
    done = subprocess.run(build, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    prefix = tmp_path / "install" / "dbp_ros"
    for name in shared_files(source):
        assert (prefix / "share" / "dbp_ros" / name).is_file(), name
    for name in EXECUTABLES:
        assert os.access(prefix / "lib" / "dbp_ros" / name, os.X_OK), name
    where = "from dbp_ros.resources import resource_directory; print(resource_directory())"
    found = subprocess.run(
        ["bash", "-c", f". {tmp_path}/install/setup.bash && {sys.executable} -c '{where}'"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert Path(found.stdout.strip()) in (source, prefix / "share" / "dbp_ros"), found.stderr


class FakeAction:
    """An action of launch that keeps its arguments."""

    def __init__(self, *positional: object, **named: object) -> None:
        self.positional, self.named = positional, named

    def perform(self, values: dict[str, str]) -> str:
        return values[str(self.positional[0])]


@pytest.fixture
def launch_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The launch file, executed with stand-ins for launch and launch_ros."""
    names = ("DeclareLaunchArgument", "OpaqueFunction", "SetEnvironmentVariable")
    names += ("LaunchConfiguration", "LaunchDescription", "Node")
    modules = ("launch", "launch.actions", "launch.substitutions", "launch_ros.actions")
    for module in modules:
        stand_in = ModuleType(module)
        stand_in.__dict__.update({name: type(name, (FakeAction,), {}) for name in names})
        monkeypatch.setitem(sys.modules, module, stand_in)
    monkeypatch.setitem(sys.modules, "launch_ros", ModuleType("launch_ros"))
    launched = ModuleType("dual_arm")
    exec((root / "launch" / "dual_arm.launch.py").read_text(encoding="utf-8"), vars(launched))
    return launched


def declared(launch_file: ModuleType) -> dict[str, str]:
    *arguments, last = launch_file.generate_launch_description().positional[0]
    assert last.named["function"] is launch_file.stack
    assert all(argument.named["description"] for argument in arguments)
    return {argument.positional[0]: argument.named["default_value"] for argument in arguments}


def test_the_launch_file_declares_every_setting_as_a_string(launch_file: ModuleType) -> None:
    values = declared(launch_file)
    assert list(values) == [item.name for item in fields(StackConfig)]
    assert all(isinstance(value, str) for value in values.values())
    assert values["enable_control"] == values["sim"] == "false"


@pytest.mark.parametrize("sim", ["true", "false", "False"])
def test_the_launch_file_starts_the_processes_of_the_stack(
    launch_file: ModuleType, sim: str
) -> None:
    values = {**declared(launch_file), "sim": sim, "namespace": "cell", "enable_control": "True"}
    actions = launch_file.stack(values)
    nodes = [action.named for action in actions if type(action).__name__ == "Node"]
    config = StackConfig(sim=sim == "true", namespace="cell", enable_control=True)
    assert [
        (node["name"], node["arguments"], node["parameters"], node["namespace"]) for node in nodes
    ] == [
        (p.name, ["-m", p.module], [str(p.parameter_file), p.parameters], "cell")
        for p in processes(config)
    ]
    assert all(node["remappings"] == [] for node in nodes)
    assert {node["executable"] for node in nodes} == {sys.executable}


def test_the_launch_file_refuses_a_boolean_that_is_none(launch_file: ModuleType) -> None:
    values = {**declared(launch_file), "enable_control": "yes"}
    with pytest.raises(ConfigError, match="enable_control is 'yes', expected true or false"):
        launch_file.stack(values)


def test_the_launch_file_remaps_a_camera_raw_and_compressed_in_every_process(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["ros2", "launch", "dbp_ros", "dual_arm.launch.py", "head_camera:=/camera/image_raw"]
    monkeypatch.setattr(sys, "argv", words)
    actions = launch_file.stack({**declared(launch_file), "remap": "joint_states:=/robot/states"})
    assert len(actions) == 2
    for action in actions:
        assert sorted(action.named["remappings"]) == [
            ("head_camera/image_raw", "/camera/image_raw"),
            ("head_camera/image_raw/compressed", "/camera/image_raw/compressed"),
            ("joint_states", "/robot/states"),
        ]


def test_words_of_another_launch_file_that_includes_this_one_are_not_remaps(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["ros2", "launch", "their_package", "their.launch.py", "robot:=/left", "modle:=x"]
    monkeypatch.setattr(sys, "argv", words)
    actions = launch_file.stack(declared(launch_file))
    assert all(action.named["remappings"] == [] for action in actions)


def test_a_misspelt_launch_argument_is_refused_with_the_nearest(
    launch_file: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ros2", "dual_arm.launch.py", "enable_contrl:=true"])
    with pytest.raises(ConfigError, match="is not an argument: did you mean enable_control"):
        launch_file.stack(declared(launch_file))


@pytest.mark.parametrize(
    ("argument", "value", "reason"),
    [
        ("model", "nope", "nope is not a model bundle"),
        ("real_time_factor", "0", "real_time_factor = 0.0, expected"),
        ("config", "/nowhere", "/nowhere/guard.yaml is missing"),
    ],
)
def test_the_launch_file_starts_nothing_where_something_is_wrong(
    launch_file: ModuleType, argument: str, value: str, reason: str
) -> None:
    with pytest.raises(DbpError, match=reason):
        launch_file.stack({**declared(launch_file), argument: value})


class Exit:
    """The end of a process, and the launch in which it happens."""

    def __init__(self, is_shutdown: bool) -> None:
        self.is_shutdown, self.returncode = is_shutdown, -9


def test_the_end_of_the_guard_and_of_no_other_process_ends_the_launch(
    launch_file: ModuleType,
) -> None:
    nodes = {n.named["name"]: n.named for n in launch_file.stack(declared(launch_file))}
    assert nodes["policy"]["on_exit"] is None
    with pytest.raises(RuntimeError, match=r"guard ended \(-9\): .* ending the stack"):
        nodes["guard"]["on_exit"](Exit(False), Exit(False))
    assert nodes["guard"]["on_exit"](Exit(True), Exit(True)) is None


@pytest.mark.parametrize(
    ("file", "sim"), [("compose.yaml", "sim:=${SIM:-true}"), ("compose.robot.yaml", "sim:=false")]
)
def test_a_compose_file_says_whether_the_simulated_cell_is_started(
    root: Path, file: str, sim: str
) -> None:
    document = yaml.safe_load((root / "docker" / file).read_text(encoding="utf-8"))
    words = document["services"]["stack"]["command"]
    assert words[:4] == ["ros2", "launch", "dbp_ros", "dual_arm.launch.py"]
    assert [word for word in words if word.startswith("sim:=")] == [sim]
    known = {item.name for item in fields(StackConfig)}
    # ros2 launch refuses an argument with an empty value.
    assert all(re.fullmatch(r"(\w+):=.*[^-]\}?", w)[1] in known for w in words[4:])
    assert not any(word.endswith((":=", ":-}")) for word in words)
