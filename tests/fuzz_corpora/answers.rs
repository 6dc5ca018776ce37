//! What providers answer, whole and as streams: shared by tests/fuzz_corpora.rs and the fuzz target. An input's first letter says
//! who answers what, its second byte is a status or how it is cut, and the rest is what the provider wrote.

use std::sync::{Arc, OnceLock};

use aipool::body::events::{Event, Events, Format};
use aipool::body::reply::{Call, Delta, Dialect, Finish, Reply, ReplyBuilder, Usage, cut_short};
use aipool::clients::ask::{Ask, Chat, Count, Embed, Message};
use aipool::clients::config::{ClientConfig, ClientTuning};
use aipool::clients::json;
use aipool::clients::kind::Kind;
use aipool::clients::service::{RefusalInfo, Step, Steps};
use aipool::clients::unchecked_config::{Text, UncheckedConfig};
use aipool::config::{EVENT_BYTES, SessionConfig};
use aipool::error::{Result, Status};
use aipool::request::provider::Refusal;
use http::{HeaderMap, StatusCode};

use super::cuts::{Random, cut};

/// What an answer may make of each of its bytes: a short number may be a long one in the text of arguments.
const GROWTH: usize = 20;
/// A body that holds this must not be found in a message.
const SECRET: &str = "pl4nted-s3cret";
const MOST_STEPS: usize = 40;
const STATUSES: [u16; 16] = [400, 401, 402, 403, 404, 408, 409, 413, 422, 423, 429, 500, 502, 503, 504, 529];

/// An answer to read, whoever gives it.
struct Reader {
    letter: u8,
    dialect: Arc<dyn Dialect>,
    framing: Option<Format>,
}

/// Reads what is behind the first letter in every way there is.
pub fn check(input: &[u8]) {
    let [letter, second, body @ ..] = input else { return };
    if let Some(kind) = kind_of(*letter) {
        return refused(kind, STATUSES[usize::from(second % 16)], body);
    }
    match letter {
        b't' => tokens(body),
        b'j' => steps(Kind::Yandex, true, body),
        b'k' => steps(Kind::Naparnik, false, body),
        letter => {
            let Some(reader) = readers().iter().find(|reader| reader.letter == *letter) else { return };
            whole(reader, body);
            if let Some(format) = reader.framing {
                stream(reader, format, *second, body);
                as_a_stream_as_whole(reader, format, body);
            }
        }
    }
}

/// The letters of refusals.
fn kind_of(letter: u8) -> Option<Kind> {
    Some(match letter {
        b'1' => Kind::OpenAi,
        b'2' => Kind::Ollama,
        b'3' => Kind::GigaChat,
        b'4' => Kind::Yandex,
        b'5' => Kind::YandexOpenAi,
        b'6' => Kind::Naparnik,
        _ => return None,
    })
}

/// All kinds of answers by their letters.
fn readers() -> &'static [Reader] {
    static READERS: OnceLock<Vec<Reader>> = OnceLock::new();
    let chat = || Ask::Chat(Box::new(chat()));
    let embed = || Ask::Embed(Embed { inputs: vec!["a".into()], model: Some("m".into()), ..Embed::default() });
    let count = || Ask::Count(Count { inputs: vec!["a".into()], model: Some("m".into()) });
    READERS.get_or_init(|| {
        vec![
            reader(b'o', Kind::OpenAi, &chat(), 0),
            reader(b'l', Kind::Ollama, &chat(), 0),
            reader(b'g', Kind::GigaChat, &chat(), 1),
            reader(b'G', Kind::GigaChat, &chat(), 2),
            reader(b'y', Kind::Yandex, &chat(), 0),
            reader(b'n', Kind::Naparnik, &chat(), 0),
            reader(b'e', Kind::OpenAi, &embed(), 0),
            reader(b'm', Kind::OpenAi, &Ask::Models, 0),
            reader(b'L', Kind::Ollama, &embed(), 0),
            reader(b'v', Kind::GigaChat, &embed(), 1),
            reader(b'c', Kind::GigaChat, &count(), 1),
            reader(b'Y', Kind::Yandex, &embed(), 0),
            reader(b'C', Kind::Yandex, &count(), 0),
        ]
    })
}

/// As a client of this kind reads what it asked for.
fn reader(letter: u8, kind: Kind, ask: &Ask, api_version: u32) -> Reader {
    let config = config(kind, api_version);
    if let Some(steps) = kind.service().steps(ask, &config).unwrap() {
        let (dialect, framing) = steps.reading();
        return Reader { letter, dialect, framing };
    }
    let written = kind.service().write(ask, &config).unwrap();
    Reader { letter, dialect: written.dialect, framing: written.framing }
}

fn chat() -> Chat {
    let hello = Message { content: "Hi".into(), ..Message::default() };
    Chat { messages: vec![hello], model: Some("m".into()), stream: true, ..Chat::default() }
}

fn config(kind: Kind, api_version: u32) -> ClientConfig {
    let text = |text: &str| Text::new(text.to_owned());
    let given =
        UncheckedConfig { api_key: text("a2V5OnNlY3JldA=="), folder: text("b1g"), ..UncheckedConfig::default() };
    ClientConfig::new(kind, &given, ClientTuning { api_version, ..ClientTuning::default() }, SessionConfig::default())
        .unwrap()
}

/// What was told, and how it ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    deltas: Vec<Delta>,
    reply: Reply,
    failed: Option<(Status, String)>,
}

impl Outcome {
    fn of(told: Result<()>, mut deltas: Vec<Delta>, mut builder: ReplyBuilder) -> Outcome {
        deltas.extend(std::iter::from_fn(|| builder.take()));
        let failed = told.err().map(|error| (error.status, error.message));
        Outcome { deltas, reply: builder.reply, failed }
    }

    /// What holds for every answer, whoever gave it.
    fn check(&self, body: &[u8]) {
        let Outcome { deltas, reply, failed } = self;
        let summed = sum(deltas);
        assert_eq!((&summed.text, &summed.reasoning), (&reply.text, &reply.reasoning));
        assert_eq!(summed.calls, reply.calls);
        let done = deltas.iter().position(|delta| *delta == Delta::Done);
        assert_eq!(
            done,
            failed.is_none().then(|| deltas.len() - 1),
            "done stands last, once, and only where all went well"
        );
        if deltas.contains(&Delta::Usage) {
            assert_ne!(reply.usage, Usage::default());
        }
        if reply.finish != Finish::None {
            assert!(!reply.finish_word.is_empty());
        }
        let told: usize = deltas.iter().map(size).sum();
        let most = GROWTH * body.len() + 1000;
        assert!(told <= most && held(reply) <= most, "{told} and {} of {}", held(reply), body.len());
        if let Some((status, message)) = failed {
            assert!(!matches!(status, Status::Ok | Status::Panic | Status::InvalidArgument), "{status:?}");
            shows_nothing(message);
        }
    }
}

fn shows_nothing(message: &str) {
    assert!(!message.is_empty() && message.len() < 400 && !message.contains(SECRET), "{message}");
}

/// The deltas put together as their caller would.
fn sum(deltas: &[Delta]) -> Reply {
    let mut reply = Reply::default();
    for delta in deltas {
        match delta {
            Delta::Text(text) => reply.text.push_str(text),
            Delta::Replace(text) => reply.text.clone_from(text),
            Delta::Reasoning(text) => reply.reasoning.push_str(text),
            Delta::Tool { index, id, name, arguments } => {
                assert!(*index <= reply.calls.len(), "a call's place is skipped");
                reply.calls.resize(reply.calls.len().max(index + 1), Call::default());
                let call = &mut reply.calls[*index];
                call.arguments.push_str(arguments);
                [(&mut call.id, id), (&mut call.name, name)]
                    .into_iter()
                    .filter(|(_, told)| !told.is_empty())
                    .for_each(|(kept, told)| kept.clone_from(told));
            }
            Delta::Usage | Delta::Done => {}
        }
    }
    reply
}

fn size(delta: &Delta) -> usize {
    match delta {
        Delta::Text(text) | Delta::Replace(text) | Delta::Reasoning(text) => text.len(),
        Delta::Tool { id, name, arguments, .. } => id.len() + name.len() + arguments.len(),
        Delta::Usage | Delta::Done => 0,
    }
}

fn held(reply: &Reply) -> usize {
    let calls = reply.calls.iter().map(|call| call.id.len() + call.name.len() + call.arguments.len());
    let texts = [&reply.text, &reply.reasoning, &reply.finish_word, &reply.model, &reply.id, &reply.state];
    let problem = reply.problem.code.len() + reply.problem.text.len();
    let numbers = reply.embeddings.iter().map(|numbers| 4 * numbers.len()).sum::<usize>() + 8 * reply.counts.len();
    texts.iter().map(|text| text.len()).chain(calls).sum::<usize>() + problem + numbers
}

/// A whole answer, which can be told part by part too.
fn whole(reader: &Reader, body: &[u8]) -> Outcome {
    let mut builder = ReplyBuilder::default();
    let told = reader.dialect.whole(body, &mut builder);
    let told = told.and_then(|()| builder.is_done().then_some(()).ok_or_else(cut_short));
    let outcome = Outcome::of(told, Vec::new(), builder);
    outcome.check(body);
    let again = Outcome::of(Ok(()), Vec::new(), ReplyBuilder::of(outcome.reply.clone(), true));
    again.check(body);
    outcome
}

/// A stream, the same in any pieces.
fn stream(reader: &Reader, format: Format, seed: u8, body: &[u8]) -> Outcome {
    let outcome = told(reader, format, &[body]);
    outcome.check(body);
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(told(reader, format, &bytes), outcome, "byte by byte");
    assert_eq!(told(reader, format, &cut(body, &mut Random(u64::from(seed) << 20 | 1))), outcome, "in pieces");
    if reader.letter == b'y' {
        repeats_itself(reader, &outcome, body);
    }
    outcome
}

/// Of a provider that repeats all of its text in each line the last line has the answer.
fn repeats_itself(reader: &Reader, outcome: &Outcome, body: &[u8]) {
    let Some(last) = body.split(|byte| *byte == b'\n').rfind(|line| !line.trim_ascii().is_empty()) else { return };
    let last = whole(reader, last);
    if outcome.failed.is_none() && last.failed.is_none() && !last.reply.text.is_empty() {
        assert_eq!(outcome.reply.text, last.reply.text);
    }
}

/// As `Answer::next_delta` reads it.
fn told(reader: &Reader, format: Format, pieces: &[&[u8]]) -> Outcome {
    let (mut builder, mut deltas) = (ReplyBuilder::default(), Vec::new());
    let told = fed(reader, format, pieces, &mut builder, &mut deltas);
    Outcome::of(told, deltas, builder)
}

fn fed(
    reader: &Reader,
    format: Format,
    pieces: &[&[u8]],
    builder: &mut ReplyBuilder,
    deltas: &mut Vec<Delta>,
) -> Result<()> {
    let mut events = Events::new(format, EVENT_BYTES as usize);
    let mut decoder = reader.dialect.decoder();
    let mut hear = |event: Event<'_>, builder: &mut ReplyBuilder| {
        let told = decoder.event(event, builder);
        let told = if event.incomplete { told.map_err(|_| cut_short()) } else { told };
        deltas.extend(std::iter::from_fn(|| builder.take()));
        told
    };
    for mut piece in pieces.iter().copied() {
        while events.feed(&mut piece).expect("is no larger than an input") {
            hear(events.event(), builder)?;
            if builder.is_done() {
                return Ok(());
            }
        }
    }
    if events.finish() {
        hear(events.event(), builder)?;
    }
    if !builder.is_done() {
        decoder.end(builder)?;
    }
    if builder.is_done() { Ok(()) } else { Err(cut_short()) }
}

/// One answer, whole and as a stream of one event: what both can read is the same.
fn as_a_stream_as_whole(reader: &Reader, format: Format, body: &[u8]) {
    let Some((body, events)) = twins(reader.letter, body) else { return };
    let (whole, stream) = (whole(reader, &body), told(reader, format, &[&events]));
    if whole.failed.is_some() || stream.failed.is_some() {
        return;
    }
    let told = |outcome: &Outcome| {
        let Reply { text, reasoning, calls, finish, usage, model, .. } = outcome.reply.clone();
        (text, reasoning, calls, finish, usage, model)
    };
    assert_eq!(told(&whole), told(&stream));
}

/// A whole answer, and the stream that says as much.
fn twins(letter: u8, body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut value = json::parse(body).ok()?;
    if matches!(letter, b'o' | b'g') {
        let [choice] = value.get_mut("choices")?.as_array_mut()?.as_mut_slice() else { return None };
        // A filter's last part of a stream is a text anew, and of several answers the first is told.
        let filtered = Finish::of(json::text(choice, "finish_reason")) == Finish::Filter;
        let said = choice.get("message").or_else(|| choice.get("delta")).cloned()?;
        let choice = choice.as_object_mut().filter(|_| !filtered)?;
        choice.insert("index".into(), 0.into());
        choice.insert("message".into(), said.clone());
        choice.insert("delta".into(), said);
    }
    let line = value.to_string();
    let events = match letter {
        b'o' | b'g' => format!("data: {line}\n\ndata: [DONE]\n\n"),
        b'G' => format!("event: response.message.done\ndata: {line}\n\n"),
        b'l' | b'y' => format!("{line}\n"),
        b'n' => return Some((body.to_vec(), body.to_vec())),
        _ => return None,
    };
    Some((line.into_bytes(), events.into_bytes()))
}

/// A refusal is judged whatever stands in it.
fn refused(kind: Kind, status: u16, body: &[u8]) {
    let status = StatusCode::from_u16(status).unwrap();
    let mut headers = HeaderMap::new();
    for line in body.split(|byte| *byte == b'\n').take(3) {
        if let Ok(value) = http::HeaderValue::from_bytes(line) {
            headers.append("retry-after", value.clone());
            headers.append("x-ratelimit-reset-requests", value);
        }
    }
    for headers in [&HeaderMap::new(), &headers] {
        for renewed in [false, true] {
            let told: RefusalInfo = kind.service().refusal(&Refusal { status, headers, body, renewed });
            assert!(!matches!(told.status, Status::Ok | Status::Panic), "{:?}", told.status);
            assert!(told.problem.code.len() + told.problem.text.len() <= GROWTH * body.len() + 1000);
        }
    }
}

/// A token's answer is a token or an error that does not show it.
fn tokens(body: &[u8]) {
    for kind in [Kind::GigaChat, Kind::Yandex, Kind::YandexOpenAi, Kind::OpenAi] {
        if let Err(error) = kind.service().read_token(body) {
            shows_nothing(&error.message);
        }
    }
}

/// A call of several requests, each answered by a paragraph of the body: it ends, well or in an error.
fn steps(kind: Kind, job: bool, body: &[u8]) {
    let ask = Ask::Chat(Box::new(Chat { job, stream: !job, ..chat() }));
    let mut steps = kind.service().steps(&ask, &config(kind, 0)).unwrap().expect("takes several");
    let mut answers = body.split(|byte| *byte == 0);
    for _ in 0..MOST_STEPS {
        let ended = match steps.next() {
            Ok(Step::Ask(written) | Step::Tell(written)) => {
                answered(&mut *steps, &*written.dialect, answers.next().unwrap_or_default())
            }
            Ok(Step::Wait(_)) => Ok(()),
            Ok(Step::Answer(_) | Step::Done) => return,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            return shows_nothing(&error.message);
        }
    }
}

fn answered(steps: &mut dyn Steps, dialect: &dyn Dialect, body: &[u8]) -> Result<()> {
    let mut builder = ReplyBuilder::default();
    match dialect.whole(body, &mut builder) {
        Ok(()) => steps.answered(&builder.reply, body),
        Err(error) if steps.refused(&error, &builder.reply) => Ok(()),
        Err(error) => Err(error),
    }
}
