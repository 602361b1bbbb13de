# %% [markdown]
# # The first hour: telling actions apart
#
# A clip shows somebody who does something. Which of six things is it? This lecture makes four attempts: rules that a
# person can read, features with a machine that learns weights, fully connected nets, and nets of convolutions. Each
# is looked into, and each is measured in the same way: on people it has never seen.
#
# Run it as a script, `python docs/first_hour.py`, or as a notebook with its pictures (`make docs` makes the pages). It
# takes about three minutes and keeps its results in the folder `first-hour`; a second time they are there already.

# %%
# %matplotlib inline
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rich

import actionbench
from actionbench.baselines.handcrafted.hog_hof_mbh_svm import HogHofMbhSvm
from actionbench.baselines.nets.convnet_3d import ConvNet3d
from actionbench.baselines.nets.convnet_frame import ConvNetFrame
from actionbench.baselines.nets.mlp_flow import MlpFlow
from actionbench.baselines.nets.mlp_pixels import MlpPixels
from actionbench.baselines.rules.rules_hand import RulesHand
from actionbench.baselines.rules.rules_tree import RulesTree
from actionbench.experiments.audit.preview import contact_sheet
from actionbench.experiments.datasets.figures import Figures
from actionbench.experiments.store import Store
from actionbench.features.descriptors import GridDescriptor
from actionbench.features.motion import observe
from actionbench.features.quantities import QUANTITIES, quantities
from actionbench.features.volume import VolumeReader
from actionbench.models import nn, visualize
from actionbench.reports.analysis.results import gather
from actionbench.reports.analysis.tables import layout
from actionbench.reports.rendering.figures import accuracy_figure
from actionbench.reports.rendering.heatmaps import confusion_figure
from actionbench.reports.rendering.terminal import Tables
from actionbench.reports.rendering.verdict import verdict
from actionbench.reports.statistics.intervals import confusion_matrix

FOLDER = Path("first-hour")
FOLDER.mkdir(exist_ok=True)
rich.reconfigure(width=100)

# %% [markdown]
# ## The task
#
# The data set is built in. Twelve people are drawn, each does six actions, the six of the KTH data set. No nuisance
# (scene, camera, light, direction) tells the action: each person does all six under the same ones.

# %%
data = Figures(subjects=12, clips_per_subject=1, frames=32)
classes, people = np.unique(data.labels), np.unique(data.groups)
print(f"{len(data)} clips of {len(people)} people: {', '.join(classes)}")
contact_sheet(data, frames=7)

# %% [markdown]
# One clip of each action, time to the right, in seconds. One picture hardly tells who jogs and who runs, or whose hands
# clap and whose wave: it is in the motion.

# %% [markdown]
# ### How an attempt is measured
#
# Clips of one person resemble each other in ways that have nothing to do with the action. An attempt that knows the
# person may know the answer. So whole people are left out: there are three folds, and in each an attempt learns from
# eight people and is asked about the other four. Every clip is a test clip once.
#
# This is a *matrix*, what is to be compared and how. An attempt's settings stand here, before anything was measured.
# They are those that the attempts come with; only the ConvNets get smaller volumes and fewer epochs, to save time.

# %%
small = {"size": 32, "margin": 4, "epochs": 40}
matrix = {
    "name": "first hour",
    "datasets": [
        {
            "name": "figures",
            "subjects": data.subjects,
            "clips_per_subject": data.clips_per_subject,
            "frames": data.frames,
            "split": {"name": "group-k-fold", "folds": 3},
        }
    ],
    "attempts": [
        {"name": "chance"},
        {"name": "majority"},
        {"name": "rules-hand"},
        {"name": "rules-tree"},
        {"name": "hog-svm"},
        {"name": "hof-svm"},
        {"name": "hog-hof-mbh-svm"},
        {"name": "mlp-pixels"},
        {"name": "mlp-flow"},
        {"name": "convnet-frame", "title": "convnet-frame", "params": small},
        {"name": "convnet-3d", "title": "convnet-3d", "params": small, "controls": True},
    ],
}


def measure(*names):
    """Run all folds of some attempts and return their part of the table."""
    only = [f"attempt={name}" for name in names]
    kept = {"store": FOLDER / "results.sqlite", "cache": FOLDER / "features"}
    return actionbench.run(matrix, only=only, **kept)


def results():
    """Return what is known of each attempt so far, by name."""
    with Store.open(FOLDER / "results.sqlite") as store:
        return {result.attempt: result for result in gather(store)}


def confusion(name):
    """Draw what an attempt takes for what."""
    result = results()[name]
    counts = confusion_matrix(result.truth, result.predicted, len(classes))
    return confusion_figure(counts, result.classes)


# %% [markdown]
# What is good? Two attempts that look at nothing are the floor: one guesses, one always gives the most frequent label.

# %%
rich.print(Tables(layout(measure("chance", "majority"))))

# %% [markdown]
# Behind an accuracy stands its 95 % interval. It comes from drawing *people* again, not clips, since it shall hold for
# other people.
#
# To look into an attempt we also fit it by hand, on the first eight people; the last four stay strangers. The looking
# decides nothing: what is reported are the folds of the matrix.

# %%
train, test = (np.flatnonzero(np.isin(data.groups, some)) for some in (people[:8], people[8:]))
known = data.clips[train], data.labels[train], data.groups[train]


def example(label):
    """Return a clip of an action by the first of the strangers."""
    return data.clips[int(test[data.labels[test] == label][0])]


# %% [markdown]
# ### Where something moves
#
# Before a clip is described, the motion of the camera is taken out, and the mover is found: a box that goes with what
# moves most.


# %%
def draw_motion(axes, clip, step=4):
    """Draw the frame in which most moves, the mover's box, and the flow of what moves to the next frame."""
    seen = observe(clip)
    moves = seen.track.mask[:-1]
    frame = int((np.abs(seen.flow).sum(axis=-1) * moves).sum(axis=(1, 2)).argmax())
    top, left, bottom, right = seen.track.boxes[frame]
    flow = seen.flow[frame, ::step, ::step] * seen.fps / seen.track.body_height
    down, across = np.mgrid[: seen.frames.shape[1] : step, : seen.frames.shape[2] : step]
    moving = moves[frame, ::step, ::step]
    axes.imshow(seen.frames[frame], cmap="gray", vmin=0, vmax=255)
    axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="#e69f00")
    how = {"angles": "xy", "units": "xy", "scale": 0.15, "width": 0.9, "color": "#56b4e9"}
    arrows = axes.quiver(across[moving], down[moving], *flow[moving].T, **how)
    words = {"fontproperties": {"size": 7}, "labelcolor": "white", "labelpos": "E"}
    axes.quiverkey(arrows, 0.1, 0.93, 2, "2 heights/s", **words)
    axes.set_title(f"{frame / seen.fps:.2f} s", fontsize=9, loc="right")


figure, panels = plt.subplots(2, 3, figsize=(9, 5.4), layout="constrained", sharex=True, sharey=True)
figure.supxlabel("position to the right, pixels", fontsize=9)
figure.supylabel("position down, pixels", fontsize=9)
for axes, label in zip(panels.ravel(), classes, strict=True):
    draw_motion(axes, example(label))
    axes.set_title(label, fontsize=10, loc="left")

# %% [markdown]
# A clip of each action at the time when most moves. Orange is the mover's box, blue the flow of what moves, without the
# camera's. Speeds are in body heights per second, so that it does not matter how far away somebody is.

# %% [markdown]
# ## First attempt: rules
#
# A *quantity* is a number of a clip that has a name and a unit. Here are six of those that there are, for the people we
# know.

# %%
names = [
    "passing speed",
    "horizontal sweep",
    "vertical motion",
    "symmetry",
    "repeat frequency",
    "foot spread change",
]
measured = [quantities(clip) for clip in known[0]]
places = {label: np.flatnonzero(known[1] == label) for label in classes}
units = {quantity.name: quantity.unit or "a share" for quantity in QUANTITIES}
figure, panels = plt.subplots(2, 3, figsize=(9, 5), layout="constrained", sharey=True)
for axes, name in zip(panels.ravel(), names, strict=True):
    for row, label in enumerate(classes):
        values = [measured[place][name] for place in places[label]]
        axes.plot(values, np.full(len(values), row), "o", markersize=4, alpha=0.6)
    axes.set_xlabel(f"{name}, {units[name]}", fontsize=9)
    axes.set_yticks(range(len(classes)), classes)
    axes.grid(axis="x", alpha=0.3)
panels[0, 0].invert_yaxis()

# %% [markdown]
# A point is a clip. The speed at which somebody passes parts those who go somewhere from those who stay. Among those
# who go, the speeds overlap, and they do so by design: a fast walker outpaces a slow jogger.
#
# The first list of rules is written by hand. Its thresholds come from physiology, none from a clip. A list is read from
# above, and the first rule that holds decides. This is how it decides a clip of somebody who runs:

# %%
hand = RulesHand().fit(*known)
print(hand.explain(example("running")))

# %% [markdown]
# The second list is a small decision tree, grown on the clips that we know and written as rules. How large it may get
# is chosen on people held out of those we know.

# %%
tree = RulesTree().fit(*known)
print(tree.explain(example("running")))

# %%
rich.print(Tables(layout(measure("rules-*"))))

# %%
confusion("rules-tree")

# %% [markdown]
# Rows are what people did, columns what it was taken for, in percent. Rules cost nothing to read, and when they fail,
# one can say why: look whether the mistakes stay within two families, those who go and those who stand.

# %% [markdown]
# ## Second attempt: features and a support vector machine
#
# A handful of numbers is little. The next attempt measures many and lets a machine weigh them. The mover's box is
# divided into 4 x 4 cells, the time into three parts. Each cell counts directions, in eight bins:
#
# - **HOG**, of the brightness gradients: shape;
# - **HOF**, of the flow: motion;
# - **MBH**, of the gradients of the flow: where motion changes from place to place. A camera that pans moves all
#   places alike, and leaves no mark.


# %%
def draw_cells(axes, histograms):
    """Draw the directions in each cell, as spokes, for histograms (rows, columns, 8)."""
    angles = np.arange(8) * np.pi / 4
    longest = histograms.max()
    for (row, column), _ in np.ndenumerate(histograms[..., 0]):
        spokes = 0.48 * histograms[row, column] / longest
        for angle, spoke in zip(angles, spokes, strict=True):
            ends = [column, column + spoke * np.cos(angle)], [row, row + spoke * np.sin(angle)]
            axes.plot(*ends, color="0.1", linewidth=1.6)
        axes.plot(column, row, ".", color="#e69f00", markersize=4)
    n_rows, n_columns = histograms.shape[:2]
    axes.set(xlim=(-0.5, n_columns - 0.5), ylim=(n_rows - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(n_columns))
    axes.set_yticks(range(n_rows))
    axes.set_xticks(np.arange(n_columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n_rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.8")
    axes.tick_params(which="both", length=0, labelsize=7)


shown = "handwaving", "running"
figure, panels = plt.subplots(2, 4, figsize=(9, 4.9), layout="constrained")
for row, label in zip(panels, shown, strict=True):
    clip = example(label)
    draw_motion(row[0], clip)
    row[0].set(xlabel="pixels to the right", ylabel=f"{label}, pixels down")
    row[0].tick_params(labelsize=7)
    for axes, channel in zip(row[1:], ("hog", "hof", "mbh"), strict=True):
        descriptor = GridDescriptor((channel,)).extract(clip)["descriptor"]
        parts = descriptor.reshape(2 if channel == "mbh" else 1, 3, 4, 4, -1)
        draw_cells(axes, parts[0, 1, ..., :8])
        name = "MBH, flow to the right" if channel == "mbh" else channel.upper()
        axes.set_title(name, fontsize=9)
        axes.set(xlabel="column of cells", ylabel="row of cells")

# %% [markdown]
# The middle third of two clips, left a frame with box and flow, then the cells. A spoke starts at the dot in the middle
# of its cell, shows a direction, and is as long as this is frequent; the longest of a panel reaches the edge. Hands
# that wave mark the upper corners; somebody who runs moves to one side in all rows.
#
# All cells of all channels are one vector. A linear support vector machine learns a weight for each number and class.

# %%
machine = HogHofMbhSvm().fit(*known)
explanation = machine.explain()
print(explanation)
explanation.figures["cells"]

# %% [markdown]
# How much the machine looks at each cell, for each class: squared weights, summed over channels and times. The text
# above says how they divide among the channels.

# %%
rich.print(Tables(layout(measure("hog-svm", "hof-svm", "hog-hof-mbh-svm"))))

# %%
confusion("hog-hof-mbh-svm")

# %% [markdown]
# What all three together take for what. Shape, motion, both: the table says what each gives alone. What is left is
# mostly a matter of degree, one gait taken for the next.

# %% [markdown]
# ## Third attempt: fully connected nets
#
# So far people chose the numbers. A net is to find them by itself. The simplest takes every pixel of every frame as a
# number, 8 frames of 16 x 16 pixels, through one hidden layer of 128 units.

# %%
pixels = MlpPixels().fit(*known)
said = pixels.explain()
print(said)
said.figures["first-layer"]

# %% [markdown]
# Weights of 16 units as patches in space and time: a row of eight frames each, dark is negative, bright positive. They
# are spotty. Each weight stands for one place at one time, and learns from the few clips in which something happened
# just there; what its neighbour learns is no help. How alike are neighbours?


# %%
def neighbours(attempt, frames, channels):
    """Print the correlation of first-layer weights with those a pixel to the right."""
    weights = attempt.net().find_modules(nn.Linear)[0].weight.value
    patches = weights.reshape(len(weights), frames, 16, 16, channels)
    alike = np.corrcoef(patches[:, :, :, 1:].ravel(), patches[:, :, :, :-1].ravel())[0, 1]
    print(f"{type(attempt).__name__}: weights of neighbouring pixels correlate by {alike:.2f}")


neighbours(pixels, frames=8, channels=1)

# %%
said.figures["loss"]

# %% [markdown]
# The loss falls on the clips that the net learns from, shifted and mirrored anew in each epoch. That says little of
# strangers:


# %%
def known_and_strangers(attempt):
    """Print how often a fitted attempt is right for people it knows and for strangers."""
    n = attempt.count()["parameters"]
    print(f"{type(attempt).__name__} of {n:,} parameters, learned from {len(train)} clips")
    for rows, whose in ((train, "people it learned from"), (test, "strangers")):
        right = np.mean(attempt.predict(data.clips[rows]) == data.labels[rows])
        print(f"{100 * right:.0f} % of the clips of {whose} are classified correctly")


known_and_strangers(pixels)

# %% [markdown]
# Many more parameters than clips: a net can learn its clips by heart. What may help is an input in which the same thing
# looks the same: the flow instead of brightness, about the mover instead of in the frame.

# %%
flow = MlpFlow().fit(*known)
known_and_strangers(flow)
neighbours(flow, frames=12, channels=2)
flow.explain().figures["first-layer"]

# %% [markdown]
# The same net on flow about the mover, twelve frames to the right; the upper channel is motion to the right, the lower
# one motion down. Compare how alike neighbours are now: flow is smooth, so a unit can watch a region, not a spot.

# %%
rich.print(Tables(layout(measure("mlp-*"))))

# %%
confusion("mlp-flow")

# %% [markdown]
# What the net on flow takes for what. What it gains over the one on pixels it owes to the input that people chose.

# %% [markdown]
# ## Fourth attempt: ConvNets
#
# A convolution has small filters which it uses at every place, and in volumes at every time. What is learned here is
# known there. The first is the control: a net that sees one frame at a time, so that it knows shape, not motion.

# %%
frame_net = ConvNetFrame(**small).fit(*known)
known_and_strangers(frame_net)

# %% [markdown]
# The second sees volumes of 16 frames.

# %%
volume_net = ConvNet3d(**small).fit(*known)
known_and_strangers(volume_net)
print(volume_net.net().tree())

# %%
visualize.first_layer(volume_net.net())

# %% [markdown]
# The filters of the first layer, of 3 x 3 pixels; three frames to the right. A filter whose three pictures are alike
# sees shape, one whose pictures change sees motion.

# %%
reader = VolumeReader(size=small["size"], margin=small["margin"])
volume = reader.views(reader.small.extract(example("handwaving")), 1)
visualize.activations(volume_net.net(), volume, "3")

# %% [markdown]
# What the first stage gives for a clip of waving hands: eight channels, eight steps of time to the right. Some mark the
# body at all times, others the arms at some. The third hour shows all stages of such a net.

# %%
volume_net.explain().figures["loss"]

# %% [markdown]
# The loss of the training. Labels are smoothed, so that it cannot reach zero.
#
# ### Does it use motion?
#
# That a net sees 16 frames does not say that it needs them. Three controls are trained and tested just like it:
#
# - *shuffled*: the frames in any order;
# - *still*: one frame, repeated;
# - *random*: filters as they are drawn at first, only the last layer learns.

# %%
table = measure("convnet-frame", "convnet-3d*")
rich.print(Tables(layout(table)))
found = results()
print(verdict([found[name] for name in table["attempt"]]))

# %% [markdown]
# If the shuffled control is as good as the net itself, the net does not use the order of the frames. If the still one
# is, it uses shape only. If the random one is, its filters have learned nothing that random ones do not have. The
# sentences above say what can be told apart, and nothing beyond them should be read into the table.

# %%
confusion("convnet-3d")

# %% [markdown]
# What the net takes for what. Compare with the features: the same people, the same folds.

# %% [markdown]
# ## All attempts in one table
#
# Nothing is computed here: all folds are in the store.

# %%
table = measure("*")
rich.print(Tables(layout(table)))

# %%
accuracy_figure(table, len(classes))

# %% [markdown]
# Accuracy with its interval over people; colours are families. With twelve people the intervals are wide, and many
# overlap. An overlap does not say that two are alike, it says that this data cannot tell. The test that can, since it
# compares the same people in pairs, says:

# %%
found = results()
print(verdict([found[name] for name in table["attempt"]]))

# %% [markdown]
# **What follows.** Only what the sentences above say: on drawn people, for these settings, with one seed.
#
# **What does not follow.** That features beat nets, or the other way: eight people are few to learn from, and nets gain
# most from more. That an attempt which is right more often here is so on video: the figures have no clothes that
# flutter and no shadows. That a net which is right looks at motion: for that there are the controls.
#
# **Go on.**
# - `{"train_groups": [2, 4, 8]}` in the matrix makes the number of people an axis: from how many on does a net win?
# - `"subjects": 25` and `"clutter": 3` make more people and a worse scene.
# - `actionbench report first-hour/results.sqlite -o out/` makes a page of all that was measured.
# - The second hour takes the nets apart; the third builds a recogniser to take home.
