"""Errors a user can read: each names the value, what was expected, and the fix."""


class DbpError(Exception):
    """Base of every error that dbp_ros raises on purpose."""


class ConfigError(DbpError):
    """A parameter, a file of parameters or a command line is wrong."""


class BundleError(DbpError):
    """A model bundle is missing, damaged, or made for another robot."""


class ObservationError(DbpError):
    """A message from the robot cannot be used as an observation."""


class AnswerError(ObservationError):
    """What a model made of an observation cannot be used: it is not finite."""


class CommandError(DbpError):
    """A chunk of actions cannot be turned into commands."""


class EpisodeError(DbpError):
    """A recorded episode or a data set cannot be read or written."""


class TrainingError(DbpError):
    """Training cannot start or go on with the data or settings given."""
