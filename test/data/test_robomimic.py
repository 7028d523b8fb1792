"""Reading and rejecting files of robomimic."""

import json

import h5py
import numpy as np
import pytest

from dbp_ros.data.formats import describe_choices, open_episodes
from dbp_ros.data.selection import Selection
from dbp_ros.errors import EpisodeError


def test_demonstrations_are_sorted_by_number(robomimic_file):
    assert open_episodes(robomimic_file).names == ("demo_2", "demo_9", "demo_10")


def test_the_default_state_is_sorted_by_name(robomimic_file, demonstrations):
    one = open_episodes(robomimic_file).read(2)
    assert one.state_names == (
        "robot0_eef_pos.0",
        "robot0_eef_pos.1",
        "robot0_gripper_qpos.0",
    )
    np.testing.assert_array_equal(one.states, demonstrations[1].state)
    np.testing.assert_array_equal(one.actions, demonstrations[1].action)
    np.testing.assert_array_equal(one.rewards, demonstrations[1].reward)
    np.testing.assert_array_equal(one.images["agentview_image"], demonstrations[1].image)
    assert one.action_names == ("actions.0", "actions.1")
    assert (one.task, one.seed, one.mode) == ("Lift", -1, "")


def test_without_the_default_keys_the_state_has_every_low_dimensional_one(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        for demo in file["data"].values():
            del demo["obs/robot0_eef_pos"], demo["obs/robot0_gripper_qpos"]
    one = open_episodes(robomimic_file).read(0)
    assert one.state_names == tuple(f"robot0_joint_vel.{column}" for column in range(3))


def test_without_the_position_of_a_gripper_no_observation_is_left_out(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        for demo in file["data"].values():
            del demo["obs/robot0_eef_pos"]
    one = open_episodes(robomimic_file).read(0)
    assert one.state_names[0] == "robot0_gripper_qpos.0"
    assert one.state_names[1:] == tuple(f"robot0_joint_vel.{column}" for column in range(3))


@pytest.fixture
def libero_file(tmp_path, demonstrations):
    path = tmp_path / "libero_demo.hdf5"
    with h5py.File(path, "w") as file:
        for number, one in enumerate(demonstrations):
            demo = file.create_group(f"data/demo_{number}")
            demo["obs/agentview_rgb"] = one.image
            demo["obs/eye_in_hand_rgb"] = 255 - one.image
            demo["obs/joint_states"] = one.state
            demo["obs/gripper_states"] = one.state[:, :2]
            demo["actions"] = one.action
    return path


def test_cameras_are_found_under_any_name(libero_file, demonstrations):
    one = open_episodes(libero_file).read(1)
    assert sorted(one.images) == ["agentview_rgb", "eye_in_hand_rgb"]
    assert one.state_names[:2] == ("gripper_states.0", "gripper_states.1")
    chosen = Selection(state=("joint_states",), images=("eye_in_hand_rgb",))
    one = open_episodes(libero_file, chosen).read(1)
    assert list(one.images) == ["eye_in_hand_rgb"]
    np.testing.assert_array_equal(one.images["eye_in_hand_rgb"], 255 - demonstrations[1].image)
    np.testing.assert_array_equal(one.states, demonstrations[1].state)


def test_groups_and_the_previous_action_among_the_observations_are_no_state(libero_file):
    with h5py.File(libero_file, "r+") as file:
        for demo in file["data"].values():
            demo["obs/actions"] = demo["actions"][()]
            demo["obs/datagen_info/eef_pose"] = np.zeros((len(demo["actions"]), 4, 4))
    one = open_episodes(libero_file).read(0)
    assert one.state_names == (
        *("gripper_states.0", "gripper_states.1"),
        *(f"joint_states.{column}" for column in range(3)),
    )


def test_a_camera_of_another_shape_is_rejected_with_those_that_fit(robomimic_file):
    chosen = Selection(images=("agentview_depth",))
    with pytest.raises(EpisodeError, match="'agentview_depth' for images: use one of agentview_im"):
        open_episodes(robomimic_file, chosen)


def test_the_state_has_the_selected_keys_in_order(robomimic_file, demonstrations):
    keys = ("robot0_joint_vel", "robot0_eef_pos")
    one = open_episodes(robomimic_file, Selection(state=keys)).read(0)
    state = demonstrations[0].state
    np.testing.assert_array_equal(one.states, np.hstack([7 * state, state[:, :2]]))


def test_the_rate_is_that_of_the_environment(robomimic_file):
    one = open_episodes(robomimic_file, Selection(step_s=0.04)).read(0)
    assert one.step_s == 1 / 25
    assert one.stamps_ns.tolist() == [0, 40_000_000, 80_000_000]
    with pytest.raises(EpisodeError, match=r"step_s is 1, .* stores a step of 0\.04 s"):
        open_episodes(robomimic_file, Selection(step_s=1.0))


def test_an_assumed_rate_is_a_choice_of_the_reader(robomimic_file):
    assert describe_choices(robomimic_file) == ()
    with h5py.File(robomimic_file, "r+") as file:
        del file["data"].attrs["env_args"]
    (choice,) = describe_choices(robomimic_file)
    assert choice.startswith("rate: 20 Hz is assumed")
    assert describe_choices(robomimic_file.parent) == (choice,)
    assert describe_choices(robomimic_file, Selection(step_s=0.5)) == ()


def test_channel_first_cameras_are_read(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        for demo in file["data"].values():
            demo["obs/front"] = np.zeros((len(demo["actions"]), 3, 8, 10), np.uint8)
    assert open_episodes(robomimic_file).read(0).images["front"].shape[1:] == (8, 10, 3)


def test_other_names_of_demonstrations_are_listed_in_the_error(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        for name in list(file["data"]):
            file.move(f"data/{name}", f"data/{name.replace('demo', 'episode')}")
    with pytest.raises(EpisodeError, match="no data/demo_0, data holds episode_10, episode_2"):
        open_episodes(robomimic_file)


def test_without_env_args_the_rate_is_selected_or_the_default(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        del file["data"].attrs["env_args"]
    assert open_episodes(robomimic_file).read(0).step_s == 1 / 20
    assert open_episodes(robomimic_file, Selection(step_s=0.5)).read(0).step_s == 0.5
    assert open_episodes(robomimic_file).read(0).task == "unknown"


def test_a_demonstration_without_any_sparse_reward_is_a_failure(robomimic_file):
    assert open_episodes(robomimic_file).read(1).outcome == "success"
    with h5py.File(robomimic_file, "r+") as file:
        file["data/demo_9/rewards"][:] = 0
    assert open_episodes(robomimic_file).read(1).outcome == "failure"


def test_a_shaped_reward_does_not_determine_success(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        arguments = {"env_name": "Lift", "env_kwargs": {"reward_shaping": True}}
        file["data"].attrs["env_args"] = json.dumps(arguments)
        file["data/demo_9/rewards"][:] = 0
    one = open_episodes(robomimic_file).read(1)
    assert (one.outcome, one.termination_reason) == ("success", "operator")


def test_missing_rewards_are_zero(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        for demo in file["data"].values():
            del demo["rewards"]
    one = open_episodes(robomimic_file).read(0)
    assert not one.rewards.any()
    assert one.outcome == "success"


def replace(path, name, values):
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_non_finite_number_is_an_error_with_demonstration_key_and_step(robomimic_file, bad):
    values = np.zeros((5, 2))
    values[3, 1] = bad
    replace(robomimic_file, "data/demo_10/obs/robot0_eef_pos", values)
    episodes = open_episodes(robomimic_file)
    episodes.read(0)
    with pytest.raises(EpisodeError, match="demo_10: robot0_eef_pos is not finite at step 3"):
        episodes.read(2)


def test_a_key_of_another_length_is_an_error_with_demonstration_and_key(robomimic_file):
    replace(robomimic_file, "data/demo_9/obs/robot0_eef_pos", np.zeros((3, 2)))
    with pytest.raises(EpisodeError, match="demo_9: robot0_eef_pos has 3 rows, expected 4"):
        open_episodes(robomimic_file).read(1)


def test_a_demonstration_without_steps_is_rejected(robomimic_file):
    replace(robomimic_file, "data/demo_9/actions", np.zeros((0, 2)))
    with pytest.raises(EpisodeError, match="demo_9: actions has no rows"):
        open_episodes(robomimic_file).read(1)


@pytest.mark.parametrize("key", ["actions", "rewards", "obs/robot0_eef_pos"])
def test_a_key_missing_in_one_demonstration_is_an_error(robomimic_file, key):
    with h5py.File(robomimic_file, "r+") as file:
        del file["data/demo_10"][key]
    with pytest.raises(EpisodeError, match=f"demo_10: no key {key.removeprefix('obs/')}"):
        open_episodes(robomimic_file).read(2)


def test_a_file_without_observations_is_rejected_with_the_fix(robomimic_file):
    with h5py.File(robomimic_file, "r+") as file:
        for demo in file["data"].values():
            del demo["obs"]
    with pytest.raises(EpisodeError, match="extract the observations"):
        open_episodes(robomimic_file)


def test_a_file_without_demonstrations_is_rejected(robomimic_file):
    with h5py.File(robomimic_file, "w") as file:
        file.create_group("data")
    with pytest.raises(EpisodeError, match="no data/demo_0"):
        open_episodes(robomimic_file)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_truncated_file_is_an_error(robomimic_file, share):
    whole = robomimic_file.read_bytes()
    robomimic_file.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EpisodeError, match=r"demo\.hdf5 cannot be read"):
        open_episodes(robomimic_file)


@pytest.mark.parametrize("text", ["{", "[]", '{"env_kwargs": {"control_freq": 0}}'])
def test_invalid_env_args_are_an_error(robomimic_file, text):
    with h5py.File(robomimic_file, "r+") as file:
        file["data"].attrs["env_args"] = text
    with pytest.raises(EpisodeError, match=r"demo\.hdf5"):
        open_episodes(robomimic_file)


def test_what_is_not_read_of_a_demonstration_is_listed(robomimic_file):
    unused = open_episodes(robomimic_file).unused
    assert unused == {"agentview_depth": (6, 8, 1), "dones": (), "robot0_joint_vel": (3,)}
