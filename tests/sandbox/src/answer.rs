//! What a model of the sandbox says.

use serde_json::{Map, Value};

use crate::quirks::Quirks;

/// The answer in Russian, so that every stream has letters of two bytes.
pub fn in_russian(quirks: &Quirks, last: &str) -> String {
    sized(quirks).unwrap_or_else(|| format!("{}Вы сказали: {last}", thought(quirks)))
}

pub fn in_english(quirks: &Quirks, last: &str) -> String {
    sized(quirks).unwrap_or_else(|| format!("{}You said: {last}", thought(quirks)))
}

pub fn thought(quirks: &Quirks) -> &'static str {
    if quirks.on("think") { "<think>Надо подумать.</think>" } else { "" }
}

/// One word of the size asked for: an event cannot be made smaller.
pub fn sized(quirks: &Quirks) -> Option<String> {
    quirks.number("answer-size").map(|size| "a".repeat(size))
}

/// The first word with the blank after it, so that the words add up to the text.
pub fn next_word(text: &str) -> &str {
    text.split_inclusive(char::is_whitespace).next().unwrap_or(text)
}

pub fn words(text: &str) -> Vec<String> {
    text.split_inclusive(char::is_whitespace).map(str::to_owned).collect()
}

/// A word is a token here.
pub fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The text cut to so many tokens, and whether anything was cut.
pub fn limited(text: String, limit: Option<u64>) -> (String, bool) {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    if tokens(&text) <= limit {
        return (text, false);
    }
    (words(&text)[..limit].concat().trim_end().to_owned(), true)
}

/// Arguments that fit the JSON Schema of a function: each property it names.
pub fn arguments(schema: &Value, text: &str) -> Value {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let value = |property: &Value| match property["type"].as_str() {
        Some("integer" | "number") => Value::from(7),
        Some("boolean") => Value::from(true),
        Some("array") => Value::from(Vec::<Value>::new()),
        Some("object") => Value::from(Map::new()),
        _ => property["enum"].get(0).cloned().unwrap_or_else(|| Value::from(text)),
    };
    properties.iter().map(|(name, property)| (name.clone(), value(property))).collect::<Map<_, _>>().into()
}

/// A vector that depends on the text alone.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let seed = text.bytes().fold(7_u32, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let number = |at: usize| {
        let mixed = seed.wrapping_add(u32::try_from(at).unwrap_or_default()).wrapping_mul(2_654_435_761) >> 24;
        // Eight bits only, so that every writer prints the same digits.
        f32::from(u16::try_from(mixed).unwrap_or_default()) / 256.0
    };
    (0..dimensions).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_cut_at_words() {
        assert_eq!(limited("Вы сказали: да".into(), Some(2)), ("Вы сказали:".into(), true));
        assert_eq!(limited("Вы сказали: да".into(), Some(3)), ("Вы сказали: да".into(), false));
    }

    #[test]
    fn arguments_follow_the_schema() {
        let schema = json!({"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}});
        assert_eq!(arguments(&schema, "Москва"), json!({"city": "Москва", "days": 7}));
        assert_eq!(arguments(&json!({"type": "object"}), "x"), json!({}));
    }
}
