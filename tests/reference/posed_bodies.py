"""A body whose joints are known."""

import numpy as np

from actionbench.features.pose import JOINTS

# In body heights, down from the ground: a drawn body of height 1 whose joints are where ours are.
STANDING = np.array(
    [
        [0, -0.92],
        [0, -0.825],
        *([x, y] for x in (0.1, -0.1) for y in (-0.8, -0.63, -0.47)),
        *([x, y] for x in (0.05, -0.05) for y in (-0.525, -0.28, -0.035)),
    ]
)


def person(n_frames, *, height=50.0, x=40.0, swing=0.0, speed=0.0):
    """Return joints of somebody who stands at x, swings the left wrist and moves to the right."""
    joints = np.repeat(STANDING[None], n_frames, axis=0) * height + [x, 60.0]
    joints[:, JOINTS.index("left wrist"), 1] += swing * np.sin(np.arange(n_frames))
    joints[..., 0] += speed * np.arange(n_frames)[:, None]
    return joints
