//! What became of every mail, from what the Postfixes delivered and what they logged.

use super::load::id;
use crate::mails::header;
use std::collections::BTreeMap;
use tamis_testkit::peers::Postfix;

/// How often each mail arrived, and how.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Copies by Message-Id.
    pub copies: BTreeMap<String, usize>,
    /// Mails with the mark that nobody judged them.
    pub unjudged: usize,
    /// Mails without any mark of ours.
    pub unmarked: Vec<String>,
}

impl Ledger {
    pub fn of(postfixes: &[Postfix]) -> Self {
        let mut ledger = Self::default();
        for mail in postfixes.iter().flat_map(|postfix| postfix.mails_now("bob")) {
            let name = header(&mail, "Message-Id").concat();
            match header(&mail, "X-Tamis-Rung").as_slice() {
                [rung] => ledger.unjudged += usize::from(rung == "not_scanned"),
                _ => ledger.unmarked.push(name.clone()),
            }
            *ledger.copies.entry(name).or_default() += 1;
        }
        ledger
    }

    /// Numbers of mails that did not arrive.
    pub fn lost(&self, mails: u32) -> Vec<u32> {
        (0..mails).filter(|number| !self.copies.contains_key(&id(*number))).collect()
    }

    /// Mails that came more than once, each with whether its Postfix logged as often that it could not know whether the filter
    /// had taken a copy: then SMTP makes it send again (RFC 5321 section 4.5.4.1).
    pub fn doubled(&self, postfixes: &[Postfix]) -> Vec<(String, bool)> {
        let mut unsure_times: BTreeMap<String, usize> = BTreeMap::new();
        for name in postfixes.iter().flat_map(|it| unsure(&it.log())) {
            *unsure_times.entry(name).or_default() += 1;
        }
        let excused = |name| 1 + unsure_times.get(name).copied().unwrap_or(0);
        let twice = self.copies.iter().filter(|(_, copies)| **copies > 1);
        twice.map(|(name, copies)| (name.clone(), *copies <= excused(name))).collect()
    }
}

/// Mails whose connection to the filter broke behind the final dot, once for each time.
fn unsure(log: &str) -> Vec<String> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut broke = Vec::new();
    for line in log.lines() {
        let Some(queue_id) = line.split("]: ").nth(1).and_then(|rest| rest.split(':').next())
        else {
            continue;
        };
        if let Some((_, name)) = line.split_once("message-id=") {
            names.insert(queue_id, name);
        } else if line.contains("while sending end of data") {
            broke.push(queue_id);
        }
    }
    broke.iter().filter_map(|queue_id| names.get(queue_id)).map(|name| (*name).to_owned()).collect()
}
