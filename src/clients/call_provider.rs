//! The `Provider` of one call: it admits each attempt, signs it, and judges what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use super::client::Inner;
use super::refusal;
use super::service::RefusalInfo;
use super::signature::Signature;
use crate::body::events::Format;
use crate::body::reply::{Dialect, Reply, ReplyBuilder};
use crate::config::TimeLimit;
use crate::error::{Detail, Error, Result, Status};
use crate::request::account::AccountPermit;
use crate::request::provider::{Admission, Again, Judgement, Provider, Refusal};
use crate::request::retry_after::Advice;

/// One call, as its requests know it.
pub struct CallProvider {
    pub client: Arc<Inner>,
    pub signature: Signature,
    pub dialect: Arc<dyn Dialect>,
    pub framing: Option<Format>,
    /// Not sent again where the server may have begun it.
    pub once: bool,
    /// It has leave to go, and waits for its signature.
    pub unsigned: AtomicBool,
}

impl Provider for CallProvider {
    fn admit<'a>(&'a self, headers: &'a mut HeaderMap, patience: TimeLimit) -> Admission<'a> {
        Box::pin(async move {
            let mut permit = self.client.account.admit(patience).await?;
            self.unsigned.store(true, Ordering::Relaxed);
            let signed = self.signature.sign().await;
            self.unsigned.store(false, Ordering::Relaxed);
            if let Some((value, number)) = signed? {
                headers.insert(AUTHORIZATION, value);
                permit.token = number;
            }
            Ok(permit)
        })
    }

    fn occupied(&self) -> String {
        if self.unsigned.load(Ordering::Relaxed) {
            return "its token has not come (auth_url)".to_owned();
        }
        self.client.account.occupied()
    }

    fn failed(&self, permit: AccountPermit, error: &Error) {
        permit.failed(error);
    }

    fn ran_out(&self, error: &Error, probes: bool) {
        self.client.account.ran_out(error, probes);
    }

    fn answered(&self, permit: &mut AccountPermit, status: StatusCode, headers: &HeaderMap) {
        permit.answered(status, headers);
    }

    fn begins_stream(&self, headers: &HeaderMap) -> bool {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("").to_ascii_lowercase();
        match self.framing {
            // Likenesses of OpenAI call it anything, but for what is a whole answer or a page.
            Some(Format::Sse) => !kind.starts_with("application/json") && !kind.starts_with("text/html"),
            _ => !kind.starts_with("text/html"),
        }
    }

    fn judge(&self, permit: &AccountPermit, refusal: &Refusal<'_>) -> Judgement {
        let told = self.client.service.refusal(refusal);
        let advised = told.cool.or_else(|| Advice::of(refusal.headers, SystemTime::now()).wait);
        if told.status == Status::RateLimited {
            match told.detail {
                Detail::Concurrency => told.at_most.iter().for_each(|most| permit.at_most(*most)),
                _ => permit.refused_for_rate(advised),
            }
        }
        let renewed = told.token && !refusal.renewed && self.signature.renews();
        // A fresh one that is refused is not at fault.
        if told.token && !refusal.renewed {
            self.signature.refused(permit.token);
        }
        let error = Error::new(told.status, refusal::message(&told, refusal.status)).detail(told.detail);
        let waiting_helps = told.status == Status::RateLimited || told.detail == Detail::Overloaded;
        let error = Error { retry_after: advised, retryable: waiting_helps, ..error };
        let RefusalInfo { again, problem, .. } = told;
        let again = match again {
            _ if renewed => Again::Renewed,
            Again::Perhaps(None) => Again::Perhaps(advised),
            Again::Surely(wait) if self.once && refusal.status.is_server_error() => Again::Perhaps(wait),
            again => again,
        };
        Judgement { again, error, reply: Reply { problem, ..Reply::default() } }
    }

    fn read(&self, body: &[u8]) -> (Reply, Result<()>) {
        let mut builder = ReplyBuilder::default();
        let read = self.dialect.whole(body, &mut builder);
        (builder.reply, read)
    }
}
