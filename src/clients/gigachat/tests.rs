use serde_json::{Map, Value, json};

use super::*;
use crate::body::events::{Events, Format};
use crate::body::reply::{Dialect, ReplyBuilder, cut_short};
use crate::clients::ask::{Count, Embed, Message};
use crate::clients::config::ClientTuning;
use crate::clients::kind::Kind;
use crate::clients::unchecked_config::{Text, UncheckedConfig};
use crate::config::SessionConfig;

/// Feeds a stream in pieces of this many bytes, to its end, as the reader of a response does.
pub fn read_cut(dialect: &dyn Dialect, format: Format, body: &[u8], piece: usize) -> (Result<()>, ReplyBuilder) {
    let mut builder = ReplyBuilder::default();
    let mut decoder = dialect.decoder();
    let mut events = Events::new(format, 1 << 20);
    let mut read = || {
        for mut rest in body.chunks(piece.max(1)) {
            while events.feed(&mut rest).unwrap() {
                decoder.event(events.event(), &mut builder)?;
            }
        }
        if events.finish() {
            decoder.event(events.event(), &mut builder)?;
        }
        decoder.end(&mut builder)?;
        builder.is_done().then_some(()).ok_or_else(cut_short)
    };
    let end = read();
    (end, builder)
}

/// How a stream of this body ends.
pub fn end_of(dialect: &dyn Dialect, format: Format, body: &[u8]) -> Result<()> {
    read_cut(dialect, format, body, body.len()).0
}

fn given(fields: &[(&str, &str)]) -> UncheckedConfig {
    let mut given = UncheckedConfig::default();
    for (name, value) in fields {
        let place = match *name {
            "base_url" => &mut given.base_url,
            "api_key" => &mut given.api_key,
            "access_token" => &mut given.access_token,
            "user" => &mut given.user,
            "password" => &mut given.password,
            "client_id" => &mut given.client_id,
            "client_secret" => &mut given.client_secret,
            "scope" => &mut given.scope,
            "affinity" => &mut given.affinity,
            "client_cert_file" => &mut given.client_cert_file,
            other => unreachable!("{other}"),
        };
        *place = Text::new((*value).to_owned());
    }
    given
}

fn config(fields: &[(&str, &str)]) -> ClientConfig {
    ClientConfig::new(Kind::GigaChat, &given(fields), ClientTuning::default(), SessionConfig::default()).unwrap()
}

fn ask(chat: Chat) -> Ask {
    Ask::Chat(Box::new(chat))
}

fn chat() -> Chat {
    Chat { messages: vec![Message { content: "u".into(), ..Message::default() }], ..Chat::default() }
}

fn headers(request: &ProviderRequest) -> Value {
    let pairs = request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
    pairs.collect::<Map<_, _>>().into()
}

fn body(request: &ProviderRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn the_usual_addresses_and_models_are_the_providers_own() {
    let config = config(&[("api_key", "aWQ6c2VjcmV0")]);
    assert_eq!(config.base_url, "https://api.giga.chat/v1");
    assert_eq!(config.auth_url, "https://ngw.devices.sberbank.ru:9443/api/v2/oauth");
    assert_eq!((config.model.as_str(), config.embedding_model.as_str()), ("GigaChat-2", "Embeddings"));
}

#[test]
fn a_key_is_exchanged_for_a_token() {
    let config = config(&[("client_id", "id"), ("client_secret", "secret"), ("scope", "GIGACHAT_API_B2B")]);
    let Credential::Token { scheme: "Bearer ", brought: None } = GigaChat.credential(&config).unwrap() else {
        panic!("no token")
    };
    let request = GigaChat.token_request(&config).unwrap();
    let mut headers = headers(&request);
    let id = headers["rquid"].take();
    assert_ne!(id, self::headers(&GigaChat.token_request(&config).unwrap())["rquid"]);
    assert_eq!(
        headers,
        json!({"accept": "application/json", "authorization": "Basic aWQ6c2VjcmV0", "rquid": null,
            "content-type": "application/x-www-form-urlencoded"})
    );
    assert_eq!((request.method, request.url), (http::Method::POST, config.auth_url.clone()));
    assert_eq!(request.body, "scope=GIGACHAT_API_B2B");
    assert!(request.headers["authorization"].is_sensitive());
}

#[test]
fn a_user_gets_a_token_under_the_base() {
    let config = config(&[("user", "u"), ("password", "пароль"), ("base_url", "https://h/api/v1/")]);
    assert!(matches!(GigaChat.credential(&config).unwrap(), Credential::Token { brought: None, .. }));
    let request = GigaChat.token_request(&config).unwrap();
    assert_eq!((request.url.as_str(), request.body.len()), ("https://h/api/v1/token", 0));
    let expected = json!({"accept": "application/json", "authorization": "Basic dTrQv9Cw0YDQvtC70Yw="});
    assert_eq!(headers(&request), expected);
}

#[test]
fn a_token_that_is_brought_is_used_as_it_is_and_renewed_where_a_key_is_there() {
    let alone = config(&[("access_token", "t")]);
    let Credential::Fixed(header) = GigaChat.credential(&alone).unwrap() else { panic!("not fixed") };
    assert_eq!(header, "Bearer t");
    let both = config(&[("access_token", "t"), ("api_key", "YTpi")]);
    let Credential::Token { brought: Some(token), .. } = GigaChat.credential(&both).unwrap() else {
        panic!("no token")
    };
    assert_eq!(token.expose(), "t");
}

#[test]
fn a_certificate_is_enough_and_nothing_is_not() {
    let certified = config(&[("client_cert_file", "/c.pem")]);
    assert!(matches!(GigaChat.credential(&certified).unwrap(), Credential::None));
    assert_eq!(GigaChat.missing(&certified), None);
    let bare = config(&[("user", "u")]);
    let missing = GigaChat.missing(&bare).unwrap();
    assert!(missing.starts_with("api_key: ") && missing.contains("GIGACHAT_CREDENTIALS"));
    for field in ["access_token", "api_key"] {
        assert_eq!(GigaChat.missing(&config(&[(field, "YTpi")])), None);
    }
}

#[test]
fn an_unknown_scope_or_version_is_refused() {
    let bad = config(&[("api_key", "YTpi"), ("scope", "GIGACHAT_API")]);
    let message = |error: Error| error.message;
    assert!(GigaChat.credential(&bad).map_err(message).err().unwrap().starts_with("scope: "));
    assert!(GigaChat.write(&Ask::Models, &bad).map_err(message).err().unwrap().starts_with("scope: "));
    let third = ClientConfig { api_version: 3, ..config(&[("api_key", "YTpi")]) };
    assert!(GigaChat.credential(&third).map_err(message).err().unwrap().starts_with("api_version: "));
}

#[test]
fn persons_have_one_request_at_once_and_companies_ten() {
    for (fields, most) in [
        (&[("api_key", "YTpi")][..], 1),
        (&[("api_key", "YTpi"), ("scope", "GIGACHAT_API_PERS")], 1),
        (&[("api_key", "YTpi"), ("scope", "GIGACHAT_API_B2B")], 10),
        (&[("access_token", "t"), ("scope", "GIGACHAT_API_CORP")], 10),
        (&[("access_token", "t")], 1),
        (&[("user", "u"), ("password", "p")], 10),
        (&[("client_cert_file", "/c.pem")], 10),
    ] {
        assert_eq!(config(fields).max_concurrency, most, "{fields:?}");
    }
}

#[test]
fn a_chat_of_the_first_version_goes_under_the_base() {
    let config = config(&[("api_key", "YTpi"), ("affinity", "talk-1")]);
    let whole = GigaChat.write(&ask(chat()), &config).unwrap();
    assert_eq!((whole.request.url.as_str(), whole.framing), ("chat/completions", None));
    assert_eq!(headers(&whole.request), json!({"content-type": "application/json", "x-session-id": "talk-1"}));
    assert_eq!(body(&whole.request), json!({"model": "GigaChat-2", "messages": [{"role": "user", "content": "u"}]}));
    let stream = GigaChat.write(&ask(Chat { stream: true, ..chat() }), &config).unwrap();
    assert_eq!(stream.framing, Some(Format::Sse));
    assert_eq!(
        headers(&stream.request),
        json!({"content-type": "application/json", "x-session-id": "talk-1", "cache-control": "no-store",
            "accept": "text/event-stream"})
    );
    assert_eq!(body(&stream.request)["stream"], true);
}

#[test]
fn a_chat_of_the_second_version_stands_beside_the_base() {
    let named = ClientConfig { api_version: 2, ..config(&[("api_key", "YTpi")]) };
    let by_base = config(&[("api_key", "YTpi"), ("base_url", "https://api.giga.chat/v2")]);
    for config in [named, by_base] {
        for stream in [false, true] {
            let written = GigaChat.write(&ask(Chat { stream, ..chat() }), &config).unwrap();
            assert_eq!(written.request.url, "https://api.giga.chat/v2/chat/completions");
            assert_eq!(body(&written.request)["messages"], json!([{"role": "user", "content": [{"text": "u"}]}]));
            assert_eq!(written.framing, stream.then_some(Format::Sse));
        }
        let models = GigaChat.write(&Ask::Models, &config).unwrap().request.url;
        assert!(["models", "https://api.giga.chat/v1/models"].contains(&models.as_str()));
    }
}

#[test]
fn the_rest_is_under_the_base_or_at_the_origin() {
    let config = config(&[("api_key", "YTpi"), ("affinity", "a")]);
    let inputs = vec!["x".to_owned()];
    let embed = Ask::Embed(Embed { inputs: inputs.clone(), ..Embed::default() });
    let written = GigaChat.write(&embed, &config).unwrap().request;
    assert_eq!((written.url.as_str(), body(&written)), ("embeddings", json!({"model": "Embeddings", "input": ["x"]})));
    let count = Ask::Count(Count { model: None, inputs });
    let written = GigaChat.write(&count, &config).unwrap().request;
    assert_eq!(
        (written.url.as_str(), body(&written)),
        ("tokens/count", json!({"model": "GigaChat-2", "input": ["x"]}))
    );
    let raw = |url: &str| {
        let raw = Raw {
            method: http::Method::POST,
            url: url.into(),
            body: "b".into(),
            content_type: "multipart/form-data; boundary=x".into(),
        };
        GigaChat.write(&Ask::Raw(raw), &config).map(|written| written.request)
    };
    let request = raw("/v2/files").unwrap();
    assert_eq!((request.url.as_str(), &*request.body), ("https://api.giga.chat/v2/files", &b"b"[..]));
    assert_eq!(headers(&request), json!({"content-type": "multipart/form-data; boundary=x", "x-session-id": "a"}));
    assert_eq!(raw("/files").unwrap().url, "/files");
    assert!(raw("https://other/v1/files").is_err());
}

#[test]
fn an_affinity_that_no_header_holds_is_named() {
    let config = config(&[("api_key", "YTpi"), ("affinity", "a\nb")]);
    assert!(GigaChat.write(&Ask::Models, &config).err().unwrap().message.starts_with("x-session-id: "));
}

#[test]
fn the_environment_has_the_names_of_the_sdk_and_of_the_guides_project() {
    let of = |set: &[(&str, &str)]| {
        let mut given = UncheckedConfig::default();
        given.fill(Kind::GigaChat, |name| {
            set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
        });
        ClientConfig::new(Kind::GigaChat, &given, ClientTuning::default(), SessionConfig::default()).unwrap()
    };
    let sdk = of(&[
        ("GIGACHAT_CREDENTIALS", "Basic YTpi"),
        ("GIGACHAT_BASE_URL", "https://h/v1"),
        ("GIGACHAT_SCOPE", "GIGACHAT_API_CORP"),
    ]);
    assert_eq!((sdk.api_key.expose(), sdk.base_url.as_str(), sdk.max_concurrency), ("YTpi", "https://h/v1", 10));
    let guide = of(&[
        ("GIGACHAT_CLIENT_ID", "id"),
        ("GIGACHAT_CLIENT_SECRET", "secret"),
        ("GIGACHAT_API_URL", "https://g/api/v1"),
        ("GIGACHAT_TOKEN_URL", "https://t/oauth"),
    ]);
    assert_eq!((guide.api_key.expose(), guide.base_url.as_str()), ("aWQ6c2VjcmV0", "https://g/api/v1"));
    assert_eq!(guide.auth_url, "https://t/oauth");
    assert_eq!(of(&[("GIGACHAT_CERT_FILE", "/c.pem")]).session.connection.tls.client.chain_file, "/c.pem");
}

#[test]
fn users_with_one_password_are_told_apart() {
    let of = |user: &str| config(&[("user", user), ("password", "p")]).identity().map(<[u8]>::to_vec);
    assert_ne!(of("one"), of("other"));
}
