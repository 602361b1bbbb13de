"""Whatever stands in a file, a name or an argument: it works, or one sentence says what is wrong."""

import contextlib
import os
import re
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from actionbench.errors import ActionbenchError, DecodeError, PluginError
from actionbench.experiments.datasets.registry import dataset_registry, make_dataset
from actionbench.experiments.planning.cells import make_plan
from actionbench.experiments.planning.matrix import read_matrix
from actionbench.experiments.store import Store
from actionbench.experiments.store.schema import CellRecord
from actionbench.features.video import read_video

MATRIX = """name = "mine"
seeds = [0, 1]
train_groups = [1, "all"]
silence = ["leaky-split"]

[limits]
profile = "laptop"
time = "10 min"
memory = "4 GiB"
threads = 1
output = 1000000

[[datasets]]
name = "folder"
root = "my clips"
groups = "(?P<group>[a-z]+)_"
title = "clips"
split = { name = "group-k-fold", folds = 2, seed = 3 }

[[attempts]]
name = "hog-svm"
params = { C = [1.0, 10.0] }
title = "svm"

[[attempts]]
name = "chance"
"""

GROUPS = "path,group\n" + "".join(
    f"{label}/{person}_{number}.mkv,{person}\n"
    for label in ("dark", "light")
    for person in ("ann", "bob", "cem")
    for number in (1, 2)
)

STRANGE = [
    "",
    " ",
    "a b",
    "-x",
    "--help",
    "'",
    '"',
    "a\nb",
    "a\u2028b",
    "\r",
    "../x",
    "../../etc/passwd",
    "/",
    "~",
    ".",
    "..",
    "\U0001f4a9",
    "\u202egnp.exe",
    "é" * 300,
    "x" * 5000,
    "\x00",
    "\x1b[31m",
    "\udcff",
    "a=b",
    "a,b",
    "*",
    "[",
    "${HOME}",
    "${NOT_SET_ANYWHERE}",
    "file:///dev/null",
    "%s{}",
]

VALUES = [
    *(
        "0",
        "-1",
        "1e999",
        "nan",
        "-inf",
        "9" * 5000,
        str(2**63),
        str(2**200),
        "true",
        "2020-01-01",
        "00:00:00",
    ),
    *(
        '""',
        "[]",
        "{}",
        "[[]]",
        "{a={b=[{}]}}",
        "[" * 40 + "]" * 40,
        "[" * 5000,
        '"\\u0000"',
        '"a\\nb"',
        '"x" ',
    ),
    *(
        '"10 GiB"',
        '"-3 s"',
        '"1e5 h"',
        '["all", "all"]',
        "[1, 1.5]",
        "'''x'''",
        '"../x"',
        "1979-05-27T07:32:00Z",
    ),
    '"' + "9" * 400 + ' s"',
]

names = st.one_of(st.sampled_from(STRANGE), st.text(max_size=30))
words = names.map(lambda name: name.replace("\x00", "0"))
unhurried = partial(settings, suppress_health_check=list(HealthCheck))


@st.composite
def broken_lines(draw, text):
    """Change some lines of a file: drop, double, rename keys, put other values in, or add garbage."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        if not lines:
            break
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["drop", "double", "key", "value", "value", "value", "garbage"]))
        key, equals, value = lines[at].partition("=")
        if how == "drop":
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "key" and equals:
            lines[at] = (
                draw(st.one_of(names, st.sampled_from(["nmae", "split", "params.x"]))) + equals + value
            )
        elif how == "value" and equals:
            lines[at] = key + equals + draw(st.one_of(st.sampled_from(VALUES), st.integers().map(str), names))
        else:
            lines.insert(at, draw(names))
    return "\n".join(lines)


@st.composite
def broken_bytes(draw, content):
    """Cut, flip, insert or replace bytes."""
    how = draw(st.sampled_from(["cut", "flip", "flip", "insert", "random", "text", "empty"]))
    if how == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if how == "flip":
        changed = bytearray(content)
        for at in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20)):
            changed[at] = draw(st.integers(0, 255))
        return bytes(changed)
    if how == "insert":
        at = draw(st.integers(0, len(content)))
        return content[:at] + draw(st.binary(max_size=50)) + content[at:]
    return {"random": draw(st.binary(max_size=200)), "text": b"no video\n", "empty": b""}[how]


def texts(text):
    return st.one_of(
        broken_lines(text).map(lambda changed: changed.encode(errors="surrogatepass")),
        broken_bytes(text.encode()),
    )


@contextlib.contextmanager
def decent():
    """It works or raises ActionbenchError."""
    with contextlib.suppress(ActionbenchError):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with clips, a store that holds something, and nothing else; the working directory."""
    import av

    root = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    for line in GROUPS.splitlines()[1:]:
        path = root / "my clips" / line.partition(",")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.height, stream.width, stream.pix_fmt = 12, 16, "gray"
            for image in rng.integers(0, 255, (3, 12, 16), dtype=np.uint8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
            container.mux(stream.encode())
    (root / "good.toml").write_text(MATRIX)
    with Store.open(root / "kept.sqlite") as store:
        run_id = store.begin_run("kept", {}, {})
        import pandas as pd

        table = pd.DataFrame({"clip": ["a"], "label": ["b"], "group": ["c"]})
        dataset_id = store.add_dataset(
            dataset="kept",
            split="s",
            fingerprint="f",
            groups_known=True,
            classes=["b"],
            warnings=[],
            table=table,
        )
        store.add_cell(
            run_id,
            CellRecord(
                *("key", dataset_id, "chance", "trivial", {}, 0, 0, "f", "code", 1, 1),
                positions=np.zeros(1, np.int32),
                probabilities=np.ones((1, 1)),
            ),
        )
    before = os.getcwd()
    os.chdir(root)
    yield root
    os.chdir(before)
    with Store.open(root / "kept.sqlite") as store:
        assert store.status_of() == {"key": ("done", None)}
        assert store.predictions("key")[1].tolist() == [[1.0]]


def read_and_plan(path):
    checked = read_matrix(path)
    # A search for a plan of a million cells is not what is looked for here.
    if len(checked.seeds) * sum(len(entry.points()) for entry in checked.attempts) < 1000:
        make_plan(checked)


def matrices(folder, content):
    (folder / "m.toml").write_bytes(content)
    with decent():
        read_and_plan(folder / "m.toml")


@given(content=texts(MATRIX))
@example(content=MATRIX.replace("output = 1000000", "output = inf").encode())
@example(content=MATRIX.replace("output = 1000000", "output = nan").encode())
@example(content=MATRIX.replace("seeds = [0, 1]", "seeds = [" + "9" * 5000 + "]").encode())
@example(content=MATRIX.replace("seeds = [0, 1]", "seeds = " + "[" * 5000).encode())
@example(content=MATRIX.replace('"laptop"', "[]").encode())
@example(content=MATRIX.replace('name = "group-k-fold"', "name = []").encode())
@example(content=MATRIX.replace('"my clips"', "5").encode())
@example(content=MATRIX.replace('"my clips"', '"\\u0000"').encode())
@example(content=MATRIX.replace("[1.0, 10.0]", "2020-01-01").encode())
@example(content=MATRIX.replace("seed = 3", f"seed = {2**40}").encode())
@example(content=MATRIX.replace("(?P<group>[a-z]+)_", "(?P<group>a{99999999999})").encode())
@example(content=MATRIX.replace("10 min", "9" * 400 + " s").encode())
@unhurried()
def test_matrix_files(folder, content):
    matrices(folder, content)


@pytest.mark.slow
@given(content=texts(MATRIX))
@unhurried(max_examples=1000)
def test_many_matrix_files(folder, content):
    matrices(folder, content)


def test_points_are_counted_and_not_listed(folder):
    """No machine could hold these 10**20."""
    many = ", ".join(f"p{n} = [{', '.join(map(str, range(100)))}]" for n in range(10))
    (folder / "m.toml").write_text(MATRIX.replace("C = [1.0, 10.0]", many))
    with pytest.raises(
        ActionbenchError, match=r"m\.toml: attempts: 'hog-svm': params\.p2: .* more than 100000"
    ):
        read_matrix(folder / "m.toml")


def group_files(folder, content):
    path = folder / "my clips" / "groups.csv"
    path.write_bytes(content)
    dataset = dataset_registry().get("folder")
    with decent():
        table = make_dataset(
            dataset, "folder", {"root": str(folder / "my clips"), "groups": "groups.csv"}
        ).table
        assert (table["group"] != "").all()


GROUP_FILES = st.one_of(
    texts(GROUPS),
    st.sampled_from([b"\xef\xbb\xbf", b"\xff\xfe", b"\x00", b'"']).map(lambda start: start + GROUPS.encode()),
    st.sampled_from(["path", "group", "path,group,path", "label,path,group", "group,path", ""]).map(
        lambda header: GROUPS.replace("path,group", header).encode()
    ),
    names.map(lambda name: GROUPS.replace("ann\n", f"{name}\n").encode(errors="surrogatepass")),
)


@given(content=GROUP_FILES)
@unhurried()
def test_group_files(folder, content):
    group_files(folder, content)


@pytest.mark.slow
@given(content=GROUP_FILES)
@unhurried(max_examples=1000)
def test_many_group_files(folder, content):
    group_files(folder, content)


LIST = "".join(f"{line.partition(',')[0]} 1\n" for line in GROUPS.splitlines()[1:] if "ann" not in line)


@given(content=texts(LIST), name=names)
@example(content=LIST.encode(), name="\x00")
@example(content=LIST.encode(), name="x" * 5000)
@unhurried()
def test_official_lists(folder, content, name):
    (folder / "train.txt").write_bytes(content)
    (folder / "test.txt").write_text("dark/ann_1.mkv\nlight/ann_1.mkv\n")
    for test in ("test.txt", name):
        split = {"name": "official", "train": str(folder / "train.txt"), "test": str(folder / test)}
        content = {
            "name": "x",
            "datasets": [
                {"name": "folder", "root": str(folder / "my clips"), "groups": "none", "split": split}
            ],
            "attempts": [{"name": "chance"}],
        }
        with decent():
            make_plan(read_matrix(content))


def videos(folder, data, suffix):
    good = next((folder / "my clips").rglob("*.mkv")).read_bytes()
    path = folder / f"damaged{suffix}"
    path.write_bytes(data.draw(broken_bytes(good)))
    how = data.draw(
        st.fixed_dictionaries(
            {"on_error": st.sampled_from(["error", "truncate"]), "width": st.sampled_from([None, 8, 10**9])}
        )
    )
    try:
        clip = read_video(path, **how)
    except DecodeError as error:
        said = str(error)
    else:
        said = f"damaged: {len(clip.frames)} frames"
        assert clip.fps > 0
    assert "damaged" in said


def test_a_video_of_an_unknown_codec(folder):
    good = next((folder / "my clips").rglob("*.mkv")).read_bytes()
    assert good.count(b"V_FFV1") == 1
    (folder / "unknown.mkv").write_bytes(good.replace(b"V_FFV1", b"V_XXXX"))
    with pytest.raises(DecodeError, match=r"unknown\.mkv: there is no decoder for the video stream"):
        read_video(folder / "unknown.mkv")


@given(data=st.data(), suffix=st.sampled_from([".mkv", ".mp4", ".gif", ".avi"]))
@unhurried()
def test_damaged_videos(folder, data, suffix):
    videos(folder, data, suffix)


@pytest.mark.slow
@given(data=st.data(), suffix=st.sampled_from([".mkv", ".mp4", ".gif", ".avi"]))
@unhurried(max_examples=1000)
def test_many_damaged_videos(folder, data, suffix):
    videos(folder, data, suffix)


@pytest.fixture
def call(folder, call, capfd):
    """Call the command line, which must print one sentence for each fault."""

    def checked(*words):
        capfd.readouterr()
        code, out, err = call(*words)
        assert code in (0, 2), (words, code, err)
        assert "Traceback" not in out + err
        # Of wrong use, which click finds, it also says how it is used.
        if code == 2 and not err.startswith("Usage: "):
            assert re.fullmatch(r"((actionbench|Error): [^\n]+\n)+", err), err
        return code, err

    return checked


def arguments(call, data):
    options = ["--set", "--only", "--store", "--plugin", "--why", "--workers"]
    given = []
    for option in data.draw(st.lists(st.sampled_from(options), min_size=1, max_size=2)):
        word = data.draw(words)
        if option in ("--set", "--only") and data.draw(st.booleans()):
            key = data.draw(
                st.sampled_from(["attempt", "fold", "seeds", "datasets.folder.root", "limits.time"])
            )
            word = f"{key}={data.draw(st.one_of(words, st.sampled_from(VALUES[:-1])))}"
        given.append(f"{option}={word}")
    call("plan", data.draw(st.one_of(st.just("good.toml"), words.map(lambda word: f"./{word}"))), *given)


@given(data=st.data())
@unhurried()
def test_arguments(call, data):
    arguments(call, data)


@pytest.mark.slow
@given(data=st.data())
@unhurried(max_examples=500)
def test_many_arguments(call, data):
    arguments(call, data)


@pytest.mark.parametrize("name", [name for name in STRANGE if "\x00" not in name])
def test_names_in_every_place(call, folder, name):
    before = sorted(os.listdir(folder))
    for words in (
        ["show", f"--store={name}"],
        ["plan", "good.toml", f"--plugin={name}"],
        ["plan", "good.toml", f"--set=datasets.folder.title={name}"],
        ["plan", "good.toml", f"--set=datasets.folder.root={name}"],
        ["plan", "good.toml", f"--set=attempts.chance.name={name}"],
        ["run", "good.toml", f"--retry={name}"],
        ["data", "info", "--", name],
    ):
        if name and name in ("/", "~", ".", "..") and words[1].startswith("--store"):
            continue
        call(*words)
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize("name", [name for name in STRANGE if name.strip() and not {"/", "\x00"} & set(name)])
def test_files_and_classes_of_any_name(call, folder, tmp_path, name):
    if len(os.fsencode(name)) > 200 or name in (".", ".."):
        return
    source = next((folder / "my clips").rglob("*.mkv")).read_bytes()
    for label in (name, "other"):
        for person in ("a", "b"):
            path = tmp_path / label / f"{person}_{name}.mkv"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(source)
    root = f"datasets.folder.root={str(tmp_path)!r}"
    groups = "datasets.folder.groups='^(?P<group>[ab])_'"
    code, err = call(
        "plan", "good.toml", "--set", root, "--set", groups, "--store", str(tmp_path / "s.sqlite")
    )
    assert code == (2 if "\udcff" in name else 0), err
    assert ("is not UTF-8" in err) == ("\udcff" in name)


def test_plugins_whose_names_look_alike_are_two(folder):
    for name in ("my-own.py", "my_own.py"):
        (folder / name).write_text(
            f"from actionbench.baselines.trivial.chance import Chance\nclass Own(Chance):\n    name = {name!r}\n"
        )
    cells = {"name": "x", "datasets": [{"name": "figures", "split": "leave-one-group-out"}]}
    entries = [{"name": "my-own.py"}, {"name": "my_own.py"}]
    checked = read_matrix(cells | {"attempts": entries})
    found = make_plan(checked, plugins=[folder / "my-own.py", folder / "my_own.py"]).cells
    assert {cell.title for cell in found} == {"my-own.py", "my_own.py"}


@pytest.mark.parametrize("content", [b"import sys; sys.exit()", b"\x00", b"\xff", b"def", b"1/0"])
def test_plugins_that_cannot_be_loaded(folder, content):
    path = folder / "broken.py"
    path.write_bytes(content)
    with pytest.raises(PluginError, match=r"broken\.py: the plug-in cannot be loaded: "):
        dataset_registry([path])
