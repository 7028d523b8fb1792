"""A bundle is read complete and unchanged, or refused with the fix."""

import re
from pathlib import Path

import pytest
from bundle_fixtures import edit, refusal

from dbp_ros.bundle.bundle import bundle_directory, read_bundle
from dbp_ros.bundle.manifest import MANIFEST


def test_a_bundle_is_identified_by_the_sha256_of_its_manifest(make_bundle):
    first = read_bundle(make_bundle()).sha256
    assert read_bundle(make_bundle()).sha256 == first
    assert read_bundle(make_bundle(version=2)).sha256 != first


def test_a_missing_bundle_is_refused_with_the_available_ones(make_bundle):
    sentence = refusal(make_bundle().parent / "tpy")
    assert re.search(r"tpy is not a model bundle.*known bundles: toy", sentence)


def test_a_missing_manifest_is_refused(make_bundle):
    directory = make_bundle()
    (directory / MANIFEST).unlink()
    assert re.search(r"manifest.yaml cannot be read .*known bundles: none", refusal(directory))


def test_a_missing_file_is_refused(make_bundle):
    directory = make_bundle()
    (directory / "head.onnx").unlink()
    assert "head.onnx is missing: copy the whole bundle again" in refusal(directory)


def test_a_truncated_file_is_refused(make_bundle):
    file = make_bundle() / "head.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    assert re.search("head.onnx was changed or truncated.*copy the whole", refusal(file.parent))


def test_a_file_with_one_byte_changed_is_refused(make_bundle):
    file = make_bundle() / "encoder.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert "encoder.onnx was changed or truncated" in refusal(file.parent)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_manifest_is_refused(make_bundle, share):
    path = make_bundle() / MANIFEST
    path.write_text(path.read_text()[: int(share * path.stat().st_size)])
    assert refusal(path.parent).endswith(("export the model again", "copy the whole bundle again"))


@pytest.mark.parametrize("name", ["../toy/head.onnx", "/etc/hostname", "a/b", "./head.onnx"])
def test_a_path_in_place_of_a_file_name_is_refused(make_bundle, name):
    directory = make_bundle()
    files = read_bundle(directory).manifest.files
    edit(directory, head=name, files={**files, name: files["head.onnx"]})
    assert "is not a bare file name" in refusal(directory)


@pytest.mark.parametrize("name", ["head.onnx", "proof.npz"])
def test_a_link_out_of_the_folder_is_refused_even_with_valid_content(make_bundle, name):
    directory = make_bundle()
    outside = directory.parent / f"other_{name}"
    (directory / name).rename(outside)
    (directory / name).symlink_to(outside)
    assert re.search(f"{name} is a link to .*{outside.name}", refusal(directory))


def test_a_link_to_a_file_that_the_manifest_does_not_list_is_refused(make_bundle):
    directory = make_bundle()
    (directory / "head.onnx").rename(directory / "extra.onnx")
    (directory / "head.onnx").symlink_to("extra.onnx")
    assert "head.onnx is a link to" in refusal(directory)


def test_a_bundle_of_links_into_one_folder_is_read(make_bundle):
    directory = make_bundle()
    installed = directory.parent / "installed"
    installed.mkdir()
    for file in directory.iterdir():
        (installed / file.name).symlink_to(file)
    (directory.parent / "current").symlink_to(installed)
    for folder in (installed, directory.parent / "current"):
        assert read_bundle(folder).sha256 == read_bundle(directory).sha256


def test_files_that_the_manifest_does_not_list_are_not_read(make_bundle):
    directory = make_bundle()
    (directory / "extra.onnx").write_bytes(b"no graph")
    assert "extra.onnx" not in read_bundle(directory).manifest.files


@pytest.mark.parametrize("name", ["..", ".", "", MANIFEST])
def test_a_name_that_is_not_a_file_is_refused(make_bundle, name):
    directory = make_bundle()
    files = read_bundle(directory).manifest.files
    edit(directory, files={**files, name: files["head.onnx"]})
    assert str(directory) in refusal(directory)


def test_a_bare_name_is_a_bundle_under_models_and_a_path_is_a_folder(tmp_path, root):
    assert bundle_directory("lift") == root / "models" / "lift"
    assert bundle_directory(str(tmp_path)) == tmp_path
    assert bundle_directory("~/lift") == Path.home() / "lift"


def test_a_bare_name_that_is_not_under_models_is_a_bundle_in_the_current_directory(
    make_bundle, root, monkeypatch
):
    directory = make_bundle()
    monkeypatch.chdir(directory.parent)
    assert bundle_directory(directory.name).resolve() == directory.resolve()
    (directory.parent / "lift").symlink_to(directory)
    assert bundle_directory("lift") == root / "models" / "lift"
    assert bundle_directory("./lift").resolve() == directory.resolve()
    assert bundle_directory("lft") == root / "models" / "lft"
