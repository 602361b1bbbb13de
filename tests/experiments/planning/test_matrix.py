import re

import pytest

from actionbench.errors import MatrixError
from actionbench.experiments.planning.matrix import AttemptEntry, builtin_matrices, read_matrix
from actionbench.features.probes import PROBES

GOOD = """
name = "mine"
seeds = [0, 1]

[limits]
time = "10 min"
memory = "4 GiB"
threads = 2

[[datasets]]
name = "folder"
root = "clips"
groups = "(?P<group>[a-z]+)$"
split = "leave-one-group-out"

[[attempts]]
name = "rules"

[[attempts]]
name = "hog-svm"
params = { C = [1.0, 10.0], size = [[8, 8]] }
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "m.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_good_matrix(write, tmp_path):
    matrix = read_matrix(write(GOOD))
    assert matrix.limits.time == 600
    assert matrix.limits.memory == 4 * 2**30
    assert matrix.datasets[0].options == {"root": str(tmp_path / "clips"), "groups": "(?P<group>[a-z]+)$"}
    assert matrix.datasets[0].split.label() == "leave-one-group-out"
    assert matrix.attempts[1].points() == [{"C": 1.0, "size": [8, 8]}, {"C": 10.0, "size": [8, 8]}]


def test_training_groups_make_rows_of_their_own():
    entry = AttemptEntry(name="net", params={"size": 3})
    assert entry.label({"size": 3}, 4) == "net (size=3, train_groups=4)"
    titled = AttemptEntry(name="net", title="mine", params={"size": 3})
    assert titled.label({"size": 3}, 2) == "mine (train_groups=2)"


def test_labels_of_points_tell_them_apart():
    entry = AttemptEntry(name="svm", params={"C": [1.0, 0.5], "k": 3})
    assert [entry.label(point) for point in entry.points()] == ["svm (C=1, k=3)", "svm (C=0.5, k=3)"]
    assert AttemptEntry(name="svm").label({}) == "svm"
    assert AttemptEntry(name="svm", title="mine", params={"k": 3}).label({"k": 3}) == "mine"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90 s", 90), ("90", 90), ("1.5 min", 90), ("2h", 7200), ("1 day", 86400), ("10 minutes", 600)],
)
def test_times(write, text, seconds):
    assert read_matrix(write(GOOD.replace("10 min", text))).limits.time == seconds


def test_built_in_matrices_are_right(monkeypatch, tmp_path):
    monkeypatch.setenv("ACTIONBENCH_DATA", str(tmp_path))
    assert {"quick", "weizmann"} <= set(builtin_matrices())
    for name in builtin_matrices():
        assert read_matrix(name).name == name


def test_the_quick_matrix_has_every_family_and_three_probes():
    from actionbench.experiments.planning.cells import make_plan

    plan = make_plan(read_matrix("quick"))
    assert {cell.cls.family for cell in plan.cells} == {"trivial", "rules", "features", "dense", "convnet"}
    probes = [data.entry.probe for data in plan.datasets]
    assert probes == [None, "frozen", "shuffled", "reversed"]
    whole = plan.datasets[0].dataset
    # People are what a comparison has too few of: each does each action once.
    assert whole.table.groupby("group")["label"].agg(["size", "nunique"]).to_numpy().tolist() == [[6, 6]] * 18


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"\n', "", "the key 'name' is missing"),
        ('name = "mine"', "name = 3", "name: input should be a valid string, got 3"),
        ("seeds = [0, 1]", "sedes = [0]", "unknown key 'sedes'; did you mean 'seeds'"),
        ("seeds = [0, 1]", "seeds = []", "seeds: list should have at least 1 item"),
        ("seeds = [0, 1]", "seeds = [-1]", r"seeds\[0\]: input should be greater than or equal to 0, got -1"),
        ("seeds = [0, 1]", 'seeds = ["0"]', r"seeds\[0\]: input should be a valid integer, got '0'"),
        ("threads = 2", "thread = 2", "unknown key 'thread' in limits; did you mean 'threads'"),
        ("threads = 2", "threads = 0", "limits.threads: input should be greater than or equal to 1, got 0"),
        ('"10 min"', '"10 parsecs"', 'limits.time: a time must look like "90 s"'),
        ('"10 min"', "-3", "limits.time: input should be greater than 0, got -3"),
        (
            "threads = 2",
            'profile = "mainframe"',
            "limits: there is no profile 'mainframe'; known are: laptop",
        ),
        (
            'name = "rules"',
            'name = "rules"\ntune = 0',
            r"attempts\[0\].tune.trials: .* greater than or equal to 1",
        ),
        (
            'name = "rules"',
            'name = "rules"\ncalibrate = "platt"',
            r"attempts\[0\].calibrate: input should be 'temperature' or 'isotonic', got 'platt'",
        ),
        (
            'name = "rules"',
            'name = "rules"\ntune = {}',
            r"attempts\[0\].tune: a search must have a number of trials",
        ),
        (
            'name = "rules"',
            'name = "rules"\ntune = { trial = 3 }',
            r"unknown key 'trial' in attempts\[0\].tune; did you mean 'trials'",
        ),
        ('"4 GiB"', '"much"', "limits.memory: could not parse value and unit from byte string, got 'much'"),
        ('split = "leave-one-group-out"', "", r"the key 'datasets\[0\].split' is missing"),
        (
            '"leave-one-group-out"',
            '"leave-one-out"',
            r"datasets\[0\].split: there is no split 'leave-one-out'; did you mean 'leave-one-group-out'",
        ),
        (
            '"leave-one-group-out"',
            '{ name = "group-k-fold", k = 3 }',
            r"unknown key 'k' in datasets\[0\].split; .*folds",
        ),
        (
            '"leave-one-group-out"',
            '{ name = "group-k-fold", folds = 1 }',
            r"datasets\[0\].split.folds: input should be greater than or equal to 2, got 1",
        ),
        (
            '"leave-one-group-out"',
            '{ name = "group-k-fold", folds = "3" }',
            r"datasets\[0\].split.folds: input should be a valid integer, got '3'",
        ),
        ('"leave-one-group-out"', '{ train = "a.txt" }', r"the key 'datasets\[0\].split.test' is missing"),
        ('"leave-one-group-out"', "3", r"datasets\[0\].split: a split must be a name or a table"),
        ('"clips"', '"${NOT_SET_ANYWHERE}/clips"', "the environment variable NOT_SET_ANYWHERE is not set"),
        ('name = "rules"', 'nmae = "rules"', r"unknown key 'nmae' in attempts\[0\]; did you mean 'name'"),
        (
            'name = "rules"',
            'name = "rules"\nparam = {}',
            r"unknown key 'param' in attempts\[0\]; did you mean 'params'",
        ),
        (
            'name = "rules"',
            'name = "hog-svm"\nparams = { C = 1.0, size = [[8, 8]] }',
            r"attempts: 'hog-svm \(C=1, size=\[8, 8\]\)' is there twice",
        ),
        ("C = [1.0, 10.0]", "C = []", r"attempts: 'hog-svm': params.C is an empty list"),
        ("seeds = [0, 1]", "train_groups = []", "train_groups: list should have at least 1 item"),
        ("seeds = [0, 1]", "seeds = [3, 1, 3]", "seeds: 3 is there twice"),
        ("seeds = [0, 1]", "train_groups = [2, 2]", "train_groups: 2 is there twice"),
        (
            "seeds = [0, 1]",
            "train_groups = [0]",
            r"train_groups\[0\].*: input should be greater than or equal to 1",
        ),
        ("C = [1.0, 10.0]", "random_state = 3", "must not set random_state; it comes from seeds"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_key(write, monkeypatch, old, new, message):
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    assert old in GOOD
    with pytest.raises(MatrixError, match=r"m\.toml: .*" + message) as caught:
        read_matrix(write(GOOD.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["name = ", "\x00", "[[datasets]\n"])
def test_what_is_no_toml(write, text):
    with pytest.raises(MatrixError, match=r"m\.toml: not a TOML file"):
        read_matrix(write(text))


def test_all_that_is_wrong_is_said_at_once(write):
    text = GOOD.replace("seeds", "sedes").replace('"10 min"', '"soon"').replace("threads = 2", "threads = 0")
    text = text.replace('"leave-one-group-out"', '"leave-one-out"').replace(
        'name = "rules"', 'nmae = "rules"'
    )
    path = write(text + "\ntune = { trials = 0, fold = 2 }\n")
    with pytest.raises(MatrixError) as caught:
        read_matrix(path)
    begins = [
        'limits.time: a time must look like "90 s"',
        "limits.threads: input should be greater than or equal to 1, got 0",
        "datasets[0].split: there is no split 'leave-one-out'",
        "unknown key 'nmae' in attempts[0]; did you mean 'name'",
        "attempts[1].tune.trials: input should be greater than or equal to 1, got 0",
        "unknown key 'fold' in attempts[1].tune; did you mean 'folds'",
        "unknown key 'sedes'; did you mean 'seeds'",
    ]
    for begin, sentence in zip(begins, caught.value.args, strict=True):
        assert sentence.startswith(f"{path}: {begin}")


def test_all_that_does_not_go_together_is_said_at_once(write):
    text = GOOD.replace("seeds = [0, 1]", "seeds = [0, 0, 1]\ntrain_groups = [2, 2]")
    path = write(f'{text}\n[[attempts]]\nname = "rules"\n[[attempts]]\nname = "rules"\n')
    with pytest.raises(MatrixError) as caught:
        read_matrix(path)
    assert caught.value.args == (
        f"{path}: attempts: 'rules' is there twice; give one of them a title of its own",
        f"{path}: seeds: 0 is there twice",
        f"{path}: train_groups: 2 is there twice",
    )


@pytest.mark.parametrize("value", ['"x"', "0", "1.5", "true"])
def test_a_value_that_none_of_several_kinds_fits_is_said_once(write, value):
    with pytest.raises(MatrixError) as caught:
        read_matrix(write(GOOD), [f"train_groups=[{value}]"])
    (sentence,) = caught.value.args
    assert "train_groups[0]" in sentence


def test_what_is_no_file(tmp_path):
    with pytest.raises(
        MatrixError, match="there is no such matrix; it must be a TOML file or one of the built-in .*quick"
    ):
        read_matrix(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes("name = 'é'".encode("latin-1"))
    with pytest.raises(MatrixError, match="not a TOML file in UTF-8"):
        read_matrix(tmp_path / "latin.toml")


def test_the_same_data_set_twice_wants_a_title(write):
    twice = GOOD + '\n[[datasets]]\nname = "folder"\nroot = "others"\nsplit = "leave-one-group-out"\n'
    with pytest.raises(MatrixError, match="'folder under leave-one-group-out' is there twice; .*title"):
        read_matrix(write(twice))
    assert read_matrix(write(twice + 'title = "others"')).datasets[1].title == "others"


def test_official_lists_lie_beside_the_matrix(write, tmp_path):
    matrix = read_matrix(
        write(GOOD.replace('"leave-one-group-out"', '{ train = ["a.txt"], test = ["/b.txt"] }'))
    )
    split = matrix.datasets[0].split
    assert [str(path) for path in (*split.train, *split.test)] == [str(tmp_path / "a.txt"), "/b.txt"]


def test_the_file_of_an_attempt_lies_beside_the_matrix(write, tmp_path, monkeypatch):
    monkeypatch.setenv("RULES", "/lists")
    params = 'params = { path = ["mine.txt", "${RULES}/b.txt"], size = "mine.txt" }'
    matrix = read_matrix(write(GOOD.replace("params = { C = [1.0, 10.0], size = [[8, 8]] }", params)))
    found = [point["path"] for point in matrix.attempts[1].points()]
    assert found == [str(tmp_path / "mine.txt"), "/lists/b.txt"]
    assert matrix.attempts[1].params["size"] == "mine.txt"


def test_models_of_poses_lie_beside_the_matrix_and_are_called_by_their_names(write, tmp_path):
    params = 'params = { pose = ["mine.onnx", "/models/b.tflite", "clip"] }'
    matrix = read_matrix(write(GOOD.replace("params = { C = [1.0, 10.0], size = [[8, 8]] }", params)))
    entry = matrix.attempts[1]
    assert entry.params["pose"] == [str(tmp_path / "mine.onnx"), "/models/b.tflite", "clip"]
    named = [entry.label(point) for point in entry.points()]
    assert named == [f"hog-svm (pose={name})" for name in ("mine.onnx", "b.tflite", "clip")]


def test_what_begins_with_a_dot_is_relative_to_the_matrix(write, tmp_path, monkeypatch):
    monkeypatch.setenv("C", "../weights")
    text = GOOD.replace('"(?P<group>[a-z]+)$"', '"./people.csv"').replace(
        "C = [1.0, 10.0]", 'weights = ["${C}/a.onnx", "./b.onnx", ".hidden", "c.onnx"], more = { d = "./d" }'
    )
    monkeypatch.chdir("/")
    matrix = read_matrix(write(text))
    assert matrix.datasets[0].options["groups"] == str(tmp_path / "people.csv")
    params = matrix.attempts[1].params
    beside = [f"{tmp_path}/../weights/a.onnx", str(tmp_path / "b.onnx")]
    assert params["weights"] == [*beside, ".hidden", "c.onnx"]
    assert params["more"] == {"d": str(tmp_path / "d")}


def test_changes(write):
    matrix = read_matrix(
        write(GOOD),
        [
            "limits.threads=4",
            "seeds=[7]",
            "datasets.folder.height=60",
            "datasets.0.split=leaky-random",
            "attempts.hog-svm.params.C=[0.1]",
            "attempts.rules.params.max_rules=3",
            "name=a word",
        ],
    )
    assert matrix.limits.threads == 4
    assert matrix.seeds == [7]
    assert matrix.datasets[0].options["height"] == 60
    assert matrix.datasets[0].split.name == "leaky-random"
    assert matrix.attempts[1].params["C"] == [0.1]
    assert matrix.attempts[0].params == {"max_rules": 3}
    assert matrix.name == "a word"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("limits.threads", "must be KEY=VALUE"),
        ("=3", "must be KEY=VALUE"),
        ("attempts.nobody.params.C=1", "there is no entry 'nobody'; there are rules, hog-svm"),
        ("attempts.7.params.C=1", "there is no entry '7'"),
        ("name.x=1", "'name' holds no keys"),
        ("name.x.y=1", "there is nothing below 'x'"),
        ("limits.thraeds=1", "unknown key 'thraeds' in limits"),
    ],
)
def test_changes_that_do_not_fit(write, change, message):
    with pytest.raises(MatrixError, match=message):
        read_matrix(write(GOOD), [change])


def test_thumbnails_are_wanted_or_not(write):
    assert read_matrix(write(GOOD)).thumbnails
    assert not read_matrix(write(GOOD), ["thumbnails=false"]).thumbnails
    with pytest.raises(MatrixError, match="thumbnails: input should be a valid boolean, got 'no'"):
        read_matrix(write(GOOD), ["thumbnails=no"])


def test_codes_of_warnings_may_be_silenced(write):
    assert read_matrix(write(GOOD)).silence == []
    assert read_matrix(write(GOOD), ['silence=["metadata-tells"]']).silence == ["metadata-tells"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            'silence=["near-identical"]',
            r"silence\[0\]: there is no warning 'near-identical'; did you mean 'near-id",
        ),
        ("silence=metadata-tells", "silence: .*list"),
    ],
)
def test_what_cannot_be_silenced_is_refused(write, change, message):
    with pytest.raises(MatrixError, match=message):
        read_matrix(write(GOOD), [change])


def test_a_dictionary_will_do():
    content = {
        "name": "x",
        "datasets": [{"name": "figures", "split": "leave-one-group-out"}],
        "attempts": [{"name": "chance"}],
    }
    assert read_matrix(content).datasets[0].name == "figures"
    with pytest.raises(MatrixError, match="matrix: unknown key 'sed'"):
        read_matrix({**content, "sed": 3})


def test_a_profile_sets_limits_and_keys_beside_it_override_it(write):
    text = GOOD.replace("threads = 2", 'threads = 2\nprofile = "workstation"').replace(
        'memory = "4 GiB"\n', ""
    )
    limits = read_matrix(write(text)).limits
    assert (limits.time, limits.memory, limits.threads, limits.output) == (600, 16 * 2**30, 2, 2**30)


def test_a_search_is_part_of_the_name_in_tables(write):
    for tune, name in (
        ("20", "rules (tune=20)"),
        ('{ trials = 5, seconds = "1 min" }', "rules (tune=5, 60 s)"),
    ):
        (entry, *_) = read_matrix(
            write(GOOD.replace('name = "rules"', f'name = "rules"\ntune = {tune}'))
        ).attempts
        assert entry.label(entry.points()[0]) == name


@pytest.mark.parametrize(
    ("calibrate", "method", "name"),
    [
        ("true", "temperature", "rules (calibrate=temperature)"),
        ('"isotonic"', "isotonic", "rules (calibrate=isotonic)"),
        ("false", None, "rules"),
    ],
)
def test_calibration_is_part_of_the_name_in_tables(write, calibrate, method, name):
    text = GOOD.replace('name = "rules"', f'name = "rules"\ncalibrate = {calibrate}')
    (entry, *_) = read_matrix(write(text)).attempts
    assert entry.calibrate == method
    assert entry.label(entry.points()[0]) == name


def probed(**keys):
    entry = {"name": "figures", "split": "leave-one-group-out", **keys}
    return read_matrix({"name": "m", "attempts": [{"name": "chance"}], "datasets": [entry]}).datasets


def test_probes_become_data_sets_of_their_own():
    whole, *others = probed(probes=True, subjects=3)
    assert (whole.label, whole.probe, len(others)) == ("figures", None, 2 * len(PROBES))
    assert [one.probe for one in others] == [*PROBES, *PROBES]
    assert {one.probe_side for one in others[: len(PROBES)]} == {"both"}
    assert (others[0].label, others[-1].label) == ("figures (frozen)", "figures (person-only, test only)")
    assert all(one.options == {"subjects": 3} for one in others)
    # What a store keeps of a matrix is read as it was.
    kept = {"name": "m", "attempts": [{"name": "chance"}]}
    kept["datasets"] = [one.model_dump(mode="json", by_alias=True) for one in (whole, *others)]
    assert read_matrix(kept).datasets == [whole, *others]


def test_some_probes_and_a_single_one():
    assert [one.label for one in probed(probes=["mean-frame"], title="mine")] == [
        "mine",
        "mine (mean-frame)",
        "mine (mean-frame, test only)",
    ]
    for side, more in (("both", ""), ("test", ", test only")):
        labels = [one.label for one in probed(probes=["frozen", "shuffled"], probe_side=side)]
        assert labels == ["figures", f"figures (frozen{more})", f"figures (shuffled{more})"]
    (one,) = probed(probe="reversed", probe_side="test")
    assert (one.label, one.probe, one.probe_side) == ("figures (reversed, test only)", "reversed", "test")
    assert probed(probe="reversed", title="backwards")[0].label == "backwards"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"probe": "freeze"}, "probe: there is no probe 'freeze'; did you mean 'frozen'"),
        ({"probes": ["frozen", "mean"]}, "there is no probe 'mean'"),
        (
            {"probe": "frozen", "probe_side": "train"},
            "probe_side: input should be 'both' or 'test', got 'train'",
        ),
    ],
)
def test_probes_that_are_none(keys, says):
    with pytest.raises(MatrixError, match=re.escape(says)):
        probed(**keys)
