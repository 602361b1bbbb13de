"""How far joints are from the exact ones on drawn people: under noise and dropouts, and as a model finds them.

``python tests/benchmarks/poses.py [MODEL]`` prints the errors of docs/pose.md, in body heights.
"""

import sys
import time

import numpy as np

from actionbench.experiments.datasets.figures import Figures
from actionbench.features.pose import Pose, joint_errors
from actionbench.features.pose_model import load_model, model_digest
from actionbench.features.pose_track import disturbed

SETTINGS = ((0.0, 0.0), (0.02, 0.0), (0.05, 0.0), (0.1, 0.0), (0.0, 0.3), (0.05, 0.3))


def described(errors: list[np.ndarray]) -> str:
    """Print mean, median and 90th percentile."""
    values = np.concatenate([error.ravel() for error in errors])
    return f"{np.mean(values):.3f} | {np.median(values):.3f} | {np.percentile(values, 90):.3f}"


def main() -> None:
    """Print a line for each setting."""
    clips = Figures(subjects=18, clips_per_subject=1).clips
    exact: list[Pose] = [clip.pose for clip in clips if clip.pose is not None]
    print("| pose | mean | median | 90th percentile |\n|---|---|---|---|")
    for noise, dropout in SETTINGS:
        errors = [joint_errors(disturbed(pose, noise, dropout, seed=0), pose) for pose in exact]
        print(f"| noise {noise:g}, dropout {dropout:g} | {described(errors)} |")
    for file in sys.argv[1:]:
        model, seen, seconds = load_model(file, model_digest(file)), 0.0, 0.0
        errors = []
        for clip, pose in zip(clips, exact, strict=True):
            start = time.perf_counter()
            found = model.estimate(clip)
            seconds += time.perf_counter() - start
            seen += float((found.scores > 0.1).mean()) / len(clips)
            errors.append(joint_errors(found, pose))
        frames = sum(map(len, clips))
        print(f"| {model.path.name} | {described(errors)} |")
        print(f"{1000 * seconds / frames:.0f} ms a frame; {seen:.0%} of the joints are found")


if __name__ == "__main__":
    main()
