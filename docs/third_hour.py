# %% [markdown]
# # The third hour: an action recognition system
#
# From clips to a net on disk that recognises actions: load, normalise, create, train, test and deploy. The parts are
# those of the attempts with nets. Run it as a script, `python docs/third_hour.py`, or as a notebook with its pictures
# (`make docs` makes the pages). It takes about a minute; the export needs the package onnx (`pip install
# "actionbench[onnx]"`).

# %%
# %matplotlib inline
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from onnx.reference import ReferenceEvaluator

from actionbench.experiments.datasets.figures import Figures
from actionbench.features.volume import CHANNELS, VolumeReader
from actionbench.models import load, save, to_onnx, visualize, zoo
from actionbench.models.training import CachedSamples, Interrupted, LazySamples, Training, predict_proba
from actionbench.reports.rendering.heatmaps import confusion_figure
from actionbench.reports.statistics.intervals import bootstrap_interval, confusion_matrix

FOLDER = Path("third-hour")
FOLDER.mkdir(exist_ok=True)
rng = np.random.default_rng(0)

# %% [markdown]
# ## Load
#
# Twelve procedural people perform six actions, twice each. The last four are the test people: nobody is in both sets.

# %%
data = Figures(subjects=12, clips_per_subject=2)
names, targets = np.unique(data.labels, return_inverse=True)
people = np.unique(data.groups)
is_test = np.isin(data.groups, people[-4:])
train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
print(f"{len(train)} clips to train on, {len(test)} to test, classes {', '.join(names)}")

# %% [markdown]
# ## Normalise
#
# Clips have any size, length and frame rate. A reader makes volumes of one shape out of them: 16 frames at 12.5 per
# second, small, with mean 0 and variance 1. Its options choose the kind of input and whether the volume shows the whole
# frame or a region around the person.


# %%
def channel(input, view):
    """Return the channel to draw of a volume of the first clip that walks, and its name."""
    reader = VolumeReader(size=48, margin=6, input=input, view=view)
    clip = data.clips[int(np.flatnonzero(data.labels == "walking")[0])]
    volume = reader.test_views(reader.small.extract(clip), 1)[0]
    shown = 1 if input == "gradients" else 0
    return volume[..., shown], f"{input}, {view}\nchannel {shown} of {CHANNELS[input]}"


times = range(0, 16, 3)
choices = [("grey", "frame"), ("grey", "person"), ("gradients", "person"), ("flow", "person")]
figure, panels = plt.subplots(len(choices), len(times), figsize=(9, 6), layout="constrained")
for row, choice in zip(panels, choices, strict=True):
    volume, title = channel(*choice)
    limit = np.abs(volume).max()
    for axes, frame in zip(row, times, strict=True):
        image = axes.imshow(volume[frame], cmap="gray", vmin=-limit, vmax=limit)
        axes.set(xticks=[], yticks=[])
    row[0].set_ylabel(title, fontsize=8)
    unit = "heights/s" if choice[0] == "flow" else "deviations"
    figure.colorbar(image, ax=row, label=unit, fraction=0.02)
for axes, frame in zip(panels[-1], times, strict=True):
    axes.set_xlabel(f"{frame / 12.5:.2f} s", fontsize=8)

# %% [markdown]
# A walking person in the volumes of four readers, time to the right. Brightness is in standard deviations of the
# volume, flow in body heights per second. In the view around the person, the person stays in the centre and the scene
# moves. The gradients are horizontal ones; flow to the left is dark.
#
# We use grey frames, the simplest input. A clip is decoded when it is asked for. `CachedSamples` keeps small frames in
# memory, here up to 64 MiB, so that later epochs need not read them again.

# %%
reader = VolumeReader(size=48, margin=6)
clips = CachedSamples(
    LazySamples(data.clips, reader.small.extract), lambda video: video["frames"].nbytes, 2**26
)
train_clips, test_clips = LazySamples(train, clips.__getitem__), LazySamples(test, clips.__getitem__)
volume = reader.augment(clips[0], rng)
print("a volume:", volume.shape)

# %% [markdown]
# In training a volume is cropped at a random time and position, made slightly brighter or darker, and mirrored with
# probability one half. It is never reversed in time, which would be another action.

# %%
figure, panels = plt.subplots(1, 6, figsize=(9, 1.9), layout="constrained")
figure.supxlabel("position to the right, pixels", fontsize=8)
figure.supylabel("down, pixels", fontsize=8)
walker = clips[int(np.flatnonzero(data.labels == "walking")[0])]
for axes in panels:
    axes.imshow(reader.augment(walker, rng)[8, ..., 0], cmap="gray", vmin=-3, vmax=3)
    axes.tick_params(labelsize=6)

# %% [markdown]
# The middle frame of six random volumes of one clip. The net sees another one in each epoch.

# %% [markdown]
# ## Create
#
# The net of the attempt `convnet-3d`: four stages of convolution, normalisation, pooling and rectifier, then the mean
# over places and times, and one layer.

# %%
net = zoo.tiny3d(len(names), rng=0)
example = reader.test_views(clips[0], 1)
print(f"{net.count_operations(example):,} operations for a volume")
visualize.tree(net)

# %% [markdown]
# The net, from the input at the top to the scores at the bottom; parameters of each layer to the right.

# %% [markdown]
# ## Train
#
# Two of the eight training people are held out for choosing the best epoch. The test people are not used for any
# choice. The training writes a checkpoint after each epoch, so that it can be interrupted. Here it is interrupted in
# the twentieth.

# %%
checkpoint = FOLDER / "training.checkpoint"
checkpoint.unlink(missing_ok=True)
training = Training(epochs=40, learning_rate=5e-3, validation=0.25)


def views(n):
    """Return what makes the volumes whose predictions are averaged."""
    return lambda video: reader.test_views(video, n)


def stop(progress):
    """Press Ctrl-C in the twentieth epoch."""
    if progress.epoch == 20:
        raise KeyboardInterrupt


def fit(net, **how):
    """Train a net, going on where a checkpoint ends."""
    labels, groups = targets[train], data.groups[train]
    return training.fit(net, train_clips, labels, reader.augment, views(3), groups, **how)


try:
    fit(net, checkpoint=checkpoint, progress=stop)
except Interrupted as interrupt:
    print(interrupt)

# %% [markdown]
# The same call resumes it, in another process or on another day. The result is bit for bit that of an uninterrupted
# training, for any number of threads.

# %%
log = fit(net, checkpoint=checkpoint)
print(log.iloc[[0, 18, 19, -1]].to_string(index=False))

# %%
visualize.loss_curve(log)

# %% [markdown]
# The loss on the training people, with random crops in each epoch, and on the two held-out people. Losses have no unit;
# guessing gives the logarithm of six. The circle is the epoch whose weights are kept.

# %% [markdown]
# ## Test
#
# Five volumes of each clip of the four test people; their probabilities are averaged.

# %%
probabilities = predict_proba(net, test_clips, views(5))
right = probabilities.argmax(axis=1) == targets[test]
low, high = bootstrap_interval(right, data.groups[test])
print(f"{right.sum()} of {len(test)} clips of people never seen are classified correctly")
print(f"by chance it would be {len(test) / len(names):.0f}")
print(f"accuracy {right.mean():.1%}, 95 % interval over people {low:.1%} to {high:.1%}")
for person in people[-4:]:
    own = data.groups[test] == person
    print(f"{person}: {right[own].sum()} of {own.sum()}")

# %%
confusion_figure(confusion_matrix(targets[test], probabilities.argmax(axis=1), len(names)), list(names))

# %% [markdown]
# Rows are true classes, columns predictions, in percent. Four people are few, as the width of the interval shows. For a
# figure to report, leave out each person in turn, as `actionbench run` does.

# %% [markdown]
# ## Inspect

# %%
visualize.first_layer(net)

# %% [markdown]
# The filters of the first layer: three images each, one per frame. Where they differ, the filter responds to change.

# %%
visualize.activations(net, reader.test_views(test_clips[0], 1), max_images=8)

# %% [markdown]
# The output of each layer for a clip, from top to bottom: images get smaller and channels more, up to the mean over
# positions and times and the six scores.

# %% [markdown]
# ## Predict a clip
#
# The prediction for one clip, and the time that it takes.


# %%
def predict(net, clip, reader, n_views=5):
    """Return the probability of each class."""
    small = reader.small.extract(clip)
    return predict_proba(net, [small], lambda video: reader.test_views(video, n_views))[0]


clip = data.clips[int(test[-1])]
begun = time.perf_counter()
answer = predict(net, clip, reader)
milliseconds = 1000 * (time.perf_counter() - begun)
print(f"{data.table['clip'][int(test[-1])]}: {names[answer.argmax()]}, {milliseconds:.0f} ms")
figure, panels = plt.subplots(1, 5, figsize=(9, 1.9), layout="constrained", width_ratios=(5, 5, 5, 5, 8))
for axes, frame in zip(panels, np.linspace(0, len(clip) - 1, 4).astype(int), strict=False):
    axes.imshow(clip.frames[frame], cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[], xlabel=f"{frame / clip.fps:.2f} s")
panels[-1].barh(names, 100 * answer, color="#0072b2")
panels[-1].set_xlabel("probability, %", fontsize=8)
panels[-1].tick_params(labelsize=7)
panels[-1].invert_yaxis()

# %% [markdown]
# Four frames of the clip, and the predicted probabilities.

# %% [markdown]
# ## Deploy
#
# A saved net consists of two files, weights and a description. They contain no code, and reading them executes none.

# %%
save(net, FOLDER / "net")
for path in sorted((FOLDER / "net").iterdir()):
    print(f"{path.name}: {path.stat().st_size:,} bytes")
again = load(FOLDER / "net")
assert np.array_equal(predict(again, clip, reader), answer)

# %% [markdown]
# For other programs there is ONNX. The reference evaluator of the package onnx, which shares no code with ours, gives
# the same scores up to rounding.

# %%
model = to_onnx(net, example, FOLDER / "net.onnx", classes=list(names))
volumes = reader.test_views(test_clips[0], 3)
(scores,) = ReferenceEvaluator(model).run(None, {"input": volumes})
deviation = np.abs(scores - net.forward(volumes)).max()
print(f"largest deviation of a score: {deviation:.1e}")
assert deviation < 1e-3

# %% [markdown]
# This lecture shows each step by hand. `actionbench fit` and `actionbench predict` do the same for any attempt,
# including features and rules, from the command line.
