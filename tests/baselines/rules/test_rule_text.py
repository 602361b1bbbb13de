import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionbench.baselines.rules._rule_list import Condition, Rule
from actionbench.baselines.rules._rule_text import ParsedRule, parse, read, write
from actionbench.errors import ActionbenchError
from actionbench.features.quantities import QUANTITIES

PLACE = {quantity.name: place for place, quantity in enumerate(QUANTITIES)}

numbers = st.floats(allow_nan=False, allow_infinity=False)
conditions = st.builds(Condition, st.integers(0, len(QUANTITIES) - 1), st.booleans(), numbers)
labels = st.lists(st.text(min_size=1), min_size=1, max_size=4)


@given(labels, st.data())
def test_what_is_written_is_read_back(labels, data):
    places = st.integers(0, len(labels) - 1)
    bodies = data.draw(st.lists(st.tuples(st.lists(conditions, min_size=1, max_size=3).map(tuple), places)))
    counts = tuple(range(len(labels)))
    rules = [Rule(*body, counts) for body in [*bodies, ((), data.draw(places))]]
    found = parse(write(rules, labels), "it")
    assert [(rule.conditions, rule.label) for rule in found] == [
        (rule.conditions, labels[rule.label]) for rule in rules
    ]


def test_a_list_edited_by_hand():
    text = """
    # runners first
    if horizontal speed > 1.6 heights/s and bounce frequency<=2.2 Hz  then running   # fast

    if fill > .5 then "jumping #1 (then left)"   (3 of 4 training clips)
    otherwise hand-waving (1 of 9 training clips) # the rest
    """
    assert parse(text, "it") == [
        ParsedRule(
            (
                Condition(PLACE["horizontal speed"], True, 1.6),
                Condition(PLACE["bounce frequency"], False, 2.2),
            ),
            "running",
            3,
        ),
        ParsedRule((Condition(PLACE["fill"], True, 0.5),), "jumping #1 (then left)", 5),
        ParsedRule((), "hand-waving", 6),
    ]


def test_lines_of_any_editor_are_read():
    assert parse("if fill > 0.5 then a then b\r\n\r\notherwise a and b\r\n", "it") == [
        ParsedRule((Condition(PLACE["fill"], True, 0.5),), "a then b", 1),
        ParsedRule((), "a and b", 3),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("if fil > 1 then a", r"there is no quantity 'fil'; did you mean 'fill'\?"),
        ("if horizontal speed > 1 then a", "'horizontal speed' is in heights/s, got 'no unit'"),
        ("if horizontal speed > 1 m/s then a", "'horizontal speed' is in heights/s, got 'm/s'"),
        ("if fill > 1 Hz then a", "'fill' is a ratio without a unit, got 'Hz'"),
        ("if fill >= 1 then a", "'fill' must be compared by > or <=, got >="),
        ("if fill > half then a", "'fill' must be compared with a number, got 'half'"),
        ("if fill > 1e999 then a", "'fill' must be compared with a number, got '1e999'"),
        ("if fill > nan then a", "'fill' must be compared with a number, got 'nan'"),
        ("if fill then a", "a condition must read 'QUANTITY > NUMBER UNIT', got 'fill'"),
        (f"if {' and '.join(['fill > 1'] * 4)} then a", "at most 3 conditions, got 4"),
        ("when fill > 1 then a", "must read 'if QUANTITY > NUMBER UNIT and ... then LABEL'"),
        ("if fill > 1 then", "must read 'if QUANTITY"),
        ("if fill > 1 then a (sometimes)", "must read 'if QUANTITY"),
        (r'if fill > 1 then "\x"', "must be a JSON string"),
        ("otherwise a", "'otherwise' must be the last rule"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_with_file_and_line(line, says):
    with pytest.raises(ActionbenchError, match=f"^mine.txt, line 2: .*{says}"):
        parse(f"# mine\n{line}\notherwise b\n", "mine.txt")


@pytest.mark.parametrize("text", ["", "# nothing\n", "if fill > 1 then a"])
def test_a_list_without_an_end(text):
    with pytest.raises(ActionbenchError, match=r"^mine.txt: the last rule must read 'otherwise LABEL'"):
        parse(text, "mine.txt")


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ActionbenchError, match=r"gone\.txt: the list of rules cannot be read \(No such file"):
        read(tmp_path / "gone.txt")
    (tmp_path / "latin.txt").write_bytes("otherwise café".encode("latin-1"))
    with pytest.raises(ActionbenchError, match=r"latin\.txt: a list of rules must be a text file in UTF-8"):
        read(tmp_path / "latin.txt")
    (tmp_path / "marked.txt").write_text("otherwise a", encoding="utf-8-sig")
    assert read(tmp_path / "marked.txt") == [ParsedRule((), "a", 1)]
