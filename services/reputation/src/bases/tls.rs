//! QUIC with the certificates of `[tls]`: both ends show one that the same authority signed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tamis_bases::messages::ALPN;
use tamis_runtime::exit::Failure;
use tamis_runtime::tls::TlsConfig;

/// Streams of one subscriber in work at the publisher: the subscription, and asks. Each holds one chunk.
pub const STREAMS_MAX: u32 = 8;

/// Manifests on their way to one subscriber. One is sent after the other.
const PUSHES_MAX: u32 = 4;

/// A connection that is silent for so long is dead.
const IDLE_MAX_MS: u32 = 30_000;

/// Between two signs of life of a subscriber with nothing to ask.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Bytes on their way to one subscriber.
const SEND_BYTES_MAX: u64 = 1 << 20;

/// Bytes that a subscriber lets come: of one stream, and in all.
const STREAM_RECEIVE_BYTES_MAX: u32 = 1 << 20;
const RECEIVE_BYTES_MAX: u32 = 4 << 20;

/// Bytes that a publisher lets come: it only ever reads short messages.
const ASK_RECEIVE_BYTES_MAX: u32 = 16 * 1024;

/// Both ends, from one set of files.
#[derive(Clone, Debug)]
pub struct Quic {
    /// For subscribers that come.
    pub server: ServerConfig,
    /// For the upstream.
    pub client: ClientConfig,
    /// The name to expect in the upstream's certificate; empty: its host.
    pub server_name: String,
}

impl Quic {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that cannot be used: the fault of who configured them.
    pub fn load(config: &TlsConfig) -> Result<Self, Failure> {
        // Says in plain words what is missing, and that each file is bounded and of its kind.
        if config.load()?.is_none() {
            return Err(Failure::configuration(
                "[bases] listen and upstream speak QUIC, which needs certificates",
                "Name certificate, key and authority in [tls].",
            ));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let server = server(config, &provider).map_err(unusable)?;
        let client = client(config, &provider).map_err(unusable)?;
        Ok(Self { server, client, server_name: config.server_name.clone() })
    }
}

fn unusable(error: anyhow::Error) -> Failure {
    Failure::configuration(format!("[tls]: {error:#}"), "Check certificate, key and authority.")
}

fn server(config: &TlsConfig, provider: &Arc<CryptoProvider>) -> anyhow::Result<ServerConfig> {
    let roots = Arc::new(roots(&config.authority)?);
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider)).build()?;
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(&config.certificate)?, key(&config.key)?)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut transport = transport();
    transport
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(ASK_RECEIVE_BYTES_MAX.into())
        .receive_window(ASK_RECEIVE_BYTES_MAX.into())
        .send_window(SEND_BYTES_MAX);
    let mut server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    server.transport_config(Arc::new(transport));
    Ok(server)
}

fn client(config: &TlsConfig, provider: &Arc<CryptoProvider>) -> anyhow::Result<ClientConfig> {
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(&config.authority)?)
        .with_client_auth_cert(chain(&config.certificate)?, key(&config.key)?)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut transport = transport();
    transport
        .max_concurrent_bidi_streams(0_u32.into())
        .max_concurrent_uni_streams(PUSHES_MAX.into())
        .stream_receive_window(STREAM_RECEIVE_BYTES_MAX.into())
        .receive_window(RECEIVE_BYTES_MAX.into())
        .keep_alive_interval(Some(KEEP_ALIVE));
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    client.transport_config(Arc::new(transport));
    Ok(client)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_MAX_MS))))
        .datagram_receive_buffer_size(None);
    transport
}

fn roots(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?)
}

fn key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    Ok(PrivateKeyDer::from_pem_file(path)?)
}
