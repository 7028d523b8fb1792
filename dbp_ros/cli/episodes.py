"""`dbp episodes`: the table of its verbs."""

from dbp_ros.cli.command import Register, Verb

DATA = ("data",)
VERBS = (
    Verb("episodes list", "list the episodes of a data set", DATA),
    Verb("episodes show", "draw images, joints and rewards of episodes", DATA),
    Verb("episodes check", "find faults in the episodes of a data set", DATA),
    Verb("episodes label", "set outcome and task of episodes, or discard some", DATA),
    Verb("episodes trim", "set where an episode starts and ends", DATA),
    Verb("episodes merge", "join data sets into a new one", DATA),
    Verb("episodes split", "distribute a data set over new ones", DATA),
    Verb("episodes export", "write a data set for LeRobot, robomimic or as bags", DATA),
    Verb("episodes replay", "compute recorded decisions again and compare them", DATA),
)


def load(verb: str) -> Register:
    """Import the module of a verb and return its `register` function."""
    match verb:
        case "episodes list":
            from dbp_ros.cli.episodes_list import register
        case "episodes show":
            from dbp_ros.cli.episodes_show import register
        case "episodes check":
            from dbp_ros.cli.episodes_check import register
        case "episodes label":
            from dbp_ros.cli.episodes_label import register
        case "episodes trim":
            from dbp_ros.cli.episodes_trim import register
        case "episodes merge":
            from dbp_ros.cli.episodes_merge import register
        case "episodes split":
            from dbp_ros.cli.episodes_split import register
        case "episodes export":
            from dbp_ros.cli.episodes_export import register
        case "episodes replay":
            from dbp_ros.cli.episodes_replay import register
        case _:
            raise KeyError(verb)
    return register
