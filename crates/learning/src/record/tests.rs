#![allow(clippy::unwrap_used, reason = "a test may fail aloud")]
use super::*;

fn lesson(number: u8, tokens: usize) -> Lesson {
    let tokens = (0..tokens as u32).map(|token| token * 3 + u32::from(number)).collect();
    Lesson {
        class: Some(Class::Spam),
        name: [number; 16],
        domain: "example.org".into(),
        is_apart: false,
        tokens,
    }
}

fn file(lessons: &[Lesson]) -> Vec<u8> {
    let mut out = Vec::new();
    lessons.iter().for_each(|lesson| lesson.push(&mut out));
    out
}

fn all(bytes: &[u8]) -> (Vec<Lesson>, Result<(), Damage>) {
    let mut lessons = Vec::new();
    let end = read(bytes, |lesson| lessons.push(lesson));
    (lessons, end)
}

#[test]
fn what_was_written_is_read() {
    let gone = Lesson { class: None, domain: String::new(), tokens: [].into(), ..lesson(1, 0) };
    let ham = Lesson { class: Some(Class::Ham), ..lesson(2, 7) };
    let apart = Lesson { is_apart: true, ..lesson(3, 2) };
    let lessons = vec![lesson(1, 5), ham, gone, apart];
    assert_eq!(all(&file(&lessons)), (lessons, Ok(())));
    let key = SiteKey([9; 16]);
    assert_eq!(read_head(&head(&key)), Ok(key));
    assert_eq!(head(&key).len(), HEAD_BYTES);
    for bad in [&b""[..], b"tamisL1\n", b"tamisL2\n0123456789abcdef"] {
        assert_eq!(read_head(bad), Err(Damage::NotOurs));
    }
}

#[test]
fn a_cut_at_any_byte_keeps_every_whole_record_before_it() {
    let lessons = [lesson(1, 4), lesson(2, 0), lesson(3, 9)];
    let bytes = file(&lessons);
    let ends: Vec<usize> = (0..=3).map(|count| file(&lessons[..count]).len()).collect();
    for cut in 0..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        let end = if ends[whole] == cut { Ok(()) } else { Err(Damage::Torn(ends[whole])) };
        assert_eq!(all(&bytes[..cut]), (lessons[..whole].to_vec(), end), "cut at {cut}");
    }
}

#[test]
fn no_damaged_byte_is_believed() {
    let lessons = [lesson(1, 4), lesson(2, 2)];
    let bytes = file(&lessons);
    let first = file(&lessons[..1]).len();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x41;
        let (read, end) = all(&damaged);
        assert!(end.is_err(), "byte {at}");
        assert_eq!(read.len(), usize::from(at >= first), "byte {at}");
    }
}

#[test]
fn damage_with_more_than_one_record_behind_it_is_told_from_a_torn_write() {
    let mut bytes = file(&(0..4).map(|number| lesson(number, MAIL_TOKENS_MAX)).collect::<Vec<_>>());
    bytes[20] ^= 1;
    assert_eq!(all(&bytes).1, Err(Damage::Damaged(0)));
}

#[test]
fn tokens_and_domains_are_sound_at_n_and_not_at_n_plus_1() {
    assert!(lesson(1, MAIL_TOKENS_MAX).is_sound());
    assert!(!lesson(1, MAIL_TOKENS_MAX + 1).is_sound());
    let named = |bytes: usize| Lesson { domain: "d".repeat(bytes), ..lesson(1, 1) };
    assert!(named(DOMAIN_BYTES_MAX).is_sound() && !named(DOMAIN_BYTES_MAX + 1).is_sound());
    let longest = Lesson { domain: "d".repeat(DOMAIN_BYTES_MAX), ..lesson(1, MAIL_TOKENS_MAX) };
    assert_eq!(all(&file(std::slice::from_ref(&longest))), (vec![longest], Ok(())));
    let twice = Lesson { tokens: [1, 1].into(), ..lesson(1, 0) };
    assert!(!twice.is_sound());
    assert_eq!(all(&file(&[twice])).0, [], "and is not read");
}

#[test]
fn knowledge_comes_back_from_its_lessons_even_where_scopes_differ() {
    let bounds = crate::knowledge::Bounds {
        mails_max: 3,
        tokens_max: 1000,
        ..crate::knowledge::Bounds::default()
    };
    let mut known = Knowledge::new(bounds);
    for number in 0..5 {
        Lesson { domain: "a.test".into(), ..lesson(number, 3) }.apply(&mut known);
        Lesson { domain: "b.test".into(), ..lesson(number + 10, 3) }.apply(&mut known);
    }
    Lesson { class: Some(Class::Ham), domain: "b.test".into(), ..lesson(4, 3) }.apply(&mut known);
    let mut again = Knowledge::new(bounds);
    lessons(&known, |lesson| {
        assert!(lesson.is_sound());
        lesson.apply(&mut again);
    });
    let shown = |known: &Knowledge| {
        let scope = |scope: &crate::knowledge::Scope| {
            let mails: Vec<_> = scope
                .mails()
                .map(|(name, class, tokens)| (*name, class, tokens.to_vec()))
                .collect();
            (scope.totals(), scope.len(), mails)
        };
        let mut all = vec![(String::new(), scope(&known.global))];
        all.extend(known.domains().map(|(domain, of)| (domain.to_owned(), scope(of))));
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert_eq!(shown(&again), shown(&known));
}
