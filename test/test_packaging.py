"""Package metadata, the wheel and the colcon installation."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import dbp_ros
from dbp_ros.cli.bench import MISSING
from dbp_ros.resources import resource_directory

NODES = Path(dbp_ros.__file__).parent / "nodes"
EXECUTABLES = ["dbp", *(p.stem for p in NODES.glob("*_node.py") if "\ndef main(" in p.read_text())]


def test_all_version_numbers_are_equal(root: Path) -> None:
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


def source_files(root: Path) -> list[str]:
    """Return the files of the project; without git, as in a container, all but hidden folders."""
    if not (root / ".git").exists():
        paths = (path.relative_to(root) for path in root.rglob("*"))
        return [str(path) for path in paths if not any(p.startswith(".") for p in path.parts[:-1])]
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    files = subprocess.run(listed, cwd=root, check=True, capture_output=True).stdout
    return [*filter(None, files.decode().split("\0"))]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files under version control: a build writes files next to setup.py."""
    origin = Path(__file__).resolve().parent.parent
    copy = tmp_path_factory.mktemp("workspace") / "src" / "dbp_ros"
    copy.mkdir(parents=True)
    for name in source_files(origin):
        if (origin / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((origin / name).read_bytes())
    return copy


def shared_files(source: Path) -> list[str]:
    """Return the files to install under share/dbp_ros."""
    folders = [
        path for name in ("config", "launch", "models") for path in (source / name).rglob("*")
    ]
    return ["package.xml", *(str(p.relative_to(source)) for p in folders if p.is_file())]


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True)
    (path,) = folder.glob("dbp_ros-*.whl")
    return zipfile.ZipFile(path)


def test_the_benchmarks_are_not_installed(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    assert not any(name.startswith("benchmarks/") for name in wheel.namelist())
    wheel.extractall(tmp_path)
    command = [sys.executable, "-m", "dbp_ros.cli", "bench", "rate"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{MISSING}\n"


def test_a_wheel_contains_the_package_and_its_resources(
    source: Path, wheel: zipfile.ZipFile
) -> None:
    names = set(wheel.namelist())
    data = f"dbp_ros-{dbp_ros.__version__}.data/data/share"
    assert {f"{data}/dbp_ros/{name}" for name in shared_files(source)} <= names
    assert f"{data}/ament_index/resource_index/packages/dbp_ros" in names
    inside = [path for path in (source / "dbp_ros").rglob("*") if path.is_file()]
    assert {str(path.relative_to(source)) for path in inside} <= names


@pytest.mark.parametrize("options", [[], ["--symlink-install"]], ids=["copied", "linked"])
def test_colcon_installs_executables_and_resources(
    source: Path, tmp_path: Path, options: list[str]
) -> None:
    pytest.importorskip("colcon_core")
    # colcon would take the ROS variables of this process for an underlying workspace.
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
    commands = f". {tmp_path}/install/setup.bash; command -v dbp; {sys.executable} -c '{where}'"
    found = subprocess.run(
        ["bash", "-c", commands], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    dbp, directory = found.stdout.splitlines()
    assert dbp == str(prefix / "lib" / "dbp_ros" / "dbp")
    assert Path(directory) in (source, prefix / "share" / "dbp_ros"), found.stderr


def test_the_python_snippets_of_the_makefile_run(root: Path) -> None:
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    snippets = set(re.findall(r"\$\(RUN\)/python -c '([^']*dbp_ros[^']*)'", makefile))
    assert len(snippets) >= 2
    for snippet in snippets:
        result = subprocess.run(
            [sys.executable, "-c", snippet.replace("$$", "$")], capture_output=True, text=True
        )
        assert "Traceback" not in result.stderr, result.stderr
