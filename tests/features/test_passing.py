"""People who pass each other, against their exact silhouettes."""

import numpy as np
import pytest
from drawn_pairs import Role, about_all, changing, draw_pair, overlaps
from hypothesis import given
from hypothesis import strategies as st

from actionbench.features.clip import Clip
from actionbench.features.flow import optical_flow
from actionbench.features.motion import observe
from actionbench.features.passing import person_track
from actionbench.features.regions import main_tracks

CROSSINGS = {
    "opposite": (Role("walking", 0.9, 0.1, ground=0.85), Role("walking", 0.1, 0.9)),
    "before one who waves": (Role("walking", 0.05, 0.95, ground=0.85), Role("handwaving", 0.5, 0.5)),
    "before one who boxes": (Role("walking", 0.95, 0.05, ground=0.85), Role("boxing", 0.5, 0.5)),
}


@pytest.mark.parametrize("swapped", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("roles", CROSSINGS.values(), ids=CROSSINGS)
def test_the_person_is_followed_through_a_crossing(roles, swapped):
    frames, silhouettes = draw_pair(roles[::-1] if swapped else roles, seed=1, frames=50, size=(120, 240))
    motion = observe(Clip(frames, 25.0))
    each = np.stack([changing(person) for person in silhouettes])
    met = np.flatnonzero(overlaps(*each) > 0)
    assert 0 < met[0] < met[-1]
    person = np.argmax([np.median(overlaps(motion.track.boxes, boxes)) for boxes in each])
    if roles is not CROSSINGS["opposite"]:
        # Who stays on the spot is the person, whoever is drawn first.
        assert person == (0 if swapped else 1)
    own, other = (overlaps(motion.track.boxes, each[index]) for index in (person, 1 - person))
    before, after = slice(2, met[0]), slice(met[-1] + 1, -2)
    for part in (before, slice(met[0], met[-1] + 1), after):
        # Of one who boxes the exact box holds the arms alone, and the found one what shows when nobody is near.
        assert np.median(own[part]) > (0.25 if roles is CROSSINGS["before one who boxes"] else 0.5)
    assert max(other[before].max(), other[after].max()) < 0.2
    assert (motion.people.mask >= motion.track.mask).all()
    assert np.median(overlaps(motion.people.boxes, about_all(each))) > 0.7


def tracks_of(frames):
    """Return the main track of frames and that of the person in it."""
    track, flow = main_tracks(frames, 25.0)[0], optical_flow(frames)
    return track, person_track(track, flow, np.zeros((len(flow), 2), np.float32), 25.0)


@given(
    action=st.sampled_from(["handwaving", "handclapping", "boxing", "walking", "running"]),
    seed=st.integers(0, 1000),
)
def test_limbs_of_one_person_are_no_people(action, seed):
    ends = (0.1, 0.8) if action in ("walking", "running") else (0.5, 0.5)
    frames, _ = draw_pair([Role(action, *ends)], seed=seed, frames=25, size=(60, 100), noise=1.0)
    track, person = tracks_of(frames)
    assert person is track


def test_nobody_who_moves():
    track, person = tracks_of(np.full((5, 60, 90), 100, np.uint8))
    assert person is track
