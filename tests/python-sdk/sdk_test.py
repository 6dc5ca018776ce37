"""The SDKs of OpenAI and GigaChat against the sandbox: what they make of its answers is what services would give them."""

import base64
import json
import os
import sys
import urllib.request

import gigachat
import openai
from checks import run
from gigachat.models import Chat, Function, FunctionParameters, Messages, MessagesRole

HTTP = os.environ["AIPOOL_SANDBOX_HTTP"]
HTTPS = os.environ["AIPOOL_SANDBOX_HTTPS"]
CA = os.environ["AIPOOL_SANDBOX_CA_PEM"]
KEY = base64.b64encode(b"python:secret").decode()
QUESTION = [{"role": "user", "content": "one two"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}


def control(call, method="GET"):
    request = urllib.request.Request(f"{HTTP}/control/{call}", method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read().decode()


def counter(name):
    return int(control(f"counters?name={name}").rpartition("=")[2])


def openai_client(**options):
    return openai.OpenAI(base_url=f"{HTTP}/v1", api_key="any", **options)


def giga_client(url=HTTP, **options):
    options = {"credentials": KEY, "scope": "GIGACHAT_API_PERS", "verify_ssl_certs": False, **options}
    return gigachat.GigaChat(base_url=f"{url}/gigachat/api/v1", auth_url=f"{url}/gigachat/oauth", **options)


def openai_chats():
    answer = openai_client().chat.completions.create(model="sandbox-small", messages=QUESTION)
    assert answer.choices[0].message.content == "You said: one two"
    assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 6


def openai_streams_with_usage():
    stream = openai_client().chat.completions.create(
        model="sandbox-small", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "You said: one two"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 6


def openai_calls_tools():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    client = openai_client()
    answer = client.chat.completions.create(model="sandbox-small", messages=QUESTION, tools=tools)
    message = answer.choices[0].message
    call = message.tool_calls[0]
    assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "one two"}
    messages = [*QUESTION, message, {"role": "tool", "tool_call_id": call.id, "content": "warm"}]
    answer = client.chat.completions.create(model="sandbox-small", messages=messages, tools=tools)
    assert answer.choices[0].message.content == "The tool said: warm"


def openai_streams_tools():
    tools = [{"type": "function", "function": {"name": "weather", "parameters": WEATHER}}]
    client = openai_client()
    with client.chat.completions.stream(model="sandbox-small", messages=QUESTION, tools=tools) as stream:
        message = stream.get_final_completion().choices[0].message
    assert json.loads(message.tool_calls[0].function.arguments) == {"city": "one two"}


def openai_embeds_and_lists():
    client = openai_client()
    # Without a format the SDK asks for base64 and reads it back.
    answer = client.embeddings.create(model="sandbox-small", input=["one", "two"], dimensions=4)
    plain = client.embeddings.create(model="sandbox-small", input=["one", "two"], dimensions=4, encoding_format="float")
    assert [item.embedding for item in answer.data] == [item.embedding for item in plain.data]
    assert [model.id for model in client.models.list()] == ["sandbox-large", "sandbox-small"]


def openai_retries_when_told():
    control("arm?path=/v1/chat/completions&faults=status=429,retry-after-ms=1", "POST")
    openai_chats()
    control("arm?path=/v1/chat/completions&faults=error=openai-context", "POST")
    try:
        openai_client(max_retries=0).chat.completions.create(model="sandbox-small", messages=QUESTION)
    except openai.BadRequestError as error:
        assert error.code == "context_length_exceeded"
    else:
        raise AssertionError("a refusal was taken for an answer")


def openai_speaks_to_yandex():
    client = openai.OpenAI(base_url=f"{HTTP}/yandex/v1", api_key="sandbox-key")
    answer = client.chat.completions.create(model="gpt://b1gsandbox/yandexgpt/latest", messages=QUESTION)
    assert answer.choices[0].message.content == "You said: one two"


def gigachat_chats_and_counts_tokens():
    before = counter("gigachat.tokens")
    with giga_client(model="GigaChat-2-Max") as client:
        for _ in range(3):
            answer = client.chat("раз два")
            assert answer.choices[0].message.content == "Вы сказали: раз два"
        assert answer.model == "GigaChat-2-Max:2.0.28.2" and answer.usage.total_tokens == 6
        counts = client.tokens_count(["раз два"], model="GigaChat")
        assert (counts[0].tokens, counts[0].characters) == (2, 7)
    assert counter("gigachat.tokens") == before + 1


def gigachat_streams():
    with giga_client(model="GigaChat") as client:
        chunks = list(client.stream("раз два"))
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == "Вы сказали: раз два"
    assert chunks[-1].choices[0].finish_reason == "stop" and chunks[-1].usage.total_tokens == 6


def gigachat_speaks_the_second_version():
    with giga_client(model="GigaChat-3-Ultra") as client:
        answer = client.chat.create("раз два")
        assert answer.messages[0].content[0].text == "Вы сказали: раз два"
        chunks = list(client.chat.stream("раз два"))
    parts = [part.text for chunk in chunks for message in chunk.messages or [] for part in message.content]
    assert "".join(parts) == "Вы сказали: раз два"
    assert chunks[-1].finish_reason == "stop"


def gigachat_calls_functions():
    function = Function(name="weather", description="Погода", parameters=FunctionParameters(**WEATHER))
    messages = [Messages(role=MessagesRole.USER, content="Москва")]
    with giga_client(model="GigaChat-2") as client:
        answer = client.chat(Chat(messages=messages, functions=[function], function_call="auto"))
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "function_call"
        assert message.function_call.name == "weather" and message.function_call.arguments == {"city": "Москва"}
        messages += [message, Messages(role=MessagesRole.FUNCTION, name="weather", content='{"t": 1}')]
        answer = client.chat(Chat(messages=messages, functions=[function]))
    assert answer.choices[0].message.content == 'Функция вернула: {"t": 1}'


def gigachat_embeds_lists_and_keeps_files():
    with giga_client() as client:
        data = client.embeddings(["раз", "два три"]).data
        assert data[1].usage.prompt_tokens == 2 and len(data[0].embedding) == 16
        assert "GigaChat-2-Max" in [model.id_ for model in client.get_models().data]
        assert client.get_balance().balance[0].usage == "GigaChat"
        file = client.upload_file(("a.txt", "текст".encode(), "text/plain"))
        assert client.get_file(file.id_).bytes_ == 10
        assert base64.b64decode(client.get_image(file.id_).content).decode() == "текст"
        assert client.delete_file(file.id_).deleted and client.get_files().data == []


def gigachat_signs_in_again():
    before = counter("gigachat.tokens")
    with giga_client(model="GigaChat") as client:
        client.chat("раз")
        control("expire-tokens", "POST")
        assert client.chat("раз").choices[0].message.content == "Вы сказали: раз"
    assert counter("gigachat.tokens") == before + 2


def gigachat_signs_in_by_password_over_tls():
    with giga_client(
        HTTPS, credentials=None, user="python", password="secret", verify_ssl_certs=True, ca_bundle_file=CA, model="GigaChat"
    ) as client:
        assert client.chat("раз").choices[0].message.content == "Вы сказали: раз"


def gigachat_is_refused_by_name():
    with giga_client(model="none") as client:
        try:
            client.chat("раз")
        except gigachat.exceptions.NotFoundError as error:
            assert "No such model" in str(error)
        else:
            raise AssertionError("an unknown model was answered")
    with giga_client(credentials=base64.b64encode(b"python:wrong").decode()) as client:
        try:
            client.get_models()
        except gigachat.exceptions.AuthenticationError:
            pass
        else:
            raise AssertionError("a wrong secret was taken")


def main():
    checks = [value for name, value in globals().items() if name.startswith(("openai_", "gigachat_")) and callable(value)]
    checks = [check for check in checks if check is not openai_client]
    return run(checks, before=lambda: control("reset", "POST"))


if __name__ == "__main__":
    sys.exit(main())
