import numpy as np
import pytest

from actionbench.experiments.datasets.figures import Figures
from actionbench.features.clip import Clip
from actionbench.features.motion import observe
from actionbench.features.similarity import first_period, lag_similarity, repetition


def swing(period, n_frames=75, every=1, speed=0.0, turns=False, seconds=0.0):
    """Draw somebody whose arm goes up and down once in a period, who may walk, and turn half-way."""
    body = np.random.default_rng(0).integers(120, 250, (60, 20))
    frames = np.full((n_frames, 120, 200), 60, np.uint8)
    for index, frame in enumerate(frames):
        second = index / 25
        back = turns and index >= n_frames // 2
        walked = (n_frames / 25 - second) if back else second
        left = round(60 + speed * walked)
        arm = round(62 + 16 * np.sin(2 * np.pi * (second + seconds) / period))
        frame[45:105, left : left + 20] = body[:, ::-1] if back else body
        frame[arm : arm + 8, slice(left - 24, left) if back else slice(left + 20, left + 44)] = 230
    return Clip(frames[::every], 25.0 / every)


def circle(period, n_frames=100):
    """Return points that go round a circle once in a period of frames."""
    angles = 2 * np.pi * np.arange(n_frames) / period
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def found(clip):
    return repetition(observe(clip))


def test_likeness_is_that_of_all_pairs():
    rows = np.random.default_rng(1).normal(size=(30, 5)) + 100
    centred = rows - rows.mean(axis=0)
    alike = lag_similarity(rows, 20)
    for lag in (0, 1, 7, 20):
        pairs = [(centred[i], centred[i + lag]) for i in range(30 - lag)]
        apart = sum(((a - b) ** 2).sum() for a, b in pairs)
        energy = sum((a**2).sum() + (b**2).sum() for a, b in pairs)
        assert alike[lag] == pytest.approx(1 - apart / energy)


def test_opposite_frames_are_opposite():
    rows = np.tile([[1.0, 2.0], [-1.0, -2.0]], (10, 1))
    np.testing.assert_allclose(lag_similarity(rows, 3), [1, -1, 1, -1])


@pytest.mark.parametrize("n_rows", [1, 5])
def test_nothing_that_differs_is_not_alike(n_rows):
    np.testing.assert_array_equal(lag_similarity(np.full((n_rows, 7), 3.3), n_rows - 1), np.zeros(n_rows))


@pytest.mark.parametrize("period", [6, 11.5, 20, 31])
def test_the_period_of_a_circle_is_found(period):
    lag, alike = first_period(lag_similarity(circle(period), 65))
    assert lag == pytest.approx(period, rel=0.01)
    assert alike > 0.95


def test_twice_a_period_is_not_the_period():
    """Also where every other turn is a little different."""
    rows = circle(12, 120)
    rows[:, 0] *= np.where(np.arange(120) // 12 % 2, 1.0, 1.15)
    assert first_period(lag_similarity(rows, 60))[0] == pytest.approx(12, rel=0.02)


def test_what_was_never_unlike_does_not_return():
    assert first_period(np.array([1.0, 0.6, 0.8, 0.5])) == (0.0, 0.0)
    assert first_period(np.array([1.0, -0.2, -0.1, -0.3])) == (0.0, 0.0)
    assert first_period(np.array([0.0, 0.0, 0.0])) == (0.0, 0.0)


def test_too_short_a_return_does_not_count():
    alike = lag_similarity(circle(4), 30)
    assert first_period(alike)[0] == pytest.approx(4, rel=0.02)
    assert first_period(alike, 5.0)[0] == pytest.approx(8, rel=0.02)


def test_noise_is_never_much_alike():
    rows = np.random.default_rng(2).normal(size=(200, 20))
    assert first_period(lag_similarity(rows, 50))[1] < 0.1


@pytest.mark.parametrize("period", [0.6, 0.8, 1.2])
@pytest.mark.parametrize("every", [1, 2])
def test_an_arm_comes_round_once_in_a_period(period, every):
    """Not twice, although it rests twice; in time, whatever the frame rate."""
    frequency, alike = found(swing(period, every=every))
    assert frequency == pytest.approx(1 / period, rel=0.04)
    assert alike > 0.5


@pytest.mark.parametrize("ways", [{"speed": 25.0}, {"speed": 25.0, "turns": True}])
def test_going_and_turning_hide_no_period(ways):
    assert found(swing(0.8, n_frames=100, **ways))[0] == pytest.approx(1.25, rel=0.06)


def test_left_and_right_are_the_same():
    clip = swing(0.8, speed=20.0)
    mirrored = Clip(clip.frames[:, :, ::-1], clip.fps)
    assert found(mirrored) == pytest.approx(found(clip), rel=0.03)


def test_half_of_the_movement_must_be_seen_again():
    assert found(swing(2.4, n_frames=60))[0] != pytest.approx(1 / 2.4, rel=0.1)
    assert found(swing(1.4, n_frames=60))[0] == pytest.approx(1 / 1.4, rel=0.1)


@pytest.mark.parametrize(
    ("action", "turns"),
    [
        ("handwaving", [1]),
        pytest.param("boxing", [1], marks=pytest.mark.slow),
        pytest.param("walking", [1, 2], marks=pytest.mark.slow),
    ],
)
def test_drawn_people_move_in_their_own_time(action, turns):
    """Who walks may repeat a step or a stride; where somebody's repetition is hard to see, another's is not."""
    people = Figures(seed=3, subjects=8, clips_per_subject=1, frames=64, height=120, width=160)
    clips = np.flatnonzero(people.table["label"] == action)
    ratios = np.array([found(people.load(clip))[0] / people.table["cadence"][clip] for clip in clips])
    assert np.mean([any(abs(ratio / turn - 1) < 0.06 for turn in turns) for ratio in ratios]) >= 0.75
