"""Names, paths and snippets of the documentation agree with the code."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from docs_pages import INLINE, PAGES, ROOT, blocks, inline_code, name, text
from test_architecture import MAY_NEED, ROS

import dbp_ros
from dbp_ros.policy import load_policy
from dbp_ros.settings.data_mapping import DataMapping
from dbp_ros.settings.fields import from_mapping
from dbp_ros.settings.policy_mapping import PolicyMapping

README_LINES = 150
DOTTED = re.compile(r"dbp_ros(\.\w+)+")
IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
FLAG = re.compile(r"--[a-z][a-z-]+")
# Top-level folders of the repository; a path below another one is made by a command.
FOLDERS = (
    *(".ci", ".github", "benchmarks", "config", "dbp_ros", "docker", "docs", "examples", "launch"),
    *("models", "test"),
)
MADE_BY_A_COMMAND = {"models/mine", "models/small", "models/act", "models/live/"}
# Terms of ros2_control, of the kernel and of other libraries.
FOREIGN = {
    *("forward_command_controller", "interface_name", "joint_state_broadcaster"),
    *("update_rate", "enforce_command_limits", "common_interfaces", "n_obs_steps"),
}
# Names of libraries by those of their modules, where they differ.
LIBRARIES = {
    "PIL": "Pillow",
    "av": "PyAV",
    "mcap_ros2": "mcap",
    "mujoco": "MuJoCo",
    "onnxruntime": "ONNX Runtime",
    "ray": "Ray",
    "rerun": "Rerun",
    "torch": "PyTorch",
}
SOURCES = ("dbp_ros", "benchmarks", "config", "launch", "docs/results", "examples")
SUFFIXES = {".py", ".yaml", ".csv", ".xacro"}


@cache
def words_of_the_code() -> set[str]:
    files = (path for folder in SOURCES for path in (ROOT / folder).rglob("*"))
    found = "\n".join(path.read_text("utf-8") for path in files if path.suffix in SUFFIXES)
    return set(re.findall(r"[\w-]+", found))


def exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_name_in_backticks_exists(page: Path) -> None:
    for code in inline_code(page):
        if DOTTED.fullmatch(code):
            assert exists(code), f"{code} does not exist"
        elif IDENTIFIER.fullmatch(code) and code not in FOREIGN:
            assert code in words_of_the_code(), f"{code} is not in the code"
        elif FLAG.fullmatch(code):
            known = words_of_the_code() | {code.replace("_", "-") for code in words_of_the_code()}
            assert code[2:] in known or code in known, f"{code} is no flag"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_path_in_backticks_exists(page: Path) -> None:
    for code in inline_code(page):
        top, slash, _ = code.partition("/")
        if (
            slash
            and top in FOLDERS
            and not set(code) & set("*<> ")
            and code not in MADE_BY_A_COMMAND
        ):
            assert (ROOT / code).exists(), f"{code} does not exist"


def test_the_architecture_lists_the_libraries_of_each_package() -> None:
    page = text(ROOT / "docs" / "explanation" / "architecture.md")
    rows = [line for line in page.splitlines() if line.startswith("|") and "`dbp_ros/" in line]
    listed = set[str]()
    for row in rows:
        parts = re.findall(r"`dbp_ros/(\w+)`", row)
        modules = set[str]().union(*(MAY_NEED.get(part, ()) for part in parts))
        needed = {"rclpy" if one in ROS else LIBRARIES.get(one, one) for one in modules}
        assert set(row.split(" | ")[-1].strip(" |").split(", ")) - {"numpy", "PyYAML"} == needed
        listed |= set(parts)
    assert set(MAY_NEED) <= listed


def members() -> set[str]:
    found = set()
    for path in (ROOT / "dbp_ros").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.FunctionDef):
                        found.add(f"{node.name}.{item.name}")
                    if isinstance(item, ast.AnnAssign):
                        found.add(f"{node.name}.{ast.unparse(item.target)}")
    return found


def test_each_hop_of_the_walkthroughs_exists() -> None:
    rows = [line for line in text(ROOT / "docs" / "walks.md").splitlines() if line[:1] == "|"]
    code = {found for row in rows for found in INLINE.findall(row)}
    files = {one for one in code if one.endswith(".py")}
    calls = {one for one in code if re.fullmatch(r"[A-Z]\w+\.\w+", one)}
    assert len(files) > 10 < len(calls)
    assert not [file for file in files if not (ROOT / "dbp_ros" / file).is_file()]
    assert calls <= members()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_python_snippet_runs(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks(page, "python"):
        policy = load_policy("lift")
        images = {camera: np.zeros((84, 84, 3), np.uint8) for camera in policy.cameras}
        positions = np.zeros(len(policy.joints), np.float32)
        values = {"positions": positions, "images": images}
        exec(compile(block, name(page), "exec"), values)
        if page.name == "README.md":
            assert values["chunk"].shape == (8, 14)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_snippet_of_another_language_is_unchecked(page: Path) -> None:
    languages = set(re.findall(r"^```(\S+)$", text(page), re.MULTILINE))
    known = {"{toctree}", "{glossary}", "{eval-rst}", "sh", "python", "text", "yaml"}
    assert known >= languages


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=name)
def test_yaml_is_a_mapping_of_data_or_of_a_policy(page: Path) -> None:
    for block in blocks(page, "yaml"):
        match yaml.safe_load(block):
            case {"data": values, **rest}:
                assert not rest
                from_mapping(DataMapping, values)
            case mapping:
                from_mapping(PolicyMapping, mapping)


def test_the_new_names_of_the_changelog_exist() -> None:
    renamed = re.findall(r"\* ``(\w+)`` is ``(\w+)``$", text(ROOT / "CHANGELOG.rst"), re.MULTILINE)
    assert len(renamed) > 30
    sources = (*(ROOT / "dbp_ros").rglob("*.py"),)
    fields = "\n".join(path.read_text("utf-8") for path in sources)
    for _, new in renamed:
        assert re.search(rf"^    {new}: .* = setting\(", fields, re.MULTILINE), new


def test_the_readme_is_short() -> None:
    assert len(text(ROOT / "README.md").splitlines()) <= README_LINES


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == dbp_ros.__version__
    assert "2604.03540" in citation["references"][0]["url"]


def test_the_workflow_runs_make_targets_only(root: Path) -> None:
    (workflow,) = (root / ".github" / "workflows").glob("*.yml")
    job = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]["checks"]
    run = [step["run"] for step in job["steps"] if "run" in step]
    assert run == ["make check", "make test", "make docs"]


def test_the_glossary_is_sorted() -> None:
    glossary = blocks(ROOT / "docs" / "reference" / "glossary.md", "{glossary}")[0]
    terms = [line for line in glossary.splitlines() if line and not line.startswith(" ")]
    assert terms == sorted(terms, key=str.lower)
    assert len(terms) > 30
