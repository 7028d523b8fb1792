"""JSON of an untrusted sender: conversion to a dataclass, or an error that names the field."""

import json
from dataclasses import dataclass, make_dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dbp_ros.errors import ConfigError
from dbp_ros.settings.fields import convert, from_json

GOOD = '{"name": "lift", "number": 3, "share": 1}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@dataclass(frozen=True)
class Document:
    """Document with one field of each plain type."""

    name: str
    number: int
    share: float


def test_a_document_is_converted_to_a_dataclass():
    assert from_json(Document, GOOD) == Document("lift", 3, 1.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("model 3", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (
            '{"name": "lift", "number": 3, "share": 9007199254740993}',
            "share is 9007199254740993 of type int, expected a number that a float represents",
        ),
        ("[]", r"Document is \[\] of type list, expected a mapping"),
        ("3", "Document is 3 of type int, expected a mapping"),
        ("null", "Document is None of type NoneType, expected a mapping"),
        ('{"name": "lift"}', "lacks number, share; its fields are name, number, share"),
        (GOOD.replace("}", ', "size": 1}'), "has no size; its fields are name, number, share"),
        (GOOD.replace("3", '"3"'), "number is '3' of type str, expected int"),
        (GOOD.replace("3", "true"), "number is True of type bool, expected int"),
        (GOOD.replace("3", "3.0"), "number is 3.0 of type float, expected int"),
        (GOOD.replace("3", "9" * 30), "99999 has more than 64 bits"),
        (GOOD.replace("1}", "NaN}"), "NaN is not finite"),
        (GOOD.replace("1}", "1e999}"), "1e999 is not finite"),
        (GOOD.replace("lift", "\\ud800"), "surrogates not allowed"),
        (GOOD + " " * (1 << 20), "characters, expected at most"),
    ],
)
def test_an_invalid_document_is_refused_with_the_reason(text, reason):
    with pytest.raises(ConfigError, match=reason):
        from_json(Document, text)


def test_a_whole_number_of_a_float_is_exact_or_refused():
    for number in (0, -(2**53), 2**53, 2**60, 2**62 + 2**20):
        assert convert(float, number, "share") == number
    for number in (2**53 + 1, -(2**53) - 1, 2**62 + 1, 10**400):
        with pytest.raises(ConfigError, match="a number that a float represents exactly"):
            convert(float, number, "share")


@given(JSON)
@example(2**53 + 1)
def test_no_document_raises_another_error(document):
    for kind in (str, int, float, tuple[str, ...], dict[str, int]):
        try:
            found = from_json(make_dataclass("One", [("member", kind)]), _text(document))
        except ConfigError:
            continue
        plain = list(found.member) if isinstance(found.member, tuple) else found.member
        assert plain == document


def _text(document):
    return json.dumps({"member": document})
