//! An edge with everything around it.

use std::net::SocketAddr;
use std::sync::Arc;

use tamis_domain::envelope::Door;
use tamis_edge::config::EdgeConfig;
use tamis_edge::{Connector, EdgeParts, Opened};
use tamis_runtime::admin::Readiness;
use tamis_runtime::metrics::Metrics;
use tamis_runtime::shutdown::Shutdown;
use tokio::task::JoinHandle;

use super::hop::Hop;
use super::scanner::Scanner;

pub struct House {
    pub scanners: Vec<Scanner>,
    pub hop: Hop,
    pub metrics: Metrics,
    pub shutdown: Shutdown,
    pub serving: JoinHandle<()>,
    doors: Vec<(Door, SocketAddr)>,
}

/// What a test wants to be different.
pub struct Wish {
    pub scanners: Vec<Scanner>,
    pub hop: Option<Hop>,
    pub config: String,
    /// URLs beside those of `scanners`.
    pub more_urls: Vec<String>,
}

impl House {
    pub async fn with(scanner: Scanner) -> Self {
        Self::open(Wish {
            scanners: vec![scanner],
            hop: None,
            config: String::new(),
            more_urls: vec![],
        })
        .await
    }

    pub async fn configured(scanner: Scanner, hop: Hop, config: &str) -> Self {
        let config = config.to_owned();
        Self::open(Wish { scanners: vec![scanner], hop: Some(hop), config, more_urls: vec![] })
            .await
    }

    pub async fn open(wish: Wish) -> Self {
        let Wish { scanners, hop, config, more_urls } = wish;
        let hop = match hop {
            Some(hop) => hop,
            None => Hop::willing().await,
        };
        let mut urls: Vec<String> =
            scanners.iter().map(|s| format!("http://{}", s.address)).collect();
        urls.extend(more_urls);
        let base = format!(
            "milter = \"127.0.0.1:0\"\nlmtp = \"127.0.0.1:0\"\nsmtp = \"127.0.0.1:0\"\nadmin = \"\"\n\
             scanners = {urls:?}\nhost_name = \"edge.test\"\n"
        );
        let mut table: toml::Table = toml::from_str(&base).unwrap();
        table.insert("next_hop".into(), hop.address.to_string().into());
        table.insert("deadline_ms".into(), 10_000.into());
        table.extend(toml::from_str::<toml::Table>(&config).unwrap());
        let typed: EdgeConfig = table.try_into().unwrap();
        let (metrics, shutdown) = (Metrics::new(), Shutdown::new());
        let parts = EdgeParts {
            scanners: Connector::Addresses(None),
            metrics: metrics.clone(),
            readiness: Readiness::new(shutdown.clone()),
            shutdown: shutdown.clone(),
        };
        let opened = Opened::open(typed.check().unwrap(), parts).await.unwrap();
        let doors = opened.doors().filter_map(|(door, at)| Some((door, at.tcp()?))).collect();
        let serving = tokio::spawn(opened.serve());
        Self { scanners, hop, metrics, shutdown, serving, doors }
    }

    pub fn door(&self, door: Door) -> SocketAddr {
        self.doors.iter().find(|(kind, _)| *kind == door).unwrap().1
    }

    /// The value of one metric line, by its start; 0 if there is none.
    pub fn metric(&self, start: &str) -> u64 {
        let text = self.metrics.text().unwrap();
        let line = text.lines().find(|line| line.starts_with(start));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0) as u64
    }

    /// Waits until a condition holds; the test's own time limit bounds it.
    pub async fn until(&self, holds: impl Fn(&Self) -> bool) {
        while !holds(self) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}

pub type Shared<T> = Arc<std::sync::Mutex<T>>;
