//! The access tokens that were issued, and until when they serve.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::ids;
use crate::lock::lock;

#[derive(Default)]
pub struct Tokens(Mutex<HashMap<String, Grant>>);

/// Whom a token stands for.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    pub holder: String,
    pub scope: String,
    pub expires_at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unknown,
    Expired,
}

impl Tokens {
    /// A new token that starts with `prefix`; a lifetime below zero makes one that has expired.
    pub fn issue(&self, prefix: &str, holder: &str, scope: &str, lifetime_ms: i64) -> (String, Grant) {
        let token = format!("{prefix}{}", ids::hex(32));
        let expires_at_ms = ids::unix_ms() + lifetime_ms;
        let grant = Grant { holder: holder.to_owned(), scope: scope.to_owned(), expires_at_ms };
        lock(&self.0).insert(token.clone(), grant.clone());
        (token, grant)
    }

    pub fn check(&self, token: &str) -> Result<Grant, Refusal> {
        let grant = lock(&self.0).get(token).cloned().ok_or(Refusal::Unknown)?;
        if grant.expires_at_ms <= ids::unix_ms() { Err(Refusal::Expired) } else { Ok(grant) }
    }

    /// Has every token issued so far be expired, whatever was said of its time.
    pub fn expire_all(&self) -> usize {
        let mut tokens = lock(&self.0);
        tokens.values_mut().for_each(|grant| grant.expires_at_ms = 0);
        tokens.len()
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}
