//! The faults a request may ask for, or a control call for it.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;

use crate::body::CutEnd;
use crate::errors;
use crate::quirks::Quirks;
use crate::quota::Quota;
use crate::stream::Pace;

const HEADER: &str = "x-sandbox";
const QUERY: &str = "sandbox";
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// What a request asks to go wrong.
#[derive(Debug, Default)]
pub struct Faults {
    pub close_upload: Option<u64>,
    pub delay: Option<Duration>,
    pub hold: Option<String>,
    pub silence: Option<Silence>,
    pub status: Option<StatusCode>,
    pub error: Option<String>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub cut: Option<(u64, CutEnd)>,
    pub end_at: Option<u64>,
    pub pace: Pace,
    pub quirks: Quirks,
    pub quota: Option<(Quota, bool)>,
    pub goaway: bool,
    pub close_after: bool,
    pub drop_next: bool,
    pub drop_idle: Option<Duration>,
}

/// The ways not to answer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    Reset,
    Close,
    Stall,
}

impl Faults {
    /// Reads the faults of a request from its header and its query, after those that were armed for it.
    pub fn of(request: &Parts, armed: Option<&str>) -> Result<Self, String> {
        let mut faults = armed.map_or_else(|| Ok(Self::default()), Self::parse)?;
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

    pub fn parse(list: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        faults.add_list(list).map(|()| faults)
    }

    fn add_list(&mut self, list: &str) -> Result<(), String> {
        list.split(',').map(str::trim).filter(|fault| !fault.is_empty()).try_for_each(|fault| self.add(fault))
    }

    fn add(&mut self, fault: &str) -> Result<(), String> {
        let (word, value) = match fault.split_once('=') {
            Some((word, value)) => (word.trim(), Some(value.trim())),
            None => (fault, None),
        };
        if self.quirks.add(word, value) {
            return Ok(());
        }
        match value {
            None => self.add_flag(word),
            Some(value) => self.add_value(word, value),
        }
    }

    fn add_flag(&mut self, word: &str) -> Result<(), String> {
        match word {
            "reset" => self.silence = Some(Silence::Reset),
            "close" => self.silence = Some(Silence::Close),
            "stall-head" => self.silence = Some(Silence::Stall),
            "no-done" => self.pace.no_done = true,
            "comments" => self.pace.comments = true,
            "crlf" => self.pace.line_end = Some("\r\n"),
            "cr" => self.pace.line_end = Some("\r"),
            "bom" => self.pace.bom = true,
            "linger" => self.pace.linger = true,
            "goaway" => self.goaway = true,
            "close-after" => self.close_after = true,
            "drop-next" => self.drop_next = true,
            _ => return Err(format!("Unknown fault: {word}")),
        }
        Ok(())
    }

    fn add_value(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "status" => self.status = Some(final_status(value)?),
            "hold" => self.hold = Some(value.to_owned()),
            "error" if errors::is_known(value) => self.error = Some(value.to_owned()),
            "error" => return Err(format!("Unknown error: {value}")),
            "quota" | "quota-silent" => {
                let quota = Quota::parse(value).ok_or_else(|| format!("Bad value for fault {word}: {value}"))?;
                self.quota = Some((quota, word == "quota"));
            }
            "retry-after" => {
                number::<f64>(word, value)?;
                self.add_header(RETRY_AFTER, value)?;
            }
            "retry-after-ms" => {
                number::<f64>(word, value)?;
                self.add_header(RETRY_AFTER_MS, value)?;
            }
            "retry-after-date" => {
                let date = SystemTime::now() + Duration::from_secs(number::<u32>(word, value)?.into());
                self.add_header(RETRY_AFTER, &httpdate::fmt_http_date(date))?;
            }
            "header" => {
                let (name, value) = value.split_once(':').ok_or_else(|| format!("No header: {value}"))?;
                let name = HeaderName::from_str(name.trim()).map_err(|_| format!("No header: {name}"))?;
                self.add_header(name, value.trim())?;
            }
            _ => self.add_number(word, value)?,
        }
        Ok(())
    }

    fn add_header(&mut self, name: HeaderName, value: &str) -> Result<(), String> {
        let value = HeaderValue::from_str(value).map_err(|_| format!("Bad value for {name}"))?;
        self.headers.push((name, value));
        Ok(())
    }

    fn add_number(&mut self, word: &str, value: &str) -> Result<(), String> {
        let number = || number::<u64>(word, value);
        match word {
            "delay" => self.delay = Some(Duration::from_millis(number()?)),
            "drip" => self.pace.drip = Some(Duration::from_millis(number()?)),
            "drop-idle" => self.drop_idle = Some(Duration::from_millis(number()?)),
            "reset-body" => self.cut = Some((number()?, CutEnd::Reset)),
            "truncate" => self.cut = Some((number()?, CutEnd::Truncate)),
            "stall" => self.cut = Some((number()?, CutEnd::Stall)),
            "end-at" => self.end_at = Some(number()?),
            "cut-after" => self.pace.cut_after = Some(number()?),
            "end-after" => self.pace.end_after = Some(number()?),
            "split" => self.pace.split = usize::try_from(number()?).ok().filter(|split| *split > 0),
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

    #[test]
    fn lists_are_read() {
        let faults =
            Faults::parse("delay=5, status=503,retry-after=2.5,truncate=7, close-after, tool-calls=2").unwrap();
        assert_eq!(faults.delay, Some(Duration::from_millis(5)));
        assert_eq!(faults.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(faults.headers, [(RETRY_AFTER, HeaderValue::from_static("2.5"))]);
        assert_eq!(faults.cut, Some((7, CutEnd::Truncate)));
        assert_eq!(faults.quirks.number("tool-calls"), Some(2));
        assert!(faults.close_after && !faults.goaway);
    }

    #[test]
    fn unknown_and_malformed_faults_are_named() {
        let bad =
            ["explode", "explode=1", "reset=1", "delay", "delay=x", "status=99", "error=none", "think=1", "quota=1"];
        for bad in bad {
            let word = bad.split('=').next().unwrap();
            let error = Faults::parse(bad).unwrap_err();
            assert!(error.contains(word), "{bad}: {error}");
        }
    }
}
