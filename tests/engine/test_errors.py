"""Messages: a template, its values, and the order in which they meet a translation."""

import pytest

from engine.errors import OptionError, Text

CATALOGUE = {
    'Cannot read "{name}"': "無法讀取「{name}」",
    "{what}: {why}; {advice}.": "{what}：{why}。{advice}。",
    "it is empty": "它是空的",
    "choose another file": "請選擇另一個檔案",
}


def translate(template: str) -> str:
    return CATALOGUE.get(template, template)


def test_a_text_is_translated_before_its_gaps_are_filled() -> None:
    text = Text('Cannot read "{name}"', name="it is empty")
    assert str(text) == 'Cannot read "it is empty"'
    assert text.translated(translate) == "無法讀取「it is empty」"


def test_a_text_inside_a_text_is_translated_too() -> None:
    error = OptionError(
        Text('Cannot read "{name}"', name="a.wav"), "it is empty", "choose another file"
    )
    assert str(error) == 'Cannot read "a.wav": it is empty; choose another file.'
    assert error.text.translated(translate) == "無法讀取「a.wav」：它是空的。請選擇另一個檔案。"


def test_braces_in_fixed_words_and_in_values_mean_nothing() -> None:
    error = OptionError(
        "Cannot use {this}", Text('"{name}" is odd', name="{name!r}"), "try {again}"
    )
    assert str(error) == 'Cannot use {this}: "{name!r}" is odd; try {again}.'


def test_a_text_comes_back_from_its_record() -> None:
    text = Text("{size:.1f} MB of {what}", size=1.25, what=Text('"{name}"', name="a"))
    assert str(text) == '1.2 MB of "a"'
    assert Text.from_record(text.to_record()) == text


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        ("plain words {kept}", "plain words {kept}"),
        ({"text": "{lost}", "values": {}}, "{lost}"),
        ({"text": "{lost}", "values": {"other": 1}}, "{lost}"),
        ({"text": "{n.real.denominator.x}", "values": {"n": 1}}, "{n.real.denominator.x}"),
        ({"text": "{n:z}", "values": {"n": "word"}}, "{n:z}"),
        (None, "None"),
    ],
)
def test_a_damaged_record_is_shown_as_it_is(record: object, shown: str) -> None:
    assert str(Text.from_record(record)) == shown
