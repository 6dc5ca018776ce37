//! The faults a request may ask for.

use std::str::FromStr;
use std::time::Duration;

use hyper::StatusCode;
use hyper::http::request::Parts;

use crate::body::CutEnd;
use crate::sse::Pace;

const HEADER: &str = "x-sandbox";
const QUERY: &str = "sandbox";

/// What a request asks to go wrong.
#[derive(Debug, Default)]
pub struct Faults {
    pub close_upload: Option<u64>,
    pub delay: Option<Duration>,
    pub silence: Option<Silence>,
    pub status: Option<StatusCode>,
    pub retry_after: Option<u64>,
    pub cut: Option<(u64, CutEnd)>,
    pub pace: Pace,
    pub goaway: bool,
    pub close_after: bool,
}

/// The ways not to answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Reset,
    Close,
    Stall,
}

impl Faults {
    /// Reads the faults of a request from its header and its query.
    pub fn of(request: &Parts) -> Result<Self, String> {
        let mut faults = Self::default();
        for value in request.headers.get_all(HEADER) {
            let value = value.to_str().map_err(|_| format!("{HEADER} is not visible ASCII"))?;
            faults.add_list(value)?;
        }
        // Most requests have no query, and none of the rest is decoded without need.
        let query = request.uri.query().unwrap_or("");
        if query.contains(QUERY) {
            for (key, value) in form_urlencoded::parse(query.as_bytes()) {
                if key == QUERY {
                    faults.add_list(&value)?;
                }
            }
        }
        Ok(faults)
    }

    fn add_list(&mut self, list: &str) -> Result<(), String> {
        list.split(',').map(str::trim).filter(|fault| !fault.is_empty()).try_for_each(|fault| self.add(fault))
    }

    fn add(&mut self, fault: &str) -> Result<(), String> {
        let (word, value) = match fault.split_once('=') {
            Some((word, value)) => (word.trim(), Some(value.trim())),
            None => (fault, None),
        };
        match (word, value) {
            ("reset", None) => self.silence = Some(Silence::Reset),
            ("close", None) => self.silence = Some(Silence::Close),
            ("stall-head", None) => self.silence = Some(Silence::Stall),
            ("no-done", None) => self.pace.no_done = true,
            ("goaway", None) => self.goaway = true,
            ("close-after", None) => self.close_after = true,
            ("status", Some(value)) => self.status = Some(final_status(value)?),
            (_, Some(value)) => self.add_number(word, value)?,
            _ => return Err(format!("Unknown fault: {fault}")),
        }
        Ok(())
    }

    fn add_number(&mut self, word: &str, value: &str) -> Result<(), String> {
        let number = || number::<u64>(word, value);
        match word {
            "delay" => self.delay = Some(Duration::from_millis(number()?)),
            "drip" => self.pace.drip = Some(Duration::from_millis(number()?)),
            "retry-after" => self.retry_after = Some(number()?),
            "reset-body" => self.cut = Some((number()?, CutEnd::Reset)),
            "truncate" => self.cut = Some((number()?, CutEnd::Truncate)),
            "stall" => self.cut = Some((number()?, CutEnd::Stall)),
            "cut-after" => self.pace.cut_after = Some(number()?),
            "close-upload" => self.close_upload = Some(number()?),
            _ => return Err(format!("Unknown fault: {word}={value}")),
        }
        Ok(())
    }
}

fn number<T: FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("Bad value for fault {word}: {value}"))
}

/// A status that can answer a request.
pub fn final_status(value: &str) -> Result<StatusCode, String> {
    number("status", value)
        .ok()
        .filter(|status| (200..600).contains(status))
        .and_then(|status: u16| StatusCode::from_u16(status).ok())
        .ok_or_else(|| format!("Bad status, 200 to 599 expected: {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &str) -> Result<Faults, String> {
        let mut faults = Faults::default();
        faults.add_list(list).map(|()| faults)
    }

    #[test]
    fn lists_are_read() {
        let faults = parse("delay=5, status=503,retry-after=2,truncate=7, close-after").unwrap();
        assert_eq!(faults.delay, Some(Duration::from_millis(5)));
        assert_eq!(faults.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(faults.retry_after, Some(2));
        assert_eq!(faults.cut, Some((7, CutEnd::Truncate)));
        assert!(faults.close_after && !faults.goaway);
    }

    #[test]
    fn unknown_and_malformed_faults_are_named() {
        for bad in ["explode", "explode=1", "reset=1", "delay", "delay=x", "status=99"] {
            let word = bad.split('=').next().unwrap();
            let error = parse(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }
}
