"""Secrets are found by shape, by name, and because they are set here; ordinary text is left alone."""

from __future__ import annotations

import pytest

from agentnb.exceptions import UserError
from agentnb.messages import CodeBlock, TextMessage
from agentnb.runlog import CodeFinished, CodeStarted, ModelStarted, Noted, RunLog, Said, ToolStarted
from agentnb.transcripts import scan
from agentnb.transcripts.export import MASKED, SecretScanner, refuse, tell
from agentnb.transcripts.export.entries import CodeRun, Speech, ToolUse

OPENAI = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
NONE = SecretScanner({})
JSON = "outputs.0.application/json"

SECRETS = {
    OPENAI: "OpenAI key",
    "sk-ant-api03-Ab3dEf6hIj9kLm2nOp5qRs8t": "Anthropic key",
    "AKIAQ2W3E4R5T6Y7U2I3": "AWS key",
    "ghp_Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3d": "GitHub token",
    "AIzaSyAb3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zA": "Google key",
    "xoxb-123456789012-abcdefghijkl": "Slack token",
    "hf_Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z": "Hugging Face token",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N": "signed token (JWT)",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----": "private key",
}


@pytest.mark.parametrize(("secret", "sort"), SECRETS.items(), ids=SECRETS.values())
def test_a_key_with_a_shape_of_its_own_is_found_whole(secret: str, sort: str) -> None:
    text = f"first ({secret}), then nothing"

    spans = NONE.spans(text)

    assert [(text[start:end], what) for start, end, what in spans] == [(secret, sort)]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('password = "hunter22"', "hunter22"),
        ("DB_PASSWORD=tr0ub4dor&3", "tr0ub4dor&3"),
        ("password: correct-horse-battery", "correct-horse-battery"),
        ("The login is ana, passwd: correct-horse-battery-staple", "correct-horse-battery-staple"),
        ("pwd=Grün!Elster", "Grün!Elster"),
        ("https://example.org/?token=a1b2c3d4e5&page=2", "a1b2c3d4e5"),
        ('{"api_key": "a1b2c3d4e5f6"}', "a1b2c3d4e5f6"),
        ('{\\"client_secret\\": \\"a1b2c3d4e5f6\\"}', "a1b2c3d4e5f6"),
        ("os.environ['ACME_TOKEN'] = 'qwe123rty456'", "qwe123rty456"),
        ("postgres://ana:s3cretpw@db.lab/x", "s3cretpw"),
        ("Authorization: Bearer abcdef0123456789abcdef", "abcdef0123456789abcdef"),
    ],
)
def test_what_is_assigned_to_a_secret_name_is_found(text: str, secret: str) -> None:
    assert [text[start:end] for start, end, _ in NONE.spans(text)] == [secret]


@pytest.mark.parametrize(
    "text",
    [
        'api_key = os.environ["OPENAI_API_KEY"]',
        "api_key=settings.openai.key2",
        "client(api_key=my_key_1)",
        "password = getpass.getpass()",
        "def login(user: str, password: str = ''): ...",
        '{"password": "The password of the user"}',
        "password: required",
        "password: case-sensitive",
        "password: user-supplied-value",
        "Password: not-yet-set",
        "password: Required!",
        "password: form.password.value",
        "passwords: read-only-access",
        "password: one-time-password",
        "secret: correct-horse-battery",
        'api_key="your-api-key-123"',
        'token = "<token>"',
        "max_tokens=409600, prompt_tokens: 123456",
        "sk-learn-compatible-estimators-and-more",
        "the secret: patience and 12 coffees",
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://example.org:8080/path@2x.png",
        "AKIAIOSFODNN7EXAMPLE",
        "The key is to normalise by batch_2 first.",
    ],
)
def test_ordinary_text_holds_no_secret(text: str) -> None:
    assert NONE.spans(text) == []


def test_the_value_of_a_secret_variable_that_is_set_is_found_in_an_address_and_a_page_too() -> None:
    scanner = SecretScanner({"LAB_TOKEN": "bird&seed=42", "HOME": "/home/ana", "PWD": "/data/bird&seed=42x"})

    text = "bird&seed=42 bird%26seed%3D42 <td>bird&amp;seed=42</td>"

    assert [sort for *_, sort in scanner.spans(text)] == ["the value of LAB_TOKEN"] * 3


def _log() -> RunLog:
    log = RunLog()
    log.append(Said(message=TextMessage(content=f"use {OPENAI}", source="ana")), source="ana")
    tool = ToolStarted(tool="login", arguments={"user": "ana", "password": "letmein"})
    log.append(tool, source="ana")
    code = log.append(CodeStarted(executor="k", blocks=(CodeBlock(code="show()", language="python"),)), source="k")
    output = {"text/html": f"<td>{OPENAI}</td>", "text/plain": f"\x1b[31m{OPENAI}\x1b[0m", "image/png": "QUtJQVEyVzNF"}
    log.append(CodeFinished(executor="k", exit_code=0, outputs=(output,)), source="k", parent=code.id)
    return log


def test_every_place_of_a_log_that_is_exported_is_scanned() -> None:
    found = [(one.seq, one.place, one.sort) for one in scan(_log())]

    assert found == [
        (1, "message.content", "OpenAI key"),
        (2, "arguments.password", "password"),
        (4, "outputs.0.text/html", "OpenAI key"),
        (4, "outputs.0.text/plain", "OpenAI key"),
    ]


def test_what_only_names_a_value_is_scanned_and_masked_too() -> None:
    log = RunLog()
    log.append(
        ToolStarted(tool="put", arguments={"password": "tea", OPENAI: 1, f"{OPENAI}0": 2, "deep": {OPENAI: [OPENAI]}})
    )
    log.append(CodeFinished(executor="X", outputs=({"application/json": {OPENAI: 1}},)))

    found = NONE.find(log)
    tool, code = (event.body for event in NONE.clean(log))

    assert [one.place for one in found] == [
        "arguments.key",
        "arguments.key",
        "arguments.deep.key",
        f"arguments.deep.{MASKED}.0",
        f"{JSON}.key",
    ]
    assert isinstance(tool, ToolStarted)
    assert isinstance(code, CodeFinished)
    assert tool.arguments == {"password": "tea", MASKED: 1, f"{MASKED}'": 2, "deep": {MASKED: [MASKED]}}
    assert code.outputs == ({"application/json": {MASKED: 1}},)


def test_facts_that_are_not_exported_are_not_scanned() -> None:
    log = RunLog()
    log.append(ModelStarted(model="m", options={"api_key": OPENAI}))
    log.append(Noted(text="nothing"))

    assert scan(log) == []


def test_the_error_says_where_each_secret_is_shows_only_its_tail_and_the_ways_out() -> None:
    with pytest.raises(UserError) as caught:
        refuse(scan(_log()), "run.html")

    text = str(caught.value)
    assert text.startswith("run.html was not written: it would show 4 secrets.")
    assert "fact 1 (message of ana, message.content): OpenAI key ending in …Xy4z" in text
    assert 'secrets="mask"' in text
    assert 'secrets="keep"' in text
    assert OPENAI not in text
    assert "letmein" not in text


def test_masked_facts_keep_everything_but_the_secrets() -> None:
    story = tell(NONE.clean(_log()))

    speech, tool, code = story.entries
    assert isinstance(speech, Speech)
    assert speech.text == f"use {MASKED}"
    assert isinstance(tool, ToolUse)
    assert "letmein" not in tool.arguments
    assert '"user": "ana"' in tool.arguments
    assert isinstance(code, CodeRun)
    assert code.outputs[0] == {"text/html": f"<td>{MASKED}</td>", "text/plain": MASKED, "image/png": "QUtJQVEyVzNF"}


def test_a_megabyte_without_a_break_is_scanned_in_a_moment() -> None:
    text = "a1B2" * 250_000 + " password=" + "x" * 1000

    assert NONE.spans(text) == []
