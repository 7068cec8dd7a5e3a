//! What the choice among reputation servers rests on and comes to, for each server, as metrics.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tamis_selector::ServerReport;

/// The last report of the selector. Cheap to clone; all clones show the same.
///
/// Written whole at each scrape, and not kept in families of counters: a server that is gone leaves no label behind,
/// and no scrape sees half of the servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Servers(Arc<Mutex<Vec<ServerReport<SocketAddr>>>>);

impl Servers {
    /// From now on this is shown.
    pub(super) fn set(&self, report: Vec<ServerReport<SocketAddr>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    fn reports(&self) -> Vec<ServerReport<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One family with a value for each server.
struct Row {
    name: &'static str,
    help: &'static str,
    value: Value,
}

/// The word of one counter, and how to read it from a report.
type Count = (&'static str, fn(&ServerReport<SocketAddr>) -> u64);

/// How to read a value from a report.
enum Value {
    /// Shown as a gauge; left out for a server of which it is not known yet.
    Gauge(fn(&ServerReport<SocketAddr>) -> Option<f64>),
    /// Shown as counters that tell apart by the label named first.
    Counters(&'static str, &'static [Count]),
}

const ROWS: [Row; 6] = [
    Row {
        name: "reputation_server_expected_seconds",
        help: "Answer time that the choice expects of a reputation server",
        value: Value::Gauge(|server| server.expected.map(as_seconds)),
    },
    Row {
        name: "reputation_server_tail_seconds",
        help: "Answer time of a reputation server after which another one is asked too",
        value: Value::Gauge(|server| server.tail.map(as_seconds)),
    },
    Row {
        name: "reputation_server_lag_seconds",
        help: "How far the table of a reputation server is behind the newest one heard of",
        value: Value::Gauge(|server| Some(as_seconds(server.lag))),
    },
    Row {
        name: "reputation_server_out",
        help: "1 while a reputation server is asked only to see whether it is back",
        value: Value::Gauge(|server| Some(f64::from(u8::from(server.out)))),
    },
    Row {
        name: "reputation_server_asked",
        help: "Questions sent to a reputation server, by reason",
        value: Value::Counters(
            "reason",
            &[
                ("chosen", |server| server.chosen),
                ("probe", |server| server.probed),
                ("hedge", |server| server.hedged),
            ],
        ),
    },
    Row {
        name: "reputation_server_heard",
        help: "What came of questions to a reputation server",
        value: Value::Counters(
            "outcome",
            &[("answered", |server| server.answered), ("failed", |server| server.failed)],
        ),
    },
];

fn as_seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

impl Collector for Servers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let reports = self.reports();
        for row in ROWS {
            let kind = match row.value {
                Value::Gauge(_) => MetricType::Gauge,
                Value::Counters(..) => MetricType::Counter,
            };
            let mut place = encoder.encode_descriptor(row.name, row.help, None, kind)?;
            for report in &reports {
                row.value.write(report, &mut place)?;
            }
        }
        Ok(())
    }
}

impl Value {
    fn write(
        &self,
        report: &ServerReport<SocketAddr>,
        place: &mut MetricEncoder<'_>,
    ) -> fmt::Result {
        let server = report.server.to_string();
        match self {
            Self::Gauge(read) => read(report).map_or(Ok(()), |value| {
                let labels = [("server", server.as_str())];
                ConstGauge::new(value).encode(place.encode_family(&labels)?)
            }),
            Self::Counters(label, rows) => rows.iter().try_for_each(|(word, read)| {
                let labels = [("server", server.as_str()), (label, word)];
                ConstCounter::new(read(report)).encode(place.encode_family(&labels)?)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(server: &str, expected: Option<Duration>) -> ServerReport<SocketAddr> {
        ServerReport {
            server: server.parse().unwrap(),
            expected,
            smoothed: None,
            tail: None,
            in_flight: 0,
            lag: Duration::from_millis(1500),
            out: true,
            chosen: 7,
            share: 0.0,
            probed: 2,
            hedged: 1,
            answered: 9,
            failed: 1,
        }
    }

    #[test]
    fn each_server_has_its_rows_and_one_that_is_gone_has_none() {
        let registry = tamis_runtime::metrics::Metrics::new();
        let servers = Servers::default();
        let shown = servers.clone();
        registry.register("scanner", |to| to.register_collector(Box::new(shown)));
        let (one, other) = ("127.0.0.1:7060", "[::1]:7060");
        servers.set(vec![report(one, Some(Duration::from_micros(250))), report(other, None)]);
        let text = registry.text().unwrap();
        for line in [
            "tamis_scanner_reputation_server_expected_seconds{server=\"127.0.0.1:7060\"} 0.00025",
            "tamis_scanner_reputation_server_lag_seconds{server=\"[::1]:7060\"} 1.5",
            "tamis_scanner_reputation_server_out{server=\"[::1]:7060\"} 1.0",
            "tamis_scanner_reputation_server_asked_total{server=\"[::1]:7060\",reason=\"hedge\"} 1",
            "tamis_scanner_reputation_server_heard_total{server=\"127.0.0.1:7060\",outcome=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        let unknown = "tamis_scanner_reputation_server_expected_seconds{server=\"[::1]:7060\"}";
        assert!(!text.contains(unknown), "{text}");
        servers.set(vec![report(one, None)]);
        assert!(!registry.text().unwrap().contains("[::1]"));
    }
}
