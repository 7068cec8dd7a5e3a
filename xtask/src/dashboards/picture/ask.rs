//! Range queries to a Prometheus, over its HTTP API.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Series;

/// Points of a line: as many as a small picture can show.
const STEPS: u64 = 60;
/// Series of one query that are drawn.
const SERIES_MAX: usize = 8;
/// Longest wait for an answer, and its bytes.
const WAIT_MAX: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Whom to ask, and about which time.
pub(super) struct Source {
    address: String,
    end_s: u64,
    step_s: u64,
}

impl Source {
    /// The last `seconds` before now.
    pub(super) fn new(address: &str, seconds: u64) -> Result<Self> {
        let end_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self { address: address.to_owned(), end_s, step_s: (seconds / STEPS).max(1) })
    }

    /// What a query of a panel gives, with what Grafana would put for its variables.
    pub(super) fn range(&self, query: &str, legend: &str) -> Result<Vec<Series>> {
        let query = query
            .replace("$__rate_interval", "15s")
            .replace("$job", ".+")
            .replace("$instance", ".+");
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (start, end, step) = (self.end_s - STEPS * self.step_s, self.end_s, self.step_s);
        let path =
            format!("/api/v1/query_range?query={encoded}&start={start}&end={end}&step={step}");
        let answer: Value = serde_json::from_str(&self.get(&path)?)?;
        ensure!(answer["status"] == "success", "{query}: {answer}");
        let found = answer["data"]["result"].as_array().context("no result")?;
        let series = found.iter().map(|one| Series {
            name: named(legend, &one["metric"]),
            values: values(&one["values"], start, step),
        });
        Ok(series.filter(|it| it.values.iter().any(Option::is_some)).take(SERIES_MAX).collect())
    }

    /// HTTP/1.0, so that the answer comes in one piece and ends with the connection.
    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address).context(self.address.clone())?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        Ok(body.to_owned())
    }
}

/// A legend with the labels of a series in its braces.
fn named(legend: &str, labels: &Value) -> String {
    let mut parts = legend.split("{{");
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (label, rest) = part.split_once("}}").unwrap_or((part, ""));
        name += labels[label].as_str().unwrap_or_default();
        name += rest;
    }
    name
}

/// A value for each step, in the order of time.
fn values(of: &Value, start: u64, step: u64) -> Vec<Option<f64>> {
    let mut values = vec![None; STEPS as usize + 1];
    for pair in of.as_array().into_iter().flatten() {
        let at = pair[0].as_f64().unwrap_or(0.0) as u64;
        let place = at.saturating_sub(start) / step;
        let value = pair[1].as_str().and_then(|text| text.parse::<f64>().ok());
        if let Some(slot) = values.get_mut(place as usize) {
            *slot = value.filter(|value| value.is_finite());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn legends_take_labels_and_values_their_places() {
        let labels = json!({"door": "smtp", "x": "1"});
        assert_eq!(named("{{door}} of {{x}}{{none}}!", &labels), "smtp of 1!");
        assert_eq!(named("p99", &labels), "p99");
        let found = values(&json!([[102.0, "2.5"], [104.0, "NaN"], [9999.0, "1"]]), 100, 2);
        assert_eq!((found.len(), &found[..3]), (61, &[None, Some(2.5), None][..]));
    }
}
