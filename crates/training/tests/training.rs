//! From mails to a base and back: what training promises to whoever ships the base.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use tamis_classifier::base::Base;
use tamis_classifier::mail;
use tamis_domain::outline::{Outline, Part};
use tamis_domain::reading::ContentSums;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;
use tamis_training::corpus::{Corpus, Mail, Readings};
use tamis_training::invented::{self, Phrases};
use tamis_training::recipe::{Calibration, judge, train};

/// Invented mails under the names of two sources.
fn corpus(count: usize) -> Corpus {
    let phrases = Phrases::built_in();
    let mut corpus = Corpus::default();
    for number in 0..count {
        let (mail, is_spam) = invented::mail(&phrases, number);
        let source = if number % 2 == 0 { "one" } else { "two" };
        corpus.add(source, &format!("{number}"), is_spam, number as u32, &mail);
    }
    corpus
}

fn base_of(corpus: &Corpus, seed: u64) -> Vec<u8> {
    let mails: Vec<&Mail> = corpus.mails.iter().collect();
    train(corpus, &mails, seed, Calibration::NONE)
}

#[test]
fn the_same_mails_and_the_same_seed_give_the_same_base_to_the_byte() {
    let first = base_of(&corpus(60), 5);
    assert!(first == base_of(&corpus(60), 5));
    assert!(first != base_of(&corpus(61), 5), "another mail, another base");
}

#[test]
fn mails_that_were_not_trained_on_are_told_apart() {
    let trained = corpus(300);
    let bytes = base_of(&trained, 1);
    let base = Base::read(&bytes).unwrap();
    let phrases = Phrases::built_in();
    let right = (2000..2100).filter(|number| {
        let (mail, is_spam) = invented::mail(&phrases, *number);
        (judged(&mail, &base).logit > 0.0) == is_spam
    });
    let right = right.count();
    assert!(right >= 85, "{right} of 100");
}

/// As the scanner does it: each part by itself, then all of them with the header.
fn judged(mail: &[u8], base: &Base<'_>) -> tamis_classifier::weigh::Judgement {
    let dissected = dissect(mail);
    let outline: Outline = dissected.outline;
    let header = tamis_message::header::read(&outline.header);
    let sums = |(part, span): (&Part, &Option<tamis_message::content::Span>)| {
        let content = decode(span.as_ref()?, span.as_ref()?.of(mail));
        mail::read_part(part, &tamis_message::reading::read_part(part, &content), base)
    };
    let parts: Vec<Option<ContentSums>> =
        outline.parts.iter().zip(&dissected.spans).map(sums).collect();
    let parts: Vec<Option<&ContentSums>> = parts.iter().map(Option::as_ref).collect();
    mail::judge(&header, &outline, &parts, base).unwrap()
}

#[test]
fn the_trainer_and_the_scanner_judge_alike() {
    let corpus = corpus(80);
    let bytes = base_of(&corpus, 1);
    let base = Base::read(&bytes).unwrap();
    let phrases = Phrases::built_in();
    for (number, trained) in corpus.mails.iter().enumerate() {
        let (mail, _) = invented::mail(&phrases, number);
        let (here, there) = (judge(&corpus, trained, &base).logit, judged(&mail, &base).logit);
        assert!((here - there).abs() < 1e-3, "mail {number}: {here} and {there}");
        assert!(!Readings::of(&mail).bags().is_empty());
    }
}
