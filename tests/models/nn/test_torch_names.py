"""What a reader of a Torch tutorial types works, or is answered with the name to use."""

import re
from pathlib import Path

import numpy as np
import pytest

from actionbench.models import nn, optim
from actionbench.models.nn import torch_names

DOCS = Path(__file__).parents[3] / "docs" / "nets.md"
OWNERS = {
    "module": (nn.Sequential(nn.Linear(2, 2)), torch_names.OF_MODULES),
    "nn": (nn, torch_names.OF_NN),
    "optim": (optim, torch_names.OF_OPTIM),
}
# Words of answers that are no names of ours.
OTHERS = {"what", "len", "net", "nothing", "the", "training", "Training"}


def rows():
    text = DOCS.read_text(encoding="utf-8").split("## Names from Torch7")[1]
    return [
        (owner, name, here.strip("`"))
        for owner, name, here in re.findall(r"\| `(module|nn|optim)\.(\w+)` \| (.*) \|", text)
    ]


def test_the_table_holds_all_words():
    assert len(rows()) == sum(len(known) for _, known in OWNERS.values())


@pytest.mark.parametrize(("owner", "name", "here"), rows())
def test_every_row_of_the_table_is_true(owner, name, here):
    asked, known = OWNERS[owner]
    assert known[name] == here.removeprefix("nn.")
    with pytest.raises(AttributeError, match=re.escape(f"Torch's {name} is here: {known[name]}")):
        getattr(asked, name)
    first = re.match(r"\w+", known[name]).group()
    layer = nn.Linear(2, 2)
    assert hasattr(asked, first) or hasattr(layer, first) or first in OTHERS


def test_a_name_that_nobody_has():
    with pytest.raises(AttributeError, match=r"^Linear has no attribute 'weigth'$"):
        _ = nn.Linear(2, 2).weigth
    with pytest.raises(AttributeError, match=r"^nn has no attribute 'Lineer'$"):
        _ = nn.Lineer
    assert not hasattr(nn.Linear(2, 2), "rng")


def test_requires_grad_says_how_to_freeze():
    parameter = nn.Linear(2, 2).weight
    assert parameter.requires_grad
    with pytest.raises(AttributeError, match=r"Training\(trained=...\)"):
        parameter.requires_grad = False


def bowl(x):
    return float(((x - 3) ** 2).sum()), 2 * (x - 3)


def test_torchs_own_example(capsys):
    seen = []
    x, losses = optim.cg(
        lambda x: (seen.append(1), bowl(x))[1], np.zeros(2), {"verbose": True, "maxIter": 100}
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(seen)
    assert lines[0] == "after 1 evaluations J(x) = 18"
    assert all(re.fullmatch(r"after \d+ evaluations J\(x\) = \S+", line) for line in lines)
    np.testing.assert_allclose(x, 3, atol=1e-6)
    assert losses[-1] < 1e-10


def test_torchs_spelling_is_the_same_option(capsys):
    one, other = np.zeros(2), np.zeros(2)
    optim.sgd(bowl, one, {"learningRate": 0.1, "weightDecay": 0.5})
    optim.sgd(bowl, other, {"learning_rate": 0.1, "weight_decay": 0.5})
    np.testing.assert_array_equal(one, other)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="sgd was given both learning_rate and learningRate"):
        optim.sgd(bowl, one, {"learningRate": 0.1, "learning_rate": 0.1})
    with pytest.raises(ValueError, match="verbose must be True or False"):
        optim.sgd(bowl, one, {"verbose": 1})


def test_what_torchs_contract_calls_the_same():
    net = nn.Sequential()
    assert net.add(nn.Linear(3, 2)) is net
    twin = net.clone("weight", "bias")
    assert twin[0].weight is net[0].weight
    assert twin[0].bias is net[0].bias
