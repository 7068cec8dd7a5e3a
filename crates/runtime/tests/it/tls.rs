//! Mutual TLS over a real loopback socket, with certificates made by `openssl` for each run.

use std::path::{Path, PathBuf};
use std::process::Command;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tamis_runtime::config::ConfigError;
use tamis_runtime::listen::ListenAddress;
use tamis_runtime::listen::{Listener, Peer};
use tamis_runtime::shutdown::Shutdown;
use tamis_runtime::tls::{PEM_BYTES_MAX, Tls, TlsConfig, serve_in_turns};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Server};
use tonic::{Request, Response, Status};

fn openssl(arguments: &str, directory: &Path) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .expect("this test needs the program openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate for `localhost` that it signed.
fn certificates(directory: &Path) -> TlsConfig {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("req -x509 {key} -subj /CN=ca -keyout ca.key -out ca.pem"), directory);
    openssl(
        &format!(
            "req -x509 {key} -subj /CN=node -addext subjectAltName=DNS:localhost \
             -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key \
             -keyout node.key -out node.pem"
        ),
        directory,
    );
    TlsConfig {
        certificate: directory.join("node.pem"),
        key: directory.join("node.key"),
        authority: directory.join("ca.pem"),
        ..TlsConfig::default()
    }
}

struct Service;

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match request.extensions().get::<Peer>() {
            Some(peer) if peer.is_local() => Ok(Response::new(Default::default())),
            other => Err(Status::internal(format!("peer {other:?}"))),
        }
    }
}

async fn call(port: u16, tls: ClientTlsConfig) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("https://localhost:{port}")).unwrap();
    let channel =
        endpoint.tls_config(tls).unwrap().connect().await.map_err(|e| format!("{e:?}"))?;
    let mut client = TraceServiceClient::new(channel);
    let answer = client.export(ExportTraceServiceRequest::default()).await;
    answer.map(drop).map_err(|status| format!("{status:?}"))
}

#[tokio::test]
async fn only_who_shows_a_certificate_of_our_authority_is_served() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tls = certificates(ours.path()).load().unwrap().unwrap();
    let strangers = certificates(theirs.path());
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.tcp_address().unwrap().port();
    let server = tokio::spawn(
        Server::builder()
            .tls_config(tls.server())
            .unwrap()
            .add_service(TraceServiceServer::new(Service))
            .serve_with_incoming(listener.incoming()),
    );

    call(port, tls.client()).await.unwrap();

    let authority = Certificate::from_pem(std::fs::read(ours.path().join("ca.pem")).unwrap());
    let nameless = ClientTlsConfig::new().ca_certificate(authority);
    assert!(call(port, nameless).await.is_err(), "no certificate, no service");
    let stranger = TlsConfig { authority: ours.path().join("ca.pem"), ..strangers.clone() };
    let stranger = stranger.load().unwrap().unwrap().client();
    assert!(call(port, stranger).await.is_err(), "a certificate of another authority");
    let misled = TlsConfig { authority: strangers.authority, ..certificates(ours.path()) };
    let misled = misled.load().unwrap().unwrap().client();
    assert!(call(port, misled).await.is_err(), "a server of another authority");
    let named = TlsConfig { server_name: "scanner.test".into(), ..certificates(ours.path()) };
    let named = named.load().unwrap().unwrap().client();
    assert!(call(port, named).await.is_err(), "a server of another name");
    server.abort();
}

#[test]
fn three_files_or_none_and_each_of_its_kind() {
    assert!(TlsConfig::default().load().unwrap().is_none());
    let directory = tempfile::tempdir().unwrap();
    let good = certificates(directory.path());
    let table = [
        (
            TlsConfig { key: PathBuf::new(), ..good.clone() },
            "[tls] key must be named too: services show each other their certificates",
        ),
        (
            TlsConfig { certificate: good.certificate.clone(), ..TlsConfig::default() },
            "[tls] key and authority must be named too: services show each other their certificates",
        ),
        (TlsConfig { certificate: good.key.clone(), ..good.clone() }, "kind CERTIFICATE"),
        (TlsConfig { key: good.certificate.clone(), ..good.clone() }, "kind PRIVATE KEY"),
        (TlsConfig { authority: directory.path().join("none"), ..good.clone() }, "cannot be read"),
    ];
    for (config, words) in table {
        let error = config.load().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_bundle_of_the_longest_size_is_read_and_one_byte_more_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let good = certificates(directory.path());
    let bundle = directory.path().join("bundle.pem");
    let mut text = std::fs::read(&good.authority).unwrap();
    text.resize(PEM_BYTES_MAX, b'\n');
    std::fs::write(&bundle, &text).unwrap();
    let config = TlsConfig { authority: bundle.clone(), ..good };
    assert!(config.load().is_ok());
    text.push(b'\n');
    std::fs::write(&bundle, &text).unwrap();
    assert!(matches!(config.load(), Err(ConfigError::TooLong { .. })));
}

#[test]
fn plain_text_stays_on_this_machine_unless_somebody_wrote_otherwise() {
    let permitted = |config: &TlsConfig, address: &str| {
        config.permit("scanner", "listen", &address.parse().unwrap())
    };
    let plain = TlsConfig::default();
    for address in ["", "127.0.0.1:7062", "[::1]:7062", "unix:/run/scanner.sock"] {
        permitted(&plain, address).unwrap();
    }
    for address in ["0.0.0.0:7062", "[::]:7062", "192.0.2.1:7062"] {
        let error = permitted(&plain, address).unwrap_err();
        assert!(matches!(error, ConfigError::Meaning { .. }));
        let start = format!("[scanner] listen = \"{address}\" can be reached from other machines");
        assert!(error.to_string().starts_with(&start), "{error}");
        permitted(&TlsConfig { insecure: true, ..TlsConfig::default() }, address).unwrap();
        permitted(&TlsConfig { certificate: "c.pem".into(), ..TlsConfig::default() }, address)
            .unwrap();
    }
}

/// A door whose certificates may change, at a port.
async fn door(tls: &Tls, shutdown: &Shutdown) -> (u16, tokio::task::JoinHandle<()>) {
    let any: ListenAddress = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(&any).await.unwrap();
    let port = listener.tcp_address().unwrap().port();
    let (tls, shutdown) = (tls.clone(), shutdown.clone());
    let serving = tokio::spawn(async move {
        let served = serve_in_turns(listener, Some(&tls), |incoming, tls| {
            let shutdown = shutdown.clone();
            async move {
                let mut server = Server::builder().tls_config(tls.unwrap())?;
                server
                    .add_service(TraceServiceServer::new(Service))
                    .serve_with_incoming_shutdown(
                        incoming,
                        async move { shutdown.requested().await },
                    )
                    .await
            }
        });
        served.await.unwrap();
    });
    (port, serving)
}

/// Calls without a pause over one channel that connects again by itself, until told to end; how many went well.
async fn caller(channel: Channel, end: Shutdown) -> Result<usize, String> {
    let mut client = TraceServiceClient::new(channel);
    let mut calls = 0;
    while !end.is_requested() {
        let answer = client.export(ExportTraceServiceRequest::default()).await;
        answer.map_err(|status| format!("call {calls}: {status:?}"))?;
        calls += 1;
    }
    Ok(calls)
}

/// Copies the three files of another configuration over ours, the key last.
fn rotate(ours: &TlsConfig, from: &TlsConfig) {
    std::fs::copy(&from.authority, &ours.authority).unwrap();
    std::fs::copy(&from.certificate, &ours.certificate).unwrap();
    std::fs::copy(&from.key, &ours.key).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_rotated_under_load_and_no_call_fails() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = certificates(ours.path());
    let tls = config.load().unwrap().unwrap();
    let shutdown = Shutdown::new();
    let (port, serving) = door(&tls, &shutdown).await;
    let url = format!("https://localhost:{port}");
    let endpoint = Endpoint::from_shared(url).unwrap().tls_config(tls.client()).unwrap();
    let end = Shutdown::new();
    let callers: Vec<_> =
        (0..4).map(|_| tokio::spawn(caller(endpoint.connect_lazy(), end.clone()))).collect();
    for turn in 0..3 {
        certificates(&theirs.path().join(".")); // another authority each time
        // What the callers show and trust stays good: the same certificate beside a new authority.
        let mut bundle = std::fs::read(&config.authority).unwrap();
        bundle.extend(std::fs::read(theirs.path().join("ca.pem")).unwrap());
        std::fs::write(&config.authority, bundle).unwrap();
        assert!(tls.renew().unwrap(), "turn {turn}");
        let newcomer = TlsConfig {
            authority: config.authority.clone(),
            ..TlsConfig {
                certificate: theirs.path().join("node.pem"),
                key: theirs.path().join("node.key"),
                ..TlsConfig::default()
            }
        };
        let newcomer = newcomer.load().unwrap().unwrap().client();
        // Taken as soon as the new server accepts, which is before the next look at the socket.
        let came = async { while call(port, newcomer.clone()).await.is_err() {} };
        tokio::time::timeout(std::time::Duration::from_secs(20), came).await.expect("it is let in");
    }
    end.request();
    for caller in callers {
        let calls = caller.await.unwrap().unwrap();
        assert!(calls > 3, "{calls}");
    }
    shutdown.request();
    serving.await.unwrap();
}

#[tokio::test]
async fn what_does_not_fit_together_changes_nothing_until_it_does() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = certificates(ours.path());
    let others = certificates(theirs.path());
    let tls = config.load().unwrap().unwrap();
    let shutdown = Shutdown::new();
    let (port, _serving) = door(&tls, &shutdown).await;
    let old = tls.client();
    assert!(!tls.renew().unwrap(), "nothing has changed");
    std::fs::copy(&others.certificate, &config.certificate).unwrap();
    let error = tls.renew().unwrap_err().to_string();
    assert!(error.contains("do not fit together"), "{error}");
    call(port, old.clone()).await.unwrap();
    std::fs::remove_file(&config.key).unwrap();
    assert!(tls.renew().is_err());
    call(port, old.clone()).await.unwrap();
    rotate(&config, &others);
    assert!(tls.renew().unwrap());
    let mut renewals = tls.renewals();
    call(port, tls.client()).await.unwrap();
    assert!(call(port, old).await.is_err(), "the authority of before is trusted no more");
    let quiet = tokio::time::timeout(std::time::Duration::ZERO, renewals.changed());
    assert!(quiet.await.is_err(), "told once");
}
