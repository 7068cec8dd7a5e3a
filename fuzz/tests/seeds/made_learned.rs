//! Seeds of learned mail: files of an embedded store.

use tamis_learning::hashing::SiteKey;
use tamis_learning::knowledge::Class;
use tamis_learning::record::{Lesson, head};

use super::{Made, seed};

fn lesson(class: Option<Class>, name: u8, domain: &str, tokens: &[u32]) -> Lesson {
    let (name, domain) = ([name; 16], domain.to_owned());
    Lesson { class, name, domain, is_apart: false, tokens: tokens.into() }
}

fn file(lessons: &[Lesson]) -> Vec<u8> {
    let mut out = Vec::new();
    lessons.iter().for_each(|lesson| lesson.push(&mut out));
    out
}

pub fn all() -> Vec<Made> {
    let spam = lesson(Some(Class::Spam), 1, "example.org", &[1, 2, 3, 0xffff_ffff]);
    let ham = lesson(Some(Class::Ham), 2, "", &[2, 3, 4]);
    let moved = Lesson { class: Some(Class::Ham), ..spam.clone() };
    let gone = lesson(None, 2, "", &[]);
    let apart = Lesson { is_apart: true, ..spam.clone() };
    let whole = file(&[spam.clone(), ham.clone(), moved, gone, apart]);
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    let unsorted = lesson(Some(Class::Spam), 3, "", &[5, 5]);
    let many: Vec<Lesson> =
        (0..9).map(|name| lesson(Some(Class::Spam), name, "", &[name.into()])).collect();
    let mut long = file(std::slice::from_ref(&ham));
    long[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    let made = |name: &str, bytes: Vec<u8>| seed("learned_records", name, bytes);
    vec![
        made("head.bin", head(&SiteKey([5; 16]))),
        made("lessons.bin", whole.clone()),
        made("lessons_cut.bin", whole[..whole.len() - 7].to_vec()),
        made("lessons_damaged.bin", damaged),
        made("tokens_twice.bin", file(&[unsorted])),
        made("more_than_are_kept.bin", file(&many)),
        made("length_past_limit.bin", long),
    ]
}
