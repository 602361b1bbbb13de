"""What is charged does not depend on the cache of features; the whole table is `make bench-costs`."""

import costs
import pytest

FIGURES = {
    "name": "costs",
    "datasets": [
        {
            "name": "figures",
            "subjects": 3,
            "frames": 20,
            "clips_per_subject": 1,
            "split": {"name": "group-k-fold", "folds": 3},
        }
    ],
    "attempts": [{"name": "hog-hof-mbh-svm"}, {"name": "dense-trajectories"}],
}


@pytest.mark.slow
def test_what_is_charged_is_what_is_paid_without_a_cache(tmp_path):
    table = costs.costs(FIGURES, folder=tmp_path)
    assert table.index.tolist() == ["hog-hof-mbh-svm", "dense-trajectories"]
    # Seconds of the clock depend on what else the machine does; an error would be a factor of three or more.
    for cost, factor in (("fit_cpu_seconds", 2), ("predict_cpu_seconds", 2), ("peak_memory_bytes", 1.3)):
        ratios = table[[(cost, cache) for cache in ("full", "none")]].div(table[(cost, "empty")], axis=0)
        assert (ratios < factor).all(axis=None), ratios
        assert (ratios > 1 / factor).all(axis=None), ratios
    assert "| dense-trajectories |" in costs.markdown(table)
