"""Settings of model swaps."""

from dataclasses import dataclass

from dbp_ros.settings.fields import Settings, setting


@dataclass(frozen=True)
class SwapConfig(Settings):
    """How a model takes the place of another while the robot moves, and when it loses it again."""

    watch_model: bool = setting(True, "Take over a new model that is put into the model's folder")
    received_models: str = setting(
        "", "Folder of models received over the network; empty for .received beside the model"
    )
    kept_models: str = setting(
        "", "Folder of the last good models, for a restart; empty for .history beside the model"
    )
    kept_models_count: int = setting(
        3, "How many of the last good models are kept, 0 for none", ge=0, le=100
    )
    kept_models_mb: float = setting(
        2000.0, "Size of the kept models together, at most [MB]", ge=1.0
    )
    shadow_decisions: int = setting(
        50, "Decisions that a new model makes without effect before it commands", ge=1
    )
    shadow_max_first_step: float = setting(
        0.5,
        "How far from the measured position a new model's next command may be [rad, m]",
        ge=1e-6,
    )
    shadow_timeout_s: float = setting(
        10.0, "A new model that finds nothing to observe for this long is put off", ge=0.1
    )
    inference_budget: float = setting(
        0.75, "Share of a decision's period that its inference may take", ge=0.01
    )
    canary_s: float = setting(
        60.0,
        "A new model is watched for this long at least; limited commands are compared over half",
        ge=1.0,
        le=86400.0,
    )
    max_limited_increase: float = setting(
        0.2,
        "Rise in the share of limited commands that brings back the model before",
        ge=0.0,
    )
    success_window: int = setting(
        10, "Episodes over which the success of two models is compared", ge=1
    )
    rollback_p_value: float = setting(
        0.01,
        "Chance of so few solved episodes under equal models, below which the one before returns",
        ge=0.0,
        le=1.0,
    )
