//! Campaigns in the order of their arrival, and all honest mail.

use std::collections::{HashMap, HashSet};

use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_domain::reputation::Class;
use tamis_reputation_protocol::signatures::{Authority, Change, Rules, Table};

use super::Histogram;
use super::corpus::{Mail, sketches};
use super::rival::{Rival, fingerprint};

/// What one way of asking found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Best agreement of each later spam copy.
    pub later: Histogram,
    /// Best agreement of each honest mail, automatic answers among them.
    pub ham: Histogram,
}

/// Everything found on some sources.
#[derive(Clone, Debug)]
pub struct Campaigns {
    /// By kind of signature.
    pub by_kind: Vec<(SignatureKind, Found)>,
    /// Texts, near or exact, and exact other parts and files: what weighs as much as a listing.
    pub content: Found,
    /// Texts alone, near or exact.
    pub text: Found,
    /// The same where no link, bytes or picture of the mail is found beside it: such a match weighs less.
    pub words_alone: Found,
    /// The rival's rule on texts.
    pub rival: Found,
    /// Later spam copies and honest mails for which the table gave another answer than comparing with every text.
    pub table_differs: usize,
}

const KINDS: [SignatureKind; 6] = [
    SignatureKind::Text,
    SignatureKind::Html,
    SignatureKind::Attachment,
    SignatureKind::Image,
    SignatureKind::Part,
    SignatureKind::Link,
];

/// Everything reported so far, to be compared with one by one.
#[derive(Default)]
struct Reported {
    exact: HashSet<Signature>,
    sketches: HashMap<SignatureKind, Vec<Sketch>>,
}

impl Reported {
    fn learn(&mut self, mail: &Mail) {
        self.exact.extend(mail.items.iter().map(|item| item.signature));
        for kind in KINDS {
            self.sketches.entry(kind).or_default().extend(sketches(mail, kind));
        }
    }

    fn ask(&self, mail: &Mail, kind: SignatureKind) -> u8 {
        let mut of_kind = mail.items.iter().filter(|item| item.signature.kind == kind);
        if of_kind.any(|item| self.exact.contains(&item.signature)) {
            return Sketch::LANES as u8;
        }
        let known = self.sketches.get(&kind).map(Vec::as_slice).unwrap_or_default();
        let best = sketches(mail, kind)
            .flat_map(|asked| known.iter().map(move |known| known.agreement(asked)));
        // Equal sketches are not equal bytes: as a table tells it.
        best.max().unwrap_or(0).min(Sketch::LANES as u8 - 1)
    }
}

/// Runs the mails that `counts` says through all ways of asking. `agreement_min` is the table's.
#[must_use]
pub fn run(mails: &[Mail], agreement_min: u8, counts: impl Fn(&Mail) -> bool) -> Campaigns {
    let mut all = Campaigns {
        by_kind: KINDS.map(|kind| (kind, Found::default())).to_vec(),
        content: Found::default(),
        text: Found::default(),
        words_alone: Found::default(),
        rival: Found::default(),
        table_differs: 0,
    };
    let mut reported = Reported::default();
    let mut rival = Rival::default();
    let mut table = Table::new(Rules { agreement_min, ..Rules::default() });
    let mut clusters = HashSet::new();
    for mail in mails.iter().filter(|mail| mail.is_spam && counts(mail)) {
        if clusters.insert((mail.source.clone(), mail.cluster.clone())) {
            reported.learn(mail);
            learn(&mut table, mail);
            mail.texts.iter().filter_map(|text| fingerprint(text)).for_each(|it| rival.learn(&it));
        } else {
            all.ask(mail, &reported, &rival, &table);
        }
    }
    for mail in mails.iter().filter(|mail| !mail.is_spam && counts(mail)) {
        all.ask(mail, &reported, &rival, &table);
    }
    all
}

impl Campaigns {
    fn ask(&mut self, mail: &Mail, reported: &Reported, rival: &Rival, table: &Table) {
        let count = |found: &mut Found, agreement: u8| {
            let side = if mail.is_spam { &mut found.later } else { &mut found.ham };
            side.count(agreement);
        };
        let (mut text, mut content, mut is_borne_out) = (0, 0, false);
        for (kind, found) in &mut self.by_kind {
            let agreement = reported.ask(mail, *kind);
            count(found, agreement);
            if !matches!(kind, SignatureKind::Text | SignatureKind::Html) {
                is_borne_out |= agreement >= table.rules().agreement_min;
            }
            if *kind == SignatureKind::Text {
                text = agreement;
                count(&mut self.text, agreement);
                self.table_differs += usize::from(differs(table, mail, agreement));
            }
            if matches!(kind, SignatureKind::Text | SignatureKind::Part | SignatureKind::Attachment)
            {
                content = content.max(agreement);
            }
        }
        count(&mut self.content, content);
        count(&mut self.words_alone, if is_borne_out { 0 } else { text });
        let votes = mail.texts.iter().filter_map(|text| fingerprint(text)).map(|it| rival.ask(&it));
        count(&mut self.rival, votes.max().unwrap_or(0));
    }
}

fn differs(table: &Table, mail: &Mail, agreement: u8) -> bool {
    let texts = mail.items.iter().filter(|item| item.signature.kind == SignatureKind::Text);
    let told = texts.filter_map(|item| table.ask(item, 0)).map(|listing| listing.similarity).max();
    let min = table.rules().agreement_min;
    told.unwrap_or(0) != if agreement >= min { agreement } else { 0 }
}

fn learn(table: &mut Table, mail: &Mail) {
    for item in &mail.items {
        let change = Change::Add {
            signature: item.signature,
            sketch: item.sketch,
            class: Class::Spam,
            weight: 100,
            reporter: "near".to_owned(),
            authority: Authority::Operator,
            at_unix_s: 0,
        };
        // Our own items are sound, and the table is large enough for all: a refusal would show as a difference.
        let _ = table.apply(&change);
    }
}
