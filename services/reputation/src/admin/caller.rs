//! Who calls, and what they may do.

use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tamis_reputation_protocol::signatures::Authority;
use tonic::transport::server::TlsConnectInfo;
use tonic::{Request, Status};

use super::Admin;
use super::connection::Caller;
use crate::reporters::Reporter;

/// Why nobody from elsewhere is let in where there are no tokens.
const LOCAL_ONLY: &str = "only callers on the machine of the service may write or ask why: it has no file of reporters ([reputation] reporters)";

impl Admin {
    /// Who writes: by token where there is a file of reporters, else by name from this machine alone.
    pub(super) fn caller<T>(&self, request: &Request<T>, named: &str) -> Result<Reporter, Status> {
        let Some(reporters) = &self.reporters else {
            if is_local(request) {
                return Ok(Reporter { name: named.to_owned(), authority: Authority::Operator });
            }
            return Err(Status::permission_denied(LOCAL_ONLY));
        };
        let shown = request.metadata().get("authorization");
        let shown = shown.ok_or_else(|| {
            Status::unauthenticated("no token: send authorization: Bearer <token>")
        })?;
        let token = shown.to_str().ok().and_then(|shown| shown.strip_prefix("Bearer "));
        let caller = token.and_then(|token| reporters.by_token(token.trim()));
        let caller =
            caller.ok_or_else(|| Status::unauthenticated("this token belongs to no reporter"))?;
        if !named.is_empty() && named != caller.name {
            return Err(Status::invalid_argument(format!(
                "reporter: the token belongs to {}: leave the name out or give that one",
                caller.name
            )));
        }
        Ok(caller)
    }

    /// What a person should know, for who shows a token or is on this machine: it names peers and paths. Others learn
    /// how much there is.
    pub(super) fn warnings_for<T>(&self, request: &Request<T>) -> Vec<String> {
        let warnings = self.shared.warnings();
        if warnings.is_empty() || is_local(request) || self.caller(request, "").is_ok() {
            return warnings;
        }
        vec![format!("{} told on the machine of the service or for a token", warnings.len())]
    }

    /// Lets only nodes of the service through: over TLS those whose certificate is for a name of a peer, else this machine.
    pub(super) fn peer_only<T>(&self, request: &Request<T>) -> Result<(), Status> {
        if !self.has_tls {
            return if is_local(request) {
                Ok(())
            } else {
                let why = "snapshots go over mutual TLS or to this machine only";
                Err(Status::permission_denied(why))
            };
        }
        let shown = request.extensions().get::<TlsConnectInfo<Caller>>();
        let certificates = shown.and_then(TlsConnectInfo::peer_certs);
        let own = certificates.as_ref().and_then(|certificates| certificates.first());
        if own.is_some_and(|own| is_for_one_of(own, &self.peer_names)) {
            return Ok(());
        }
        Err(Status::permission_denied(
            "snapshots go to peers only: the certificate that was shown is for no name of [reputation] peers or peer_names",
        ))
    }
}

/// Whether a certificate is for one of these names or addresses (RFC 6125: the subject's alternative names alone count).
fn is_for_one_of(certificate: &CertificateDer<'_>, names: &[String]) -> bool {
    let Ok(certificate) = ParsedCertificate::try_from(certificate) else { return false };
    names.iter().any(|name| {
        let name = ServerName::try_from(name.as_str());
        name.is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    })
}

/// Whether the caller is on this machine, or in this process.
fn is_local<T>(request: &Request<T>) -> bool {
    connection(request).is_none_or(|caller| caller.peer.is_local())
}

/// The connection that a request came over; none: it came from this process.
pub(super) fn connection<T>(request: &Request<T>) -> Option<&Caller> {
    let extensions = request.extensions();
    let plain = extensions.get::<Caller>();
    plain.or_else(|| extensions.get::<TlsConnectInfo<Caller>>().map(TlsConnectInfo::get_ref))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tamis_reputation_protocol::signatures::{Rules, Table};
    use tamis_runtime::listen::Peer;
    use tamis_runtime::shutdown::Shutdown;
    use tonic::Code;

    use super::*;
    use crate::metrics::Metrics;
    use crate::shared::Shared;
    use crate::writes::Writes;

    fn admin() -> Admin {
        let registry = tamis_runtime::metrics::Metrics::new();
        let shared = Arc::new(Shared::new(Table::new(Rules::default()), Metrics::new(&registry)));
        let (writes, _) = Writes::start(Arc::clone(&shared), None).unwrap();
        Admin {
            shared,
            writes,
            reporters: None,
            snapshots: None,
            watch: None,
            has_tls: false,
            peer_names: Vec::new(),
        }
    }

    fn from(address: &str) -> Request<()> {
        let mut request = Request::new(());
        let peer = Peer::Tcp(address.parse().unwrap());
        request.extensions_mut().insert(Caller { peer, cut: Shutdown::new() });
        request
    }

    #[tokio::test]
    async fn what_is_wrong_is_told_on_this_machine_and_counted_elsewhere() {
        let admin = admin();
        assert!(admin.warnings_for(&from("192.0.2.7:9")).is_empty());
        let warning = "peer rep2.example:7063 keeps another range".to_owned();
        admin.shared.warn(warning.clone());
        assert_eq!(admin.warnings_for(&from("127.0.0.1:9")), [warning]);
        let [told] = &admin.warnings_for(&from("192.0.2.7:9"))[..] else { panic!("one line") };
        assert!(told.starts_with("1 ") && !told.contains("rep2"), "{told}");
    }

    #[tokio::test]
    async fn without_tokens_and_certificates_only_this_machine_asks_why_writes_and_fetches() {
        let admin = admin();
        for (address, is_let_in) in
            [("127.0.0.1:9", true), ("[::1]:9", true), ("192.0.2.7:9", false)]
        {
            let caller = admin.caller(&from(address), "desk");
            assert_eq!(caller.is_ok(), is_let_in, "{address}");
            let refused = caller.err().map(|status| status.code());
            assert!(refused.is_none_or(|code| code == Code::PermissionDenied));
            assert_eq!(admin.peer_only(&from(address)).is_ok(), is_let_in, "{address}");
        }
        assert!(admin.caller(&Request::new(()), "desk").is_ok(), "from within this process");
    }
}
