# %% [markdown]
# # The first hour: recognising actions
#
# A clip shows a person who performs one of six actions. Which one? This lecture makes four attempts: rules that a
# person can read, features with a support vector machine, fully connected nets, and convolutional nets. Each is
# explained, and each is measured in the same way: on people whose clips it was not trained on.
#
# Run it as a script, `python docs/first_hour.py`, or as a notebook with its pictures (`make docs` makes the pages). It
# takes about three minutes and stores its results in the folder `first-hour`, so that a second run is fast.

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
from actionbench.reports.analysis import ladder
from actionbench.reports.analysis.results import compared, gather
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
# The data set is built in. Twelve procedural people each perform the six actions of the KTH data set. Nuisances (scene,
# camera, light, direction) are independent of the action: each person performs all six under the same ones.

# %%
data = Figures(subjects=12, clips_per_subject=1, frames=32)
classes, people = np.unique(data.labels), np.unique(data.groups)
print(f"{len(data)} clips of {len(people)} people: {', '.join(classes)}")
contact_sheet(data, frames=7)

# %% [markdown]
# One clip of each action, time to the right, in seconds. A single frame hardly distinguishes jogging from running, or
# clapping from waving; the motion does.

# %% [markdown]
# ### How an attempt is measured
#
# Clips of one person resemble each other in ways that have nothing to do with the action. An attempt that recognises
# the person may guess the action. So whole people are left out: there are three folds, in each of which an attempt is
# trained on eight people and tested on the other four. Every clip is a test clip once.
#
# A *matrix* defines what is compared and how. The settings of the attempts are fixed here, before anything is measured.
# They are the defaults; only the ConvNets get smaller volumes and fewer epochs, to save time. The probes are explained
# with them.

# %%
small = {"size": 32, "margin": 4, "epochs": 40}
matrix = {
    "name": "first hour",
    "datasets": [
        {
            "name": "figures",
            "title": "twelve people",
            "subjects": data.subjects,
            "clips_per_subject": data.clips_per_subject,
            "frames": data.frames,
            "split": {"name": "group-k-fold", "folds": 3},
            "probes": ["frozen", "shuffled"],
            "probe_side": "both",
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
        {"name": "convnet-3d", "title": "convnet-3d (learned features)", "params": small},
        {
            "name": "convnet-3d",
            "title": "convnet-3d (random features)",
            "params": {**small, "train_features": False},
        },
    ],
}


def measure(*names, dataset="twelve people"):
    """Run all folds of some attempts and return their part of the table."""
    only = [f"dataset={dataset}", *(f"attempt={name}" for name in names)]
    kept = {"store": FOLDER / "results.sqlite", "cache": FOLDER / "features"}
    return actionbench.run(matrix, only=only, **kept)


def results():
    """Return what is known of each attempt so far, by name."""
    with Store.open(FOLDER / "results.sqlite") as store:
        return {result.attempt: result for result in compared(gather(store))}


def confusion(name):
    """Draw what an attempt takes for what."""
    result = results()[name]
    counts = confusion_matrix(result.truth, result.predicted, len(classes))
    return confusion_figure(counts, result.classes)


# %% [markdown]
# What is a good accuracy? Two trivial baselines use no clip: one guesses, the other always predicts the most frequent
# label.

# %%
rich.print(Tables(layout(measure("chance", "majority"))))

# %% [markdown]
# Each accuracy has a 95 % interval. It comes from resampling *people*, not clips, since it is to be valid for other
# people.
#
# To inspect an attempt we also fit it by hand, on the first eight people; the last four are test people. Nothing is
# chosen by this inspection: the reported results are those of the folds.

# %%
train, test = (np.flatnonzero(np.isin(data.groups, some)) for some in (people[:8], people[8:]))
known = data.clips[train], data.labels[train], data.groups[train]


def example(label):
    """Return a clip of an action by the first of the strangers."""
    return data.clips[int(test[data.labels[test] == label][0])]


# %% [markdown]
# ### Where something moves
#
# Before features are computed, the motion of the camera is removed and the person is found: a box that follows what
# moves most.


# %%
def draw_motion(axes, clip, step=4):
    """Draw the frame in which most moves, the person's box, and the flow of what moves to the next frame."""
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
# A clip of each action at the time of most motion. Orange is the box of the person, blue the optical flow without the
# camera's motion. Speeds are in body heights per second, so that they do not depend on the distance of the person.

# %% [markdown]
# ## First attempt: rules
#
# A *quantity* is a measurement of a clip with a name and a unit. Here are six of them, for the training people.

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
# A point is a clip. The passing speed separates people who move through the scene from those who stay. Among the former
# the speeds overlap, by design: a fast walker outpaces a slow jogger.
#
# The first list of rules is written by hand. Its thresholds come from physiology, none from a clip. A list is read from
# top to bottom, and the first rule that applies gives the label. This is its explanation for a clip of a person who
# runs:

# %%
hand = RulesHand().fit(*known)
print(hand.explain(example("running")))

# %% [markdown]
# The second list is a small decision tree, grown on the training clips and written as rules. Its size is chosen on
# held-out training people.

# %%
tree = RulesTree().fit(*known)
print(tree.explain(example("running")))

# %%
rich.print(Tables(layout(measure("rules-*"))))

# %%
confusion("rules-tree")

# %% [markdown]
# Rows are true classes, columns predictions, in percent. Rules are easy to read, and their failures can be explained:
# see whether the errors stay within the two kinds of action, with and without locomotion.

# %% [markdown]
# ## Second attempt: features and a support vector machine
#
# A few quantities describe little. The next attempt measures thousands of values and learns weights for them. The
# person's box is divided into 4 x 4 cells, the time into three parts. Each cell is a histogram of directions, in eight
# bins:
#
# - **HOG**, of the brightness gradients: shape;
# - **HOF**, of the flow: motion;
# - **MBH**, of the gradients of the flow: where motion changes from place to place. A panning camera moves all places
#   alike and has no effect.


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
# The middle third of two clips: on the left a frame with box and flow, then the cells. A spoke starts at the centre of
# its cell and shows a direction; its length is the frequency of the direction, relative to the largest of the panel.
# Waving hands appear in the upper corners; a running person moves to one side in all rows.
#
# All cells of all channels form one vector. A linear support vector machine learns a weight for each element and class.

# %%
machine = HogHofMbhSvm().fit(*known)
explanation = machine.explain()
print(explanation)
explanation.figures["cells"]

# %% [markdown]
# The weight of each cell for each class: squared weights, summed over channels and times. The text above gives their
# shares by channel.

# %%
rich.print(Tables(layout(measure("hog-svm", "hof-svm", "hog-hof-mbh-svm"))))

# %%
confusion("hog-hof-mbh-svm")

# %% [markdown]
# The confusions of all three descriptors together. The table compares shape, motion and both. Most remaining errors are
# between neighbouring gaits.

# %% [markdown]
# ## Third attempt: fully connected nets
#
# So far the features were designed by people. A net is to learn them. The simplest net takes all pixels of 8 frames of
# 16 x 16 pixels as its input and has one hidden layer of 128 units.

# %%
pixels = MlpPixels().fit(*known)
said = pixels.explain()
print(said)
said.figures["first-layer"]

# %% [markdown]
# Weights of 16 units as patches in space and time: each a row of eight frames, dark is negative, bright positive. They
# look like noise. Each weight belongs to one position at one time and is trained by the few clips in which something
# happens there; what its neighbour learns does not help. How strongly do neighbours correlate?


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
# The loss falls on the training clips, which are shifted and mirrored at random in each epoch. This says little about
# other people:


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
# With many more parameters than clips, a net can memorise its training clips. An input in which the same action looks
# the same may help: optical flow instead of brightness, around the person instead of the whole frame.

# %%
flow = MlpFlow().fit(*known)
known_and_strangers(flow)
neighbours(flow, frames=12, channels=2)
flow.explain().figures["first-layer"]

# %% [markdown]
# The same net on flow around the person, twelve frames to the right; the upper channel is motion to the right, the
# lower one motion down. Neighbours correlate more strongly now: flow is smooth, so that a unit responds to a region
# instead of a pixel.

# %%
rich.print(Tables(layout(measure("mlp-*"))))

# %%
confusion("mlp-flow")

# %% [markdown]
# The confusions of the net on flow. Its gain over the net on pixels comes from the input that people designed.

# %% [markdown]
# ## Fourth attempt: ConvNets
#
# A convolution applies small filters at every position, and in volumes at every time. What is learned at one position
# is known at all. The first ConvNet sees single frames, so that it can use shape but not motion.

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
# The filters of the first layer, of 3 x 3 pixels; three frames to the right. A filter that is equal in the three frames
# responds to shape, one that changes responds to motion.

# %%
reader = VolumeReader(size=small["size"], margin=small["margin"])
volume = reader.test_views(reader.small.extract(example("handwaving")), 1)
visualize.activations(volume_net.net(), volume, "3")

# %% [markdown]
# The output of the first stage for a clip of waving hands: eight channels, eight time steps to the right. Some respond
# to the body at all times, others to the arms at some. The third hour shows all stages of such a net.

# %%
volume_net.explain().figures["loss"]

# %% [markdown]
# The loss of the training. Labels are smoothed, so that it cannot reach zero.
#
# ### Does it learn features?
#
# In a third net the filters stay as they are drawn at first; only the last layer, which classifies, is trained.

# %%
table = measure("convnet-*")
rich.print(Tables(layout(table)))
found = results()
print(verdict([found[name] for name in table["attempt"]]))

# %% [markdown]
# If the net with random features is as accurate as the net itself, what its filters learn is of no use. The sentences
# above state which differences are significant; the table shows no more than that.
#
# ### Does it need motion?
#
# A net that sees 16 frames need not use their motion. A *probe* takes something away from all clips, and any attempt
# can be trained and tested on what is left:
#
# - *frozen*: one frame, repeated;
# - *shuffled*: the frames in an order by chance.

# %%
measure("hog-hof-mbh-svm", "convnet-3d (learned features)", dataset="twelve people*")
rich.print(Tables(ladder.layout(actionbench.ladder(FOLDER / "results.sqlite"))))

# %% [markdown]
# An attempt that is as accurate on frozen clips as on whole ones needs shape only; one that is as accurate on shuffled
# clips does not need the order of the frames. With `"probe_side": "test"` it would be trained on whole clips and only
# tested on such.

# %%
confusion("convnet-3d (learned features)")

# %% [markdown]
# The confusions of the net. Compare them with those of the features: the same people, the same folds.

# %% [markdown]
# ## All attempts in one table
#
# Nothing is computed here: all results are in the store.

# %%
table = measure("*")
rich.print(Tables(layout(table)))

# %%
accuracy_figure(table, len(classes))

# %% [markdown]
# Accuracy with its interval over people; colours are families. With twelve people the intervals are wide, and many
# overlap. Overlapping intervals do not show that two attempts are equal. The paired test over the same people is more
# sensitive. Its verdict:

# %%
found = results()
print(verdict([found[name] for name in table["attempt"]]))

# %% [markdown]
# **What follows.** Only what the sentences above state: for procedural people, these settings and one seed.
#
# **What does not follow.** That features outperform nets, or the reverse: eight people are few for training, and nets
# gain most from more. That an attempt which is more accurate here is so on real video: the figures have no moving
# clothes and no shadows. That an accurate net uses motion: this is what the probes are for.
#
# **Go on.**
# - `{"train_groups": [2, 4, 8]}` in the matrix makes the number of people an axis: from how many on is a net more
#   accurate?
# - `"subjects": 25` and `"clutter": 3` make more people and a cluttered scene.
# - `actionbench report first-hour/results.sqlite -o out/` makes a page of all that was measured.
# - The second hour explains nets, modules and optimisers; the third builds a recogniser from data to deployment.
