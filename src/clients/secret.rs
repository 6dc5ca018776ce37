//! Credentials: shown nowhere, wiped with their last holder.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::error::{Error, Result, Status};

/// A credential.
#[derive(Clone, Default)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// The text without the blanks around it. A character that no header may hold is an error with its place, never with the text.
    pub fn new(field: &str, text: &str) -> Result<Secret> {
        let trimmed = text.trim();
        if let Some(at) = trimmed.bytes().position(|byte| !(0x21..=0x7e).contains(&byte)) {
            let place = text.len() - text.trim_start().len() + at + 1;
            let mend = format!("has a character at byte {place} that is no visible ASCII; copy it again");
            return Err(Error::invalid(field, mend));
        }
        Ok(Secret(Arc::new(Zeroizing::new(trimmed.to_owned()))))
    }

    /// Any text, for what goes into a body or is encoded first.
    pub fn of_any(text: &str) -> Secret {
        Secret(Arc::new(Zeroizing::new(text.to_owned())))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text itself: for fingerprints and for what goes to the provider.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A header value of `scheme` and the secret, marked as sensitive; its memory is wiped with its last copy.
    pub fn header(&self, scheme: &str) -> Result<HeaderValue> {
        let mut text = Zeroizing::new(Vec::with_capacity(scheme.len() + self.0.len()));
        text.extend_from_slice(scheme.as_bytes());
        text.extend_from_slice(self.0.as_bytes());
        let value = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
        let mut value = value
            .map_err(|_| Error::new(Status::InvalidArgument, "credential: has a character that no header holds"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret()" } else { "Secret(..)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_character_is_named_by_its_place_alone() {
        let error = Secret::new("api_key", " sk-ключ\n").unwrap_err();
        assert_eq!(error.message, "api_key: has a character at byte 5 that is no visible ASCII; copy it again");
        assert!(Secret::new("api_key", "a\r\nb").is_err());
        assert_eq!(Secret::new("api_key", " sk-1\n").unwrap().expose(), "sk-1");
    }

    #[test]
    fn nothing_shows_it() {
        let secret = Secret::new("api_key", "planted").unwrap();
        assert!(!format!("{secret:?} {:?}", secret.header("Bearer ").unwrap()).contains("planted"));
    }
}
