//! What a mail costs, read from the files of results in which it was measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Processor time and bytes of a mail, by `load-tests/scale/costs.py`.
pub const OF_A_MAIL: &str = "load-tests/results/scale-costs.md";
/// Time to judge mails of real sources, by `cargo xtask evaluate`.
pub const OF_A_JUDGEMENT: &str = "docs/results/verdicts.md";
/// Answers of a reputation server for each second of a core.
pub const OF_AN_ANSWER: &str = "load-tests/results/reputation.md";
/// Memory of a reputation server.
pub const OF_A_TEXT: &str = "load-tests/results/reputation-node.md";

/// The parts through which a mail goes, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Beside the MTA.
    Edge,
    /// The judgement.
    Scanner,
    /// Redis of facts.
    Redis,
    /// Answers over UDP.
    Reputation,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Edge, Self::Scanner, Self::Redis, Self::Reputation];

    /// Its word in figures.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Scanner => "scanner",
            Self::Redis => "redis",
            Self::Reputation => "reputation",
        }
    }
}

/// What is known of costs.
#[derive(Clone, Debug)]
pub struct Costs {
    /// Rows of [`OF_A_MAIL`].
    pub mail: BTreeMap<String, f64>,
    /// Time of a judgement: part of the mails, and microseconds within which they are judged.
    pub judgement: [(f64, f64); 4],
    /// Its mean, in microseconds.
    pub judgement_mean_us: f64,
    /// Answers of one core of a reputation server in a second, exact ones.
    pub answers_per_core: f64,
    /// The same by sketches.
    pub near_answers_per_core: f64,
    /// Bytes of a text in a reputation server.
    pub text_bytes: f64,
}

impl Costs {
    /// Reads them below `top`, the folder of the workspace.
    ///
    /// # Errors
    /// A file or a figure that is not there.
    pub fn read(top: &Path) -> Result<Self> {
        let text = |path: &str| fs::read_to_string(top.join(path)).with_context(|| path.to_owned());
        let one = |rows: &BTreeMap<String, f64>, name: &str| {
            rows.get(name).copied().with_context(|| format!("no figure {name}"))
        };
        let said = text(OF_A_JUDGEMENT)?;
        let said = said.lines().find(|line| line.starts_with("From bytes to verdict"));
        let said = said.context("no time of judgements")?;
        let us = |before: &str| -> Result<f64> {
            let rest = said.split_once(before).with_context(|| format!("no {before:?}"))?.1;
            Ok(rest.split(' ').next().unwrap_or_default().parse()?)
        };
        let answers = rows(&text(OF_AN_ANSWER)?);
        Ok(Self {
            mail: rows(&text(OF_A_MAIL)?),
            judgement: [
                (0.5, us("median ")?),
                (0.9, us(", 90 % within ")?),
                (0.99, us(", 99 % within ")?),
                (0.999, us("99.9 % within ")?),
            ],
            judgement_mean_us: us("mean ")?,
            answers_per_core: one(&answers, "exact.tamis")?,
            near_answers_per_core: one(&answers, "near.tamis")?,
            text_bytes: one(&rows(&text(OF_A_TEXT)?), "node.50000000.resident_each")?,
        })
    }

    /// A figure of a mail.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn of(&self, kind: &str, what: &str) -> Result<f64> {
        let name = format!("{kind}.{what}");
        self.mail.get(&name).copied().with_context(|| format!("no figure {name}"))
    }

    /// Microseconds of a role for one mail of a kind.
    ///
    /// A scanner's for new mail is what a known one costs (the dialogue, the questions) and the judgement of mail of real
    /// sources, which is longer than that of the invented letters of the measurement.
    ///
    /// # Errors
    /// A figure that is not there.
    pub fn cpu_us(&self, role: Role, is_known: bool) -> Result<f64> {
        let kind = if is_known || role == Role::Scanner { "known" } else { "new" };
        let measured = self.of(kind, &format!("{}_cpu", role.word()))?;
        let judged = role == Role::Scanner && !is_known;
        Ok(measured + if judged { self.judgement_mean_us } else { 0.0 })
    }
}

/// Figures of a table `| name | value | ...`.
fn rows(text: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some((cells.next()?.to_owned(), cells.next()?.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}
