# %% [markdown]
# # The second hour: tensors, nets and optimisation
#
# The topics of the second hour of a Torch course, with arrays and on a CPU. The first hour used nets as a whole; here
# are their parts. Run it as a script, `python docs/second_hour.py`, or as a notebook with its pictures (`make docs`
# makes the pages). It takes less than a minute.

# %%
# %matplotlib inline
import time

import matplotlib.pyplot as plt
import numpy as np

from actionbench.experiments.datasets.figures import Figures
from actionbench.models import nn, optim, visualize, zoo

rng = np.random.default_rng(0)

# %% [markdown]
# ## Tensors are arrays
#
# A tensor is a storage (a contiguous sequence of values) with an offset, sizes and strides. NumPy's arrays are the
# same.

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
# ## Modules one by one
#
# The gradient of a transfer function is what `backward` gives for a gradient of one.

# %%
line = np.linspace(-3, 3, 201, dtype=np.float32)[:, np.newaxis]
figure, panels = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained", sharex=True, sharey=True)
for axes, module in zip(panels, (nn.Tanh(), nn.Sigmoid(), nn.ReLU(), nn.ELU()), strict=True):
    axes.plot(line, module.forward(line), color="0.1", label="output")
    axes.plot(line, module.backward(line, np.ones_like(line)), "--", color="#d55e00", label="gradient")
    axes.set(xlabel="input", ylim=(-1.1, 3))
    axes.set_title(type(module).__name__, fontsize=10)
    axes.grid(alpha=0.3)
_ = panels[0].legend(frameon=False, fontsize=8)

# %% [markdown]
# Four transfer functions and their gradients, without units. Where the gradient is near 0 nothing is learned: on both
# sides of `Tanh` and `Sigmoid`, on the left of `ReLU`.
#
# Is a gradient correct? `checkgrad` compares it with finite differences of the loss and returns the relative deviation.
# In double precision it is small.

# %%
checked = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))
checked.reset(0).astype(np.float64)
images, labels = rng.standard_normal((5, 4, 4, 2)), np.array([0, 1, 2, 0, 1])
point, slope = checked.get_parameters()


def loss_of_images(_):
    """Return the loss of five images and its gradient; the net's parameters are the point itself."""
    checked.zero_grad_parameters()
    found = checked.forward(images)
    checked.backward(images, criterion.backward(found, labels), input_grad=False)
    return criterion.forward(found, labels), slope


deviation, *_ = optim.checkgrad(loss_of_images, point)
print(f"relative deviation {deviation:.1e}")
assert deviation < 1e-6

# %% [markdown]
# A convolution uses the same few weights at each position. Here nothing is learned, the weights are set by hand: two
# filters for edges, one for the change from a frame to the next. Filters are (frames, rows, columns, in, out).

# %%
data = Figures(subjects=2, clips_per_subject=1, frames=16)
clip = data.clips[list(data.labels).index("walking")]
conv = nn.Conv3d(1, 3, (2, 3, 3), bias=False)
conv.weight.value.fill(0)
conv.weight.value[0, :, 0, 0, 0], conv.weight.value[0, :, 2, 0, 0] = -1 / 3, 1 / 3
conv.weight.value[0, 0, :, 0, 1], conv.weight.value[0, 2, :, 0, 1] = -1 / 3, 1 / 3
conv.weight.value[0, 1, 1, 0, 2], conv.weight.value[1, 1, 1, 0, 2] = -1, 1
seen = conv.forward(clip.grey()[np.newaxis, ..., np.newaxis].astype(np.float32))[0]
print("in", clip.grey().shape, "out", seen.shape)
titles = ("the frame", "edges: to the right", "edges: down", "change in time")
figure, panels = plt.subplots(1, 4, figsize=(9, 2.5), layout="constrained")
figure.supxlabel("position to the right, pixels", fontsize=9)
figure.supylabel("down, pixels", fontsize=9)
for number, (axes, title) in enumerate(zip(panels, titles, strict=True)):
    if number:
        image = axes.imshow(seen[8, :, :, number - 1], cmap="gray", vmin=-60, vmax=60)
    else:
        axes.imshow(clip.grey()[8], cmap="gray", vmin=0, vmax=255)
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
_ = figure.colorbar(image, ax=panels, label="output, grey levels", fraction=0.02)

# %% [markdown]
# A person walks. The edge filters also respond to the scene; the filter of change responds almost only to the person. A
# ConvNet learns such filters by itself.
#
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

# %%
visualize.tree(residual)

# %% [markdown]
# The same tree as a figure, each module below its parent; numbers of parameters to the right.
#
# ## The nets of those years
#
# OverFeat, AlexNet and Inception are a call each, with the layers and sizes of the files that Torch users built them
# from. They classify photographs into a thousand classes. Their weights here are the initial ones: this shows their
# architecture only.


# %%
def layers(net, example):
    """Return kind, parameters and operations of each layer for one input, in order."""
    return [
        (type(module).__name__, module.count_parameters(), module.count_operations(x))
        for module, x, _ in net.trace(example)
        if not module.children()
    ]


made = {}
for name, build, side in (
    ("AlexNet", zoo.alexnet, 224),
    ("OverFeat", zoo.overfeat, 231),
    ("Inception", zoo.inception, 224),
):
    net, image = build(rng=0).evaluate(), np.zeros((1, side, side, 3), np.float32)
    made[name] = layers(net, image)
    scores = net.forward(image)
    begun = time.perf_counter()
    net.forward(image)
    spent = time.perf_counter() - begun
    millions, billions = net.count_parameters() / 1e6, sum(row[2] for row in made[name]) / 1e9
    print(f"{name}: {millions:.1f} million parameters, {scores.shape[1]} scores")
    print(f"    {billions:.1f} billion operations and {1000 * spent:.0f} ms for an image")
del net

# %%
figure, panels = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained", sharey=True)
kinds = ("Conv2d", "Linear", "others")
units = ("parameters, millions", 1e6), ("operations for an image, billions", 1e9)
for column, (axes, (label, unit)) in enumerate(zip(panels, units, strict=True), 1):
    left = np.zeros(len(made))
    for kind, colour in zip(kinds, ("#0072b2", "#e69f00", "0.6"), strict=True):
        width = [
            sum(row[column] for row in rows if (row[0] if row[0] in kinds else "others") == kind) / unit
            for rows in made.values()
        ]
        axes.barh(list(made), width, left=left, color=colour, label=kind)
        left += width
    axes.set_xlabel(label)
panels[0].invert_yaxis()
_ = panels[1].legend(frameon=False)

# %% [markdown]
# Where the parameters are, and where the work is. In AlexNet and OverFeat nearly all parameters lie in the fully
# connected layers, nearly all work in the convolutions. Inception has a mean instead of large fully connected layers.
#
# It consists of blocks. Each applies windows of 1, 3 and 5 pixels and a pooling to the same input and joins the
# outputs; 1 x 1 convolutions before the large windows reduce the work. This is the first of nine:

# %%
inception = zoo.inception(rng=0)
print(inception.find_modules(nn.Concat)[0])

# %% [markdown]
# ## Memory: LSTM
#
# A recurrent net reads a sequence step by step and keeps a state. The task: a noisy sequence contains two pulses, one
# up, one down; which came first? Only the order of the values contains the answer.


# %%
def pulses(n, length=24):
    """Return sequences (n, length, 1), and 1 where the pulse up comes first."""
    sequences = 0.1 * rng.standard_normal((n, length, 1)).astype(np.float32)
    first, second = np.sort([rng.permutation(length)[:2] for _ in range(n)]).T
    answer = rng.integers(2, size=n)
    sequences[np.arange(n), first, 0] += 2 * answer - 1
    sequences[np.arange(n), second, 0] -= 2 * answer - 1
    return sequences, answer


reader = zoo.lstm_classifier(1, 8, 2, rng=0)
print(reader)
weights, gradients = reader.get_parameters()
fresh, answers = pulses(500)
state, losses, right = {"learning_rate": 1e-2}, [], []


def loss_of_batch(_):
    """Return the loss of new sequences and its gradient."""
    batch, target = pulses(32)
    reader.zero_grad_parameters()
    scores = reader.forward(batch)
    reader.backward(batch, criterion.backward(scores, target), input_grad=False)
    return criterion.forward(scores, target), gradients


for step in range(600):
    losses += optim.adam(loss_of_batch, weights, state)[1]
    if step % 20 == 19:
        with reader.evaluating():
            right.append(np.mean(reader.forward(fresh).argmax(axis=1) == answers))
print(f"{100 * right[-1]:.0f} % of {len(answers)} new sequences are answered correctly")

# %%
whole = nn.LSTM(1, 8)
whole.load_state_dict(reader[0].state_dict())
states = whole.evaluate().forward(fresh[:1])[0]
figure, panels = plt.subplots(1, 3, figsize=(9, 2.8), layout="constrained", width_ratios=(1, 1, 1.2))
panels[0].plot(losses, color="0.7", label="loss of a batch")
panels[0].plot(np.arange(20, 601, 20), right, color="#d55e00", label="accuracy, new sequences")
panels[0].set(xlabel="step", ylim=(0, None))
panels[0].legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1))
panels[1].stem(fresh[0, :, 0], basefmt=" ")
panels[1].set(xlabel="position in the sequence", ylabel="input")
image = panels[2].imshow(states.T, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
panels[2].set(xlabel="position in the sequence", ylabel="channel of the state")
_ = figure.colorbar(image, ax=panels[2], label="state")

# %% [markdown]
# Left: the training loss. Middle: a sequence. Right: the state of the LSTM while it reads that sequence, eight
# channels. Each pulse changes them; in between they stay nearly constant. The last layer sees the last column only.
#
# `zoo.frames_lstm` is the same for video.

# %%
visualize.tree(zoo.frames_lstm(6))

# %% [markdown]
# Its modules from top to bottom. The windows of the convolutions are one frame long: a ConvNet looks at each frame, the
# mean makes a vector of it, an LSTM reads the vectors. Numbers of parameters to the right.

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
# How do the methods move through the valley? Each starts at the same point and may evaluate the function and its
# gradient 60 times. Some methods make one step per call, others run until they converge.

# %%
methods = {
    "sgd": (optim.sgd, {"learning_rate": 1e-3}),
    "sgd with momentum": (optim.sgd, {"learning_rate": 1e-3, "momentum": 0.9, "dampening": 0.0}),
    "adam": (optim.adam, {"learning_rate": 0.1}),
    "cg": (optim.cg, {"max_iter": 60, "max_eval": 60}),
}


def path(method, options, budget=60):
    """Return the places at which a method looks."""
    places = []

    def watched(x):
        places.append(x.copy())
        return rosenbrock(x)

    x, state = np.array([-1.0, 1.5]), dict(options)
    for _ in range(1 if "max_eval" in options else budget):
        method(watched, x, state)
    return np.array(places)


across, up = np.meshgrid(np.linspace(-1.8, 1.8, 200), np.linspace(-0.8, 2.2, 200))
values = (1 - across) ** 2 + 100 * (up - across**2) ** 2
figure, panels = plt.subplots(1, 4, figsize=(9, 2.8), layout="constrained", sharex=True, sharey=True)
panels[0].set_ylabel("second parameter")
for axes, (name, how) in zip(panels, methods.items(), strict=True):
    places = path(*how)
    contours = axes.contourf(across, up, np.log10(values + 1e-3), 12, cmap="Greys_r")
    axes.plot(*places.T, ".-", color="#d55e00", markersize=4, linewidth=0.8)
    axes.plot(1, 1, "*", color="#56b4e9", markersize=10)
    axes.set(xlabel="first parameter", xlim=(-1.8, 1.8), ylim=(-0.8, 2.2))
    axes.set_title(f"{name}: {rosenbrock(places[-1])[0]:.2g}", fontsize=9)
_ = figure.colorbar(contours, ax=panels, label="value, power of ten", fraction=0.02)

# %% [markdown]
# The star is the minimum, the number above each panel the last value. Gradient descent enters the valley and then moves
# slowly along it; momentum gets further; the steps of Adam have about the same size whatever the slope, so that it
# oscillates; the conjugate gradients follow the bend.
#
# With a net it is the same, with more parameters. Two spirals, one for each class; all points in each step.

# %%
turn = np.sqrt(rng.uniform(0.02, 1, 300)) * 3 * np.pi
which = rng.integers(2, size=300)
spirals = (turn * (2 * which - 1) * np.array([np.cos(turn), np.sin(turn)]) / 10).T
spirals = (spirals + 0.02 * rng.standard_normal(spirals.shape)).astype(np.float32)


def descend(method, options, budget=400):
    """Train a new net by a method; return it and its loss at each look."""
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))
    weights, gradients = net.reset(0).get_parameters()
    losses, state = [], dict(options)

    def look(_):
        net.zero_grad_parameters()
        scores = net.forward(spirals)
        net.backward(spirals, criterion.backward(scores, which), input_grad=False)
        losses.append(criterion.forward(scores, which))
        return losses[-1], gradients

    for _ in range(1 if "max_eval" in options else budget):
        method(look, weights, state)
    return net.evaluate(), losses


methods = {
    "sgd": (optim.sgd, {"learning_rate": 0.1}),
    "sgd with momentum": (optim.sgd, {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.0}),
    "adam": (optim.adam, {"learning_rate": 1e-2}),
    "lbfgs": (optim.lbfgs, {"max_iter": 400, "max_eval": 400, "line_search": "strong_wolfe"}),
}
trained = {name: descend(*how) for name, how in methods.items()}
for name, (_, losses) in trained.items():
    print(f"{name}: loss {losses[0]:.2g}, after {len(losses)} looks {losses[-1]:.2g}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for name, (_, losses) in trained.items():
    left.semilogy(losses, label=name)
left.set(xlabel="evaluations of loss and gradient of all points", ylabel="loss")
left.legend(frameon=False)
across, up = np.meshgrid(*[np.linspace(-1.1, 1.1, 120)] * 2)
points = np.stack([across.ravel(), up.ravel()], axis=1).astype(np.float32)
share = nn.Softmax().forward(trained["lbfgs"][0].forward(points))[:, 1].reshape(across.shape)
image = right.imshow(
    share, extent=(-1.1, 1.1, -1.1, 1.1), origin="lower", cmap="RdBu", vmin=0, vmax=1, alpha=0.6
)
right.scatter(*spirals.T, c=np.where(which, "#08306b", "#67000d"), s=6)
right.set(xlabel="first input", ylabel="second input")
_ = figure.colorbar(image, ax=right, label="probability of the blue class")

# %% [markdown]
# Left: loss against the number of evaluations, each method with a usual learning rate. Right: the prediction of the net
# trained by `lbfgs` at each position, and the points; inputs have no unit. `lbfgs` stops when it has converged.
#
# With few points each step can use all of them. Nets on video are trained on mini-batches, for which methods with a
# line search are unsuitable: the third hour uses AdamW.
