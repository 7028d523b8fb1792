"""Names and prose use the field's terms; words that hide them must not come back."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("dbp_ros", "benchmarks", "launch", "config", "examples", "docs", "test", ".github")

# Identifiers -> the standard term.
NAMES = {
    **dict.fromkeys(("Relay", "Team", "Runner"), "ModelSlot, SlotState, LoadedPolicy"),
    **dict.fromkeys(
        ("try_out", "dismiss", "trust", "retire"), "load_candidate, drop_candidate, ..."
    ),
    **dict.fromkeys(("attentive", "fed"), "previous_is_warm, image_consumers"),
    **dict.fromkeys(("Trial", "rehearse"), "ShadowTest, run_once"),
    **dict.fromkeys(("Probation", "chance_of_so_few"), "CanaryMonitor, fisher_p_value"),
    **dict.fromkeys(
        ("Proposals", "Failures", "ModelState", "WatchedFolder"), "Candidates, Blocklist"
    ),
    **dict.fromkeys(("Decider", "Explorer"), "PolicyRunner, ExploringRunner"),
    **dict.fromkeys(("Observer", "Stream", "Sample", "feel"), "ObservationBuffer, HistoryBuffer"),
    **dict.fromkeys(("Course", "held", "told"), "ExecutionState, current_chunk, last_decision"),
    **dict.fromkeys(("LatentWalks", "walks"), "AR1Latent"),
    **dict.fromkeys(
        ("ImagePath", "FirstSight", "Journey"), "FrameLatency, LatencyProbe, FrameTrace"
    ),
    **dict.fromkeys(("Witness", "hog", "witnesses"), "reference_loop, baseline_jitter, cpu_load"),
    **dict.fromkeys(("Pace", "patient"), "SimClock, scale_timeouts"),
    **dict.fromkeys(("Pacer", "hurry", "bell", "beforehand"), "RateLoop, trigger, event, prepare"),
    **dict.fromkeys(("placement", "Place", "share_directory"), "cpu_affinity, Role, resources"),
    **dict.fromkeys(("proof", "prove", "Proof"), "golden, self_test"),
    **dict.fromkeys(("Decision", "lasting"), "PolicyStep, stateful_topic"),
    **dict.fromkeys(("Attendance", "thinned", "Thinned", "told_with"), "segmentation, subsample"),
    **dict.fromkeys(("Recorded", "Play", "plays"), "BagEpisode, ExecutedChunk"),
    **dict.fromkeys(("Offer", "Note", "Label", "Part", "Delivery"), "Sender, Message, ChunkHeader"),
    **dict.fromkeys(("Drawing", "Drawn"), "BatchSampler, SampledBatch"),
    **dict.fromkeys(("Question", "respond", "aim", "Goal"), "TrainingBatch, predict, target"),
    **dict.fromkeys(("said", "draws"), "prediction, num_samples"),
    **dict.fromkeys(("WideStart", "slow_waves", "latent_waves", "coarse"), "NoiseSkip, dct_basis"),
    **dict.fromkeys(("Practice", "Study"), "OnlineTraining, LearnerWorker"),
    **dict.fromkeys(("Harvest", "Lessons", "lessons"), "TransitionExtractor, PPOBatch"),
    **dict.fromkeys(("Judgement", "Backlog", "judge", "judged"), "CriticEnsemble, EpisodeQueue"),
    **dict.fromkeys(("authors", "dbpo_authors", "Authors"), "published, dbpo_published"),
    **dict.fromkeys(("World", "Gym", "Moment", "Wiring", "Thing"), "Env, EnvSpec, StepResult"),
    **dict.fromkeys(
        ("law", "apart", "gone", "pull", "worth"), "distribution, difference, KL, mask"
    ),
    **dict.fromkeys(("span", "spread", "kept"), "discount, std, clipped"),
    **dict.fromkeys(
        ("clip_gradient", "judge_every", "spread_gain", "replays"), "max_grad_norm, ..."
    ),
    **dict.fromkeys(("keep_still", "executed_steps", "latent_fades"), "n_action_steps, ..."),
    **dict.fromkeys(
        ("shadow_reach", "limited_rise", "success_significance"), "rollback_p_value, ..."
    ),
}

# Keys of published formats: a field of the manifest, a key of the simulation's statistics.
FROZEN = {("dbp_ros/bundle/manifest.py", "proof"), ("dbp_ros/nodes/sim_node.py", "pictures")}

# Words in comments, docstrings, messages and pages -> what to write.
WORDS = {
    "anew": "again, new",
    "meanwhile": "at the same time",
    "beside": "next to, besides, in addition to",
    "for ever": "indefinitely",
    "somebody": "another node, a user",
    "nobody": "no node, no user",
    "whom": "which",
    "whoever": "a node that",
    "told": "received, reported, published",
    "said": "published, reported",
    "says": "reports, contains, states",
    "hears": "receives",
    "picture": "image",
    "pictures": "images",
    "by heart": "in full",
    "ours": "of this package",
    "goes on": "continues",
    "go on": "continue",
    "makes of": "computes from",
    "lives": "is in",
}
WORD = re.compile(rf"\b({'|'.join(re.escape(word) for word in WORDS)})\b", re.IGNORECASE)


def files(suffix: str) -> list[Path]:
    """Return the files with a suffix, this one excepted."""
    found = [
        *ROOT.glob(f"*{suffix}"),
        *(p for name in FOLDERS for p in (ROOT / name).rglob(f"*{suffix}")),
    ]
    return [path for path in sorted(found) if path != Path(__file__).resolve()]


def identifiers(path: Path) -> Iterator[tuple[int, str]]:
    """The names that a file defines: functions, classes, arguments, attributes, variables."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield line, node.name
        elif isinstance(node, ast.arg):
            yield line, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield line, node.id if isinstance(node, ast.Name) else node.attr


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The comments and strings of a Python file, or the lines of another one."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                for offset, line in enumerate(token.string.splitlines()):
                    yield token.start[0] + offset, line


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_hides_a_standard_term(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}: use {NAMES[name.lstrip('_')]}"
        for path in files(".py")
        if path.is_relative_to(ROOT / folder)
        for line, name in identifiers(path)
        if name.lstrip("_") in NAMES and (path.relative_to(ROOT).as_posix(), name) not in FROZEN
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("suffix", [".py", ".md", ".rst", ".yaml", ".yml"])
def test_prose_uses_the_technical_word(suffix: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]}: write {WORDS[match[0].lower()]}"
        for path in files(suffix)
        for line, text in prose(path)
        for match in WORD.finditer(text)
        if (path.relative_to(ROOT).as_posix(), match[0]) not in FROZEN
    ]
    assert not found, "\n".join(found)


def test_the_search_finds_a_name_and_prose(tmp_path: Path) -> None:
    path = tmp_path / "relapse.py"
    path.write_text('class Relay:\n    """Says what it was told."""\n')
    assert [name for _, name in identifiers(path) if name in NAMES] == ["Relay"]
    found = [match[0] for _, text in prose(path) for match in WORD.finditer(text)]
    assert found == ["Says", "told"]
