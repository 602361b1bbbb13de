from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

import actionbench
from actionbench import Clip
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.running import runner, thumbnails
from actionbench.experiments.running.runner import run_cells
from actionbench.experiments.running.thumbnails import WantedThumbnails, film_strip, keep_thumbnails
from actionbench.experiments.store import Store


def decoded(strip):
    with Image.open(BytesIO(strip)) as picture:
        assert picture.format == "WEBP"
        return np.asarray(picture.convert("RGB")).astype(float)


def tiles(strip, count):
    """The frames of a strip, without the four grey columns between them."""
    picture = decoded(strip)
    width = (picture.shape[1] - 4 * (count - 1)) // count
    gaps = [picture[:, start - 4 : start] for start in range(width + 4, picture.shape[1], width + 4)]
    assert len(gaps) == count - 1
    assert all(np.abs(gap[:, 1:3] - 128).mean() < 24 for gap in gaps)
    return [picture[:, start : start + width] for start in range(0, picture.shape[1], width + 4)]


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 15, 36])
def test_which_frames_in_which_order(length):
    # Levels six apart at least, so that each frame is known by its grey.
    levels = np.arange(length) * (6 if length > 8 else 30)
    clip = Clip(np.broadcast_to(levels[:, None, None], (length, 40, 50)).astype(np.uint8), 25)
    shown = [
        round(tile.mean() / levels[1]) if length > 1 else 0
        for tile in tiles(film_strip(clip), min(length, 8))
    ]
    assert shown[0] == 0
    assert shown[-1] == length - 1
    steps = np.diff(shown)
    assert (steps > 0).all()
    assert steps.max(initial=1) - steps.min(initial=steps.max(initial=1)) <= 1


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (96, 120, (96, 120)),
        (60, 80, (60, 80)),
        (1, 1, (1, 1)),
        (33, 17, (33, 17)),
        (192, 240, (96, 120)),
        (144, 181, (96, 121)),
        (1080, 1920, (90, 160)),
        (500, 3, (96, 1)),
        (10, 1000, (2, 160)),
    ],
)
def test_frames_are_scaled_down_and_never_up(height, width, size):
    clip = Clip(np.full((3, height, width), 100, np.uint8), 25)
    strip = film_strip(clip)
    assert decoded(strip).shape[:2] == (size[0], 3 * size[1] + 2 * 4)
    assert {tile.shape[:2] for tile in tiles(strip, 3)} == {size}
    assert np.abs(tiles(strip, 3)[0][:, : max(size[1] // 2, 1)] - 100).mean() <= 8


def test_colours_stay_what_they_are():
    colours = np.array([[220, 30, 30], [30, 220, 30], [30, 30, 220], [128, 128, 128]], np.uint8)
    clip = Clip(np.broadcast_to(colours[:, None, None], (4, 96, 120, 3)), 25)
    found = [tile[16:48, 16:64].mean(axis=(0, 1)) for tile in tiles(film_strip(clip), 4)]
    np.testing.assert_allclose(found, colours, atol=6)


def test_a_grey_strip_is_grey():
    frames = np.random.default_rng(0).integers(0, 256, (4, 30, 40), dtype=np.uint8)
    picture = decoded(film_strip(Clip(frames, 25)))
    assert np.ptp(picture, axis=2).max() <= 3


def test_what_a_frame_shows():
    rows, columns = np.mgrid[:120, :160]
    picture = 127 + 100 * np.sin(columns / 20) * np.cos(rows / 25)
    frames = np.stack([picture, picture[::-1]]).astype(np.uint8)
    small = frames[:, : 2 * 60, : 2 * 80].reshape(2, 60, 2, 80, 2).mean(axis=(2, 4))
    found = tiles(film_strip(Clip(frames, 25)), 2)
    for tile, frame in zip(found, small, strict=True):
        resized = np.asarray(Image.fromarray(frame.astype(np.uint8)).resize((128, 96)), float)
        assert np.abs(tile.mean(axis=2) - resized).mean() < 4


@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 12), st.integers(1, 90), st.integers(1, 90))
        | st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.just(3)),
        elements=st.integers(0, 255),
    )
)
def test_any_clip_has_a_strip_of_the_same_bytes(frames):
    strip = film_strip(Clip(frames, 25))
    assert strip == film_strip(Clip(frames.copy(), 30))
    height, width = decoded(strip).shape[:2]
    n_shown = min(len(frames), 8)
    assert height <= min(96, frames.shape[1])
    of_frames = width - 4 * (n_shown - 1)
    assert of_frames % n_shown == 0
    assert of_frames // n_shown <= min(160, frames.shape[2])


@pytest.mark.parametrize("shape", [(8, 64, 128, 3), (8, 64, 128), (50, 240, 320, 3)])
def test_even_noise_stays_small(shape):
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert len(film_strip(Clip(frames, 25))) <= 15_000


PLUGIN = '''
import os, signal
from pathlib import Path
import numpy as np
import pandas as pd
from actionbench import Attempt, Clip, Dataset

class Levels(Dataset):
    """Clips of one grey each; a file beside this one says which clip kills who loads it, or raises."""

    def __init__(self, log="", copies=1):
        self.log, self.copies = log, copies

    def read_table(self):
        rows = [(f"{label}{group}{n}", label, f"g{group}")
                for label in "ab" for group in range(2) for n in range(self.copies)]
        return pd.DataFrame(rows, columns=["clip", "label", "group"])

    def fingerprint(self, index):
        return str(index)

    def load(self, index):
        if self.log:
            with open(self.log, "a") as file:
                file.write(f"{index}\\n")
        for name, end in (("deadly", lambda: os.kill(os.getpid(), signal.SIGSEGV)), ("broken", lambda: 1 / 0)):
            path = Path(__file__).with_name(name)
            if path.exists() and str(index) in path.read_text().split():
                end()
        return Clip(np.full((2, 8, 10), min(255, 20 * index), np.uint8), 25.0)

class AlwaysFirst(Attempt):
    """Says the first class of every clip, without looking."""

    family = "blind"

    def __init__(self, *, number=0):
        self.number = number

    def fit(self, clips, labels, groups=None):
        self.classes_ = np.unique(labels)
        return self

    def predict_proba(self, clips):
        return np.tile(np.eye(len(self.classes_))[0], (len(clips), 1))
'''


@pytest.fixture
def levels(tmp_path):
    path = tmp_path / "levels_plugin.py"
    path.write_text(PLUGIN)
    return path


def matrix(levels, **more):
    return {
        "name": "test",
        "datasets": [
            {
                "name": "levels",
                "split": "leave-one-group-out",
                "log": str(levels.with_name("log")),
                **more.pop("options", {}),
            }
        ],
        "attempts": [{"name": "always-first", "params": {"number": [0, 1]}}],
        **more,
    }


def thumbnails_in(path):
    with Store.open(path) as store:
        return {
            (row["dataset"], row["split"]): {
                position: round(tiles(strip, 2)[0].mean() / 20)
                for position, strip in store.thumbnails(row["id"]).items()
            }
            for row in store.datasets().to_dict("records")
        }


LEVELS = ("levels", "leave-one-group-out")
SHOWN = {LEVELS: {0: 0, 2: 2, 3: 3}}


def test_a_run_leaves_thumbnails_of_hard_clips_and_decodes_nothing_again(tmp_path, levels):
    path, log = tmp_path / "s.sqlite", tmp_path / "log"
    actionbench.run(matrix(levels), store=path, plugins=[levels])
    # The clips of class b, which nobody names, and the first of class a.
    assert thumbnails_in(path) == SHOWN
    log.unlink()
    actionbench.run(matrix(levels), store=path, plugins=[levels])
    assert not log.exists()
    assert thumbnails_in(path) == SHOWN


def test_a_matrix_that_wants_no_thumbnails(tmp_path, levels):
    path = tmp_path / "s.sqlite"
    actionbench.run(matrix(levels, thumbnails=False), store=path, plugins=[levels])
    assert thumbnails_in(path) == {LEVELS: {}}
    actionbench.run(matrix(levels), store=path, plugins=[levels])
    assert thumbnails_in(path) == SHOWN
    # Those that are there go.
    actionbench.run(matrix(levels), store=path, plugins=[levels], changes=["thumbnails=false"])
    assert thumbnails_in(path) == {LEVELS: {}}


def test_thumbnails_are_bounded(tmp_path, levels):
    path = tmp_path / "s.sqlite"
    actionbench.run(matrix(levels, options={"copies": 20}), store=path, plugins=[levels])
    assert set(thumbnails_in(path)[LEVELS]) == {0, *range(40, 70)}


def test_an_interrupted_run_makes_none(tmp_path, levels, monkeypatch):
    def interrupted(*args, **options):
        return replace(run_cells(*args, **options), stopped=True)

    path = tmp_path / "s.sqlite"
    monkeypatch.setattr(runner, "run_cells", interrupted)
    with pytest.raises(KeyboardInterrupt):
        actionbench.run(matrix(levels), store=path, plugins=[levels])
    assert thumbnails_in(path) == {LEVELS: {}}
    monkeypatch.setattr(runner, "run_cells", run_cells)
    actionbench.run(matrix(levels), store=path, plugins=[levels])
    assert thumbnails_in(path) == SHOWN


@pytest.fixture
def stored(tmp_path, levels):
    """A store with the cells of a run, its data set and its number there."""
    plan = make_plan(read_matrix(matrix(levels)), plugins=[levels])
    with Store.open(tmp_path / "s.sqlite") as store:
        run_cells(plan, store)
        yield store, plan.datasets[0], int(store.datasets()["id"].iloc[0])


def kept(stored, positions, levels):
    store, data, number = stored
    keep_thumbnails(store, [WantedThumbnails(number, data, positions)], plugins=[str(levels)])
    return sorted(store.thumbnails(number))


def test_a_clip_that_kills_its_decoder_has_no_thumbnail(stored, levels):
    levels.with_name("deadly").write_text("1")
    assert kept(stored, [0, 1, 2, 3], levels) == [0, 2, 3]
    assert kept(stored, [0, 1, 2, 3], levels) == [0, 2, 3]
    levels.with_name("deadly").unlink()
    assert kept(stored, [0, 1, 2, 3], levels) == [0, 1, 2, 3]


def test_a_clip_that_cannot_be_decoded_has_no_thumbnail(stored, levels):
    levels.with_name("broken").write_text("2 3")
    assert kept(stored, [1, 2, 3], levels) == [1]


def test_only_what_lacks_is_decoded_and_what_nobody_wants_goes(stored, levels):
    log = levels.with_name("log")
    assert kept(stored, [0, 1], levels) == [0, 1]
    log.unlink()
    assert kept(stored, [1, 3], levels) == [1, 3]
    assert log.read_text().split() == ["3"]
    assert kept(stored, [], levels) == []


def test_data_that_changed_have_no_thumbnails(stored, levels):
    levels.write_text(PLUGIN.replace("{label}{group}{n}", "{label}-{group}-{n}"))
    assert kept(stored, [0, 1], levels) == []


def test_all_data_sets_take_one_process_and_nothing_takes_none(stored, levels, monkeypatch):
    store, data, number = stored
    other = store.add_dataset(
        dataset="levels",
        split="another",
        fingerprint=data.fingerprint,
        groups_known=True,
        classes=["a", "b"],
        warnings=[],
        table=data.dataset.table,
    )
    asked = []

    def counted(tasks, **options):
        tasks = list(tasks)
        asked.append(len(tasks))
        return run_isolated(tasks, **options)

    run_isolated = thumbnails.run_isolated
    monkeypatch.setattr(thumbnails, "run_isolated", counted)
    levels.with_name("log").unlink()
    both = [WantedThumbnails(number, data, [0, 1]), WantedThumbnails(other, data, [1, 2])]
    keep_thumbnails(store, both, plugins=[str(levels)])
    # The same clips under two splits are decoded once.
    assert sorted(levels.with_name("log").read_text().split()) == ["0", "1", "2"]
    assert (sorted(store.thumbnails(number)), sorted(store.thumbnails(other))) == ([0, 1], [1, 2])
    keep_thumbnails(store, both, plugins=[str(levels)])
    assert asked == [1]
