//! Moments as RFC 3339 writes them.

use std::time::{Duration, SystemTime};

/// The moment: `2026-11-22T10:11:12.123456789Z`, also with an offset. A leap second is the one after it.
pub fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.trim().split_once(['T', 't', ' '])?;
    let mut numbers = date.splitn(3, '-').map(digits);
    let (year, month, day) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut numbers = time.splitn(3, ':').map(digits);
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !fits {
        return None;
    }
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset(zone)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, nanos(fraction)?))
}

/// Days since 1970 of the Gregorian calendar: years are counted from March, so that a leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469
}

fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes() {
        b"Z" | b"z" => return Some(0),
        [b'-', ..] => -1,
        _ => 1,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (digits(hours)? * 60 + digits(minutes)?) * 60)
}

fn nanos(fraction: &str) -> Option<u32> {
    let known = &fraction.as_bytes()[..fraction.len().min(9)];
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = known.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    Some(number * 10_u32.pow(9 - known.len() as u32))
}

fn digits(text: &str) -> Option<i64> {
    let fits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str) -> Option<Duration> {
        parse(text).and_then(|moment| moment.duration_since(SystemTime::UNIX_EPOCH).ok())
    }

    #[test]
    fn moments_are_understood() {
        let rows = [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2000-02-29T23:59:59Z", 951_868_799, 0),
            ("2026-11-22T10:11:12Z", 1_795_342_272, 0),
            ("2026-11-22T13:11:12+03:00", 1_795_342_272, 0),
            ("2026-11-22T08:41:12-01:30", 1_795_342_272, 0),
            ("2026-11-22t10:11:12.5z", 1_795_342_272, 500_000_000),
            ("2026-11-22 10:11:12.1234567891Z", 1_795_342_272, 123_456_789),
            ("2100-03-01T00:00:00Z", 4_107_542_400, 0),
        ];
        for (text, seconds, nanos) in rows {
            assert_eq!(since(text), Some(Duration::new(seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn whole_days_are_as_another_clock_counts_them() {
        for day in (0..80_000).step_by(13) {
            let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400));
            let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(&date[8..11]).unwrap() / 3 + 1;
            let text = format!("{}-{month:02}-{}T00:00:00Z", &date[12..16], &date[5..7]);
            assert_eq!(since(&text), Some(Duration::from_secs(day * 86_400)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_none() {
        let whole = "2026-11-22T10:11:12.123Z";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "{}", &whole[..end]);
        }
        for text in [
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00+3",
            "1969-12-31T23:59:59Z",
            "2026-01-01T00:00:00.xZ",
            "-1-01-01T00:00:00Z",
            "2026-01-01T0é:00:00Z",
            "2026-01-01T00:00:00+é:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
