//! Credentials show nowhere: planted in every field, looked for in every output.

use aipool::clients::ask::{Ask, Chat, Message};
use aipool::clients::config::{ClientConfig, ClientTuning};
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::UncheckedConfig;
use aipool::clients::{CallOptions, Client, PoolSource};
use aipool::config::SessionConfig;

use crate::rig::*;
use crate::support::Listener;

const PLANTED: &str = "pl4nted";

/// Every credential that there is, each of its own.
fn planted(listener: &Listener, kind: Kind) -> UncheckedConfig {
    let secret = |name: &str| text(&format!("{PLANTED}-{name}"));
    let base = match kind {
        Kind::GigaChat => "/gigachat/api/v1",
        Kind::Yandex => "/yandex/foundationModels/v1",
        Kind::YandexOpenAi => "/yandex/v1",
        Kind::Naparnik => "/naparnik",
        Kind::OpenAi | Kind::NaparnikCompat => "/v1",
        Kind::Ollama => "",
    };
    UncheckedConfig {
        base_url: text(&format!("{}{base}", listener.http)),
        auth_url: text(&format!("{}/gigachat/oauth", listener.http)),
        // base64 of "pl4nted:pl4nted"
        api_key: if kind == Kind::GigaChat { text("cGw0bnRlZDpwbDRudGVk") } else { secret("key") },
        access_token: if kind == Kind::GigaChat { secret("token") } else { text("") },
        password: secret("password"),
        oauth_token: secret("oauth"),
        folder: text("b1gsandbox"),
        model: text("sandbox-1"),
        ..UncheckedConfig::default()
    }
}

#[test]
fn planted_secrets_appear_in_no_output() {
    let mut outputs = Vec::new();
    for kind in [
        Kind::OpenAi,
        Kind::Ollama,
        Kind::GigaChat,
        Kind::Yandex,
        Kind::YandexOpenAi,
        Kind::Naparnik,
        Kind::NaparnikCompat,
    ] {
        let listener = Listener::open();
        listener.set("openai.api-key=other");
        let ways = ClientTuning { retries: Some(1), ..ClientTuning::default() };
        let config = ClientConfig::new(kind, &planted(&listener, kind), ways, SessionConfig::default()).unwrap();
        outputs.push(format!("{config:?}"));
        let pool = pool();
        let client = Client::new(config, PoolSource::Given(pool.clone())).unwrap();
        for (chat, fault) in [
            (says("hi"), ""),
            (streams("hi"), ""),
            (says("hi"), "reset"),
            (says("hi"), "html"),
            (says("hi"), "status=500"),
        ] {
            match asked(&client, chat, &faulty(fault)) {
                Ok(answer) => outputs.push(format!("{:?}", deltas(&answer))),
                Err((error, answer)) => {
                    outputs.push(format!("{error} {error:?}"));
                    outputs.extend(answer.map(|answer| format!("{:?}", answer.response)));
                }
            }
        }
        outputs.push(pool.metrics());
        let bad = Ask::Chat(Box::new(Chat { messages: vec![Message::default()], ..Chat::default() }));
        outputs.push(format!("{bad:?}"));
        drop(client.call(&bad, &CallOptions::default()));
    }
    outputs.push(aipool::events::read(0, usize::MAX).lines);
    for output in outputs {
        for shape in [PLANTED, "cGw0bnRlZDpwbDRudGVk"] {
            assert!(!output.contains(shape), "{output}");
        }
    }
}

#[test]
fn a_bad_character_is_told_by_its_place_in_every_credential() {
    let row = |given: UncheckedConfig| {
        let error =
            ClientConfig::new(Kind::OpenAi, &given, ClientTuning::default(), SessionConfig::default()).err().unwrap();
        assert!(!error.message.contains(PLANTED), "{}", error.message);
        error.message
    };
    let bad = || text(&format!("{PLANTED}\u{43a}"));
    assert!(
        row(UncheckedConfig { api_key: bad(), ..UncheckedConfig::default() })
            .starts_with("api_key: has a character at byte 8")
    );
    assert!(
        row(UncheckedConfig { access_token: bad(), ..UncheckedConfig::default() })
            .starts_with("access_token: has a character")
    );
    assert!(
        row(UncheckedConfig { oauth_token: bad(), ..UncheckedConfig::default() })
            .starts_with("oauth_token: has a character")
    );
}
