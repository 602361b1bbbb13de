# %% [markdown]
# # The second hour: tensors, nets, optimisation, and an action recogniser
#
# What a Torch course did in its second hour, on arrays and a CPU. Run it as a script, `python docs/second_hour.py`, or
# open it as a notebook (jupytext, VS Code). It takes less than a minute and writes its pictures to `second-hour/`.

# %%
from pathlib import Path

import numpy as np

from actionbench.experiments.datasets.figures import Figures
from actionbench.features.volume import VolumeReader
from actionbench.models import load, looking, nn, optim, save, zoo
from actionbench.models.training import Held, Lazy, Training, predict_proba, progress_line

PICTURES = Path("second-hour")
PICTURES.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

# %% [markdown]
# ## Tensors are arrays
#
# A tensor is a storage (one row of numbers) with an offset, sizes and strides. NumPy's arrays are just that.

# %%
storage = np.arange(12, dtype=np.float32)
table = storage.reshape(3, 4)  # a view: no number moves
print("sizes", table.shape, "strides", [step // table.itemsize for step in table.strides])

# %% [markdown]
# Selecting, narrowing and transposing are views as well: writing into one changes the storage.

# %%
row, part, turned = table[1], table[:, 1:3], table.T
part[...] = -1
print("storage", storage)
print("the transposed strides", [step // turned.itemsize for step in turned.strides])
assert all(np.shares_memory(view, storage) for view in (row, part, turned))

# %% [markdown]
# A copy has a storage of its own. Arithmetic makes copies; `out=` and the operators with `=` write in place.

# %%
copy = table.copy()
copy[...] = 7
assert not np.shares_memory(copy, storage)
before = table
table += 1
assert before is table
np.multiply(table, 2, out=table)
print(table)

# %% [markdown]
# ## A net in one line
#
# A module turns arrays into arrays and gradients into gradients. The batch is axis 0, the channels are the last axis.

# %%
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).reset(0)
print(net)

# %% [markdown]
# `forward` computes, `backward` gives the gradient of the input and *adds* those of the parameters to their `grad`.

# %%
x, target = rng.standard_normal((5, 4)).astype(np.float32), np.array([0, 1, 2, 0, 1])
criterion = nn.CrossEntropyLoss()
scores = net.forward(x)
print("loss", round(criterion.forward(scores, target), 4))
net.zero_grad_parameters()
grad_input = net.backward(x, criterion.backward(scores, target))
net.update_parameters(0.1)
print("a step later", round(criterion.forward(net.forward(x), target), 4))

# %% [markdown]
# All parameters are views of one flat vector, all gradients of another. So every optimiser is a function of a vector.

# %%
weights, gradients = net.get_parameters()
print(weights.shape, "shared with the first layer:", np.shares_memory(weights, net[0].weight.value))

# %% [markdown]
# ## Containers
#
# `Concat` gives the same input to several branches and joins what they return; tables are lists of arrays.

# %%
branches = nn.Concat(
    -1, nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 3, padding=1))
)
print(branches.tree(np.zeros((1, 16, 16, 3), np.float32)))
residual = nn.Sequential(nn.ConcatTable(nn.Identity(), nn.Linear(4, 4)), nn.CAddTable())
print(residual.tree(x))

# %% [markdown]
# The nets of those years are a call each; here is the first of the nine blocks of Inception.

# %%
inception = zoo.inception()
print(f"{inception.count_parameters():,} parameters")
print(inception.find_modules(nn.Concat)[0])

# %% [markdown]
# ## Optimisation
#
# A method takes a function that returns loss and gradient, a point, and a state with options: `x, losses = method(f, x,
# state)`. The first example is Torch's own: the minimum of `x A x / 2 - b x`, which solves `A x = b`.

# %%
root = rng.standard_normal((5, 5))
A, b = root @ root.T + np.eye(5), rng.standard_normal(5)


def quadratic(x):
    """Return the value and the gradient."""
    return float(x @ A @ x / 2 - b @ x), A @ x - b


x, losses = optim.cg(quadratic, np.zeros(5), {"max_iter": 20})
print("conjugate gradients:", [float(f"{loss:.8g}") for loss in losses])
print("distance to the solution", float(np.abs(x - np.linalg.solve(A, b)).max()))

x, state, steps = np.zeros(5), {"learning_rate": 0.05}, 0
while quadratic(x)[0] > losses[-1] + 1e-6 and steps < 10_000:
    optim.sgd(quadratic, x, state)
    steps += 1
print("plain descent came as near after", steps, "steps")

# %% [markdown]
# The trace of conjugate gradients in Rosenbrock's valley is a published one: C. E. Rasmussen prints it for his
# `minimize.m`.


# %%
def rosenbrock(x):
    """Return value and gradient of the valley from (0, 0) to (1, 1)."""
    bend = x[1] - x[0] ** 2
    return (1 - x[0]) ** 2 + 100 * bend**2, np.array([-2 * (1 - x[0]) - 400 * x[0] * bend, 200 * bend])


x, losses = optim.cg(rosenbrock, np.zeros(2), {"max_iter": 50})
for place, loss in enumerate(losses):
    print(f"{place:3d}  {loss:.15g}")
published = [0.78251060908545, 0.39556533940410, 0.21891183735928, 0.08594362786359, 0.08167279250615]
assert np.allclose(losses[1:6], published, rtol=1e-12)

# %% [markdown]
# ## Load
#
# Twelve procedural people do six actions. The last four are for the test: nobody is on both sides.

# %%
data = Figures(subjects=12, clips_per_subject=2)
names, targets = np.unique(data.labels, return_inverse=True)
people = np.unique(data.groups)
is_test = np.isin(data.groups, people[-4:])
train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
print(f"{len(train)} clips to train on, {len(test)} to test, classes {', '.join(names)}")

# %% [markdown]
# A clip is decoded when it is asked for. `Held` keeps what was read up to 64 MiB, so that later epochs need not read it
# again. The reader makes volumes of 16 frames and 48 x 48 pixels of mean 0 and variance 1, in training cropped and
# mirrored at random.

# %%
reader = VolumeReader(size=48, margin=6)
clips = Held(Lazy(data.clips, reader.small.extract), lambda video: video["frames"].nbytes, 2**26)
train_clips, test_clips = Lazy(train, clips.__getitem__), Lazy(test, clips.__getitem__)
print("an input:", reader.draw(clips[0], rng).shape)

# %% [markdown]
# ## Create

# %%
net = zoo.tiny3d(len(names), widths=(8, 16, 32), rng=0)
example = reader.views(clips[0], 1)
print(net.tree(example))
print(f"{net.count_operations(example):,} operations for a volume")

# %% [markdown]
# ## Train
#
# Two of the eight people are held out to choose the epoch; a checkpoint would let the training go on after a stop.

# %%
training = Training(epochs=20, learning_rate=1e-2, validation=0.25)
with progress_line() as progress:
    log = training.fit(
        net,
        train_clips,
        targets[train],
        reader.draw,
        lambda video: reader.views(video, 3),
        data.groups[train],
        progress=progress,
    )
print(log.iloc[[0, -1]].to_string(index=False))

# %% [markdown]
# ## Test

# %%
probabilities = predict_proba(net, test_clips, lambda video: reader.views(video, 5))
right = probabilities.argmax(axis=1) == targets[test]
print(
    f"{right.sum()} of {len(test)} clips of people never seen are named rightly; by chance {len(test) / len(names):.0f}"
)

# %% [markdown]
# ## Look, and take home

# %%
looking.loss_curve(log).savefig(PICTURES / "loss.png")
looking.first_layer(net).savefig(PICTURES / "first-layer.png")
looking.activations(net, reader.views(test_clips[0], 1)).savefig(PICTURES / "activations.png")
looking.tree(net).savefig(PICTURES / "tree.png")
save(net, PICTURES / "net")
again = predict_proba(load(PICTURES / "net"), test_clips, lambda video: reader.views(video, 5))
assert np.array_equal(again, probabilities)
print("pictures and the net are in", PICTURES)
