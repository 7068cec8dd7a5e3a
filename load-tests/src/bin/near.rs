//! `cargo run --release -p tamis-load-tests --bin near`: near copies, measured. See `tamis_load_tests::near`.

use std::collections::HashSet;

use anyhow::Result;
use tamis_domain::digest::SignatureKind;
use tamis_load_tests::near::corpus::{self, Mail, sketches};
use tamis_load_tests::near::report::{Figures, write};
use tamis_load_tests::near::{campaigns, files, mutations, shared};

/// Texts that are mutated: enough for steps of one in four hundred.
const TEXTS: usize = 400;
/// Pages, files and pictures that are changed.
const FILES: usize = 200;
/// The seed of everything random.
const SEED: u64 = 20_261_122;
/// Words that a text has which is mutated: both rules name longer ones by their likeness.
const WORDS_MIN: usize = 64;

fn main() -> Result<()> {
    let corpus = corpus::read(&corpus::folder())?;
    let mails = &corpus.mails;
    println!("near.reading {:.0} mails/s", mails.len() as f64 / corpus.reading.as_secs_f64());
    let min = tamis_load_tests::near::AGREEMENT_MIN;
    let tuned = campaigns::run(mails, min, Mail::is_tuned_on);
    let held_out = campaigns::run(mails, min, |mail| !mail.is_tuned_on());
    let all = campaigns::run(mails, min, |_| true);
    let shared = [
        shared::run(mails, Mail::is_tuned_on),
        shared::run(mails, |mail| !mail.is_tuned_on()),
        shared::run(mails, |_| true),
    ];
    let vocabulary = vocabulary(mails);
    let mutate = |tuned_on: bool| {
        let texts = texts(mails, tuned_on);
        mutations::run(&texts, &vocabulary, SEED)
    };
    let mutated = [mutate(true), mutate(false)];
    let unnamed = [true, false].map(|tuned_on| mutations::unnamed(&texts(mails, tuned_on)));
    let spam = || first_copies(mails);
    let pages: Vec<&str> = spam().flat_map(|mail| &mail.pages).map(String::as_str).collect();
    let pictured = spam().filter(|mail| sketches(mail, SignatureKind::Image).next().is_some());
    let pictures: Vec<&[u8]> = pictured.flat_map(|mail| &mail.files).map(Vec::as_slice).collect();
    let filed = spam().filter(|mail| sketches(mail, SignatureKind::Attachment).next().is_some());
    let attached: Vec<&[u8]> = filed.flat_map(|mail| &mail.files).map(Vec::as_slice).collect();
    let (mut changed, strangers) = files::pictures(&every(&pictures), SEED);
    changed.extend(files::pages(&every(&pages), SEED));
    changed.extend(files::files(&every(&attached), SEED));
    write(&Figures { tuned, held_out, all, shared, mutated, unnamed, changed, strangers })
}

/// About so many of them, evenly.
fn every<T: Copy>(all: &[T]) -> Vec<T> {
    all.iter().copied().step_by(all.len().div_ceil(FILES).max(1)).collect()
}

/// The first copy of each spam campaign.
fn first_copies(mails: &[Mail]) -> impl Iterator<Item = &Mail> {
    let mut seen = HashSet::new();
    mails.iter().filter(move |mail| mail.is_spam && seen.insert(mail.cluster.clone()))
}

fn texts(mails: &[Mail], tuned_on: bool) -> Vec<&str> {
    let of = first_copies(mails).filter(|mail| mail.is_tuned_on() == tuned_on);
    let long = |text: &&String| text.split_whitespace().count() >= WORDS_MIN;
    let texts: Vec<&str> =
        of.flat_map(|mail| &mail.texts).filter(long).map(String::as_str).collect();
    let step = texts.len().div_ceil(TEXTS).max(1);
    texts.into_iter().step_by(step).collect()
}

/// Words of honest mails, as often as they are used: what noise is drawn from.
fn vocabulary(mails: &[Mail]) -> Vec<String> {
    let ham = mails.iter().filter(|mail| !mail.is_spam).flat_map(|mail| &mail.texts);
    let words = ham.step_by(7).flat_map(|text| text.split_whitespace().step_by(13));
    words
        .filter(|word| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}
