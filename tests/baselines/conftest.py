import numpy as np
import pytest

from actionbench.features.cache import FeatureCache, use_cache
from actionbench.features.clip import Clip, Clips


@pytest.fixture(scope="session", autouse=True)
def features(tmp_path_factory):
    """Compute the features of the clips below once for all tests."""
    with use_cache(FeatureCache(tmp_path_factory.mktemp("features"), 2**30, lambda _: "")):
        yield


def figure(action, actor, fps=25.0, n_frames=20, shape=(44, 70)):
    """Draw a textured figure that goes, bounces or waves an arm; actors differ in size, place, tempo and view."""
    rng = np.random.default_rng(100 + actor)
    tall, wide, tempo = 18 + 2 * (actor % 4), 8 + actor % 3, rng.uniform(0.9, 1.1)
    body = rng.integers(120, 250, (tall, wide))
    frames = np.tile(rng.integers(50, 80, shape).astype(float), (n_frames, 1, 1))
    for index, frame in enumerate(frames):
        second = tempo * index / fps
        left = round(4 + 50 * second) if action == "go" else 30
        top = round(11 + 5 * np.sin(14 * second)) if action == "bounce" else 11
        frame[top : top + tall, left : left + wide] = body
        if action == "wave":
            arm = round(10 + 8 * np.sin(11 * second))
            frame[arm : arm + 5, left + wide : left + wide + 16] = 230
    frames += rng.normal(0, 1.5, frames.shape)
    frames = frames[:, :, ::-1] if actor % 2 else frames
    return Clip(np.clip(frames, 0, 255).astype(np.uint8), fps)


@pytest.fixture(scope="session")
def figures():
    """Clips, labels and groups: three actions of six actors."""
    rows = [(action, actor) for actor in range(6) for action in ("bounce", "go", "wave")]
    clips = Clips.of([figure(*row) for row in rows])
    labels, groups = (np.array(column) for column in zip(*rows, strict=True))
    return clips, labels, groups.astype(str)


@pytest.fixture(scope="session")
def odd_clips():
    """Clips that are hard to describe: one frame, no motion, tiny, coloured, odd sizes, any frame rate."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (9, 33, 47, 3)).astype(np.uint8)
    return Clips.of(
        [
            Clip(noise[:1], 25.0),
            Clip(np.full((12, 31, 17), 80, np.uint8), 7.5),
            Clip(noise, 120.0),
            Clip(noise[:2, :1, :1], 25.0),
            Clip(noise[:2, ..., 0], 1.0),
            figure("go", 0, fps=60.0, n_frames=41, shape=(51, 91)),
        ]
    )
