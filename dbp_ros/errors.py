"""Exceptions for errors that the user can fix; messages give value, expectation and fix."""


class DbpError(Exception):
    """Base class of all errors that the user can fix.

    Attributes:
        exit_status: Exit status of the `dbp` command.
    """

    exit_status = 1


class ConfigError(DbpError):
    """Invalid parameter, parameter file or command line."""


class EnvError(ConfigError):
    """Environment or demonstrator of the user that is missing, unsuitable or raises."""

    exit_status = 2


class BundleError(DbpError):
    """Model bundle that is missing, damaged or made for another robot."""


class ObservationError(DbpError):
    """Sensor message that is not a valid observation."""


class ModelOutputError(ObservationError):
    """Model output with a value that is not finite."""


class CommandError(DbpError):
    """Action chunk that cannot be converted to commands."""


class EpisodeError(DbpError):
    """Recorded episode or data set that cannot be read or written."""


class TrainingError(DbpError):
    """Data or settings that training cannot start or resume with."""
