"""Newest observations of a robot, with history, and the checks of their age.

All times are on the steady clock. One thread adds joint states, another adds features. Both
replace a reference, so readers take no lock.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dbp_ros.bundle.manifest import Manifest
from dbp_ros.errors import ObservationError
from dbp_ros.runtime.clock_mapping import ClockMapping
from dbp_ros.runtime.stamps import StampCheck
from dbp_ros.sensing.camera_joints import frozen_image_detector
from dbp_ros.settings.policy import PolicyConfig
from dbp_ros.types import Array, Floats, Frame, seconds_to_ns

# A publisher without a message for this long has stopped, even if its last stamp is invalid.
STOPPED_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Observation:
    """Input of one inference.

    Attributes:
        positions: Joint positions, oldest first. Shape (history, nu).
        features: Features of each camera, oldest first. Shapes (history, feature_size).
        stamp_ns: Time of measurement of the newest positions.
        image_stamps_ns: Time of the newest image of each camera.
    """

    positions: Floats
    features: Mapping[str, Floats]
    stamp_ns: int
    image_stamps_ns: Mapping[str, int]

    @property
    def image_stamp_ns(self) -> int | None:
        """Time of the newest image; None for a policy without cameras."""
        return max(self.image_stamps_ns.values(), default=None)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A sensor value with its times.

    Attributes:
        value: The value.
        stamp_ns: Time of measurement on the steady clock.
        arrival_ns: Time of arrival on the steady clock.
        ros_ns: Time of measurement on the ROS clock.
        problem: Why the stamp cannot be used; empty if it can.
    """

    value: Floats
    stamp_ns: int
    arrival_ns: int
    ros_ns: int
    problem: str

    def age_ns(self, now_ns: int) -> int:
        """Return the age by stamp or by arrival, whichever is older."""
        return max(now_ns - self.stamp_ns, now_ns - self.arrival_ns)


class HistoryBuffer:
    """Newest values of one stream, as far back as the policy's history.

    The history is spaced on the ROS clock: a simulator may run at another rate.
    """

    def __init__(self, length: int, step_ns: int) -> None:
        self._length_ns = (length - 1) * step_ns
        self._ages_ns = [k * step_ns for k in reversed(range(length))]
        self._samples: tuple[Stamped, ...] = ()
        self._newest: Stamped | None = None

    @property
    def newest(self) -> Stamped | None:
        """Last value; None before the first."""
        return self._newest

    def add(self, sample: Stamped) -> None:
        """Append a value and drop those before the history.

        After a jump of the clock backwards, later values are dropped too. A value whose stamp
        cannot be used becomes `newest` but is not part of a history.
        """
        if not sample.problem:
            samples, first = self._samples, 0
            if samples and samples[-1].ros_ns >= sample.ros_ns:
                samples = tuple(s for s in samples if s.ros_ns < sample.ros_ns)
            samples = (*samples, sample)
            until_ns = sample.ros_ns - self._length_ns
            while first + 1 < len(samples) and samples[first + 1].ros_ns <= until_ns:
                first += 1
            self._samples = samples[first:]
        self._newest = sample

    def history(self, newest: Stamped) -> Floats:
        """Return the values closest to each time of the history, oldest first.

        Args:
            newest: Last value of the history; later arrivals are ignored.
        """
        if len(self._ages_ns) == 1:
            return newest.value[None]
        samples = self._samples
        times_ns = [newest.ros_ns - age_ns for age_ns in self._ages_ns]
        nearest = [min(samples, key=lambda s: abs(s.ros_ns - time_ns)) for time_ns in times_ns]
        return np.stack([sample.value for sample in nearest])


class ObservationBuffer:
    """Newest sensor values of one robot, as observations for one model."""

    def __init__(
        self, manifest: Manifest, config: PolicyConfig, clocks: ClockMapping | None = None
    ) -> None:
        """Start empty.

        Args:
            manifest: Defines the model's inputs.
            config: Maximum ages.
            clocks: Relation of the steady clock to that of the stamps, on which the history is
                spaced; the same clock if None.
        """
        self._clocks = clocks or ClockMapping()
        step_ns, length = seconds_to_ns(manifest.history.step_s), manifest.history.length
        self._positions = HistoryBuffer(length, step_ns)
        self._features = {name: HistoryBuffer(length, step_ns) for name in manifest.camera_names}
        self._frozen = {
            name: frozen_image_detector(name, manifest.joints, config)
            for name in manifest.camera_names
        }
        self._position_max_age_ns = seconds_to_ns(config.joint_state_max_age_s)
        self._image_max_age_ns = seconds_to_ns(config.image_max_age_s)
        self._position_stamps = StampCheck("joint_states", self._position_max_age_ns)
        self._image_stamps = {
            name: StampCheck(name, self._image_max_age_ns) for name in manifest.camera_names
        }

    def add_joint_state(self, positions: Floats, stamp_ns: int, arrival_ns: int) -> None:
        """Add measured joint positions. Shape (nu,), in the order of the model's joints."""
        self._positions.add(self._stamped(self._position_stamps, positions, stamp_ns, arrival_ns))

    def add_features(self, camera: str, frame: Frame, features: Floats, arrival_ns: int) -> None:
        """Add the features of an image. Shape (feature_size,)."""
        joint_state = self._positions.newest
        if joint_state is not None:
            self._frozen[camera].add_image(frame.image, joint_state.value, arrival_ns)
        self._features[camera].add(
            self._stamped(self._image_stamps[camera], features, frame.stamp_ns, arrival_ns)
        )

    @property
    def warning(self) -> str:
        """Cameras that are used although their image repeats while the arms move; empty if none."""
        cameras = [name for name, d in self._frozen.items() if d.suspect and not d.frozen]
        if not cameras:
            return ""
        return (
            f"{', '.join(cameras)} sends the same image while the arms move: frozen, or a still "
            "scene (see camera_joints)"
        )

    def frozen_images(self) -> dict[str, int]:
        """Return how often each camera was refused as frozen."""
        return {name: detector.refusals for name, detector in self._frozen.items()}

    def clear_frozen_images(self) -> None:
        """Set the counts of `frozen_images` to zero."""
        for detector in self._frozen.values():
            detector.refusals = 0

    def get_observation(self, now_ns: int) -> Observation:
        """Return the newest observation.

        Raises:
            ObservationError: If a stream is missing, stale, frozen, or its stamps cannot be used;
                the text is constant while the cause is.
        """
        joint_state = self._fresh(
            "joint_states", self._positions.newest, self._position_max_age_ns, now_ns
        )
        image_stamps_ns, features = {}, {}
        for camera, stream in self._features.items():
            image = self._fresh(camera, stream.newest, self._image_max_age_ns, now_ns)
            if self._frozen[camera].frozen:
                raise ObservationError(
                    f"{camera} is frozen: its image stays the same while the arms move; restart "
                    f"its driver, or set camera_joints for {camera} if nothing in its view moves"
                )
            image_stamps_ns[camera], features[camera] = image.stamp_ns, stream.history(image)
        return Observation(
            positions=self._positions.history(joint_state),
            features=features,
            stamp_ns=joint_state.stamp_ns,
            image_stamps_ns=image_stamps_ns,
        )

    def _stamped(self, check: StampCheck, value: Floats, stamp_ns: int, arrival_ns: int) -> Stamped:
        problem = check.problem(stamp_ns, arrival_ns, self._clocks.slowdown)
        return Stamped(value, stamp_ns, arrival_ns, self._clocks.ros_ns(stamp_ns), problem)

    def _fresh(self, name: str, sample: Stamped | None, max_age_ns: int, now_ns: int) -> Stamped:
        """Return a sample unless it is missing or stale; the maximum age is in simulated time."""
        if sample is None:
            raise ObservationError(f"{name} is missing: nothing was received yet")
        slowdown = self._clocks.slowdown
        if sample.problem and now_ns - sample.arrival_ns <= STOPPED_NS * slowdown:
            raise ObservationError(sample.problem)
        if sample.problem or sample.age_ns(now_ns) > max_age_ns * slowdown:
            raise ObservationError(
                f"{name} is stale: older than {max_age_ns / 1e6:.0f} ms, and nothing newer has "
                "arrived"
            )
        return sample


def to_float32(positions: Array) -> Floats:
    """Return measured positions as float32, the input type of a model.

    Args:
        positions: In [rad] and [m], finite. Shape (nu,).

    Raises:
        ObservationError: If a position overflows float32, which would make the output non-finite.
    """
    with np.errstate(over="ignore"):
        rounded: Floats = positions.astype(np.float32)
    if not np.isfinite(rounded).all():
        largest = float(np.abs(positions).max())
        raise ObservationError(f"joint_states has a position of {largest:.3g}, expected [rad, m]")
    return rounded
