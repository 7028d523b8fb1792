"""JSON from outside is read exactly as expected, or refused in one sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbp_ros.settings.json_fields import parse_fields

KINDS = {"name": str, "number": int, "share": float}
GOOD = '{"name": "lift", "number": 3, "share": 1}'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def test_what_is_expected_is_read():
    assert parse_fields(GOOD, KINDS) == {"name": "lift", "number": 3, "share": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("model 3", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "a JSON list, expected an object"),
        ("3", "a JSON int, expected an object"),
        ("null", "a JSON NoneType, expected an object"),
        ('{"name": "lift"}', "members name, expected name, number, share"),
        (GOOD.replace("3", '"3"'), "number is a str, expected a int"),
        (GOOD.replace("3", "true"), "number is a bool, expected a int"),
        (GOOD.replace("3", "3.0"), "number is a float, expected a int"),
        (GOOD.replace("3", "9" * 30), "number has more than 64 bits"),
        (GOOD.replace("1}", "NaN}"), "share is nan, expected a finite number"),
        (GOOD.replace("1}", "1e999}"), "share is inf, expected a finite number"),
        (GOOD.replace("lift", "\\ud800"), "surrogates not allowed"),
        (GOOD + " " * (1 << 20), "characters, expected at most"),
    ],
)
def test_anything_else_is_refused_with_what_is_wrong(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_fields(text, KINDS)


@given(JSON)
def test_nothing_that_json_can_hold_raises_another_error(document):
    for kind in (str, int, float, list, dict):
        try:
            parse_fields(json.dumps({"member": document}), {"member": kind})
        except ValueError:
            continue
        assert isinstance(document, kind | int)
