//! Stories that fraud tells in every language: each phrase alone stands in honest letters, several together do not.

use std::collections::HashMap;
use std::sync::LazyLock;

use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::letters::is_alphanumeric;
use tamis_domain::reading::Text;

use stories::STORIES;

mod stories;

/// Bytes of text that are searched. Letters of this kind are a few pages; longer texts are reports.
const SEARCHED_BYTES_MAX: usize = 64 * 1024;

/// A phrase, its story and its number there.
type Told = (&'static str, usize, usize);

/// Phrases by their first word.
static BY_WORD: LazyLock<HashMap<&'static str, Vec<Told>>> = LazyLock::new(|| {
    let mut by_word: HashMap<&'static str, Vec<_>> = HashMap::new();
    for (story, told) in STORIES.iter().enumerate() {
        for (number, phrase) in told.phrases.iter().enumerate() {
            by_word.entry(first_word(phrase)).or_default().push((*phrase, story, number));
        }
    }
    by_word
});

/// Places of [`BEGINS`].
const PLACES: usize = 1 << 12;

/// Whether any first word of a phrase has this place.
static BEGINS: LazyLock<Vec<bool>> = LazyLock::new(|| {
    let mut begins = vec![false; PLACES];
    BY_WORD.keys().for_each(|word| begins[place(word)] = true);
    begins
});

/// A number that the length, the first and the last bytes of a word give.
fn place(word: &str) -> usize {
    let bytes = word.as_bytes();
    let [first, second] = [0, 1].map(|at| bytes.get(at).map_or(0, |it| usize::from(*it)));
    let last = bytes.last().map_or(0, |it| usize::from(*it));
    (first * 31 + second * 97 + last * 389 + bytes.len() * 1031) % PLACES
}

/// Judges the text of one part.
#[must_use]
pub fn judge(text: &Text) -> Vec<Evidence> {
    let end = text.folded.floor_char_boundary(SEARCHED_BYTES_MAX);
    let counts = count(&text.folded[..end]);
    let told = STORIES.iter().zip(counts).filter_map(|(story, count)| {
        let (_, weight) = story.weights.iter().find(|(least, _)| count >= *least)?;
        let detail = format!("{count} {}", story.what);
        Some(Evidence::new(story.name, *weight, Source::Text, detail))
    });
    told.collect()
}

/// Different phrases of each story.
fn count(text: &str) -> [usize; STORIES.len()] {
    let mut seen = [0_u128; STORIES.len()];
    let (mut rest, by_word, begins) = (text, &*BY_WORD, &*BEGINS);
    while let Some(first) = rest.chars().next() {
        let word = first_word(rest);
        if word.is_empty() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        // Nearly all words begin no phrase, which their first bytes say.
        if begins.get(place(word)).is_some_and(|it| *it)
            && let Some(phrases) = by_word.get(word)
        {
            for (phrase, story, number) in phrases {
                if rest.starts_with(phrase) {
                    seen[*story] |= 1 << number;
                }
            }
        }
        rest = &rest[word.len()..];
    }
    seen.map(|bits| bits.count_ones() as usize)
}

/// The letters and digits that a text begins with.
fn first_word(text: &str) -> &str {
    let ascii = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let end = match text.as_bytes().get(ascii) {
        None | Some(..=0x7f) => ascii,
        Some(_) => {
            let other = text[ascii..].find(|c: char| !is_alphanumeric(c));
            other.map_or(text.len(), |at| ascii + at)
        }
    };
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_fit_into_the_set_of_their_story_and_begin_with_a_word() {
        for story in &STORIES {
            assert!(story.phrases.len() <= 128, "{}", story.name);
            assert!(story.phrases.iter().all(|phrase| !first_word(phrase).is_empty()));
            assert!(story.phrases.iter().all(|phrase| *phrase == phrase.to_lowercase()));
        }
    }

    #[test]
    fn each_story_is_told_in_its_language_and_a_phrase_counts_once() {
        for (text, expect) in [
            ("the beneficiary, a barrister and the next of kin", Some("advance_fee")),
            ("beneficiary beneficiary beneficiary", None),
            ("herencia de millones de dólares del fallecido", Some("advance_fee")),
            ("in bitcoin within 48 hours, your webcam", Some("extortion")),
            ("your mailbox is full. verify your account", Some("mailbox_threat")),
            ("oferta de préstamo con tasa de interés de 3% interest", Some("loan_offer")),
            ("are you available? quick task: gift cards", Some("task_from_the_boss")),
            ("", None),
        ] {
            let text = Text { folded: text.to_owned(), ..Text::default() };
            let found = judge(&text);
            assert_eq!(found.first().map(|found| found.name.as_ref()), expect, "{}", text.folded);
        }
    }
}
