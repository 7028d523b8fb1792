"""Conformance of every data format."""

import json
import sys
from hashlib import sha256
from subprocess import run

import numpy as np
import pytest

from dbp_ros.data.bags.bag_set import BagSet
from dbp_ros.data.episode import episode_path, write_episode
from dbp_ros.data.formats import FORMATS, open_episodes
from dbp_ros.data.selection import Selection, choose
from dbp_ros.data.subsample import SubsampledEpisodes
from dbp_ros.errors import EpisodeError

DATA_SETS = (
    "recordings",
    "robomimic_file",
    "replay_buffer",
    "zipped_replay_buffer",
    "lerobot_folder",
    "bag_folder",
    "policy_bag_folder",
)


@pytest.fixture(params=DATA_SETS)
def path(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def episodes(path):
    return open_episodes(path)


def test_a_set_has_a_name_for_each_episode(episodes):
    assert episodes.origin
    assert len(episodes) == len(episodes.names) == len(set(episodes.names)) == 3


def test_every_episode_can_be_read_and_has_steps(episodes):
    for index in range(len(episodes)):
        assert len(episodes.read(index)) > 0


def test_episodes_of_a_set_have_the_same_columns_cameras_and_rate(episodes):
    first, *others = map(episodes.read, range(len(episodes)))
    for other in others:
        assert other.state_names == first.state_names
        assert other.action_names == first.action_names
        assert other.step_s == first.step_s > 0
        assert other.images.keys() == first.images.keys()
        assert other.points.keys() == first.points.keys()


def test_numbers_are_float32_and_images_uint8(episodes):
    one = episodes.read(0)
    for values in (one.states, one.actions, one.rewards, *one.points.values()):
        assert values.dtype == np.float32
    assert one.stamps_ns.dtype == np.int64
    assert {pixels.dtype for pixels in one.images.values()} == {np.dtype(np.uint8)}


def test_names_of_columns_are_unique_and_stamps_increase(episodes):
    one = episodes.read(1)
    assert len(set(one.state_names)) == len(one.state_names)
    assert len(set(one.action_names)) == len(one.action_names)
    assert (np.diff(one.stamps_ns) > 0).all()


def test_reading_is_independent_of_the_order(episodes):
    episodes.read(2)
    once, again = episodes.read(1), episodes.read(1)
    np.testing.assert_array_equal(once.states, again.states)
    np.testing.assert_array_equal(once.actions, again.actions)


def test_an_index_after_the_last_is_an_error(episodes):
    with pytest.raises(IndexError):
        episodes.read(len(episodes))


def test_the_hash_of_a_set_is_stable(episodes):
    assert episodes.sha256() == episodes.sha256()
    assert len(bytes.fromhex(episodes.sha256())) == 32


def test_a_changed_byte_changes_the_hash(path):
    before = open_episodes(path).sha256()
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    largest = max(files, key=lambda one: one.stat().st_size)
    whole = bytearray(largest.read_bytes())
    whole[len(whole) // 2] ^= 1
    episodes = open_episodes(path)
    largest.write_bytes(whole)
    assert episodes.sha256() != before


def test_the_hash_of_recordings_is_that_of_the_sorted_hashes_of_the_files(recordings):
    hashes = sorted(sha256(path.read_bytes()).hexdigest() for path in recordings.iterdir())
    assert open_episodes(recordings).sha256() == sha256("\n".join(hashes).encode()).hexdigest()


@pytest.mark.parametrize("field", ["state", "images", "points"])
def test_an_unknown_key_is_an_error_that_lists_the_known_ones(path, field):
    with pytest.raises(EpisodeError, match=f"'colour' for {field}: use one of"):
        open_episodes(path, Selection(**{field: ("colour",)})).read(0)


def test_an_unknown_action_is_an_error_that_lists_the_known_ones(path):
    with pytest.raises(EpisodeError, match="'torque' for action: use one of"):
        open_episodes(path, Selection(action="torque"))


def test_only_the_action_can_be_selected(path):
    one = open_episodes(path, Selection(state=(), images=(), points=())).read(0)
    assert one.states.shape == (len(one), 0)
    assert one.actions.any()
    assert not one.images
    assert not one.points


def test_keys_that_are_not_read_are_listed_with_the_shape_of_a_row(path):
    every = open_episodes(path)
    few = open_episodes(path, Selection(state=(), images=(), points=()))
    one = every.read(0)
    sensors = {**one.images, **one.points}
    assert sensors or one.states.size
    for name, rows in sensors.items():
        assert name not in every.unused
        # A bag lists its topics, of which some belong to a key.
        if not isinstance(every, BagSet):
            assert few.unused[name] == rows.shape[1:]
    assert set(every.unused) < set(few.unused)


def test_wrappers_list_what_is_not_read(recordings):
    chosen = Selection(state=("c", "a"), points=())
    unused = SubsampledEpisodes(open_episodes(recordings, chosen), 2).unused
    assert unused == {"b": (), "head_depth": (7, 6)}


def test_a_duplicate_key_is_rejected():
    with pytest.raises(EpisodeError, match="state names elbow twice"):
        Selection(state=("elbow", "wrist", "elbow"))


@pytest.mark.parametrize("step_s", [0.0, -1.0, float("nan"), float("inf")])
def test_step_s_must_be_positive_and_finite(step_s):
    with pytest.raises(EpisodeError, match="expected seconds above 0"):
        Selection(step_s=step_s)


def test_keys_keep_the_order_of_the_selection():
    assert choose("state", ("b", "a"), ("a",), ("a", "b")) == ("b", "a")


def test_an_unknown_format_is_an_error_that_lists_the_known_ones(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(EpisodeError) as error:
            open_episodes(path)
        assert all(known.layout in str(error.value) for known in FORMATS)


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(EpisodeError, match="does not exist"):
        open_episodes(tmp_path / "gone")


def opened_after(statement, path):
    """Open a data set after a statement in a new process, which prints the error."""
    script = (
        f"import sys; {statement}\n"
        "from pathlib import Path\n"
        "from dbp_ros.data.formats import open_episodes\n"
        "from dbp_ros.errors import EpisodeError\n"
        "try:\n    open_episodes(Path(sys.argv[1]))\n"
        "except EpisodeError as error:\n    print(error)\n"
    )
    return run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)


def test_a_missing_library_is_an_error_with_the_fix(robomimic_file):
    # A new process, in which the library cannot be imported.
    done = opened_after(
        "sys.modules['h5py'] = None\n"
        "import dbp_ros.extras; dbp_ros.extras.has_system_ros = lambda: False",
        robomimic_file,
    )
    assert done.stdout.strip() == (
        "reading HDF5 (robomimic, LIBERO, ALOHA) needs h5py; from the clone: pip install '.[data]'"
    )


def test_recordings_have_the_selected_columns(recordings, episode):
    one = open_episodes(recordings, Selection(state=("c", "a"), points=())).read(0)
    assert one.state_names == ("c", "a")
    np.testing.assert_array_equal(one.states, episode.states[:, [2, 0]])
    assert one.images.keys() == {"head_camera"}
    assert not one.points


def test_another_step_than_that_of_recordings_is_an_error(recordings):
    assert open_episodes(recordings, Selection(step_s=0.0333)).read(0).step_s == 1 / 30
    with pytest.raises(EpisodeError, match=r"step_s is 0.1, .* stores a step of 0.03333 s"):
        open_episodes(recordings, Selection(step_s=0.1)).read(0)


def test_a_damaged_recording_is_an_error_with_its_file(recordings):
    path = episode_path(recordings, 1)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(EpisodeError, match="episode_000001"):
        open_episodes(recordings).read(1)


def test_the_hash_of_recordings_is_independent_of_their_names(recordings, episode):
    before = open_episodes(recordings).sha256()
    episode_path(recordings, 0).rename(episode_path(recordings, 9))
    assert open_episodes(recordings).sha256() == before
    write_episode(episode_path(recordings, 10), episode)
    assert open_episodes(recordings).sha256() != before


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        ("ImportError('numpy.core.multiarray failed to import')", "ImportError: numpy.core"),
        ("AttributeError('_ARRAY_API not found')", "AttributeError: _ARRAY_API not found"),
        ("ValueError('numpy.dtype size changed')", "ValueError: numpy.dtype size changed"),
    ],
)
def test_a_library_of_another_numpy_is_one_sentence_with_the_fix(
    lerobot_folder, tmp_path, raised, reason
):
    # A new process, in which another pyarrow is found first.
    broken = tmp_path / "libraries" / "pyarrow"
    broken.mkdir(parents=True)
    advice = "import sys\nsys.stderr.write('A module that was compiled with NumPy 1.x ...\\n')\n"
    (broken / "__init__.py").write_text(f"{advice}raise {raised}\n")
    done = opened_after(f"sys.path.insert(0, {str(broken.parent)!r})", lerobot_folder)
    assert done.stderr == ""
    assert done.stdout.startswith(
        "reading LeRobot v2 and v3 needs pyarrow, which cannot be imported"
    )
    assert f"with NumPy {np.__version__} ({reason}" in done.stdout
    assert done.stdout.endswith("pip install --upgrade pyarrow numpy\n")


def test_an_error_of_a_reader_is_not_taken_for_that_of_an_import(lerobot_folder):
    info = {"codebase_version": "v3.0", "fps": 1, "features": {"a": 1}}
    (lerobot_folder / "meta" / "info.json").write_text(json.dumps(info))
    with pytest.raises(EpisodeError, match="cannot be read"):
        open_episodes(lerobot_folder)


def test_sets_in_a_folder_and_the_folder_of_a_file_are_suggested(tmp_path):
    for name in ("first", "second"):
        (tmp_path / "sets" / name).mkdir(parents=True)
        np.savez(tmp_path / "sets" / name / "0.npz", state=np.zeros((3, 1)))
    with pytest.raises(EpisodeError, match="give one of the data sets in it: first, second"):
        open_episodes(tmp_path / "sets")
    with pytest.raises(EpisodeError, match=r"give its folder .*first"):
        open_episodes(tmp_path / "sets" / "first" / "0.npz")
