"""What must fail on a track fails, what must pass passes, and a planted leak is found."""

import cv2
import numpy as np
import pytest
from scipy.stats import ttest_1samp

from actionbench.experiments.datasets.diagnostic import proofs
from actionbench.experiments.datasets.diagnostic.dataset import TRACKS, Diagnostic
from actionbench.experiments.datasets.diagnostic.order import Arrow
from actionbench.experiments.datasets.diagnostic.proofs import PROOFS, Proved, prove, prove_all
from actionbench.experiments.datasets.diagnostic.scenes import Context
from actionbench.experiments.datasets.diagnostic.textures import MotionNoise

# Of these tracks the twins are the same to one who sees neither order nor tempo, so that few clips are enough.
EXACT = {
    "arrow": {"middle frame", "first frame", "last frame", "mean frame", "brightest frame", "motion energy"},
    "one-way": {"middle frame", "mean frame", "brightest frame", "motion energy", "joint speeds"},
    "order": {
        "first frame",
        "middle frame",
        "last frame",
        "mean frame",
        "motion energy",
        "frames without order",
    },
    "tempo": {"middle frame", "mean frame", "brightest frame", "motion energy", "frames without order"},
    "motion-noise": {"mean frame"},
    "motion-dots": {"mean frame"},
    "point-lights": {"middle frame"},
    "path": {"middle frame", "centred joints", "centroid range, on the spot"},
    "context": {"background, rho 1, neutral"},
    "nuisance": {"length", "background"},
    "identity": {"length", "background"},
}


def by_name(proved):
    return {one.probe: one for one in proved}


def test_each_track_has_probes_that_must_fail_and_one_that_must_pass():
    assert set(PROOFS) == set(TRACKS) == set(EXACT)
    for track, found in PROOFS.items():
        assert {"must fail", "must pass"} <= {proof.kind for proof in found}
        assert len({proof.title for proof in found}) == len(found)
        Diagnostic(track, **proofs._SETTINGS.get(track, {}))


def test_the_arrow_is_proved_with_few_clips():
    found = by_name(prove("arrow", subjects=12, clips=48))
    for probe in EXACT["arrow"]:
        assert (found[probe].accuracy, found[probe].low, found[probe].high) == (0.5, 0.5, 0.5)
    assert found["wrist velocity"].accuracy == 1


@pytest.mark.slow
@pytest.mark.parametrize("track", [track for track in TRACKS if track != "arrow"])
def test_no_probe_of_a_track_is_broken_with_few_clips(track):
    found = by_name(prove(track, subjects=24, clips=200))
    for probe in EXACT[track]:
        assert found[probe].accuracy == pytest.approx(found[probe].chance)
        assert found[probe].holds
    assert [name for name, one in found.items() if one.broken] == []


@pytest.mark.slow
def test_a_texture_that_is_interpolated_is_found(monkeypatch):
    proof = next(one for one in PROOFS["motion-noise"] if one.title == "local statistics")
    monkeypatch.setitem(PROOFS, "motion-noise", [proof])
    assert not prove("motion-noise", subjects=24, clips=160)[0].broken
    monkeypatch.setattr(MotionNoise, "interpolation", cv2.INTER_LINEAR)
    assert prove("motion-noise", subjects=24, clips=160)[0].broken


def test_a_first_frame_that_tells_the_label_is_found(monkeypatch):
    plain = Arrow.film

    def leaking(self, row, design):
        film = plain(self, row, design)
        wrist = film.points[:, 4, 1]
        film.frames[0] = film.frames[wrist.argmin() if row.label == "fast-rise" else wrist.argmax()]
        return film

    monkeypatch.setattr(Arrow, "film", leaking)
    found = by_name(prove("arrow", subjects=12, clips=96))
    assert found["first frame"].broken
    assert found["middle frame"].holds


@pytest.mark.slow
def test_a_plate_that_is_correlated_by_a_tenth_is_found(monkeypatch):
    proof = next(one for one in PROOFS["context"] if one.title == "background directions, rho 0")
    monkeypatch.setitem(PROOFS, "context", [proof])
    assert prove("context")[0].holds
    plain = Context.__init__
    monkeypatch.setattr(
        Context, "__init__", lambda self, rho=0.95, cue="background": plain(self, max(rho, 0.1), cue)
    )
    (found,) = prove("context")
    assert found.broken
    assert found.accuracy == pytest.approx(0.55, abs=0.02)


def test_an_interval_over_people_is_that_of_a_t_test():
    rng = np.random.default_rng(0)
    people, correct = np.repeat([f"p{i}" for i in range(9)], 20), rng.random(180) < 0.7
    expected = ttest_1samp(correct.reshape(9, 20).mean(axis=1), 0).confidence_interval(0.95)
    accuracy, low, high = proofs._over_people(correct, people)
    np.testing.assert_allclose([accuracy, low, high], [correct.mean(), *expected])


@pytest.mark.parametrize(
    ("kind", "bounds", "verdict"),
    [
        ("must fail", (0.5, 0.48, 0.529), "holds"),
        ("must fail", (0.5, 0.46, 0.54), "not shown"),
        ("must fail", (0.54, 0.51, 0.57), "broken"),
        ("must pass", (0.96, 0.94, 0.98), "holds"),
        ("must pass", (0.94, 0.92, 0.96), "not shown"),
        ("must pass", (0.9, 0.88, 0.92), "broken"),
        ("reported", (0.9, 0.88, 0.92), ""),
    ],
)
def test_a_verdict_follows_from_the_bounds(kind, bounds, verdict):
    proved = Proved("arrow", "x", kind, *bounds, 0.5, 0.95, 100)
    assert proved.verdict == verdict
    assert proved.holds == (verdict in ("holds", ""))


@pytest.mark.slow
def test_the_workers_do_not_change_a_proof():
    tracks = ("arrow", "one-way")
    alone, together = (
        [one for part in prove_all(tracks, workers=workers, subjects=9, clips=24) for one in part]
        for workers in (1, 2)
    )
    assert alone == together
    assert [one.track for one in alone] == sorted((one.track for one in alone), key=tracks.index)
