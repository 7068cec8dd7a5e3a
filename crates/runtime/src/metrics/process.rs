//! What the system knows about this process, under the names that every dashboard expects. Read from `/proc` at each
//! scrape; what cannot be read is left out.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::clock;

/// Clock ticks a second in `/proc/self/stat`: what Linux shows to programs on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes the metrics `process_*`.
#[derive(Debug)]
pub(super) struct Process {
    start_seconds: f64,
}

impl Process {
    pub(super) fn started_now() -> Self {
        Self { start_seconds: clock::unix_time().as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut write = |name: &str, help: &str, metric: &dyn Writes| {
            let place = encoder.encode_descriptor(name, help, None, metric.metric_type())?;
            metric.write(place)
        };
        write(
            "process_start_time_seconds",
            "Start of the process, in seconds since 1970",
            &ConstGauge::new(self.start_seconds),
        )?;
        if let Some(seconds) = processor_seconds(&read("/proc/self/stat")) {
            let help = "Processor time used by the process, user and system";
            write("process_cpu_seconds", help, &ConstCounter::new(seconds))?;
        }
        if let Some(bytes) = resident_bytes(&read("/proc/self/status")) {
            let help = "Memory of the process that is in RAM";
            write("process_resident_memory_bytes", help, &ConstGauge::new(bytes))?;
        }
        if let Some(count) = open_descriptors() {
            write("process_open_fds", "Open file descriptors", &ConstGauge::new(count))?;
        }
        if let Some(count) = descriptors_max(&read("/proc/self/limits")) {
            write("process_max_fds", "File descriptors allowed", &ConstGauge::new(count))?;
        }
        Ok(())
    }
}

/// `EncodeMetric` takes `self` by a generic bound; this lets one closure write all kinds.
trait Writes {
    fn metric_type(&self) -> prometheus_client::metrics::MetricType;
    fn write(&self, place: prometheus_client::encoding::MetricEncoder<'_>) -> fmt::Result;
}

impl<T: EncodeMetric> Writes for T {
    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        EncodeMetric::metric_type(self)
    }
    fn write(&self, place: prometheus_client::encoding::MetricEncoder<'_>) -> fmt::Result {
        self.encode(place)
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Fields 14 and 15 of `/proc/self/stat`, proc(5); counted behind the name, which may hold blanks and brackets.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn open_descriptors() -> Option<i64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is the reading itself.
    i64::try_from(entries.saturating_sub(1)).ok()
}

/// How many descriptors this process may have open, as the system says; `None` if it does not say or sets no bound.
#[must_use]
pub fn descriptors_allowed() -> Option<usize> {
    descriptors_max(&read("/proc/self/limits")).and_then(|count| usize::try_from(count).ok())
}

fn descriptors_max(limits: &str) -> Option<i64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_proc_5_describes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(processor_seconds(stat), Some(3.0));
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(
            descriptors_max("Max open files            1024    4096    files\n"),
            Some(1024)
        );
    }

    #[test]
    fn leaves_out_what_it_cannot_read() {
        for text in ["", ")", "7 (a) S 1", "VmRSS: x kB", "VmRSS: 9223372036854775807 kB"] {
            assert_eq!(processor_seconds(text), None, "{text}");
            assert_eq!(resident_bytes(text), None, "{text}");
        }
        assert_eq!(descriptors_max("Max open files unlimited unlimited files"), None);
    }
}
