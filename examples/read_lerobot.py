"""Read a LeRobot v3.0 data set with pyarrow and PyAV only, without this package."""

import argparse
import json
from pathlib import Path

import av
import pyarrow.parquet as parquet


def main() -> None:
    """Print the features, the episodes, and the number of frames of each video."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    info = json.loads((folder / "meta/info.json").read_text(encoding="utf-8"))
    for key, feature in info["features"].items():
        print(f"{key}: {feature['dtype']} {feature['shape']}")
    rows = parquet.read_table(folder / "data", partitioning=None)
    for record in parquet.read_table(folder / "meta/episodes", partitioning=None).to_pylist():
        start, end = record["dataset_from_index"], record["dataset_to_index"]
        success = rows["next.success"][end - 1].as_py()
        print(f"episode {record['episode_index']}: {record['tasks']}, {end - start} rows, ", end="")
        print("success" if success else "failure")
    for path in sorted((folder / "videos").rglob("*.mp4")):
        with av.open(str(path)) as video:
            count = sum(1 for _ in video.decode(video=0))
        print(f"{path.relative_to(folder)}: {count} frames for {len(rows)} rows")


if __name__ == "__main__":
    main()
