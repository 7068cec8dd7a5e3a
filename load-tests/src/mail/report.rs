//! What a run says: Markdown with a section for each scenario, and a drawing beside it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::drawing::{self, Curve};
use super::model::{Kind, Model};
use super::scenario::{Door, Scenario};
use super::{Bench, Measured};
use crate::report::{Figure, machine};

/// Shares of answers whose times are drawn, with how they are written.
const DRAWN: [(f64, &str); 5] =
    [(0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")];
/// Points of a drawn curve between two marks.
const POINTS: u32 = 10;
/// How the file begins.
const HEAD: &str = "# Mail under load";

/// The section of a scenario.
#[must_use]
pub fn section(bench: &Bench, scenario: &Scenario, model: &Model, all: &[Measured]) -> String {
    let mut out = format!("## {}\n\n{}.\n\n", scenario.name, scenario.about);
    let doors: Vec<String> =
        scenario.doors.iter().map(|(door, share)| format!("{} {share}", door.word())).collect();
    let kinds: Vec<String> = scenario
        .mails
        .weights()
        .filter(|(_, weight)| **weight > 0.0)
        .map(|(kind, weight)| format!("{} {weight}", kind.word()))
        .collect();
    let seen_before = all.first().map_or(0, |it| it.seen.due);
    let _ = writeln!(
        out,
        "{} s, seed {}; doors {}; mails {}; at most {} under way. Of the bytes of parts offered to ours, {:.1} % had come in an \
         earlier mail. {}\n",
        scenario.seconds,
        scenario.seed,
        doors.join(", "),
        kinds.join(", "),
        scenario.under_way_max,
        100.0 * model.seen_before(seen_before),
        cores(bench)
    );
    overview(&mut out, all);
    if let Some(ours) = all.first() {
        details(&mut out, ours);
    }
    costs(&mut out, all);
    let _ = writeln!(out, "\n![times](mail-{}.svg)", scenario.name);
    out
}

fn cores(bench: &Bench) -> String {
    match bench.cores {
        Some((filter, other)) => format!(
            "All processes of a filter share core {filter}; generator, Postfix and sink have core {other}."
        ),
        None => "No core was kept for anybody.".to_owned(),
    }
}

fn overview(out: &mut String, all: &[Measured]) {
    out.push_str(
        "| filter | offered/s | due | judged | of them refused | later | unjudged | failed | left out | late | judged/s | p50 ms | p99 ms | \
         p99.9 ms | CPU ms/mail | mails/CPU s | times ours |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    let ours = all.first().map_or(f64::NAN, Measured::cpu_ms_each);
    for it in all {
        let (seen, cpu) = (&it.seen, it.cpu_ms_each());
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| ms(seen.times.quantile_us(share)));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} | {p50} | {p99} | {p999} | {cpu:.3} | {:.0} | {:.2} |",
            it.filter,
            it.rate,
            seen.due,
            seen.answered(),
            seen.refused,
            seen.deferred,
            seen.unjudged,
            seen.failed,
            seen.left_out,
            seen.late,
            seen.answered() as f64 / seen.seconds,
            1_000.0 / cpu,
            cpu / ours
        );
    }
    for it in all.iter().filter(|it| !it.seen.troubles.is_empty()) {
        let _ = writeln!(out, "\n{}, first failures: {}.", it.filter, it.seen.troubles.join("; "));
    }
}

fn ms(us: f64) -> String {
    if us.is_nan() { "-".to_owned() } else { format!("{:.2}", us / 1_000.0) }
}

/// What only ours has: doors, delivery, wires.
fn details(out: &mut String, ours: &Measured) {
    let seen = &ours.seen;
    out.push_str(
        "\n| ours, by door | mails | p50 ms | p99 ms | p99.9 ms |\n|---|---|---|---|---|\n",
    );
    let mut line = |name: &str, times: &crate::times::Times| {
        if times.count() > 0 {
            let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| ms(times.quantile_us(share)));
            let _ = writeln!(out, "| {name} | {} | {p50} | {p99} | {p999} |", times.count());
        }
    };
    for door in Door::ALL {
        if let Some(times) = seen.by_door.get(&door) {
            line(door.word(), times);
        }
    }
    line("due to arrival at the sink", &ours.arrived);
    line("slow clients, last byte to answer", &seen.slow);
    let kinds = Kind::ALL.map(|kind| {
        format!("{} {}", kind.word(), seen.kinds.get(&kind).copied().unwrap_or_default())
    });
    let _ = writeln!(out, "\nJudged by kind: {}.", kinds.join(", "));
    let (lost, doubled) = ours.lost_and_doubled;
    let _ = writeln!(
        out,
        "Taken by doors that deliver: {}; lost {lost}, doubled {doubled}.",
        seen.due_at.len()
    );
}

fn costs(out: &mut String, all: &[Measured]) {
    out.push_str(
        "\n| filter | process | CPU s | CPU ms/mail | memory MiB | CPU s for a million mails |\n|---|---|---|---|---|---|\n",
    );
    for it in all {
        let mails = it.seen.answered().max(1) as f64;
        for cost in &it.costs {
            let _ = writeln!(
                out,
                "| {} | {} | {:.2} | {:.3} | {:.1} | {:.0} |",
                it.filter,
                cost.name,
                cost.cpu_s,
                1_000.0 * cost.cpu_s / mails,
                cost.memory_bytes as f64 / f64::from(1 << 20),
                1e6 * cost.cpu_s / mails
            );
        }
    }
    let Some(ours) = all.first() else { return };
    let mails = ours.seen.answered().max(1) as f64;
    let average = ours.seen.bytes as f64 / mails;
    let _ = writeln!(out, "\nA mail has {average:.0} bytes as it travels.");
    if let Some([inline, supplied, whole]) = ours.content.filter(|bytes| bytes[2] > 0.0) {
        let _ = writeln!(
            out,
            "By the edge's own count (mails of the gRPC door not among them) {:.1} % of the content's bytes went to a scanner: {inline:.0} \
             with Offers, {supplied:.0} supplied, of {whole:.0}.",
            100.0 * (inline + supplied) / whole.max(1.0)
        );
    }
    if ours.crossed.is_empty() {
        out.push_str("What crossed ports was not counted: that needs root, `ip` and `iptables`.\n");
        return;
    }
    out.push_str("\n| wire | bytes/mail there | bytes/mail back | of the mail | GB for a million mails |\n|---|---|---|---|---|\n");
    for wire in &ours.crossed {
        let (there, back) = (wire.there as f64 / mails, wire.back as f64 / mails);
        let _ = writeln!(
            out,
            "| {} | {there:.0} | {back:.0} | {:.1} % | {:.3} |",
            wire.name,
            100.0 * (there + back) / average,
            (there + back) / 1e3
        );
    }
}

/// What the filters of a run cost, as lines for other programs: `mail.SCENARIO.tamis`, `.rspamd`, `.spamassassin`; of each
/// process of ours, `.tamis_scanner`; and of each wire of ours the share of a mail's bytes that crossed it towards its second name.
#[must_use]
pub fn lines(scenario: &Scenario, all: &[Measured]) -> Vec<Figure> {
    let named = |what: &str| format!("mail.{}.{what}", scenario.name);
    let cost = |it: &Measured| {
        let filter = it.filter.split(' ').next().unwrap_or_default().to_lowercase();
        Figure::plain(named(&filter), it.cpu_ms_each(), "CPU_ms/mail").beside(&it.filter)
    };
    let mut lines: Vec<Figure> = all.iter().map(cost).collect();
    for (ours, it) in
        all.iter().take(1).flat_map(|ours| ours.costs.iter().map(move |it| (ours, it)))
    {
        let each = 1_000.0 * it.cpu_s / ours.seen.answered() as f64;
        lines.push(Figure::plain(named(&format!("tamis_{}", it.name)), each, "CPU_ms/mail"));
    }
    for (ours, wire) in all.iter().take(1).flat_map(|it| it.crossed.iter().map(move |w| (it, w))) {
        let share = 100.0 * wire.there as f64 / ours.seen.bytes as f64;
        lines.push(Figure::plain(named(wire.name), share, "%").beside("IP headers counted"));
    }
    lines
}

/// Times over shares of answers, all filters of a run.
#[must_use]
pub fn figure(scenario: &Scenario, all: &[Measured]) -> String {
    let curve = |it: &Measured| -> Curve {
        let last = (it.seen.times.count() as f64).log10();
        let points = (0..=4 * POINTS).map(|at| f64::from(at) / f64::from(POINTS));
        let points = points.filter(|nines| *nines <= last.min(4.0)).map(|nines| {
            let share = (1.0 - 10_f64.powf(-nines)).max(0.01);
            (nines, it.seen.times.quantile_us(share) / 1_000.0)
        });
        (it.filter.clone(), points.collect())
    };
    let title = format!("{}: time from due to answer, by share of mails", scenario.name);
    let curves: Vec<Curve> = all.iter().map(curve).collect();
    drawing::curves(&title, &DRAWN, "ms", &curves)
}

/// `old` with this section in the place of the one of its name, or as its last.
#[must_use]
pub fn with_section(old: &str, name: &str, section: &str) -> String {
    let mut sections: Vec<&str> = old.split("\n## ").collect();
    let own = section.strip_prefix("## ").unwrap_or(section).trim_end();
    let is_own = |it: &&str| it.lines().next() == Some(name);
    match sections.iter().position(is_own) {
        Some(at) if at > 0 => sections[at] = own,
        _ => sections.push(own),
    }
    let trimmed: Vec<&str> = sections.iter().map(|it| it.trim_end()).collect();
    trimmed.join("\n\n## ") + "\n"
}

/// How the file begins where there is none yet.
#[must_use]
pub fn head() -> String {
    format!(
        "{HEAD}\n\nWritten by `cargo run --release -p tamis-load-tests --bin mail -- load-tests/scenarios/NAME.toml`, a section for each \
         scenario.\n\nMachine: {}.\n\n- Arrivals do not wait for answers; times count from when a mail was due. `left out`: as many mails were \
         under way as the scenario allows. `late`: the generator itself was more than 10 ms late.\n- Each mail has a connection of its own (gRPC: \
         one for all). SMTP and LMTP without PIPELINING, so five round trips are in their times.\n- Other filters get the first mails of the same \
         stream, at their own rate: rspamd by milter through its proxy, its worker and Redis behind it; SpamAssassin by spamd's protocol. No filter \
         has DNS (what rspamd still asks is given up after two times 10 ms, which are in its times). CPU is user and system time of all processes of a filter; `times ours` is a filter's CPU for a mail over ours.\n- Memory: the most \
         that was resident; of a program of several processes their proportional share at the end.\n- Bytes of wires are IP packets on loopback, \
         headers and acknowledgements with them. Cost: multiply with your own prices.\n",
        machine()
    )
}

/// Writes section and drawing.
///
/// # Errors
/// The system's.
pub fn write(out: &Path, scenario: &Scenario, section: &str, figure: &str) -> Result<()> {
    if let Some(folder) = out.parent() {
        fs::create_dir_all(folder)?;
    }
    let old = fs::read_to_string(out).unwrap_or_else(|_| head());
    fs::write(out, with_section(&old, &scenario.name, section))?;
    let stem = out.file_stem().and_then(|it| it.to_str()).unwrap_or("mail");
    Ok(fs::write(out.with_file_name(format!("{stem}-{}.svg", scenario.name)), figure)?)
}

#[cfg(test)]
mod tests;
