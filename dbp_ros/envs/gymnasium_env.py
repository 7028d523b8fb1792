"""Environments of gymnasium: of its registry, or of a module of the user."""

from dataclasses import replace
from typing import Any

import numpy as np

from dbp_ros.envs.column_names import offered_names, rename, require_view
from dbp_ros.envs.control_step import control_step
from dbp_ros.envs.env import CameraView, Env, IOSpec, StepResult
from dbp_ros.envs.make_env import make_env
from dbp_ros.envs.spaces import ActionLayout, ObservationLayout
from dbp_ros.envs.user_code import user_code
from dbp_ros.errors import EnvError
from dbp_ros.sensing.image_size import resize
from dbp_ros.settings.environment import DEFAULT_ENV_CONFIG, EnvConfig
from dbp_ros.types import Array, Floats, Image

# Steps after which an episode without a time limit counts as endless.
ENDLESS_STEPS = 10_000
# Relative error of a policy's step as a multiple of that of the environment.
STEP_TOLERANCE = 1e-3
INFO_KEYS = ("is_success", "success")


class GymnasiumEnv(Env):
    """An environment of gymnasium, such as Hopper-v5, with its own reward and time limit."""

    def __init__(
        self, env_id: str, config: EnvConfig = DEFAULT_ENV_CONFIG, view: CameraView | None = None
    ) -> None:
        """Make the environment.

        Args:
            env_id: Id of gymnasium, or `MODULE:NAME`; see `make_env`.
            config: What the environment does not define itself.
            view: Columns and cameras of a policy, in its order; None for all.

        Raises:
            EnvError: If the environment cannot be made, does not define what is required, or
                differs from the view.
        """
        self._id, self._config = env_id, config
        self._env = make_env(env_id, config.max_episode_steps)
        self._observations = ObservationLayout(env_id, self._env.observation_space)
        self._actions = ActionLayout(env_id, self._env.action_space)
        self.step_s, self.step_source = control_step(env_id, self._env, config.step_s)
        # Size of the policy's images; those of the environment without a view.
        self._sizes: dict[str, tuple[int, int]] = {}
        every = self._io_spec()
        spec = every if view is None else self._selected(every, view)
        self.state_names, self.action_names = spec.state_names, spec.action_names
        self.cameras = spec.cameras
        self._columns = [every.state_names.index(name) for name in spec.state_names]
        self._action_columns = [spec.action_names.index(name) for name in every.action_names]
        own = dict(zip(every.cameras, self._observations.cameras, strict=True))
        self._image_names = {name: own[name] for name in spec.cameras}
        spec_of_id = self._env.spec
        self._endless = spec_of_id is None or spec_of_id.max_episode_steps is None
        self._endless &= config.max_episode_steps is None
        self._raw: Any = None
        self._steps = 0

    def _io_spec(self) -> IOSpec:
        """Return all columns and cameras under their names in the data."""
        layout, actions = self._observations, self._actions
        states = offered_names(self._id, self._env, "state_names", layout.state_names)
        commands = offered_names(self._id, self._env, "action_names", actions.names)
        self._named = states != layout.state_names or not layout.is_vector
        self._named |= bool(self._config.renamed())
        spec = IOSpec(states, commands, tuple(layout.cameras), self.step_s)
        return rename(self._id, spec, self._config.renamed())

    def _selected(self, spec: IOSpec, view: CameraView) -> IOSpec:
        """Return the columns and cameras of a view.

        Raises:
            EnvError: If the environment lacks one.
        """
        ratio = view.step_s / spec.step_s
        if abs(ratio - round(ratio)) < STEP_TOLERANCE * ratio:
            self.repeats = round(ratio)
            self.step_s = self.repeats * spec.step_s
            spec = replace(spec, step_s=self.step_s)
        require_view(self._id, spec, view, exact=not self._named)
        self._sizes = dict(view.cameras)
        actions = view.action_names or spec.action_names
        return IOSpec(view.state_names, actions, tuple(view.cameras), spec.step_s)

    def reset(self, seed: int) -> Floats:
        """Start the episode of a seed; see `Env.reset`."""
        with user_code(f"{self._id}: reset(seed={seed})"):
            self._raw, _ = self._env.reset(seed=seed)
        self._steps = 0
        return self._state()

    def step(self, action: Array) -> StepResult:
        """Do one control step; see `Env.step`.

        If the policy has longer steps than the environment, the action is repeated, and the rewards
        are added.
        """
        result = self._step(action)
        for _ in range(1, self.repeats):
            if result.terminated or result.truncated:
                break
            before, result = result, self._step(action)
            reward, success = before.reward + result.reward, before.success or result.success
            result = replace(result, reward=reward, success=success)
        return result

    def _step(self, action: Array) -> StepResult:
        command = self._actions.of_space(self.clip(action)[self._action_columns])
        with user_code(f"{self._id}: step"):
            self._raw, reward, terminated, truncated, info = self._env.step(command)
            success = self._success(info, bool(terminated), bool(truncated))
            value = float(reward)
        if not np.isfinite(value):
            raise EnvError(f"{self._id} returned the reward {value}, expected a finite number")
        self._steps += 1
        if self._endless and self._steps > ENDLESS_STEPS:
            raise EnvError(
                f"an episode of {self._id} has not ended after {ENDLESS_STEPS} steps: give "
                "--max-episode-steps, or register the environment with max_episode_steps"
            )
        return StepResult(self._state(), value, bool(terminated), bool(truncated), success)

    def clip(self, action: Array) -> Array:
        """Return the closest action within the bounds; see `Env.clip`."""
        clipped = np.empty(len(self.action_names))
        own_order = np.asarray(action, np.float64)[self._action_columns]
        clipped[self._action_columns] = self._actions.clip(own_order)
        return clipped

    def render(self) -> dict[str, Image]:
        """Return the images of the newest observation; see `Env.render`."""
        images = self._observations.images(self._raw) if self.cameras else {}
        named = {name: images[own] for name, own in self._image_names.items()}
        return {
            name: resize(image, self._sizes[name]) if name in self._sizes else image
            for name, image in named.items()
        }

    @property
    def raw_observation(self) -> Any:
        """Newest observation as the environment returned it."""
        return self._raw

    def close(self) -> None:
        """Close the environment."""
        with user_code(f"{self._id}: close"):
            self._env.close()

    def _state(self) -> Floats:
        return self._observations.state(self._raw)[self._columns]

    def _success(self, info: dict[str, Any], terminated: bool, truncated: bool) -> bool:
        """Return whether a step solved the task, by the rule of the settings."""
        rule = self._config.success
        for key in INFO_KEYS if rule == "auto" else (rule,):
            if key in info:
                self.success_source = f"info['{key}']"
                return bool(info[key])
        if rule in INFO_KEYS and (terminated or truncated):
            raise EnvError(
                f"{self._id}: info has no '{rule}' at the end of an episode, it has "
                f"{', '.join(map(str, info)) or 'no key'}: give another --success"
            )
        if rule == "truncated":
            self.success_source = rule
            return truncated and not terminated
        self.success_source = "terminated"
        return terminated and rule not in INFO_KEYS
