//! The scanners there are: discovery, one channel for each address, and the choice among them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tamis_runtime::clock;
use tamis_runtime::tls::{Renewals, Tls};
use tamis_selector::{Failure, Flight, SERVERS_MAX, Selector, Settings};
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::metrics::{EdgeMetrics, ScannerLabel, ScannerLabels};

/// How often host names are resolved again: a new scanner gets mails within this time.
pub const RESOLVE_EVERY: Duration = Duration::from_secs(5);
/// How long one address may take to connect. Scanners are in the same site; past this another one is asked.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// What one stream may send us ahead: a verdict has kilobytes.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// What all streams of a connection may send us ahead, so that no reader stops the others.
const CONNECTION_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
/// A connection is asked for life this often, so that a host that vanished is noticed while mails wait for it.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// And this long it may take to answer.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// How the edge reaches scanners.
#[derive(Clone, Debug)]
pub enum Connector {
    /// The URLs of the configuration; with certificates for `https`.
    Addresses(Option<Tls>),
    /// A scanner in the same process, over an in-memory pipe: one path, two wires.
    InProcess(Channel),
}

/// One URL of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    url: String,
    host: String,
    port: u16,
    tls: bool,
}

impl Place {
    /// Reads `http://host:port` or `https://host:port`.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().filter(|port| *port != 0)?;
        let whole = matches!(uri.path(), "" | "/") && !host.is_empty();
        whole.then(|| Self { url: url.to_owned(), host, port, tls })
    }

    async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        Ok(found.take(SERVERS_MAX).collect())
    }

    /// A channel to one address of this place. The URL stays the name that certificates and proxies see.
    fn channel(
        &self,
        address: SocketAddr,
        tls: Option<&Tls>,
    ) -> Result<Channel, tonic::transport::Error> {
        let mut endpoint = Endpoint::from_shared(self.url.clone())?
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true);
        if self.tls {
            let config = tls.map_or_else(Default::default, Tls::client);
            endpoint = endpoint.tls_config(config)?;
        }
        let connect = tower::service_fn(move |_: Uri| async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(TokioIo::new(stream))
        });
        Ok(endpoint.connect_with_connector_lazy(connect))
    }
}

/// Name of a scanner in logs and metrics: its address.
pub type Name = Arc<str>;

/// All scanners known now.
#[derive(Debug)]
pub struct Scanners {
    places: Vec<Place>,
    tls: Option<Tls>,
    metrics: EdgeMetrics,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    selector: Selector<Name>,
    channels: HashMap<Name, Channel>,
    /// What each place resolved to last: kept when a later look-up fails.
    resolved: Vec<Vec<SocketAddr>>,
}

/// What becomes of the channels of scanners that are known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channels {
    Kept,
    New,
}

/// A scanner chosen for one question. Dropped without a word it counts as given up, outcome unknown.
#[derive(Debug)]
pub struct Chosen {
    /// Which.
    pub name: Name,
    /// The way to it.
    pub channel: Channel,
    flight: Option<Flight>,
    scanners: Arc<Scanners>,
}

impl Scanners {
    /// The scanners of `urls`, or the one in this process.
    #[must_use]
    pub fn new(connector: Connector, urls: &[String], metrics: EdgeMetrics) -> Arc<Self> {
        // Mails are not sent twice to save time: a second judgement costs a scanner as much as the first.
        let settings = Settings { extra_per_mille: 0, ..Settings::streams() };
        let mut selector = Selector::new(settings);
        let mut channels = HashMap::new();
        let (places, tls) = match connector {
            Connector::InProcess(channel) => {
                let name: Name = "in-process".into();
                selector.update(std::slice::from_ref(&name), clock::now());
                channels.insert(name, channel);
                (Vec::new(), None)
            }
            Connector::Addresses(tls) => {
                (urls.iter().filter_map(|url| Place::parse(url)).collect(), tls)
            }
        };
        let resolved = vec![Vec::new(); places.len()];
        let state = Mutex::new(State { selector, channels, resolved });
        Arc::new(Self { places, tls, metrics, state })
    }

    /// What is counted of them.
    #[must_use]
    pub fn metrics(&self) -> &EdgeMetrics {
        &self.metrics
    }

    /// How many are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state().channels.len()
    }

    /// Resolves the places again and again, and connects anew when the certificates change, until dropped.
    pub async fn keep_fresh(self: Arc<Self>) {
        let all_fixed = self.places.iter().all(|place| place.host.parse::<IpAddr>().is_ok());
        let mut renewals = self.tls.as_ref().map(Tls::renewals);
        if all_fixed && renewals.is_none() {
            return;
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(RESOLVE_EVERY), if !all_fixed => self.refresh().await,
                () = changed(&mut renewals) => self.reconnect(),
            }
        }
    }

    /// New channels to all scanners: mails in hand end over the old ones, which hold the old certificate.
    fn reconnect(&self) {
        self.adopt(vec![None; self.places.len()], Channels::New);
    }

    /// Resolves the places once. A place that cannot be resolved keeps its last addresses: a name server that is out
    /// takes no scanner away.
    pub async fn refresh(&self) {
        if self.places.is_empty() {
            return;
        }
        let mut found = Vec::new();
        for place in &self.places {
            let result = place.resolve().await;
            if let Err(error) = &result {
                tracing::warn!(host = place.host, %error, "a scanner's host name cannot be resolved");
            }
            found.push(result.ok().filter(|addresses| !addresses.is_empty()));
        }
        self.adopt(found, Channels::Kept);
    }

    fn adopt(&self, found: Vec<Option<Vec<SocketAddr>>>, channels: Channels) {
        let mut state = self.state();
        for (last, now) in state.resolved.iter_mut().zip(found) {
            if let Some(addresses) = now {
                *last = addresses;
            }
        }
        let mut names: Vec<Name> = Vec::new();
        let mut fresh = HashMap::new();
        for (place, addresses) in self.places.iter().zip(state.resolved.clone()) {
            for address in addresses {
                let name: Name = address.to_string().into();
                if fresh.contains_key(&name) || names.len() == SERVERS_MAX {
                    continue;
                }
                let known = state.channels.get(&name).filter(|_| channels == Channels::Kept);
                let channel = match known {
                    Some(channel) => channel.clone(),
                    None => match place.channel(address, self.tls.as_ref()) {
                        Ok(channel) => channel,
                        Err(error) => {
                            tracing::error!(url = place.url, %error, "a scanner cannot be used");
                            continue;
                        }
                    },
                };
                fresh.insert(name.clone(), channel);
                names.push(name);
            }
        }
        for gone in state.channels.keys().filter(|name| !fresh.contains_key(*name)) {
            self.forget_metrics(gone);
        }
        let changes = state.selector.update(&names, clock::now());
        if changes.added + changes.removed > 0 {
            let (added, removed) = (changes.added, changes.removed);
            tracing::info!(scanners = names.len(), added, removed, "scanners found");
        }
        state.channels = fresh;
    }

    /// Chooses a scanner that is none of `tried`. `None`: none is left.
    pub fn choose(self: &Arc<Self>, tried: &[Name]) -> Option<Chosen> {
        let now = clock::now();
        let seed = crate::mail::random();
        let mut state = self.state();
        let name = match tried {
            [] => state.selector.choose(now, seed)?.server,
            _ => state.selector.choose_another(tried, now, seed)?,
        };
        let flight = state.selector.sent(&name, now);
        let channel = state.channels.get(&name)?.clone();
        Some(Chosen { name, channel, flight, scanners: self.clone() })
    }

    fn forget_metrics(&self, name: &Name) {
        self.metrics.scanner_seconds.remove(&ScannerLabel { scanner: name.to_string() });
        for outcome in OUTCOMES {
            let labels = ScannerLabels { scanner: name.to_string(), outcome };
            self.metrics.scanner_questions.remove(&labels);
        }
    }

    fn count_question(&self, name: &Name, outcome: &'static str) {
        let labels = ScannerLabels { scanner: name.to_string(), outcome };
        self.metrics.scanner_questions.get_or_create(&labels).inc();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the next change of the certificates, for ever where there are none.
async fn changed(renewals: &mut Option<Renewals>) {
    match renewals {
        Some(renewals) => renewals.changed().await,
        None => std::future::pending().await,
    }
}

const OUTCOMES: [&str; 5] = ["answered", "timeout", "refused", "error", "abandoned"];

impl Chosen {
    /// It judged, and `time` of the dialogue was its own.
    pub fn answered(mut self, time: Duration) {
        if let Some(flight) = self.flight.take() {
            self.scanners.state().selector.answered_in(flight, time, clock::now());
        }
        let label = ScannerLabel { scanner: self.name.to_string() };
        let seconds = &self.scanners.metrics.scanner_seconds;
        seconds.get_or_create(&label).observe(time.as_secs_f64());
        self.scanners.count_question(&self.name, "answered");
    }

    /// It did not judge.
    pub fn failed(mut self, failure: Failure) {
        if let Some(flight) = self.flight.take() {
            self.scanners.state().selector.failed(flight, failure, clock::now());
        }
        let outcome = match failure {
            Failure::Timeout => "timeout",
            Failure::Refused => "refused",
            Failure::Error => "error",
        };
        self.scanners.count_question(&self.name, outcome);
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        if let Some(flight) = self.flight.take() {
            self.scanners.state().selector.abandoned(flight, clock::now());
            self.scanners.count_question(&self.name, "abandoned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tamis_runtime::metrics::Metrics;

    fn scanners(urls: &[&str]) -> Arc<Scanners> {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        let metrics = EdgeMetrics::register(&Metrics::new());
        Scanners::new(Connector::Addresses(None), &urls, metrics)
    }

    #[test]
    fn urls_name_scheme_host_and_port_and_nothing_else() {
        for good in ["http://127.0.0.1:7062", "https://scanner.mail.svc:7062/", "http://[::1]:1"] {
            assert!(Place::parse(good).is_some(), "{good}");
        }
        for bad in
            ["scanner:7062", "http://scanner", "ftp://a:1", "http://a:1/path", "", "http://:1"]
        {
            assert!(Place::parse(bad).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn each_scanner_is_chosen_once_for_a_mail_however_badly_it_stands() {
        let three = scanners(&[
            "http://127.0.0.1:1",
            "http://127.0.0.1:2",
            "http://127.0.0.1:2",
            "http://127.0.0.1:3",
        ]);
        three.refresh().await;
        assert_eq!(three.count(), 3, "an address counts once");
        for _ in 0..20 {
            let mut tried: Vec<Name> = Vec::new();
            while let Some(chosen) = three.choose(&tried) {
                assert!(!tried.contains(&chosen.name));
                tried.push(chosen.name.clone());
                chosen.failed(Failure::Error);
            }
            assert_eq!(tried.len(), 3);
        }
    }

    #[tokio::test]
    async fn a_failed_look_up_takes_no_scanner_away() {
        let pool = scanners(&["http://scanner.test:7062"]);
        let address = "192.0.2.7:7062".parse().unwrap();
        pool.adopt(vec![Some(vec![address])], Channels::Kept);
        pool.adopt(vec![None], Channels::Kept);
        assert_eq!(pool.count(), 1);
        pool.adopt(vec![None], Channels::New);
        assert_eq!(pool.count(), 1);
        assert!(scanners(&["http://scanner.test:7062"]).choose(&[]).is_none());
    }
}
