"""`dbp panel`: serve the operator's page of a running stack."""

import argparse
import os
from collections.abc import Collection
from dataclasses import dataclass

from dbp_ros.cli.node_process import node_process
from dbp_ros.cli.operator_verbs import add_namespace
from dbp_ros.errors import ConfigError
from dbp_ros.extras import install_hint, missing
from dbp_ros.runtime.supervisor import Supervisor
from dbp_ros.settings.dual_ur5e import DEFAULT_ROBOT
from dbp_ros.settings.fields import Settings, setting
from dbp_ros.settings.flags import add_settings, given_settings, settings_from
from dbp_ros.settings.panel import PanelConfig
from dbp_ros.settings.policy import ImageTransportName
from dbp_ros.stack.processes import Process, StackConfig

NODE = "panel"
PARAMETERS = ("host", "port", "image_transport", "teach_folder", "rerun")


@dataclass(frozen=True)
class PanelVerbConfig(Settings):
    """Flags of `dbp panel` except `--namespace`."""

    robot: str = setting(
        DEFAULT_ROBOT, "description of the robot: a name in config/robots/, or a file"
    )
    host: str = setting(
        PanelConfig.host,
        "address on which the page listens; any other than one of the loopback requires the token "
        "that is printed with the address",
    )
    port: int = setting(PanelConfig.port, "TCP port; 0 for a free one", ge=0, le=65535)
    image_transport: ImageTransportName = setting(
        PanelConfig.image_transport, "topics of the images: image_raw, or image_raw/compressed"
    )
    teach_folder: str = setting("", "folder of the teach tab; empty for no such tab")
    rerun: str = setting(
        "", "also stream to Rerun: a file *.rrd, spawn for a viewer, or HOST:PORT; empty for none"
    )
    remap: str = setting("", "remap rules from:=to, as in dbp up")
    use_sim_time: bool = setting(False, "use /clock, for a simulator")
    config: str = setting("", "folder of parameter files; empty for the installed ones")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the verb and its flags."""
    parser.description = (
        "Serve the operator's page of a running stack until Ctrl-C: arms, cameras and plots in a "
        "browser, emergency stop, enable, episodes, driving by hand, model and learner. One "
        "browser has control, others watch. See docs/how_to/panel.md."
    )
    add_settings(parser, PanelVerbConfig)
    add_namespace(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the node of the page until a signal.

    Raises:
        DbpError: If a setting is wrong or a library is missing.
    """
    config: PanelVerbConfig = settings_from(PanelVerbConfig, arguments)
    process = panel_process(config, given_settings(arguments), arguments.namespace)
    return Supervisor({NODE: process.command(arguments.namespace)}, os.environ, NODE).run()


def panel_process(config: PanelVerbConfig, given: Collection[str], namespace: str) -> Process:
    """Return the process of the page, with checked settings.

    Args:
        config: Flags of the verb.
        given: Names of the flags on the command line, which override a parameter file.
        namespace: Namespace of the stack.

    Raises:
        ConfigError: If a setting or a parameter file is invalid, or a library is missing.
    """
    if config.rerun and (libraries := missing("rerun")):
        library = libraries["rerun"][0]
        raise ConfigError(f"--rerun needs {library}; {install_hint(library, ('rerun',))}")
    stack = StackConfig(
        robot=config.robot,
        policy=False,
        panel=True,
        remap=config.remap,
        use_sim_time=config.use_sim_time,
        namespace=namespace,
        config=config.config,
    )
    return node_process(NODE, stack, config, given, PARAMETERS)
