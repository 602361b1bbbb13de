from actionbench.experiments.audit.warnings import CODES, DataWarning, format_warnings


def test_a_warning_as_text_ends_in_its_code():
    assert str(DataWarning("data-set", "Seven clips end early.")) == "Seven clips end early. [data-set]"


def test_what_is_silenced_leaves_its_code_once_and_nothing_that_was_not_there():
    warnings = [
        DataWarning("data-set", "One."),
        DataWarning("data-set", "Two."),
        DataWarning("metadata-tells", "Three."),
    ]
    assert format_warnings(warnings, ["data-set", "labels-disagree"]) == [
        "Three. [metadata-tells]",
        "Silenced by the matrix: data-set.",
    ]
    assert format_warnings(warnings, ["labels-disagree"]) == [str(one) for one in warnings]


def test_codes_are_short_words():
    assert all(code == code.lower() and " " not in code for code in CODES)
