"""Motion vectors of codecs against textures whose motion is known."""

import math
import struct
from dataclasses import replace

import av
import cv2
import numpy as np
import pytest
from scipy import ndimage

from actionbench.features.clip import Clip
from actionbench.features.descriptors import GridDescriptor
from actionbench.features.flow import optical_flow
from actionbench.features.motion import observe
from actionbench.features.segments import read_segment
from actionbench.features.trajectories import DenseTrajectories
from actionbench.features.vectors import BLOCK, MotionVectors
from actionbench.features.video import open_video, read_video

N_FRAMES, HEIGHT, WIDTH, SIDE = 26, 96, 160, 48
# Pixels per frame, right and down; integers, as H.264 would take half pixels from a frame where they are whole ones.
VELOCITY = (3, -1)
PLAIN = {"bf": "0", "g": "12", "refs": "1"}
CODECS = {
    "plain.mp4": ("libx264", PLAIN),
    "b-frames.mp4": ("libx264", {"g": "24", "bf": "3", "b-adapt": "0", "x264-params": "b-pyramid=none"}),
    "pyramid.mkv": ("libx264", {"g": "24", "bf": "3", "b-adapt": "0", "x264-params": "b-pyramid=normal"}),
    "transport.ts": ("libx264", {"g": "24", "bf": "2"}),
    "mpeg4.avi": ("mpeg4", PLAIN),
    "mpeg4-b.mp4": ("mpeg4", {"g": "12", "bf": "2"}),
    "mpeg2.mpg": ("mpeg2video", {"g": "12", "bf": "2"}),
    "mpeg1.mpg": ("mpeg1video", {"g": "12", "bf": "2"}),
}


def textures():
    rng = np.random.default_rng(0)
    shapes = ((HEIGHT, WIDTH), (SIDE, SIDE))
    return [
        np.clip(128 + 200 * cv2.GaussianBlur(rng.normal(size=shape), (0, 0), 1.5), 0, 255) for shape in shapes
    ]


def place(number):
    return 40 + VELOCITY[1] * number, 10 + VELOCITY[0] * number


@pytest.fixture(scope="module")
def scene():
    """A square that moves before ground that rests."""
    ground, square = textures()
    frames = np.repeat(ground[np.newaxis], N_FRAMES, axis=0)
    for number, frame in enumerate(frames):
        top, left = place(number)
        frame[top : top + SIDE, left : left + SIDE] = square
    return frames.astype(np.uint8)


@pytest.fixture(scope="module")
def encoded(scene, tmp_path_factory):
    """Encode the scene, each file once."""
    folder, made = tmp_path_factory.mktemp("codecs"), {}

    def encode(name, codec, options, frames=scene):
        if name not in made:
            made[name] = folder / name
            with av.open(str(made[name]), "w") as container:
                stream = container.add_stream(codec, rate=25, options=options)
                stream.height, stream.width = frames.shape[1:3]
                stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
                stream.bit_rate = 4_000_000
                for image in frames:
                    frame = av.VideoFrame.from_ndarray(image, format="gray").reformat(format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
        return made[name]

    return encode


@pytest.fixture(scope="module")
def plain(encoded):
    return encoded("plain.mp4", *CODECS["plain.mp4"])


def flow_of(clip):
    return clip.vectors.fields().flow(clip.height, clip.width)


def on_square(flow, number, scale=1.0):
    """Return the vectors well inside of the square, whose texture reaches from this frame to the next."""
    top, left = place(number)
    inside = (
        slice(round((top + 12) * scale), round((top + SIDE - 12) * scale)),
        slice(round((left + 12) * scale), round((left + SIDE - 12) * scale)),
    )
    return flow[number][inside].reshape(-1, 2)


@pytest.mark.parametrize("name", CODECS)
def test_vectors_are_the_motion_of_the_scene(encoded, name):
    clip = read_video(encoded(name, *CODECS[name]), color="grey")
    flow = flow_of(clip)
    assert flow.shape == (N_FRAMES - 1, HEIGHT, WIDTH, 2)
    errors = [
        np.median(np.linalg.norm(on_square(flow, number) - VELOCITY, axis=1))
        for number in range(N_FRAMES - 1)
    ]
    # Of H.264 some frames have been predicted from one that is further away than can be told; bidirectional frames of
    # MPEG-4 part 2 have the field of a later frame, where the square is elsewhere.
    assert np.median(errors) < 0.1
    if name != "mpeg4-b.mp4":
        assert np.quantile(errors, 0.8) < 0.3
    # Nothing moves below the square and to its right.
    assert np.median(np.abs(flow[:, 88:, :])) == 0
    assert np.mean(np.abs(flow[:, 88:, :]) > 0.5) < 0.05


@pytest.mark.parametrize("name", ["plain.mp4", "mpeg2.mpg"])
def test_a_stride_adds_up_the_motion(encoded, name):
    clip = read_video(encoded(name, *CODECS[name]), color="grey", stride=3)
    flow = flow_of(clip)
    assert len(flow) == len(clip) - 1
    np.testing.assert_allclose(
        flow, flow_of(read_video(encoded(name, *CODECS[name])).take(slice(None, None, 3)))
    )
    found = [
        np.median(on_square(flow[number : number + 1].repeat(N_FRAMES, 0), 3 * number + 1), axis=0)
        for number in range(7)
    ]
    assert np.abs(np.median(found, axis=0) - 3 * np.array(VELOCITY)).max() < 0.3


def test_vectors_follow_the_size_of_the_frames(plain):
    for width in (WIDTH // 2, 2 * WIDTH):
        clip = read_video(plain, color="grey", width=width)
        scale = width / WIDTH
        found = np.median([np.median(on_square(flow_of(clip), n, scale), axis=0) for n in range(20)], axis=0)
        assert np.abs(found - scale * np.array(VELOCITY)).max() < 0.15 * scale


@pytest.mark.parametrize("first", [1, 7, 12])
def test_a_piece_has_the_vectors_of_its_frames(encoded, first):
    for name in ("plain.mp4", "pyramid.mkv", "mpeg1.mpg"):
        path = encoded(name, *CODECS[name])
        whole = flow_of(read_video(path, color="grey"))
        piece = read_segment(path, first, first + 9, unit="frames", color="grey")
        found, expected = flow_of(piece), whole[first : first + 8]
        # Where the last frames of a piece are intra ones, the whole has vectors of later frames.
        same = np.isclose(found, expected).all(axis=(1, 2, 3))
        assert same[:5].all(), name


def test_frames_that_are_taken_keep_their_vectors(plain):
    clip = read_video(plain, color="grey")
    part = clip.take(slice(3, 11))
    np.testing.assert_array_equal(part.frames, clip.frames[3:11])
    np.testing.assert_allclose(flow_of(part), flow_of(clip)[3:10])
    assert part.fps == clip.fps
    assert clip.take(slice(0, 10, 2)).fps == clip.fps / 2


def test_a_crop_cuts_the_vectors(plain):
    clip = read_video(plain, color="grey")
    cut = clip.vectors.crop(0.25, 0.0, 1.0, 0.5).fields().flow(48, 120)
    np.testing.assert_allclose(cut, flow_of(clip)[:, :48, 40:], atol=1e-3)


TURNS = [
    (0, 1, -1, 0),
    (-1, 0, 0, -1),
    (0, -1, 1, 0),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, -1, -1, 0),
]


@pytest.mark.parametrize("parts", [*TURNS, (math.cos(0.5), math.sin(0.5), -math.sin(0.5), math.cos(0.5))])
def test_vectors_of_turned_and_mirrored_videos_are_the_flow_of_their_frames(plain, tmp_path, parts):
    content = bytearray(plain.read_bytes())
    # The display matrix of the track (ISO/IEC 14496-12, 8.3.2).
    header = content.find(b"tkhd") + 4
    at = header + 4 + (32 if content[header] == 1 else 20) + 16
    a, b, c, d = (round(part * 65536) for part in parts)
    struct.pack_into(">9i", content, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = tmp_path / "turned.mp4"
    path.write_bytes(content)
    clip = read_video(path, color="grey").take(slice(4, 8))
    found, expected = flow_of(clip), optical_flow(clip.frames, finest=0)
    moves = ndimage.binary_erosion(np.linalg.norm(expected, axis=-1) > 2, np.ones((1, 9, 9)))
    assert moves.sum() > 500
    assert np.median(np.linalg.norm((found - expected)[moves], axis=1)) < 0.5
    rests = ndimage.binary_erosion(np.linalg.norm(expected, axis=-1) < 0.5, np.ones((1, 25, 25)))
    assert rests.sum() > 500
    assert np.mean(np.abs(found[rests]) < 0.5) > 0.95


@pytest.mark.parametrize("codec", ["mjpeg", "ffv1"])
def test_codecs_without_vectors_fall_back(scene, write_video, codec):
    clip = read_video(
        write_video("a.avi", scene, codec=codec) if codec == "ffv1" else _jpeg(scene, write_video),
        color="grey",
    )
    assert clip.vectors is None
    motion = observe(clip, flow="codec")
    assert motion.lacks_vectors
    np.testing.assert_array_equal(motion.flow, observe(clip).flow)


def _jpeg(scene, write_video):
    return write_video("a.avi", np.repeat(scene[..., np.newaxis], 3, axis=-1), codec="mjpeg")


def test_clips_in_memory_fall_back(scene):
    found = GridDescriptor(("mbh",), flow="codec").extract(Clip(scene, 25.0))
    assert found["lacks_vectors"]
    assert not GridDescriptor(("mbh",)).extract(Clip(scene, 25.0))["lacks_vectors"]
    assert DenseTrajectories(flow="codec", seconds=0.3, scales=1).extract(Clip(scene, 25.0))["lacks_vectors"]


def test_the_codec_gives_features_without_optical_flow(plain, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("optical flow was computed")

    clip = read_video(plain, color="grey")
    for module in ("motion", "trajectories"):
        monkeypatch.setattr(f"actionbench.features.{module}.optical_flow", refuse)
    motion = observe(clip, flow="codec")
    assert motion.track.found
    assert not motion.lacks_vectors
    assert not motion.shifts.any()
    top, left, bottom, right = motion.track.boxes[12] * HEIGHT / 120
    expected = np.array([*place(12), *(side + SIDE for side in place(12))])
    assert np.abs(np.array([top, left, bottom, right]) - expected).max() < 12
    tracks = DenseTrajectories(flow="codec", seconds=0.3, height=96, scales=1).extract(clip)
    steps = tracks["trajectory"].reshape(-1, 15, 2).sum(axis=1)
    assert len(steps) > 10
    directions = np.arctan2(steps[:, 1], steps[:, 0])
    assert np.median(np.abs(directions - np.arctan2(VELOCITY[1], VELOCITY[0]))) < 0.1


def test_the_camera_is_taken_out(encoded):
    ground = cv2.GaussianBlur(np.random.default_rng(1).normal(size=(HEIGHT, WIDTH + 60)), (0, 0), 1.5)
    ground = np.clip(128 + 200 * ground, 0, 255)
    square = textures()[1]
    frames = np.stack([ground[:, 2 * n : 2 * n + WIDTH] for n in range(20)])
    for number, frame in enumerate(frames):
        frame[20 : 20 + SIDE, 20 + 2 * number : 20 + 2 * number + SIDE] = square
    clip = read_video(
        encoded("pan.mp4", "libx264", {"bf": "0", "refs": "1"}, frames.astype(np.uint8)), color="grey"
    )
    motion = observe(clip, side=HEIGHT, flow="codec")
    assert np.abs(motion.shifts - (-2, 0)).max() < 0.2
    inside = motion.flow[10, 36:56, 56:76]
    assert np.abs(np.median(inside, axis=(0, 1)) - (4, 0)).max() < 0.3


def test_other_frames_have_no_vectors(plain):
    from actionbench.features.probes import PROBES

    clip = read_video(plain, color="grey")
    kept = {name for name, probe in PROBES.items() if probe(clip).vectors is not None}
    assert kept <= {"first-third", "last-third", "every-fourth", "person-blanked", "person-only"}
    assert {"first-third", "last-third", "every-fourth"} <= kept


def test_the_fingerprint_covers_vectors(plain):
    clip = read_video(plain, color="grey")
    prints = {
        clip.fingerprint(),
        replace(clip, vectors=None).fingerprint(),
        clip.take(slice(1, None)).fingerprint(),
    }
    assert len(prints) == 3
    assert clip.fingerprint() == read_video(plain, color="grey").fingerprint()


def test_a_truncated_file_keeps_the_vectors_before_the_damage(encoded, tmp_path):
    content = encoded("mpeg4.avi", *CODECS["mpeg4.avi"]).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content[: int(len(content) * 0.7)])
    clip = read_video(cut, color="grey", on_error="truncate")
    assert 5 < len(clip) < N_FRAMES
    assert np.median(np.abs(on_square(flow_of(clip), 3) - VELOCITY)) < 0.1


def test_windows_of_a_stream_have_their_vectors(plain):
    whole = flow_of(read_video(plain, color="grey"))
    with open_video(plain, color="grey") as video:
        frames = iter(video)
        for _ in range(12):
            next(frames)
        first = video.vectors(2, 10).fields().flow(HEIGHT, WIDTH)
        for _ in range(5):
            next(frames)
        second = video.vectors(8, 17).fields().flow(HEIGHT, WIDTH)
    np.testing.assert_allclose(first, whole[2:9])
    np.testing.assert_allclose(second[:4], whole[8:12])


def blocks(*rows):
    return np.array([((x, y, w, h, motion)) for x, y, w, h, motion in rows], BLOCK)


def fields_of(*frames, size=(32, 32)):
    to_shares = np.array([[1 / size[1], 0, 0], [0, 1 / size[0], 0]])
    return MotionVectors(frames, np.arange(len(frames)), size, to_shares).fields()


def test_odd_blocks_are_left_out():
    whole = [(x, y, 16, 16, (1, 2)) for x in (0, 16) for y in (0, 16)]
    odd = [
        (-400, 0, 16, 16, (9, 9)),
        (0, 32000, 16, 16, (9, 9)),
        (0, 0, 0, 0, (9, 9)),
        (0, 0, 255, 255, (9, 9)),
        (8, 8, 8, 8, (1e9, 0)),
        (8, 8, 8, 8, (np.inf, 0)),
        (8, 8, 8, 8, (np.nan, 0)),
    ]
    found = fields_of(blocks(), blocks(*whole, *odd))
    assert found.flow(32, 32).tolist() == np.full((1, 32, 32, 2), (1, 2)).tolist()


def test_blocks_that_reach_out_of_the_frame_are_cut():
    found = fields_of(
        blocks(),
        blocks(
            (-8, -8, 16, 16, (1, 0)),
            (24, 24, 16, 16, (3, 0)),
            *[
                (x, y, 8, 8, (0, 0))
                for x in range(0, 32, 8)
                for y in range(0, 32, 8)
                if x != y or x in (8, 16)
            ],
        ),
    )
    assert found.cells[0, 0, 0].tolist() == [1, 0]
    assert found.cells[0, 3, 3].tolist() == [3, 0]


def test_intra_blocks_take_the_motion_of_their_neighbours():
    known = [(x, y, 8, 8, (4, -2)) for x in range(0, 32, 8) for y in range(0, 32, 8) if (x, y) != (8, 8)]
    np.testing.assert_allclose(
        fields_of(blocks(), blocks(*known)).cells, np.full((1, 4, 4, 2), (4, -2)), rtol=1e-6
    )


def test_intra_frames_take_the_next_field_and_the_last_one_that_before():
    def moving(value):
        return blocks(*[(x, y, 16, 16, (value, 0)) for x in (0, 16) for y in (0, 16)])

    found = fields_of(blocks(), moving(1), blocks(), moving(3), blocks())
    assert found.cells[:, 0, 0, 0].tolist() == [1, 3, 3, 3]
    assert found.source.tolist() == [0, 2, 2, 2]


def test_a_clip_with_hardly_any_vectors_has_none():
    few = blocks((0, 0, 16, 16, (1, 0)))
    assert fields_of(blocks(), few, few) is None
    whole = blocks(*[(x, y, 16, 16, (1, 0)) for x in (0, 16) for y in (0, 16)])
    assert fields_of(blocks(), whole, *[blocks()] * 7) is not None
    assert fields_of(blocks(), whole, *[blocks()] * 8) is None
    assert fields_of(blocks()) is None


def test_an_unknown_flow_is_refused(scene):
    with pytest.raises(ValueError, match="flow must be one of dis, farneback, codec, got 'raft'"):
        observe(Clip(scene, 25.0), flow="raft")
