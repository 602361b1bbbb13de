"""Where published data sets are to be had, and under which terms."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import DataError, did_you_mean


@dataclass(frozen=True)
class SourceFile:
    """A file of a data set.

    Parameters
    ----------
    name : str
        Its name.
    urls : tuple of str
        Where it is, in the order in which they are tried.
    folder : str, optional
        The folder that an archive is unpacked into; None where the file is used as it is.
    checksum : str, optional
        ``"algorithm:digits"``; None where nobody has published one.
    size : int, optional
        Its bytes, where they are known.
    """

    name: str
    urls: tuple[str, ...]
    folder: str | None = None
    checksum: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Source:
    """A published data set: its home page, its terms, and its files, or else how to get it by hand."""

    title: str
    home: str
    terms: str
    files: tuple[SourceFile, ...] = ()
    by_hand: str = ""


_KTH = ("https://www.csc.kth.se/cvap/actions", "http://www.nada.kth.se/cvap/actions")
_WEIZMANN = tuple(
    f"{scheme}://www.wisdom.weizmann.ac.il/~vision/VideoAnalysis/Demos/SpaceTimeActions/DB"
    for scheme in ("https", "http")
)
_CRCV = ("https://www.crcv.ucf.edu/data", "http://crcv.ucf.edu/data")
_SERRE = tuple(
    f"{scheme}://serre-lab.clps.brown.edu/wp-content/uploads/2013/10" for scheme in ("https", "http")
)
_JHMDB = ("https://files.is.tue.mpg.de/jhmdb", "http://files.is.tue.mpg.de/jhmdb")


def _at(places: tuple[str, ...], name: str, *others: str) -> tuple[str, ...]:
    return (*(f"{place}/{name}" for place in places), *others)


# Checksums are those that vipy (KTH), TensorFlow Datasets (UCF101), torchvision and DeepMind's dmvr (HMDB51) verify.
_KTH_CHECKSUMS = {
    "walking": "a3e81537271a0ab4576591774baa38c2d97b7e3a",
    "jogging": "21943bdbcef9dad106db0d74661e49eaeaa15a25",
    "running": "da83bb313edfd4455fffdda6263696fa10d43c6f",
    "boxing": "adb36ed9c29c846d44d2ba15f348bd115c951bbd",
    "handwaving": "0792f7cd69f7f895a205c08ac212ddaa7177e370",
    "handclapping": "d3b81261aa822ef63d0d1523f945bfaff27814d2",
}

#: What can be fetched, or is to be had by hand, by the name under which a matrix has it.
SOURCES = {
    "hmdb51": Source(
        "HMDB51",
        "https://serre.lab.brown.edu/hmdb51.html",
        "Creative Commons Attribution 4.0; cite Kuehne, Jhuang, Garrote, Poggio and Serre (ICCV 2011)",
        (
            SourceFile(
                "hmdb51_org.rar",
                _at(_SERRE, "hmdb51_org.rar"),
                "hmdb51_org",
                "md5:517d6f1f19f215c45cdd4d25356be1fb",
            ),
            SourceFile(
                "test_train_splits.rar",
                _at(_SERRE, "test_train_splits.rar"),
                "testTrainMulti_7030_splits",
                "md5:15e67781e70dcfbdce2d7dbb9b3344b5",
            ),
        ),
    ),
    "jester": Source(
        "Jester",
        "https://www.qualcomm.com/developer/software/jester-dataset",
        "Qualcomm's licence for research",
        by_hand="needs an account at Qualcomm",
    ),
    "jhmdb": Source(
        "JHMDB",
        "http://jhmdb.is.tue.mpg.de",
        "no licence is known, ask its authors; cite Jhuang, Gall, Zuffi, Schmid and Black (ICCV 2013)",
        (
            SourceFile("JHMDB_video.zip", _at(_JHMDB, "JHMDB_video.zip"), "JHMDB_video", size=185_602_053),
            SourceFile("splits.zip", _at(_JHMDB, "splits.zip"), "splits", size=43_785),
        ),
    ),
    "kinetics": Source(
        "Kinetics",
        "https://github.com/cvdfoundation/kinetics-dataset",
        "the videos belong to their authors on YouTube",
        by_hand="is hundreds of gigabytes of videos from YouTube, which scripts of its own download",
    ),
    "kth": Source(
        "KTH",
        "https://www.csc.kth.se/cvap/actions/",
        "non-commercial use; cite Schuldt, Laptev and Caputo (ICPR 2004)",
        (
            *(
                SourceFile(f"{action}.zip", _at(_KTH, f"{action}.zip"), action, f"sha1:{digits}")
                for action, digits in _KTH_CHECKSUMS.items()
            ),
            SourceFile("00sequences.txt", _at(_KTH, "00sequences.txt")),
        ),
    ),
    "ntu-rgbd": Source(
        "NTU RGB+D",
        "https://rose1.ntu.edu.sg/dataset/actionRecognition/",
        "academic research only",
        by_hand="needs an account at NTU's ROSE Lab",
    ),
    "something-something": Source(
        "Something-Something v2",
        "https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
        "Qualcomm's licence for research",
        by_hand="needs an account at Qualcomm",
    ),
    "ucf-sports": Source(
        "UCF Sports",
        "https://www.crcv.ucf.edu/data/UCF_Sports_Action.php",
        "no licence is known, the clips were broadcast on television; cite Rodriguez, Ahmed and Shah (CVPR 2008)",
        (SourceFile("ucf_sports_actions.zip", _at(_CRCV, "ucf_sports_actions.zip"), "ucf_sports_actions"),),
    ),
    "ucf101": Source(
        "UCF101",
        "https://www.crcv.ucf.edu/data/UCF101.php",
        "no licence is known, the clips are from YouTube; cite Soomro, Zamir and Shah (CRCV-TR-12-01, 2012)",
        (
            SourceFile(
                "UCF101.rar",
                _at(
                    _CRCV,
                    "UCF101/UCF101.rar",
                    "https://www.crcv.ucf.edu/datasets/human-actions/ucf101/UCF101.rar",
                ),
                "UCF-101",
                size=6_932_971_618,
            ),
            SourceFile(
                "UCF101TrainTestSplits-RecognitionTask.zip",
                _at(
                    _CRCV,
                    "UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                    "https://www.crcv.ucf.edu/wp-content/uploads/2019/03/UCF101TrainTestSplits-RecognitionTask.zip",
                ),
                "ucfTrainTestlist",
                "sha256:5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
                113_943,
            ),
        ),
    ),
    "ucf11": Source(
        "UCF11",
        "https://www.crcv.ucf.edu/data/UCF_YouTube_Action.php",
        "no licence is known, the clips are from YouTube; cite Liu, Luo and Shah (CVPR 2009)",
        (SourceFile("UCF11_updated_mpg.rar", _at(_CRCV, "UCF11_updated_mpg.rar"), "UCF11_updated_mpg"),),
    ),
    "ucf50": Source(
        "UCF50",
        "https://www.crcv.ucf.edu/data/UCF50.php",
        "no licence is known, the clips are from YouTube; cite Reddy and Shah (Machine Vision and Applications 2013)",
        (SourceFile("UCF50.rar", _at(_CRCV, "UCF50.rar"), "UCF50", size=3_233_554_570),),
    ),
    "weizmann": Source(
        "Weizmann",
        "https://www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html",
        "research use; cite Gorelick, Blank, Shechtman, Irani and Basri (PAMI 2007)",
        tuple(
            SourceFile(f"{action}.zip", _at(_WEIZMANN, f"{action}.zip"), action)
            for action in "bend jack jump pjump run side skip walk wave1 wave2".split()
        ),
    ),
}


def find_source(name: str) -> Source:
    """Return where a data set is to be had.

    Raises
    ------
    DataError
        If it is not known, or is to be had by hand only.
    """
    source = SOURCES.get(name)
    if source is None:
        fetched = (key for key, known in SOURCES.items() if known.files)
        raise DataError(f"there is no data set {name!r} to fetch; {did_you_mean(name, fetched)}")
    if source.by_hand:
        raise DataError(f"{name}: {source.by_hand}; download it from {source.home} yourself")
    return source
