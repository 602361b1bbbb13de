import numpy as np
import pytest

from actionbench.errors import DataError
from actionbench.experiments.audit.near_duplicates import Fingerprint
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.planning.cells import DatasetSource, table_fingerprint
from actionbench.experiments.running import looking
from actionbench.experiments.running.looking import Looked, look

OPTIONS = {"subjects": 3, "clips_per_subject": 2, "frames": 12}


@pytest.fixture
def figures():
    dataset = Figures(**OPTIONS)
    return Looked(dataset, DatasetSource([], "figures", OPTIONS, table_fingerprint(dataset)))


@pytest.mark.parametrize("workers", [1, 3])
def test_each_clip_is_seen_as_it_is_decoded(figures, workers):
    reported = []
    seen = look({"a": figures}, workers=workers, progress=lambda *state: reported.append(state))["a"]
    clips = figures.dataset.clips
    for clip, found in zip(clips, seen.in_order(), strict=True):
        expected = Fingerprint.of(clip)
        assert (found.frames, found.n_frames, found.n_bytes) == (
            expected.frames,
            len(clip),
            clip.frames.nbytes,
        )
        np.testing.assert_array_equal(found.changes, expected.changes)
        np.testing.assert_array_equal(found.look, expected.look)
    # What is most of it lies in a file.
    assert isinstance(seen.in_order()[0].changes, np.memmap)
    assert not seen.unreadable
    keys, done = zip(*reported, strict=True)
    assert set(keys) == {"a"}
    assert (done[0], done[-1]) == (0, len(clips))
    assert list(done) == sorted(done)


def test_data_that_changed_meanwhile_are_refused(figures):
    changed = Looked(figures.dataset, DatasetSource([], "figures", OPTIONS, "other"))
    with pytest.raises(DataError, match="data set 'figures' changed while it was in use"):
        look({"a": changed}, workers=1)


PLUGIN = '''
import os

import numpy as np
import pandas as pd
from actionbench import Clip, Dataset


class Fragile(Dataset):
    """Every seventh clip cannot be read, every eleventh ends the process."""

    def read_table(self):
        rows = [(f"c{n}", "ab"[n % 2], f"g{n % 3}") for n in range(40)]
        return pd.DataFrame(rows, columns=["clip", "label", "group"])

    def load(self, index):
        if index % 11 == 10:
            os.kill(os.getpid(), 9)
        if index % 7 == 6:
            raise ValueError("it is\\nbroken")
        return Clip(np.full((3, 8, 8), index, np.uint8), 25)
'''


def test_clips_of_which_a_decoder_dies_are_found_among_the_others(tmp_path):
    from actionbench.experiments.datasets.registry import dataset_registry

    plugin = tmp_path / "fragile.py"
    plugin.write_text(PLUGIN)
    dataset = dataset_registry([plugin]).get("fragile")()
    source = DatasetSource([str(plugin)], "fragile", {}, table_fingerprint(dataset))
    seen = look({"": Looked(dataset, source)}, workers=2)[""]
    dead, broken = {10, 21, 32}, {6, 13, 20, 27, 34}
    assert set(seen.unreadable) == dead | broken
    assert set(seen.fingerprints) == set(range(40)) - dead - broken
    assert seen.unreadable[6] == "clip 'c6' cannot be read: it is broken"
    assert seen.unreadable[10] == "clip 'c10' cannot be read: the process was killed by SIGKILL"
    assert list(seen.reasons(dataset)) == [f"c{n}" for n in sorted(dead | broken)]
    with pytest.raises(DataError) as caught:
        seen.check()
    assert len(caught.value.args) == 8


def test_a_data_set_that_another_process_cannot_make_is_one_sentence(tmp_path):
    from actionbench.experiments.datasets.registry import dataset_registry

    plugin = tmp_path / "fragile.py"
    plugin.write_text(PLUGIN)
    dataset = dataset_registry([plugin]).get("fragile")()
    source = DatasetSource([str(plugin)], "fragile", {}, table_fingerprint(dataset))
    plugin.write_text(PLUGIN.replace("rows = ", "1 / 0; rows = "))
    with pytest.raises(DataError) as caught:
        look({"": Looked(dataset, source)}, workers=2)
    assert caught.value.args == (
        "it cannot be made in a process of its own: ZeroDivisionError: division by zero",
    )


def test_where_every_process_dies_not_all_clips_are_tried(tmp_path, monkeypatch):
    from actionbench.experiments.datasets.registry import dataset_registry

    monkeypatch.setattr(looking, "_MOST_DEATHS", 3)
    plugin = tmp_path / "fragile.py"
    plugin.write_text(PLUGIN.replace("index % 11 == 10", "True"))
    dataset = dataset_registry([plugin]).get("fragile")()
    source = DatasetSource([str(plugin)], "fragile", {}, table_fingerprint(dataset))
    with pytest.raises(DataError) as caught:
        look({"": Looked(dataset, source)}, workers=2)
    assert len(caught.value.args) == 4
    assert caught.value.args[-1] == "and others; after 3 such clips no more are tried"
