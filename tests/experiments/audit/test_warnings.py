from actionbench.experiments.audit.warnings import CODES, Caution, format_warnings


def test_a_caution_as_text_ends_in_its_code():
    assert str(Caution("data-set", "Seven clips end early.")) == "Seven clips end early. [data-set]"


def test_what_is_silenced_leaves_its_code_once_and_nothing_that_was_not_there():
    cautions = [Caution("data-set", "One."), Caution("data-set", "Two."), Caution("metadata-tells", "Three.")]
    assert format_warnings(cautions, ["data-set", "labels-disagree"]) == [
        "Three. [metadata-tells]",
        "Silenced by the matrix: data-set.",
    ]
    assert format_warnings(cautions, ["labels-disagree"]) == [str(one) for one in cautions]


def test_codes_are_short_words():
    assert all(code == code.lower() and " " not in code for code in CODES)
