//! The file of an embedded store of learned mail: records, and the knowledge that they make.

use tamis_learning::hashing::SiteKey;
use tamis_learning::knowledge::{Bounds, Class, Knowledge};
use tamis_learning::record::{Damage, Lesson, head, lessons, read, read_head};

use crate::pick::Pick;

/// Reads bytes as a file of lessons: what was read is what stands there. Lessons picked from the bytes come back as they
/// were, and the knowledge that they make comes back from its own lessons.
pub fn learned_records(data: &[u8]) {
    match read_head(data) {
        Ok(key) => assert!(data.starts_with(&head(&key))),
        Err(damage) => assert_eq!(damage, Damage::NotOurs),
    }
    let mut written = Vec::new();
    let mut known = Knowledge::new(Bounds { mails_max: 3, tokens_max: 64, domains_tokens_max: 20 });
    let end = read(data, |lesson| {
        assert!(lesson.is_sound());
        lesson.push(&mut written);
        lesson.apply(&mut known);
    });
    assert!(data.starts_with(&written), "a lesson has one form");
    match end {
        Ok(()) => assert_eq!(written.len(), data.len()),
        Err(Damage::Torn(at) | Damage::Damaged(at)) => assert_eq!(written.len(), at),
        Err(Damage::NotOurs) => panic!("only a head is not ours"),
    }
    comes_back(&known);
    picked(&mut Pick::new(data));
}

fn picked(pick: &mut Pick<'_>) {
    let (mut all, mut file) = (Vec::new(), Vec::new());
    let mut known = Knowledge::new(Bounds { mails_max: 4, tokens_max: 64, domains_tokens_max: 20 });
    while !pick.is_empty() && all.len() < 50 {
        let lesson = lesson(pick);
        assert!(lesson.is_sound());
        lesson.push(&mut file);
        lesson.apply(&mut known);
        all.push(lesson);
    }
    let mut again = Vec::new();
    assert_eq!(read(&file, |lesson| again.push(lesson)), Ok(()));
    assert_eq!(again, all);
    comes_back(&known);
    assert_eq!(SiteKey([1; 16]).hash(&file), SiteKey([1; 16]).hash(&file));
}

fn lesson(pick: &mut Pick<'_>) -> Lesson {
    let class = pick.one(&[Some(Class::Spam), Some(Class::Ham), None]);
    let domain = pick.one(&["", "a.test", "b.test"]).to_owned();
    let mut tokens: Vec<u32> = (0..pick.below(6)).map(|_| u32::from(pick.byte())).collect();
    tokens.sort_unstable();
    tokens.dedup();
    if class.is_none() {
        tokens.clear();
    }
    let is_apart = pick.flag() && class.is_some() && !domain.is_empty();
    Lesson { class, name: [pick.byte() % 8; 16], domain, is_apart, tokens: tokens.into() }
}

fn comes_back(known: &Knowledge) {
    let mut again = Knowledge::new(Bounds::default());
    let mut count = 0_usize;
    lessons(known, |lesson| {
        lesson.apply(&mut again);
        count += 1;
    });
    assert_eq!(again.global.totals(), known.global.totals());
    assert_eq!(again.global.len(), known.global.len());
    let domains: usize = known.domains().map(|(_, scope)| scope.mails().count()).sum();
    assert_eq!(count, known.global.mails().count() + domains);
}
