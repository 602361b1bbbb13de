"""What `make bench-quick` says of ratios that have fallen, and the tables of a run."""

import pytest
from compare import (
    EAGER,
    ONNX_RUNTIME,
    OPENVINO,
    Row,
    fallen,
    markdown,
    same_set,
    still_fallen,
    summary,
)

from actionbench.models.kernels import INSTRUCTION_SET


def row(ours, name="tiny3d", section="predictions", **peers):
    named = {"eager": EAGER, "openvino": OPENVINO, "onnx": ONNX_RUNTIME}
    return Row(
        section,
        name,
        (0.9 * ours, ours, 1.2 * ours),
        {named[peer]: (0.9 * ms, ms, 1.2 * ms) for peer, ms in peers.items()},
    )


def test_the_ratio_is_that_to_the_fastest():
    assert row(2.0, eager=8.0, openvino=3.0).ratio == 1.5
    means = summary([row(2.0, eager=8.0, openvino=3.0), row(1.0, eager=1.0, openvino=1.5)])["predictions"]
    assert means[EAGER] == {"geometric mean": pytest.approx(2.0), "smallest": 1.0}
    assert means["the fastest"] == {"geometric mean": pytest.approx(1.5**0.5), "smallest": 1.0}


@pytest.mark.parametrize(
    ("ours", "names"),
    [(1.0, []), (1.17, []), (1.19, [EAGER]), (0.5, [])],
)
def test_a_ratio_that_has_fallen_by_more_than_15_percent_is_told(ours, names):
    before = [row(1.0, eager=3.0)]
    found = fallen([row(ours, eager=3.0), row(9.0, name="new", eager=1.0)], before)
    assert [EAGER in sentence for sentence in found.values()] == [True] * len(names)
    assert list(found) == [("predictions", "tiny3d")] * len(names)


def test_peers_that_were_not_there_before_are_no_fault():
    assert fallen([row(1.0, eager=3.0, onnx=0.1)], [row(1.0, eager=3.0)]) == {}


@pytest.mark.parametrize(
    ("ratios", "n_worse"), [([3.0], 0), ([1.0, 3.0], 0), ([1.0, 1.0, 3.0], 0), ([1.0, 1.0, 1.0], 1)]
)
def test_what_has_fallen_counts_only_if_it_has_each_time(ratios, n_worse):
    measured = []

    def again(section, name):
        measured.append((section, name))
        return [row(1.0, eager=ratios[len(measured) - 1]), row(1.0, "another", eager=0.1)]

    before = {"rows": [vars(row(1.0, eager=3.0))]}
    assert len(still_fallen([row(1.0, eager=1.0)], before, again)) == n_worse
    assert measured == [("predictions", "tiny3d")] * len(ratios)


def test_a_table_has_a_column_for_each_peer():
    rows = [vars(row(2.0, eager=8.0, openvino=3.0)), vars(row(2.0, "mid3d", openvino=5.0, eager=4.0))]
    means = summary([Row(**entry) for entry in rows])
    table = markdown({"machine": {"threads": 1}, "summary": means, "rows": rows})
    assert (
        "| | ours, ms | PyTorch, ms | OpenVINO, ms | PyTorch : ours | OpenVINO : ours | the fastest : ours |"
        in table
    )
    assert "| tiny3d | 2 [1.8, 2.4] | 8 [7.2, 9.6] | 3 [2.7, 3.6] | 4.00 | 1.50 | 1.50 |" in table
    assert "| mid3d | 2 [1.8, 2.4] | 4 [3.6, 4.8] | 5 [4.5, 6] | 2.00 | 2.50 | 2.00 |" in table


def test_a_run_is_compared_with_that_of_its_instruction_set():
    own, other = ({"machine": {"instruction set": name}} for name in (INSTRUCTION_SET, "another"))
    assert same_set([]) is None
    assert same_set([other, own]) is own
    with pytest.raises(SystemExit, match="only for another"):
        same_set([other])
