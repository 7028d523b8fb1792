"""Columns of a data set that are poses of a robot's hand."""

from dataclasses import MISSING, dataclass
from typing import Literal

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import Settings, setting

Rotation = Literal[
    "quaternion_xyzw",
    "quaternion_wxyz",
    "rotation_vector",
    "euler_xyz",
    "rotation_6d",
    "rotation_6d_rows",
]
# Number of columns of each rotation.
ROTATION_SIZES: dict[str, int] = {
    "quaternion_xyzw": 4,
    "quaternion_wxyz": 4,
    "rotation_vector": 3,
    "euler_xyz": 3,
    "rotation_6d": 6,
    "rotation_6d_rows": 6,
}
# Rotations that a factor scales.
ANGLES = ("rotation_vector", "euler_xyz")
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class PoseColumns(Settings):
    """Columns of the action that are the pose of an arm's hand, or a change of it.

    Inverse kinematics converts them to positions of the arm's joints, from the measured ones of
    the row on.
    """

    position: tuple[str, str, str] = setting(MISSING, "Columns of x, y and z")
    rotation: Rotation = setting(
        MISSING,
        "Kind of the rotation: rotation_vector is axis times angle in [rad], euler_xyz are angles "
        "about the fixed axes x, y, z in [rad], rotation_6d the first two columns of the matrix, "
        "rotation_6d_rows its first two rows",
    )
    rotation_columns: tuple[str, ...] = setting(MISSING, "Columns of the rotation, in order")
    kind: Literal["absolute", "delta"] = setting(
        "absolute", "Meaning: a pose, or a change of the measured pose"
    )
    unit: Literal["m", "mm"] = setting("m", "Unit of the position")
    position_scale: float = setting(
        1.0, "Factor to the unit, such as 0.05 for a change from -1 to 1", ge=1e-9
    )
    rotation_scale: float = setting(1.0, "Factor to [rad] for angles", ge=1e-9)
    frame: str = setting("", "Fixed link in whose frame the poses are; empty for the arm's base")
    delta_frame: Literal["frame", "hand"] = setting(
        "frame", "Axes of a change: those of frame, or of the measured hand"
    )
    offset: Triple = setting((0.0, 0.0, 0.0), "Position of the tip in the recorded hand [m]")
    offset_rpy: Triple = setting(
        (0.0, 0.0, 0.0), "Rotation of the tip in the recorded hand: roll, pitch, yaw [rad]"
    )
    tolerance_m: float = setting(0.002, "Largest distance to a recorded position [m]", ge=1e-6)
    tolerance_rad: float = setting(0.02, "Largest angle to a recorded rotation [rad]", ge=1e-6)

    def __post_init__(self) -> None:
        """Check that all columns are given, and values that depend on each other."""
        super().__post_init__()
        size = ROTATION_SIZES[self.rotation]
        if len(self.rotation_columns) != size:
            raise ConfigError(
                f"rotation_columns has {len(self.rotation_columns)} columns, expected {size} for "
                f"{self.rotation}"
            )
        if self.rotation_scale != 1.0 and self.rotation not in ANGLES:
            raise ConfigError(
                f"rotation_scale is {self.rotation_scale:g} with {self.rotation}, expected 1: only "
                f"{' and '.join(ANGLES)} are scaled"
            )
        for column in self.columns:
            if self.columns.count(column) > 1:
                raise ConfigError(f"column {column} is used twice, expected different columns")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns."""
        return (*self.position, *self.rotation_columns)
