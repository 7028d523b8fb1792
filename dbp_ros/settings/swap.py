"""Settings of model swaps."""

from dataclasses import dataclass

from dbp_ros.settings.fields import Settings, setting


@dataclass(frozen=True)
class SwapConfig(Settings):
    """Settings of the hot swap of models, and of the rollback."""

    watch_model: bool = setting(True, "Load a new model that is written to the model's folder")
    received_models: str = setting(
        "", "Folder of models received over the network; empty for .received next to the model"
    )
    model_history: str = setting(
        "", "Folder of the last good models, for a restart; empty for .history next to the model"
    )
    model_history_size: int = setting(3, "Number of models in the history", ge=0, le=100)
    model_history_mb: float = setting(2000.0, "Largest size of the history [MB]", ge=1.0)
    shadow_decisions: int = setting(50, "Shadow-mode decisions before promotion", ge=1)
    shadow_max_first_step: float = setting(
        0.5,
        "Largest distance of a candidate's command from the measured position [rad, m]",
        ge=1e-6,
    )
    shadow_timeout_s: float = setting(
        10.0, "Duration without observations after which a candidate is deferred", ge=0.1
    )
    inference_budget: float = setting(
        0.75, "Largest inference time, as a share of the decision period", ge=0.01
    )
    canary_s: float = setting(
        60.0,
        "Shortest monitoring after promotion; limited commands are compared over half of it",
        ge=1.0,
        le=86400.0,
    )
    max_limited_increase: float = setting(
        0.2, "Increase of the share of limited commands that rolls back", ge=0.0
    )
    success_window: int = setting(10, "Episodes over which success rates are compared", ge=1)
    rollback_p_value: float = setting(
        0.01, "Fisher p-value of the success rates below which the swap is undone", ge=0.0, le=1.0
    )
