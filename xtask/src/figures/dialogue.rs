//! What an edge adds to a mail that the scanner knows, and what travels between the two.

use std::time::Instant;

use anyhow::{Result, bail};

use super::layout::Layout;
use super::machine::{Running, metrics, series};
use super::sink::Sink;
use super::smtp::Client;
use super::{Binaries, Figure, Goal, mail, percentile};

/// Mails that make the scanner know the text, and both paths warm.
const WARM_UP: u64 = 50;
/// Mails measured on each path.
const MEASURED: u64 = 1000;
/// Mails of a replay: this many, each this often.
const CAMPAIGNS: u64 = 10;
const COPIES: u64 = 20;
/// Milliseconds that an edge may add, in the middle and at the end.
const ADDED_MS_P50_MAX: f64 = 1.0;
const ADDED_MS_P99_MAX: f64 = 3.0;
/// Share of all bytes that may travel.
const SHIPPED_MAX: f64 = 0.25;
/// Network rounds of any mail.
const ROUNDS_MAX: f64 = 2.0;

/// An edge, a scanner and a reputation server, each in its process.
struct Cluster {
    sink: Sink,
    layout: Layout,
    _programs: [Running; 3],
}

impl Cluster {
    fn start(binaries: &Binaries) -> Result<Self> {
        let sink = Sink::open()?;
        let layout = Layout::new(sink.port)?;
        let programs = [
            layout.start(&binaries.tamis, Some("reputation"), layout.reputation_grpc)?,
            layout.start(&binaries.tamis, Some("scanner"), layout.scanner)?,
            layout.start(&binaries.tamis_edge, None, layout.smtp)?,
        ];
        Ok(Self { sink, layout, _programs: programs })
    }
}

pub(super) fn measure(binaries: &Binaries) -> Result<Vec<Figure>> {
    let mut figures = latency(&Cluster::start(binaries)?)?;
    figures.extend(replay(&Cluster::start(binaries)?)?);
    Ok(figures)
}

/// The two paths take turns, so that whatever else the machine does meets both.
fn latency(cluster: &Cluster) -> Result<Vec<Figure>> {
    let mut through = Client::connect(cluster.layout.smtp)?;
    let mut straight = Client::connect(cluster.sink.port)?;
    let (mut edge_ms, mut sink_ms) = (Vec::new(), Vec::new());
    for number in 1..=WARM_UP + MEASURED {
        let (edge, sink) = (timed(&mut through, number)?, timed(&mut straight, number)?);
        if number > WARM_UP {
            edge_ms.push(edge);
            sink_ms.push(sink);
        }
    }
    let mut added = |name, percent, limit| {
        let value = percentile(&mut edge_ms, percent) - percentile(&mut sink_ms, percent);
        Figure::new(name, value, "ms", Goal::AtMost(limit), "DESIGN-7")
    };
    Ok(vec![
        added("dialogue.added_p50", 50.0, ADDED_MS_P50_MAX),
        added("dialogue.added_p99", 99.0, ADDED_MS_P99_MAX),
    ])
}

/// Milliseconds from MAIL to the last reply of one more copy of a small mail.
fn timed(client: &mut Client, number: u64) -> Result<f64> {
    let began = Instant::now();
    let code = client.send(|out| mail::small(out, number, 1))?;
    if code != 250 {
        bail!("mail {number} was answered {code}");
    }
    Ok(began.elapsed().as_secs_f64() * 1000.0)
}

/// A campaign after the other arrives in turns, texts and attachments of up to 1 MB; the edge counts what it ships.
fn replay(cluster: &Cluster) -> Result<Vec<Figure>> {
    let mut client = Client::connect(cluster.layout.smtp)?;
    for number in 0..CAMPAIGNS * COPIES {
        let campaign = number % CAMPAIGNS;
        let code = client.send(|out| match campaign {
            0..5 => mail::small(out, number, campaign),
            // 64 KB to 1 MB.
            _ => mail::with_attachment(out, number, campaign, 64_000 << (campaign - 5)),
        })?;
        if code != 250 {
            bail!("mail {number} of the replay was answered {code}");
        }
    }
    let page = metrics(cluster.layout.edge_admin)?;
    let (shipped, rounds) = counted(&page);
    Ok(vec![
        Figure::new(
            "dialogue.shipped_share",
            shipped,
            "of_full",
            Goal::AtMost(SHIPPED_MAX),
            "DESIGN-7",
        ),
        Figure::new("dialogue.rounds", rounds, "per_mail", Goal::AtMost(ROUNDS_MAX), "LAYOUT-3"),
    ])
}

/// The share of bytes shipped and the rounds of a mail, from the edge's metrics; not numbers where it counted no mail.
fn counted(page: &str) -> (f64, f64) {
    let (mut shipped, mut whole) = (0.0, 0.0);
    for (labels, bytes) in series(page, "tamis_edge_content_bytes_total") {
        let sum = if labels.contains("\"whole\"") { &mut whole } else { &mut shipped };
        *sum += bytes;
    }
    let (mut rounds, mut mails) = (0.0, 0.0);
    for (labels, count) in series(page, "tamis_edge_dialogues_total") {
        let each = labels.split('"').nth(1).and_then(|number| number.parse().ok());
        rounds += each.unwrap_or(f64::NAN) * count;
        mails += count;
    }
    (shipped / whole, rounds / mails)
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn share_and_rounds_from_a_metrics_page() {
        let page = "tamis_edge_content_bytes_total{kind=\"inline\"} 30\n\
                    tamis_edge_content_bytes_total{kind=\"supplied\"} 20\n\
                    tamis_edge_content_bytes_total{kind=\"whole\"} 200\n\
                    tamis_edge_dialogues_total{rounds=\"1\"} 3\n\
                    tamis_edge_dialogues_total{rounds=\"2\"} 1\n";
        assert_eq!(counted(page), (0.25, 1.25));
        let (share, rounds) = counted("");
        assert!(share.is_nan() && rounds.is_nan(), "no count is no success");
    }
}
