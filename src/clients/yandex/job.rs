//! A chat as a job: begun once, asked about until it is done.

use std::time::Duration;

use serde_json::Value;

use super::read::whole;
use super::{OPERATIONS, refusal, sign, write};
use crate::body::reply::{Decode, Dialect, Reply, ReplyBuilder, in_body};
use crate::clients::ask::Chat;
use crate::clients::config::ClientConfig;
use crate::clients::json::{member, parse, problem, text};
use crate::clients::service::{ProviderRequest, Step, Steps, Unread, WrittenCall};
use crate::error::{Detail, Error, Result, Status};

/// As often in a row an answer may be missed before the job is given up.
const MOST_MISSED: u32 = 60;

/// The job.
pub struct Job {
    at: At,
    id: String,
    config: ClientConfig,
    missed: u32,
}

enum At {
    Begin(Box<WrittenCall>),
    /// The request is under way.
    Beginning,
    Wait,
    Poll,
    Polling,
    Answered(Box<Reply>),
    Over,
}

impl Job {
    pub fn new(chat: &Chat, config: &ClientConfig) -> Result<Job> {
        if chat.stream {
            return Err(Error::invalid("flags", "have AIP_CALL_STREAM and AIP_CALL_JOB; ask for one or the other"));
        }
        let request = sign(ProviderRequest::post("completionAsync", &write::body(chat, config)?), config)?;
        let begin = Box::new(WrittenCall::whole(request, Operation).once());
        Ok(Job { at: At::Begin(begin), id: String::new(), config: config.clone(), missed: 0 })
    }

    fn poll(&self) -> Result<WrittenCall> {
        let url = Some(self.config.operations_url.trim_end_matches('/')).filter(|url| !url.is_empty());
        let request = ProviderRequest::get(format!("{}/{}", url.unwrap_or(OPERATIONS), self.id));
        Ok(WrittenCall::whole(sign(request, &self.config)?, Operation))
    }
}

impl Steps for Job {
    fn next(&mut self) -> Result<Step> {
        match std::mem::replace(&mut self.at, At::Over) {
            At::Begin(written) => {
                self.at = At::Beginning;
                Ok(Step::Ask(*written))
            }
            At::Wait => {
                self.at = At::Poll;
                Ok(Step::Wait(self.config.poll_interval.max(Duration::from_millis(1))))
            }
            At::Poll => {
                self.at = At::Polling;
                self.poll().map(Step::Ask)
            }
            At::Answered(reply) => Ok(Step::Answer(reply)),
            At::Beginning | At::Polling | At::Over => Ok(Step::Done),
        }
    }

    fn answered(&mut self, reply: &Reply, body: &[u8]) -> Result<()> {
        self.missed = 0;
        if self.id.is_empty() {
            self.id = id_of(&reply.id)?;
        }
        self.at = if is_done(&parse(body)?) { At::Answered(Box::new(reply.clone())) } else { At::Wait };
        Ok(())
    }

    /// It goes on at the provider though one answer about it was missed; begun it is once.
    fn refused(&mut self, error: &Error, _reply: &Reply) -> bool {
        self.missed += 1;
        let misses = matches!(self.at, At::Polling) && passes(error) && self.missed < MOST_MISSED;
        if misses {
            self.at = At::Wait;
        }
        misses
    }
}

/// Whether the answer about a job was missed, and not the job lost.
fn passes(error: &Error) -> bool {
    let lost = matches!(error.status, Status::Dns | Status::Connect | Status::Reset | Status::Body | Status::Protocol);
    let limit = error.status == Status::Timeout && error.detail != Detail::TotalLimit;
    matches!(error.http_status, 429 | 500 | 502..=504 | 529) || lost || limit || error.detail == Detail::CircuitOpen
}

/// It becomes part of an address.
fn id_of(id: &str) -> Result<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if id.is_empty() || !id.bytes().all(plain) {
        let message = "response: the job has no id of letters and digits, so it cannot be asked about; read the body";
        return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
    }
    Ok(id.to_owned())
}

fn is_done(operation: &Value) -> bool {
    operation.get("done") == Some(&Value::Bool(true))
}

/// What is said of a job, and at last its answer.
struct Operation;

impl Dialect for Operation {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let operation = parse(body)?;
        text(&operation, "id").clone_into(&mut builder.reply.id);
        // Also of one that says it is not done.
        let failed =
            member(&operation, "error").is_some_and(|error| error.as_object().is_none_or(|error| !error.is_empty()));
        if failed {
            return Err(refusal::job_failed(&operation, builder));
        }
        if builder.reply.id.is_empty() {
            if problem(&operation).is_some() {
                return Err(refusal::broken(&operation, builder));
            }
            let message = "response: is about no job, as it has no id; check operations_url and read the body";
            return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
        }
        match member(&operation, "response") {
            Some(answer) if is_done(&operation) => whole(answer, builder),
            None if is_done(&operation) => {
                let message = "job: it is done, but neither answer nor error came; read the body";
                Err(in_body(Status::Provider, message).detail(Detail::NotJson))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Yandex;
    use super::super::tests::support::{chat, config, json_of};
    use super::*;
    use crate::body::reply::Finish;
    use crate::clients::ask::Ask;
    use crate::clients::kind::Kind;
    use crate::clients::service::Service;
    use serde_json::json;

    const PENDING: &str = r#"{"id":"d7q-1","description":"Async","createdAt":"2026-11-22T10:11:12Z","createdBy":"a","modifiedAt":"x","done":false,"metadata":null}"#;
    const READY: &str = r#"{"id":"d7q-1","done":true,"metadata":null,"response":{"@type":"type.googleapis.com/CompletionResponse","alternatives":[{"message":{"role":"assistant","text":"Да"},"status":"ALTERNATIVE_STATUS_FINAL"}],"usage":{"inputTextTokens":"3","completionTokens":"1","totalTokens":"4"},"modelVersion":"09.02.2025"}}"#;

    fn job() -> Job {
        Job::new(&Chat { job: true, ..chat("Hi") }, &config(Kind::Yandex)).unwrap()
    }

    fn asked(steps: &mut impl Steps) -> WrittenCall {
        match steps.next().unwrap() {
            Step::Ask(written) => written,
            _ => panic!("a request"),
        }
    }

    fn waits(steps: &mut impl Steps) -> Duration {
        match steps.next().unwrap() {
            Step::Wait(wait) => wait,
            _ => panic!("a wait"),
        }
    }

    /// As the driver does: reads the answer, and tells the steps.
    fn answer(
        steps: &mut impl Steps,
        written: &WrittenCall,
        body: &str,
    ) -> std::result::Result<(), Box<(Error, Reply)>> {
        let mut builder = ReplyBuilder::default();
        let read = written.dialect.whole(body.as_bytes(), &mut builder);
        let reply = builder.reply;
        match read.and_then(|()| steps.answered(&reply, body.as_bytes())) {
            Ok(()) => Ok(()),
            Err(error) => Err(Box::new((error, reply))),
        }
    }

    fn begun() -> Job {
        let mut job = job();
        let begin = asked(&mut job);
        answer(&mut job, &begin, PENDING).unwrap();
        job
    }

    fn polled(job: &mut Job, body: &str) -> std::result::Result<(), Box<(Error, Reply)>> {
        waits(job);
        let poll = asked(job);
        answer(job, &poll, body)
    }

    #[test]
    fn it_is_begun_and_asked_about_until_it_is_done() {
        let mut job = job();
        let begin = asked(&mut job);
        assert_eq!((begin.request.url.as_str(), begin.once), ("completionAsync", true));
        let body = json!({
            "modelUri": "gpt://b1g/yandexgpt/latest", "completionOptions": {"stream": false},
            "messages": [{"role": "user", "text": "Hi"}],
        });
        assert_eq!(json_of(&begin), body);
        answer(&mut job, &begin, PENDING).unwrap();
        for body in [PENDING, PENDING, READY] {
            assert_eq!(waits(&mut job), Duration::from_secs(10));
            let poll = asked(&mut job);
            assert_eq!(poll.request.url, "https://operation.api.cloud.yandex.net/operations/d7q-1");
            assert_eq!((poll.request.method.as_str(), poll.once), ("GET", false));
            assert_eq!(poll.request.headers["x-folder-id"], "b1g");
            answer(&mut job, &poll, body).unwrap();
        }
        let Step::Answer(reply) = job.next().unwrap() else { panic!("the answer") };
        assert_eq!((reply.text.as_str(), reply.finish, reply.id.as_str()), ("Да", Finish::Stop, "d7q-1"));
        assert_eq!((reply.usage.total, reply.model.as_str()), (4, "09.02.2025"));
        assert!(matches!(job.next().unwrap(), Step::Done));
    }

    #[test]
    fn one_that_is_done_at_once_is_not_asked_about() {
        let mut job = job();
        let begin = asked(&mut job);
        answer(&mut job, &begin, READY).unwrap();
        assert!(matches!(job.next().unwrap(), Step::Answer(_)));
    }

    #[test]
    fn it_is_asked_about_where_and_as_often_as_the_options_say() {
        let mut config = config(Kind::Yandex);
        config.operations_url = "http://127.0.0.1:1/operations/".into();
        config.poll_interval = Duration::from_millis(20);
        let mut job = Job::new(&chat("Hi"), &config).unwrap();
        let begin = asked(&mut job);
        answer(&mut job, &begin, PENDING).unwrap();
        assert_eq!(waits(&mut job), Duration::from_millis(20));
        assert_eq!(asked(&mut job).request.url, "http://127.0.0.1:1/operations/d7q-1");
    }

    #[test]
    fn an_error_is_the_jobs_whether_it_says_done_or_not() {
        for done in [true, false] {
            let body = json!({"id": "d7q-1", "done": done, "error": {"code": 8, "message": "no more", "details": []}});
            let mut job = begun();
            let (error, reply) = *polled(&mut job, &body.to_string()).unwrap_err();
            assert_eq!(error.status, Status::RateLimited);
            assert_eq!(
                (reply.problem.code.as_str(), reply.problem.text.as_str(), reply.id.as_str()),
                ("8", "no more", "d7q-1")
            );
            assert!(!job.refused(&error, &reply), "it is not begun again");
        }
    }

    #[test]
    fn a_refused_question_is_asked_again_later() {
        let mut job = begun();
        let refusal = |http_status| Error { http_status, ..in_body(Status::Provider, "x") };
        for error in [refusal(503), refusal(429), Error::new(Status::Reset, "x"), Error::new(Status::Timeout, "x")] {
            waits(&mut job);
            asked(&mut job);
            assert!(job.refused(&error, &Reply::default()), "{error:?}");
        }
        polled(&mut job, READY).unwrap();
        assert!(matches!(job.next().unwrap(), Step::Answer(_)));
    }

    #[test]
    fn what_will_not_pass_ends_it() {
        let rows = [
            Error { http_status: 404, ..in_body(Status::Provider, "x") },
            Error { http_status: 401, ..in_body(Status::Auth, "x") },
            Error::new(Status::Cancelled, "x"),
            Error::new(Status::Timeout, "x").detail(Detail::TotalLimit),
        ];
        for error in rows {
            let mut job = begun();
            waits(&mut job);
            asked(&mut job);
            assert!(!job.refused(&error, &Reply::default()), "{error:?}");
        }
    }

    #[test]
    fn it_is_not_asked_about_for_ever_when_no_answer_comes() {
        let mut job = begun();
        let error = Error { http_status: 503, ..in_body(Status::Provider, "x") };
        let mut times = 0;
        loop {
            waits(&mut job);
            asked(&mut job);
            times += 1;
            if !job.refused(&error, &Reply::default()) {
                break;
            }
        }
        assert_eq!(times, MOST_MISSED);
    }

    #[test]
    fn a_refused_beginning_is_the_end() {
        let mut job = job();
        asked(&mut job);
        let error = Error { http_status: 503, ..in_body(Status::Provider, "x") };
        assert!(!job.refused(&error, &Reply::default()));
        assert!(matches!(job.next().unwrap(), Step::Done));
    }

    #[test]
    fn an_id_that_is_none_is_not_put_into_an_address() {
        for id in ["", "../x", "a b", "a?b", "a/b"] {
            let mut job = job();
            let begin = asked(&mut job);
            let body = json!({"id": id, "done": false}).to_string();
            assert_eq!(answer(&mut job, &begin, &body).unwrap_err().0.detail, Detail::NotJson, "{id}");
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_an_error() {
        for end in 0..READY.len() {
            if READY.is_char_boundary(end) {
                let mut job = begun();
                assert!(polled(&mut job, &READY[..end]).is_err(), "{end}");
            }
        }
        let none = ["{}", "[]", r#"{"id":"d7q-1","done":true}"#, r#"{"id":"d7q-1","done":true,"response":{}}"#];
        for body in none {
            assert!(polled(&mut begun(), body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_job_has_no_stream() {
        let ask = Ask::Chat(Box::new(Chat { job: true, stream: true, ..chat("Hi") }));
        let error = Yandex::Own.steps(&ask, &config(Kind::Yandex)).err().unwrap();
        assert_eq!((error.status, error.message.starts_with("flags: ")), (Status::InvalidArgument, true));
    }
}
