//! Thoughts within the text: what stands in `<think>` or `<thinking>` is no answer.

const OPENS: [&str; 2] = ["<think>", "<thinking>"];
const CLOSES: [&str; 2] = ["</think>", "</thinking>"];

/// Tells text and thoughts apart while they come.
#[derive(Default)]
pub struct Think {
    /// What may be the beginning of a tag.
    held: String,
    thinks: bool,
}

impl Think {
    /// Takes more; gives what is text and what is thought.
    pub fn hear(&mut self, more: &str) -> (String, String) {
        let (mut said, mut thought) = (String::new(), String::new());
        let mut rest = std::mem::take(&mut self.held) + more;
        loop {
            let tags = if self.thinks { CLOSES } else { OPENS };
            let into = if self.thinks { &mut thought } else { &mut said };
            let found = tags.iter().filter_map(|tag| Some((rest.find(tag)?, tag.len()))).min();
            if let Some((at, length)) = found {
                into.push_str(&rest[..at]);
                rest.drain(..at + length);
                self.thinks = !self.thinks;
                continue;
            }
            let sure = rest.len() - begun_at_end(&rest, tags);
            into.push_str(&rest[..sure]);
            self.held = rest.split_off(sure);
            return (said, thought);
        }
    }

    /// Nothing follows: what was held was no tag.
    pub fn ends(&mut self) -> (String, String) {
        let held = std::mem::take(&mut self.held);
        if self.thinks { (String::new(), held) } else { (held, String::new()) }
    }

    /// All of a text at once.
    pub fn whole(text: &str) -> (String, String) {
        let mut think = Think::default();
        let (mut said, mut thought) = think.hear(text);
        let (more_said, more_thought) = think.ends();
        said.push_str(&more_said);
        thought.push_str(&more_thought);
        (said, thought)
    }
}

/// How many bytes at the end of `text` may be the beginning of one of these.
fn begun_at_end(text: &str, tags: [&str; 2]) -> usize {
    let begun = |tag: &str| (1..tag.len()).rev().find(|length| text.ends_with(&tag[..*length])).unwrap_or(0);
    tags.iter().map(|tag| begun(tag)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(said: &str, thought: &str) -> (String, String) {
        (said.to_owned(), thought.to_owned())
    }

    #[test]
    fn thoughts_are_no_text_however_they_are_cut() {
        let text = "а<think>мысль</think>б < в<thinking>ещё</thinking>г<thin";
        let whole = both("аб < вг<thin", "мысльещё");
        assert_eq!(Think::whole(text), whole);
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for first in &places {
            for second in places.iter().filter(|second| *second >= first) {
                let (mut think, mut all) = (Think::default(), both("", ""));
                for part in [&text[..*first], &text[*first..*second], &text[*second..]] {
                    let (said, thought) = think.hear(part);
                    all = (all.0 + &said, all.1 + &thought);
                }
                let (said, thought) = think.ends();
                assert_eq!((all.0 + &said, all.1 + &thought), whole, "{first} {second}");
            }
        }
    }

    #[test]
    fn an_unclosed_thought_is_hidden() {
        assert_eq!(Think::whole("да<think>нет"), both("да", "нет"));
        assert_eq!(Think::default().hear("<thi"), both("", ""));
    }
}
