import errno
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from actionbench.models import checkpoint

CONTENT = {"epoch": 3, "net": {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, "best": None}


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        one, other = list(one.values()), list(other.values())
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, np.ndarray | np.generic):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    else:
        assert repr(one) == repr(other)


KINDS = st.one_of(
    arrays.floating_dtypes(sizes=(32, 64), endianness="="), arrays.integer_dtypes(endianness="=")
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, min_side=0, max_side=3)),
    KINDS.flatmap(lambda kind: arrays.from_dtype(kind)),
)
VALUES = st.recursive(
    LEAVES,
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.lists(inside, max_size=3).map(tuple),
        st.dictionaries(st.text(), inside, max_size=3),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_comes_back_with_the_same_bits_and_types(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("checkpoint") / "state"
    checkpoint.write(path, content)
    assert_same(checkpoint.read(path), content)


def test_arrays_of_any_layout(tmp_path):
    whole = np.arange(24.0).reshape(4, 6)
    checkpoint.write(tmp_path / "state", {"turned": whole.T, "stepped": whole[::2, ::-3]})
    found = checkpoint.read(tmp_path / "state")
    np.testing.assert_array_equal(found["turned"], whole.T)
    np.testing.assert_array_equal(found["stepped"], whole[::2, ::-3])


@pytest.mark.parametrize("bit", ["MT19937", "PCG64", "Philox"])
def test_the_state_of_a_generator(tmp_path, bit):
    one, other = (np.random.Generator(getattr(np.random, bit)(seed)) for seed in (1, 2))
    checkpoint.write(tmp_path / "state", {"generator": one.bit_generator.state})
    other.bit_generator.state = checkpoint.read(tmp_path / "state")["generator"]
    np.testing.assert_array_equal(one.random(9), other.random(9))


@pytest.mark.parametrize(
    "value", [object(), {1: 2.0}, np.array([object()]), np.array(["word"]), np.zeros(2, complex), b"raw"]
)
def test_what_it_cannot_hold(tmp_path, value):
    with pytest.raises(ValueError, match="holds numbers, strings and arrays, but net/0 is a "):
        checkpoint.write(tmp_path / "state", {"net": [value]})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, fails):
    path = tmp_path / "state"
    checkpoint.write(path, CONTENT)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.write(path, CONTENT | {"epoch": 4})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["state"]


def test_any_changed_byte_is_found(tmp_path):
    path = tmp_path / "state"
    checkpoint.write(path, CONTENT)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = checkpoint.read(path)
        except ValueError as error:
            assert "state: is damaged or no checkpoint" in str(error)  # noqa: PT017 (blank padding may change)
        else:
            assert_same(found, CONTENT)


@pytest.mark.parametrize("share", [0, 0.2, 0.99])
def test_a_torn_file(tmp_path, share):
    path = tmp_path / "state"
    checkpoint.write(path, CONTENT)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        checkpoint.read(path)


def test_a_file_of_someone_else(tmp_path):
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, np.float32)}, tmp_path / "state")
    with pytest.raises(ValueError, match="is damaged or no checkpoint"):
        checkpoint.read(tmp_path / "state")
