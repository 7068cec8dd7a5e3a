use super::*;

/// SplitMix64 as a generator, for repeatable texts.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.0) % limit as u64) as usize
    }

    /// A word of a vocabulary of 2,000; lower numbers are more frequent, as in language.
    fn word(&mut self) -> String {
        let rank = self.below(2000).min(self.below(2000)).min(self.below(2000));
        let letters = b"etaoinshrdlu";
        let mut number = rank + 12;
        let mut word = String::new();
        while number > 0 {
            word.push(char::from(letters[number % 12]));
            number /= 12;
        }
        word
    }

    fn words(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.word()).collect()
    }
}

fn sketch(words: &[String]) -> Sketch {
    text_sketch(&words.join(" ")).unwrap()
}

#[test]
fn the_same_text_agrees_in_all_lanes_however_it_is_spaced() {
    let words = Random(1).words(200);
    let other = text_sketch(&words.join(" \n, ")).unwrap();
    assert_eq!(sketch(&words).agreement(&other), 32);
}

#[test]
fn personalised_copies_agree() {
    let body = Random(2).words(150).join(" ");
    let copy = |amount: &str, link: &str, address: &str| {
        text_sketch(&format!(
            "pay {amount} now at {link} or write to {address}, {body} #{amount} ref{amount}"
        ))
        .unwrap()
    };
    let one = copy("1.234,50", "https://a.test/?id=1", "joe@example.com");
    let two = copy("99", "www.other.test/2", "ann.b@example.org");
    assert_eq!(one.agreement(&two), 32);
}

/// Expected with one word of each ten changed: 7 of 10 windows stay, Jaccard 7/13, 17.2 lanes.
#[test]
fn one_word_of_ten_changed_leaves_more_than_half() {
    let mut random = Random(3);
    let (mut sum, mut least) = (0, 32);
    for _ in 0..300 {
        let words = random.words(300);
        let mut changed = words.clone();
        for at in (0..words.len()).step_by(10) {
            let place = at + random.below(10);
            changed[place].push_str("xq");
        }
        let agreement = sketch(&words).agreement(&sketch(&changed));
        sum += u32::from(agreement);
        least = least.min(agreement);
    }
    let mean = f64::from(sum) / 300.0;
    assert!((16.0..18.5).contains(&mean), "mean {mean}");
    assert!(least >= 8, "least {least}");
}

#[test]
fn a_changed_sentence_leaves_nearly_all() {
    let mut random = Random(4);
    for _ in 0..200 {
        let words = random.words(300);
        let mut changed = words.clone();
        for word in &mut changed[40..52] {
            word.push_str("xq");
        }
        assert!(sketch(&words).agreement(&sketch(&changed)) >= 22);
    }
}

#[test]
fn unrelated_texts_do_not_agree() {
    let mut random = Random(5);
    let mut worst = 0;
    for _ in 0..4000 {
        let (one, two) = (20 + random.below(400), 20 + random.below(400));
        let (one, two) = (random.words(one), random.words(two));
        let (Some(one), Some(two)) = (text_sketch(&one.join(" ")), text_sketch(&two.join(" ")))
        else {
            continue;
        };
        worst = worst.max(one.agreement(&two));
    }
    assert!(worst <= 3, "worst {worst}");
}

#[test]
fn a_text_needs_n_words_of_its_own() {
    let words: Vec<String> = Random(6).words(WORDS_MIN * 40).into_iter().collect();
    let mut distinct = words;
    distinct.sort();
    distinct.dedup();
    let text = |count: usize| distinct[..count].join(" ");
    assert!(text_sketch(&text(WORDS_MIN)).is_some());
    assert!(text_sketch(&text(WORDS_MIN - 1)).is_none());
    assert!(text_sketch(&format!("{} 1 a@b http://x", text(WORDS_MIN - 1))).is_none());
    assert!(text_sketch(&"buy now ".repeat(100)).is_none());
    assert!(text_sketch("").is_none());
}

#[test]
fn a_word_is_itself_up_to_n_characters_and_masked_at_n_plus_1() {
    let body = Random(7).words(60).join(" ");
    let with = |word: String| {
        text_sketch(&format!("{word} {}", body.replace(' ', &format!(" {word} ")))).unwrap()
    };
    let (a, b) = ("a".repeat(WORD_CHARS_MAX), "b".repeat(WORD_CHARS_MAX));
    assert!(with(a.clone()).agreement(&with(b.clone())) < 8);
    assert_eq!(with(a + "a").agreement(&with(b + "b")), 32);
}

#[test]
fn text_without_blanks_has_words_too() {
    let text: String = ('\u{4e00}'..'\u{4e40}').collect();
    let changed = text.replace('\u{4e10}', "\u{5e10}");
    assert!(text_sketch(&text).unwrap().agreement(&text_sketch(&changed).unwrap()) >= 26);
}

/// Written down once: a sketch is a public name, in every version and language.
#[test]
fn the_golden_sketch_does_not_change() {
    let text = "the quick brown fox jumps over the lazy dog while five boxing wizards watch a quartz sphinx \
                that judges their vow in www.example.test for 12,50";
    let sketch = text_sketch(text).unwrap();
    assert_eq!(tamis_domain::digest::hex(&sketch.to_bytes()), GOLDEN);
}

/// Computed from the rules in the module's text by another program, not by this one.
const GOLDEN: &str = "dbfdd1d41a490577d1d404644e811a49f02832dedbfdb3b19cd51abf04640464\
                      bcd2a557b3b132deb3b1a5578362dbfd05778362b3b11a4932de4e811b8258e6";
