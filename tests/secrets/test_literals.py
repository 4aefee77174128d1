"""What looks like a secret in a call is found, replaced and put back, and nothing else is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.secrets.literals import (
    MASK,
    TAGGED,
    find_spans,
    hide_literals,
    is_only_reference,
    literals_of,
    masks_of,
    new_mask,
    replace_literals,
    without_tags,
)
from pagersync.workflows.http_secrets import host_of, mask_problems

S = "s3cr3t-canary"
TOKEN = "Xy12abCdEfGh34IjKlMnOp56"


def found(field: str, text: str) -> list[str]:
    return [text[start:end] for start, end in find_spans(field, text)]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("headers", f'{{"Authorization": "{S}"}}'),
        ("headers", f'{{"authorization": "Bearer {S}"}}'),
        ("headers", f'{{"X-Api-Key": "{S}", "Accept": "text/plain"}}'),
        ("headers", f'{{"Cookie":"{S}"}}'),
        ("headers", f'{{"X-Note": "Bearer {S}"}}'),
        ("params", f'{{"access_token": "{S}"}}'),
        ("params", f'{{"key": "{S}"}}'),
        ("body", f'{{"auth": {{"password": "{S}"}}}}'),
        ("body", f'{{"routing_key": "{S}", "title": {{{{ incident.title | to_json }}}}}}'),
        ("body", f"token={S}&text=hello"),
        ("body", f"<Password>{S}</Password>"),
        ("url", f"https://a.example/hook?token={S}&x=1"),
        ("url", f"https://a.example/hook?x=1&api_key={S}#f"),
        ("url", f"https://user:{S}@a.example/"),
        ("url", f"https://{S}@a.example/"),
    ],
)
def test_a_secret_is_found_by_where_it_stands(field: str, text: str) -> None:
    assert found(field, text) == [S]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("url", f"https://hooks.example/services/T0/B0/{TOKEN}"),
        ("body", f"see {TOKEN} there"),
        ("headers", f'{{"X-Thing": "{TOKEN}"}}'),
    ],
)
def test_a_secret_is_found_by_how_it_looks(field: str, text: str) -> None:
    assert found(field, text) == [TOKEN]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("headers", '{"Content-Type": "application/json", "X-Team": "sre", "Author": "Ada"}'),
        ("headers", '{"Authorization": "Bearer {{ secrets.DEPLOY_TOKEN }}"}'),
        ("headers", '{"Authorization": "{{ context.token }}"}'),
        ("headers", '{"Authorization": "Bearer ***0123456789ab***"}'),
        ("headers", '{"Authorization": ""}'),
        ("params", '{"page": "2", "dedup_key": "{{ incident.id }}"}'),
        ("body", '{"title": "{{ incident.title }}", "n": 1}'),
        ("url", "https://a.example/v1/incidents/0189f4b2-1111-7000-8000-0123456789ab?page=2"),
        ("url", "https://a.example/?token={{ secrets.T }}"),
    ],
)
def test_what_is_no_secret_stays_as_it_is(field: str, text: str) -> None:
    assert found(field, text) == []


texts = st.lists(
    st.sampled_from(
        [
            *'{}":,<>=&?/@ ',
            *("token", "Authorization", "Bearer ", S, TOKEN, "{{ secrets.A }}", "x"),
            *("{{ x", "%}", "\\", "***0123456789ab***", "https://", "é"),
        ]
    ),
    max_size=30,
).map("".join)


@given(texts, texts, texts)
def test_masks_stand_for_exactly_what_they_replace(url: str, headers: str, body: str) -> None:
    params = {"task_type": "http_client", "url": url, "headers": headers, "body": body}
    kept: dict[str, str] = {}

    def mask(value: str) -> str:
        made = new_mask()
        kept[made] = value
        return made

    sealed = replace_literals(params, mask)
    assert set(kept) <= masks_of(sealed)
    restored = {
        name: MASK.sub(lambda each: kept.get(each.group(), each.group()), text)
        for name, text in sealed.items()
    }
    assert restored == params
    assert hide_literals(params).keys() == params.keys()


def test_what_is_sealed_is_not_sealed_again() -> None:
    params = {
        "headers": f'{{"Authorization": "Bearer {S}"}}',
        "url": f"https://a.example/?token={S}",
    }
    sealed = replace_literals(params, lambda _: new_mask())
    assert literals_of(params) == [S, S]
    assert literals_of(sealed) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{ secrets.A }}", True),
        ("Bearer {{ secrets.A }}", True),
        ("{{ secrets.A }}{{ secrets.B }}", True),
        ("Bearer x{{ secrets.A }}", False),
        ("Bearer abc", False),
        ("", False),
    ],
)
def test_a_reference_alone_is_no_secret(value: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_only_reference(value) is expected


SAVED = {
    "task_type": "http_client",
    "url": "https://a.example/x",
    "headers": '{"Authorization": "***0123456789ab***"}',
}


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, None),
        ({"url": "https://a.example/y", "body": "z"}, None),
        ({"url": "https://evil.example/x"}, "was entered for a.example"),
        ({"url": "https://a.example@evil.example/x"}, "was entered for a.example"),
        ({"url": "https://evil.example\\@a.example/x"}, "was entered for a.example"),
        ({"url": "http://a.example/x"}, "Enter it again for http://a.example"),
        ({"url": "https://a.example:8443/x"}, "Enter it again for https://a.example:8443"),
        ({"url": "https://a.example.evil.example/x"}, "was entered for a.example"),
        ({"url": "https://A.example/{{ incident.id }}?x"}, None),
        ({"url": "https://a.example{{ x }}/"}, "was entered for a.example"),
        ({"url": "http{% comment %}s://a.example/{% endcomment %}://evil.example"}, "was entered"),
        ({"url": "{% if x %}https://a.example/x{% endif %}"}, "was entered for a.example"),
        ({"headers": '{"Authorization": "***ba9876543210***"}'}, "no task of this workflow has"),
        ({"headers": '{"Authorization": "[hidden]"}'}, "Enter the value"),
        ({"headers": '{"Authorization": "***"}'}, "Enter the value"),
    ],
)
def test_a_mask_is_good_where_it_was_made_and_nowhere_else(
    changed: dict[str, str], wrong: str | None
) -> None:
    problems = mask_problems({**SAVED, **changed}, [SAVED], "/data/attributes/task_params")
    assert [each.detail for each in problems if wrong is None] == []
    assert wrong is None or wrong in problems[0].detail


def test_a_mask_of_an_address_with_a_template_for_a_host_is_good_while_it_stays() -> None:
    saved = {**SAVED, "url": "https://{{ incident.slug }}.example/x"}
    assert mask_problems({**saved, "body": "y"}, [saved], "") == []
    assert mask_problems({**saved, "url": f"{saved['url']}/y"}, [saved], "")


def test_the_host_of_an_address_is_what_is_called() -> None:
    assert host_of({"url": " https://User:pass@A.example:8443/x?y=//z"}) == "a.example:8443"


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("field", "part"),
    [
        ("body", "{{"),
        ("body", "{%"),
        ("body", '\\"'),
        ("body", "a"),
        ("body", "eyJ"),
        ("body", '"" '),
        ("url", "?"),
        ("url", "&a"),
        ("url", "a"),
        ("url", "//a"),
    ],
)
def test_no_text_takes_longer_than_its_length(field: str, part: str) -> None:
    """With the square of it, this would take an hour."""
    assert found(field, f'https://"{part * 300_000}') == []


@given(st.text(alphabet="{}% a", max_size=30))
def test_tags_are_left_out_as_liquid_reads_them(text: str) -> None:
    tags = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
    assert without_tags(text) == tags.sub(lambda tag: TAGGED * len(tag.group()), text)
