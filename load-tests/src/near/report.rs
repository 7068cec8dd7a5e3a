//! Tables, a curve, and figures a line each. Numbers only: nothing of a mail leaves here.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::campaigns::{Campaigns, Found};
use super::files;
use super::mutations::{Mutation, Run, STRENGTHS};
use super::rival::VOTES_MIN;
use super::shared::Shared;
use super::{AGREEMENT_MIN, Histogram};

/// Everything measured.
#[derive(Debug)]
pub struct Figures {
    /// Campaigns of the sources that thresholds were chosen on.
    pub tuned: Campaigns,
    /// Campaigns of the others.
    pub held_out: Campaigns,
    /// Everything together.
    pub all: Campaigns,
    /// Words that honest mail and spam share, of the same three.
    pub shared: [Shared; 3],
    /// Mutations of texts of the sources thresholds were chosen on, and of the others.
    pub mutated: [Vec<Run>; 2],
    /// Texts of the two that have no name of ours.
    pub unnamed: [usize; 2],
    /// Changes of pages, files and pictures.
    pub changed: Vec<files::Run>,
    /// Different pictures with each other.
    pub strangers: Histogram,
}

/// Writes `results/near.md` and `results/near.svg`, and prints the figures.
///
/// # Errors
/// When the files cannot be written.
pub fn write(figures: &Figures) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("near.md"), markdown(figures)?)?;
    std::fs::write(folder.join("near.svg"), svg(figures)?)?;
    print(figures);
    Ok(())
}

fn print(figures: &Figures) {
    let groups =
        [("all", &figures.all), ("tuned", &figures.tuned), ("held_out", &figures.held_out)];
    for (name, campaigns) in groups {
        let rival = campaigns.rival.later.share(VOTES_MIN);
        let false_rival = campaigns.rival.ham.reached(VOTES_MIN);
        let recall = campaigns.content.later.share(AGREEMENT_MIN);
        let false_ours = campaigns.content.ham.reached(AGREEMENT_MIN);
        println!("near.{name}.recall {recall:.4} share >={rival:.4} rspamd_rule:{rival:.4}");
        println!("near.{name}.false {false_ours} mails <={false_rival} rspamd_rule:{false_rival}");
    }
    for (name, runs) in ["tuned", "held_out"].into_iter().zip(&figures.mutated) {
        for run in runs {
            let (ours, rival) = (run.ours.share(AGREEMENT_MIN), run.rival.share(VOTES_MIN));
            let (what, strength) = (run.mutation.word(), run.strength);
            println!(
                "near.{name}.{what}.{strength} {ours:.3} share >={rival:.3} rspamd_rule:{rival:.3}"
            );
        }
    }
}

fn markdown(figures: &Figures) -> Result<String> {
    let mut out = String::from(INTRODUCTION);
    writeln!(out, "\n## Campaigns in the order of their arrival\n\n{CAMPAIGNS}\n")?;
    let groups = [
        ("trec07p, spamassassin (chosen on)", &figures.tuned),
        ("all other sources (held out)", &figures.held_out),
        ("all sources", &figures.all),
    ];
    for (name, campaigns) in groups {
        writeln!(out, "### {name}\n")?;
        campaigns_table(&mut out, campaigns)?;
    }
    writeln!(out, "## Words that honest mail and spam share\n\n{SHARED}\n")?;
    shared_table(&mut out, figures)?;
    writeln!(out, "## Thresholds\n\n{THRESHOLDS}\n")?;
    thresholds(&mut out, figures)?;
    writeln!(out, "## Mutations\n\n{MUTATIONS}\n")?;
    for (name, runs) in ["chosen on", "held out"].into_iter().zip(&figures.mutated) {
        writeln!(out, "### Texts of the sources {name}: {} texts\n", texts(runs))?;
        mutations_table(&mut out, runs)?;
    }
    let [tuned, held_out] = figures.unnamed;
    writeln!(out, "{UNNAMED} {tuned} of the texts chosen on, {held_out} of those held out.\n")?;
    writeln!(
        out,
        "![Recall by strength of mutation](near.svg)\n\n## Pages, files and pictures\n\n{FILES}\n"
    )?;
    files_table(&mut out, figures)?;
    Ok(out)
}

fn texts(runs: &[Run]) -> usize {
    runs.first().map_or(0, |run| run.ours.all())
}

fn campaigns_table(out: &mut String, campaigns: &Campaigns) -> Result<()> {
    writeln!(
        out,
        "| asked by | later copies found | of {} | honest mails found | of {} |",
        campaigns.text.later.all(),
        campaigns.text.ham.all()
    )?;
    writeln!(out, "|---|---|---|---|---|")?;
    let mut row = |name: &str, found: &Found, min: u8| {
        let (later, ham) = (&found.later, &found.ham);
        writeln!(
            out,
            "| {name} | {} | {:.1} % | {} | {:.3} % |",
            later.reached(min),
            100.0 * later.share(min),
            ham.reached(min),
            100.0 * ham.share(min)
        )
    };
    row("text", &campaigns.text, AGREEMENT_MIN)?;
    row("text, and no link, bytes or picture", &campaigns.words_alone, AGREEMENT_MIN)?;
    row("text, rspamd's rule", &campaigns.rival, VOTES_MIN)?;
    for (kind, found) in campaigns.by_kind.iter().skip(1) {
        row(kind.word(), found, AGREEMENT_MIN)?;
    }
    row("text, part or attachment", &campaigns.content, AGREEMENT_MIN)?;
    writeln!(
        out,
        "\nAnswers of the table that differ from comparing with every text: {}.\n",
        campaigns.table_differs
    )?;
    Ok(())
}

fn shared_table(out: &mut String, figures: &Figures) -> Result<()> {
    writeln!(
        out,
        "| sources | names shared | honest mails with one | of them with other links than each such spam \
         | with links at all | spam with one | of them with other links than each such honest mail |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for (name, it) in ["chosen on", "held out", "all"].into_iter().zip(figures.shared) {
        let Shared { names, ham, ham_other_links, ham_with_links, spam, spam_other_links } = it;
        writeln!(
            out,
            "| {name} | {names} | {ham} | {ham_other_links} | {ham_with_links} | {spam} | {spam_other_links} |"
        )?;
    }
    writeln!(out)?;
    Ok(())
}

fn thresholds(out: &mut String, figures: &Figures) -> Result<()> {
    let groups = [&figures.tuned, &figures.held_out, &figures.all];
    let ours = groups.map(|group| &group.text);
    let rival = groups.map(|group| &group.rival);
    write!(out, "| lanes |")?;
    for whose in ["", "rspamd's rule, "] {
        for which in ["chosen on", "held out", "all"] {
            write!(out, " {whose}{which} | false |")?;
        }
    }
    writeln!(out, "\n|---|{}", "---|".repeat(12))?;
    for lanes in 8..=32 {
        write!(out, "| {lanes} |")?;
        for found in ours.iter().chain(&rival) {
            let (share, ham) = (found.later.share(lanes), found.ham.reached(lanes));
            write!(out, " {:.1} % | {ham} |", 100.0 * share)?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    Ok(())
}

fn mutations_table(out: &mut String, runs: &[Run]) -> Result<()> {
    write!(out, "| recall of ours / rspamd's rule |")?;
    STRENGTHS.iter().try_for_each(|strength| write!(out, " {strength} % |"))?;
    writeln!(out, "\n|---|{}", "---|".repeat(STRENGTHS.len()))?;
    for mutation in Mutation::ALL {
        write!(out, "| {} |", mutation.word())?;
        for run in runs.iter().filter(|run| run.mutation == mutation) {
            let (ours, rival) = (run.ours.share(AGREEMENT_MIN), run.rival.share(VOTES_MIN));
            write!(out, " {:.1} / {:.1} |", 100.0 * ours, 100.0 * rival)?;
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    Ok(())
}

fn files_table(out: &mut String, figures: &Figures) -> Result<()> {
    writeln!(
        out,
        "| change | strength | things | mean lanes kept of 32 | at least 17 | at least 20 |\n|---|---|---|---|---|---|"
    )?;
    for run in &figures.changed {
        let kept = &run.kept;
        writeln!(
            out,
            "| {} | {} | {} | {:.1} | {:.1} % | {:.1} % |",
            run.change,
            run.strength,
            kept.all(),
            mean(kept),
            100.0 * kept.share(AGREEMENT_MIN),
            100.0 * kept.share(20)
        )?;
    }
    let strangers = &figures.strangers;
    writeln!(
        out,
        "\nPairs of different pictures: {}; mean {:.2} lanes; at least 8 lanes: {:.3} %; at least 17: {:.3} %.",
        strangers.all(),
        mean(strangers),
        100.0 * strangers.share(8),
        100.0 * strangers.share(AGREEMENT_MIN)
    )?;
    Ok(())
}

fn mean(histogram: &Histogram) -> f64 {
    let sum: usize = histogram.0.iter().enumerate().map(|(lanes, count)| lanes * count).sum();
    sum as f64 / histogram.all().max(1) as f64
}

/// One small curve for each mutation: recall over strength, held-out texts, ours solid, the rival's dashed.
fn svg(figures: &Figures) -> Result<String> {
    let [_, runs] = &figures.mutated;
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"580\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"720\" height=\"580\" fill=\"white\"/>\n",
    );
    for (at, mutation) in Mutation::ALL.into_iter().enumerate() {
        let (left, top) = (40 + 235 * (at % 3), 30 + 180 * (at / 3));
        writeln!(
            out,
            "<g transform=\"translate({left},{top})\"><text y=\"-6\">{}</text>",
            mutation.word()
        )?;
        writeln!(out, "<path d=\"M0 0V130H190\" fill=\"none\" stroke=\"black\"/>")?;
        writeln!(
            out,
            "<text x=\"-32\" y=\"8\">100%</text><text x=\"-18\" y=\"130\">0</text><text x=\"160\" y=\"144\">50 %</text>"
        )?;
        for (ours, style) in
            [(true, "stroke=\"#06c\""), (false, "stroke=\"#c30\" stroke-dasharray=\"5 3\"")]
        {
            let points: Vec<String> = runs
                .iter()
                .filter(|run| run.mutation == mutation)
                .map(|run| {
                    let share = if ours {
                        run.ours.share(AGREEMENT_MIN)
                    } else {
                        run.rival.share(VOTES_MIN)
                    };
                    format!("{:.1},{:.1}", 3.8 * f64::from(run.strength), 130.0 * (1.0 - share))
                })
                .collect();
            writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke-width=\"2\" {style}/>",
                points.join(" ")
            )?;
        }
        writeln!(out, "</g>")?;
    }
    writeln!(
        out,
        "<text x=\"40\" y=\"572\">Recall over share mutated, held-out texts. Blue: ours. Red, dashed: rspamd's rule.</text>\n</svg>"
    )?;
    Ok(out)
}

const INTRODUCTION: &str = "# Near copies\n\n\
Written by `cargo run --release -p tamis-load-tests --bin near`; the rules are those of `tamis-message::sketch`.\n\n\
The rule beside ours is that of rspamd's fuzzy storage as published, written anew in `src/near/rival.rs` (3-word windows, \
32 keyed minima, more than 16 agreeing, texts under 64 words exactly only): rspamd itself was not run. Its stemmer is \
approximated. Both see the same visible text, as our reader gives it, so reading HTML well is counted for both.\n\n\
Ours counts a text as found at 17 of 32 lanes, which is also the default proposed for `agreement_min`. The 24 lanes for \
words and 8 for pairs, the four letters and the 28 words were chosen on trec07p and spamassassin; the threshold and the \
least number of words of an exact text were settled after figures of all sources had been seen, so for these two the other \
sources are not wholly unseen.\n";

const CAMPAIGNS: &str = "The first copy of each spam cluster is reported with all its signatures, later copies are asked for; then all honest mail \
is asked, automatic answers among it. A cluster is what the corpus says. Exact answers count for both. False matches of both are \
mostly mails that also stand among the spam, word for word.";

const SHARED: &str = "Exact names of texts ignore links, numbers and marks, so honest mail and spam may have the same: a copied notice with another \
link, a list's footer. Where links differ, what was said of the one must not be a verdict about the other; therefore a name of words alone weighs 0.7 of a \
verdict at most (`checks::reputation::TEXT_ALONE_MAX`). What that costs is the row of copies found by text and by no link, bytes or picture above: they are \
probable spam. Links are compared as sets, over the whole mail.";

const THRESHOLDS: &str = "Texts, near or exact. Recall and honest mails found when so many lanes must agree (for rspamd's rule: so many votes; it asks for 17).";

const MUTATIONS: &str = "Recall in percent, ours at 17 lanes, rspamd's rule at 17 votes. Texts have 64 words at least, so that both rules name them by likeness. \
The strength is the share of words (sentences, length) that is changed.";

const UNNAMED: &str = "Re-encoding a page changes no word that a person sees, so both rules find what they have a name for: that row is at its ceiling. \
Texts that have no name of ours even unchanged, since they repeat fewer than ten different words or are numbers and addresses:";

const FILES: &str = "Skeletons of pages, attachments and pictures of spam, changed in steps. rspamd knows files and pictures by their exact bytes: \
each of these changes makes them unknown to it.";
