"""How far joints are from the exact ones on drawn people: under noise and dropouts, and as a model finds them.

``python tests/benchmarks/poses.py [--people N] [MODEL]`` prints the errors of docs/pose.md, in body heights. What a run
has kept in the folder of features is not estimated again.
"""

import argparse
from pathlib import Path

import numpy as np

from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.running.feature_cache import features_in
from actionbench.features.cache import cache_folder, compute
from actionbench.features.clip import Clips
from actionbench.features.pose import JOINTS, Pose, joint_errors
from actionbench.features.pose_model import model_digest
from actionbench.features.pose_track import EstimatedPose, disturbed

SETTINGS = ((0.0, 0.0), (0.02, 0.0), (0.05, 0.0), (0.1, 0.0), (0.0, 0.3), (0.05, 0.3))


def line(name: str, errors: list[np.ndarray], more: str = "") -> str:
    """Print mean, median and 90th percentile."""
    values = np.concatenate([error.ravel() for error in errors])
    low, high = np.percentile(values, [50, 90])
    return f"{name}: mean {values.mean():.3f}, median {low:.3f}, 90 % {high:.3f}{more}"


def estimated(model: Path, clips: Clips) -> list[Pose]:
    """Return what a model finds in each clip."""
    with features_in(cache_folder(), 2**34):
        found = list(compute(EstimatedPose(model_digest(model), model.absolute()), clips))
    return [Pose(one["joints"], one["scores"], JOINTS) for one in found]


def main() -> None:
    """Print a line for each setting."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=18)
    parser.add_argument("model", type=Path, nargs="?")
    options = parser.parse_args()
    clips = Figures(subjects=options.people, clips_per_subject=1).clips
    exact = [clip.pose for clip in clips if clip.pose is not None]
    for noise, dropout in SETTINGS:
        errors = [joint_errors(disturbed(pose, noise, dropout, seed=0), pose) for pose in exact]
        print(line(f"noise {noise:g}, dropout {dropout:g}", errors))
    if options.model:
        found = estimated(options.model, clips)
        seen = np.mean([(pose.scores >= 0.1).mean() for pose in found])
        errors = [joint_errors(one, pose) for one, pose in zip(found, exact, strict=True)]
        print(line(options.model.name, errors, f", {seen:.0%} of the joints are found"))


if __name__ == "__main__":
    main()
