import cv2
import numpy as np
import pytest

from actionbench.features.clip import Clip
from actionbench.features.quantities import QUANTITIES, quantities

HEIGHT, WIDTH = 120, 200


def clip(place, fps=25.0, seconds=2.0, tall=50, wide=20, scale=1, arms=None, seed=0):
    """Draw a textured figure whose top left corner at a second is ``place(second)``, perhaps with an arm."""
    rng = np.random.default_rng(seed)
    ground = np.tile(np.linspace(60, 90, WIDTH), (HEIGHT, 1))
    figure = np.kron(rng.integers(120, 250, (tall // 5, wide // 5)), np.ones((5, 5)))
    frames = []
    for second in np.arange(0, seconds, 1 / fps):
        frame = ground.copy()
        top, left = (round(x) for x in place(second))
        frame[top : top + tall, left : left + wide] = figure
        if arms is not None:
            arm = round(arms(second))
            frame[arm : arm + 6, left + wide : left + wide + 20] = 220
        frames.append(np.kron(frame, np.ones((scale, scale))))
    return Clip(np.array(frames).astype(np.uint8), fps)


def go(speed):
    return lambda second: (40, 10 + speed * second)


def test_table_names_every_number_once():
    found = quantities(clip(go(60)))
    names = [quantity.name for quantity in QUANTITIES]
    assert list(found) == names
    assert len(set(names)) == len(names)
    assert all(np.isfinite(value) for value in found.values())


def test_speed_is_in_heights_per_second():
    found = quantities(clip(go(75)))
    assert found["horizontal speed"] == pytest.approx(75 / 50, rel=0.15)
    assert found["path speed"] == pytest.approx(75 / 50, rel=0.25)
    assert found["motion speed"] == pytest.approx(75 / 50, rel=0.2)
    assert found["horizontal sweep"] == pytest.approx(0.9 * 75 * 2 / 50, rel=0.15)
    assert found["translation"] > 0.9
    assert found["vertical motion"] < 0.1


@pytest.mark.parametrize(
    "place",
    [
        lambda s: (40, 10 + 75 * s),  # crosses
        lambda s: (40, 10 + 75 * min(s, 2 - s)),  # turns round
        lambda s: (40, 10 + 75 * min(s, 1)),  # stops
    ],
)
def test_passing_speed_is_that_of_going(place):
    found = quantities(clip(place))
    assert found["passing speed"] == pytest.approx(75 / 50, rel=0.2)
    assert quantities(clip(lambda s: (40, 90 + 2 * (s > 1))))["passing speed"] < 0.15


@pytest.mark.parametrize("changes", [{"fps": 12.5}, {"fps": 50.0}, {"scale": 2}])
def test_size_and_frame_rate_hardly_matter(changes):
    expected, found = quantities(clip(go(60))), quantities(clip(go(60), **changes))
    for name in ("horizontal speed", "motion speed", "horizontal sweep", "box aspect", "foot spread"):
        assert found[name] == pytest.approx(expected[name], rel=0.25), name


def test_left_is_as_good_as_right():
    walk = clip(lambda s: (40 + 5 * np.sin(12 * s), 10 + 60 * s), arms=lambda s: 60 + 10 * np.sin(9 * s))
    found, mirrored = quantities(walk), quantities(Clip(walk.frames[:, :, ::-1], walk.fps))
    for name, value in found.items():
        assert mirrored[name] == pytest.approx(value, rel=0.1, abs=0.05), name


def test_to_and_fro_is_no_translation():
    found = quantities(clip(lambda s: (40, 80 + 25 * np.sin(2 * np.pi * s))))
    assert found["translation"] < 0.15
    assert found["coherence"] > 0.8


@pytest.mark.parametrize("frequency", [1.5, 3.0])
def test_bounce_has_its_frequency(frequency):
    bounce = clip(lambda s: (45 + 6 * np.sin(2 * np.pi * frequency * s), 90), seconds=3)
    still = clip(go(60))
    found = quantities(bounce)
    assert found["bounce frequency"] == pytest.approx(frequency, abs=0.25)
    assert found["bounce sharpness"] > 0.6
    assert found["vertical motion"] > 0.8
    assert found["bounce"] > 3 * quantities(still)["bounce"]


def test_an_arm_that_waves_repeats_and_one_that_wanders_does_not():
    places = np.cumsum(np.random.default_rng(4).uniform(-8, 8, 100))
    arms = {
        "waves": lambda s: 55 + 12 * np.sin(2 * np.pi * 1.25 * s),
        "wanders": lambda s: 55 + (places[round(25 * s)] % 40 - 20),
    }
    found = {how: quantities(clip(lambda s: (40, 90), arms=arm, seconds=3)) for how, arm in arms.items()}
    assert found["waves"]["repeat frequency"] == pytest.approx(1.25, rel=0.05)
    assert found["waves"]["repeat likeness"] > 2 * found["wanders"]["repeat likeness"]


def test_what_rests_at_times_is_uneven():
    stops = quantities(clip(lambda s: (40, 10 + 60 * min(s % 1, 0.5)), seconds=2))
    assert stops["unevenness"] > 2 * quantities(clip(go(60)))["unevenness"]


def test_arm_that_moves_high_is_upper_motion_and_one_sided():
    high = quantities(clip(lambda s: (40 + 3 * np.sin(9 * s), 90), arms=lambda s: 45 + 12 * np.sin(6 * s)))
    low = quantities(clip(lambda s: (40 + 3 * np.sin(9 * s), 90), arms=lambda s: 75 + 12 * np.sin(6 * s)))
    none = quantities(clip(lambda s: (40 + 3 * np.sin(9 * s), 90)))
    assert high["upper motion"] > low["upper motion"]
    assert high["box aspect"] > none["box aspect"] * 1.5
    assert high["symmetry"] < none["symmetry"]
    assert high["limb speed"] > none["limb speed"]


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((1, 30, 40), np.uint8),
        np.full((30, 31, 17, 3), 77, np.uint8),
        np.zeros((5, 1, 1), np.uint8),
    ],
)
def test_nothing_that_moves_measures_zero(frames):
    assert set(quantities(Clip(frames, 25.0)).values()) == {0.0}


@pytest.mark.parametrize("n_frames", [2, 3, 4, 5])
def test_shortest_motions_are_finite(n_frames):
    frames = clip(go(60)).frames[:n_frames]
    assert all(np.isfinite(value) for value in quantities(Clip(frames, 25.0)).values())


def test_noise_changes_the_numbers_little():
    clean = clip(lambda s: (40 + 4 * np.sin(12 * s), 10 + 60 * s))
    noise = np.random.default_rng(1).normal(0, 8, clean.frames.shape)
    noisy = Clip(np.clip(clean.frames + noise, 0, 255).astype(np.uint8), clean.fps)
    expected, found = quantities(clean), quantities(noisy)
    for name in ("horizontal speed", "box aspect", "translation", "coherence", "foot spread"):
        assert found[name] == pytest.approx(expected[name], rel=0.25), name


def filmed(walk, camera, seconds=2.0, fps=25.0, arms=None):
    """Film a figure before a textured ground; ``walk`` and ``camera`` say where both are, (down, right), in pixels."""
    rng = np.random.default_rng(0)
    ground = cv2.GaussianBlur(
        np.kron(rng.integers(40, 140, (50, 110)), np.ones((4, 4))).astype(np.float32), (0, 0), 1
    )
    figure = np.kron(rng.integers(120, 250, (10, 4)), np.ones((5, 5))).astype(np.float32)
    frames = []
    for second in np.arange(0, seconds, 1 / fps):
        scene = ground.copy()
        (top, left), (down, right) = walk(second), camera(second)
        shift = np.array([[1, 0, left], [0, 1, top]], np.float32)
        share = cv2.warpAffine(np.ones_like(figure), shift, scene.shape[::-1])
        scene = scene * (1 - share) + cv2.warpAffine(figure, shift, scene.shape[::-1])
        if arms is not None:
            cv2.line(scene, (left + 20, top + 15), (left + 38, round(top + 15 + arms(second))), 230.0, 5)
        view = np.array([[1, 0, right], [0, 1, down]], np.float32)
        frames.append(cv2.warpAffine(scene, view, (160, 120), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    return Clip(np.rint(frames).astype(np.uint8), fps)


PATHS = ("horizontal speed", "horizontal sweep", "path speed", "passing speed", "motion speed", "translation")


@pytest.mark.parametrize("speed", [-40, 20, 40])
@pytest.mark.parametrize("pan", ["follows", "pans", "tilts"])
def test_the_camera_does_not_count(speed, pan):
    start = 130 if speed < 0 else 60
    cameras = {
        "rests": lambda s: (30, 30),
        "follows": lambda s: (30, start - 30 + speed * s),
        "pans": lambda s: (30, 30 + speed / 2 * s),
        "tilts": lambda s: (35 + 5 * s, 30),
    }

    def walk(second):
        return 60 + 2 * np.sin(12 * second), start + speed * second

    rests, moves = (quantities(filmed(walk, cameras[name])) for name in ("rests", pan))
    for name in PATHS:
        assert moves[name] == pytest.approx(rests[name], rel=0.1), name
    assert moves["vertical sweep"] == pytest.approx(rests["vertical sweep"], abs=0.03)
    assert moves["lean"] == pytest.approx(rests["lean"], abs=0.02)
    # The box is larger than what moves, by what smoothing adds on both sides.
    assert moves["horizontal speed"] == pytest.approx(abs(speed) / 57, rel=0.1)


def test_who_waves_before_a_camera_that_pans_goes_nowhere():
    def arms(second):
        return 12 * np.sin(9 * second)

    still, panned = (
        quantities(filmed(lambda s: (60, 100), lambda s, pan=pan: (30, 20 + pan * s), arms=arms))
        for pan in (0, 25)
    )
    assert panned["horizontal speed"] < still["horizontal speed"] + 0.03
    assert panned["passing speed"] < still["passing speed"] + 0.1
