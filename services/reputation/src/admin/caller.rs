//! Who calls, and what they may do.

use tamis_reputation_protocol::signatures::Authority;
use tamis_runtime::listen::Peer;
use tonic::transport::server::TlsConnectInfo;
use tonic::{Request, Status};

use super::Admin;
use crate::reporters::Reporter;

impl Admin {
    /// Who writes: by token where there is a file of reporters, else by name from this machine alone.
    pub(super) fn caller<T>(&self, request: &Request<T>, named: &str) -> Result<Reporter, Status> {
        let Some(reporters) = &self.reporters else {
            if is_local(request) {
                return Ok(Reporter { name: named.to_owned(), authority: Authority::Operator });
            }
            return Err(Status::permission_denied(
                "only callers on the machine of the service may write: it has no file of reporters ([reputation] reporters)",
            ));
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

    /// Lets only nodes of the service through: they show a certificate, or are on this machine.
    pub(super) fn peer_only<T>(&self, request: &Request<T>) -> Result<(), Status> {
        // With TLS, every connection showed a certificate of our authority.
        if self.has_tls || is_local(request) {
            return Ok(());
        }
        Err(Status::permission_denied("snapshots go over mutual TLS or to this machine only"))
    }
}

/// Whether the caller is on this machine, or in this process.
fn is_local<T>(request: &Request<T>) -> bool {
    let extensions = request.extensions();
    let peer = extensions.get::<Peer>().copied();
    let peer = peer.or_else(|| extensions.get::<TlsConnectInfo<Peer>>().map(|tls| *tls.get_ref()));
    peer.is_none_or(|peer| peer.is_local())
}
