"""Labels of a recording without policy steps: rewards, success and interventions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbp_ros.data.bags.bag import EpisodeEnd
from dbp_ros.data.bags.bag_topics import BagTopics
from dbp_ros.data.bags.interventions import intervention_series
from dbp_ros.data.bags.rewards import reward_series
from dbp_ros.data.bags.stamped_series import StampedSeries

# A recording without an outcome is a demonstration that its operator ended.
UNKNOWN_END = EpisodeEnd("success", "operator", 0)


@dataclass(frozen=True)
class BagLabels:
    """Labels of a recording by time of arrival.

    Attributes:
        interventions: Whether a human drives instead of a policy.
        rewards: Published rewards.
        success: Last published value, whether the task is solved; None if there is none.
    """

    interventions: StampedSeries[bool]
    rewards: StampedSeries[float]
    success: bool | None

    @property
    def end(self) -> EpisodeEnd:
        """End of a recording whose recorder stored none."""
        if self.success is None:
            return UNKNOWN_END
        outcome = "success" if self.success else "failure"
        return EpisodeEnd(outcome, outcome, 0)


def read_labels(messages: Mapping[str, Sequence[tuple[int, Any]]], topics: BagTopics) -> BagLabels:
    """Return the labels in the messages of each topic."""
    solved = [bool(message.data) for _, message in messages.get(topics.success, ())]
    return BagLabels(
        interventions=intervention_series(messages.get(topics.intervention, ())),
        rewards=reward_series(messages.get(topics.reward, ())),
        success=solved[-1] if solved else None,
    )
