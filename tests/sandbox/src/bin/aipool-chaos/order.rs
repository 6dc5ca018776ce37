//! A line that changes the weather.

use std::str::FromStr;
use std::time::Duration;

use crate::chaos::{Chaos, Toxics, Way};

#[derive(Debug)]
pub enum Order {
    Calm,
    Cut,
    Stall,
    Swallow,
    Toxics(&'static [Way], Toxics),
}

impl Order {
    /// Reads `calm`, `cut`, `stall`, `swallow`, or a way and its toxics: `down latency=20 slices=100/1`.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let ways: &[Way] = match words.next().unwrap_or_default() {
            "up" => &[Way::Up],
            "down" => &[Way::Down],
            "both" => &[Way::Up, Way::Down],
            word => return Self::alone(word, words.next()),
        };
        let mut toxics = Toxics::default();
        words.try_for_each(|word| add(&mut toxics, word))?;
        Ok(Self::Toxics(ways, toxics))
    }

    fn alone(word: &str, more: Option<&str>) -> Result<Self, String> {
        match (word, more) {
            ("calm", None) => Ok(Self::Calm),
            ("cut", None) => Ok(Self::Cut),
            ("stall", None) => Ok(Self::Stall),
            ("swallow", None) => Ok(Self::Swallow),
            _ => Err(format!("Unknown order: {word}")),
        }
    }

    pub fn change(&self, proxy: &Chaos) {
        match self {
            Self::Calm => proxy.calm(),
            Self::Cut => proxy.cut(),
            Self::Stall => proxy.stall_open(),
            Self::Swallow => proxy.swallow_new(),
            Self::Toxics(ways, toxics) => ways.iter().for_each(|way| proxy.set(*way, toxics.clone())),
        }
    }
}

fn add(toxics: &mut Toxics, word: &str) -> Result<(), String> {
    let unknown = || format!("Unknown toxic: {word}");
    let (name, value) = word.split_once('=').ok_or_else(unknown)?;
    match name {
        "latency" => toxics.latency = millis(word, value)?,
        "jitter" => toxics.jitter = millis(word, value)?,
        "bandwidth" => toxics.bandwidth = number(word, value)?,
        "slow-close" => toxics.slow_close = millis(word, value)?,
        "reset-at" => toxics.reset_at = Some(number(word, value)?),
        "limit" => toxics.limit = Some(number(word, value)?),
        "slices" => {
            let (bytes, pause) = value.split_once('/').unwrap_or((value, "0"));
            toxics.slices = (number(word, bytes)?, millis(word, pause)?);
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

fn millis(word: &str, value: &str) -> Result<Duration, String> {
    number(word, value).map(Duration::from_millis)
}

fn number<T: FromStr>(word: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("Bad value: {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_and_its_toxics_are_read() {
        let line = "both latency=20 jitter=5 slices=100/1 limit=7 reset-at=9 bandwidth=3 slow-close=2";
        let Ok(Order::Toxics(ways, toxics)) = Order::parse(line) else { panic!("not read") };
        assert_eq!(ways, [Way::Up, Way::Down]);
        assert_eq!((toxics.latency, toxics.jitter), (Duration::from_millis(20), Duration::from_millis(5)));
        assert_eq!(toxics.slices, (100, Duration::from_millis(1)));
        assert_eq!((toxics.limit, toxics.reset_at, toxics.bandwidth), (Some(7), Some(9), 3));
        assert_eq!(toxics.slow_close, Duration::from_millis(2));
    }

    #[test]
    fn what_is_unknown_or_malformed_is_named() {
        for (line, named) in
            [("", ""), ("rain", "rain"), ("calm down", "calm"), ("up rain=1", "rain"), ("up limit=x", "limit")]
        {
            assert!(Order::parse(line).unwrap_err().contains(named), "{line}");
        }
    }
}
