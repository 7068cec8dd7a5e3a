//! The gRPC side of learning: who may teach, how much at once, and what became of it.

use std::sync::Arc;

use tamis_learning::knowledge::{Class, Outcome};
use tamis_proto::learning as wire;
use tamis_proto::learning::learning_server::{Learning as LearningService, LearningServer};
use tamis_runtime::listen::Peer;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TlsConnectInfo;
use tonic::{Request, Response, Status};

use crate::Scanner;
use crate::learning::{Learning, Token, Untaught};

/// Bytes of one mail that is learned: what people report is shorter, and its words stand at the beginning.
pub const MAIL_BYTES_MAX: usize = 16 << 20;

/// Bytes of one request: a mail and its frame.
const REQUEST_BYTES_MAX: usize = MAIL_BYTES_MAX + 4096;

/// Why nobody from elsewhere may teach where there is no token.
const LOCAL_ONLY: &str =
    "only programs on the scanner's machine may teach: it has no [scanner.learning] token_file";

/// The gRPC service of learning.
#[derive(Clone, Debug)]
pub struct Teaching(Arc<Scanner>);

/// Stands before it: who may not teach, or comes when too many are teaching, is sent away before a mail of his is read.
#[derive(Clone, Debug)]
pub struct Gate(Teaching);

/// The service to add to a tonic server.
#[must_use]
pub fn service(scanner: Arc<Scanner>) -> InterceptedService<LearningServer<Teaching>, Gate> {
    let teaching = Teaching(scanner);
    let server = LearningServer::new(teaching.clone()).max_decoding_message_size(REQUEST_BYTES_MAX);
    InterceptedService::new(server, Gate(teaching))
}

impl Interceptor for Gate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let busy = || Status::resource_exhausted("too many mails are being learned: come again");
        let room = self.0.permitted(&request)?.room().ok_or_else(busy)?;
        // It is held as long as the request lives.
        request.extensions_mut().insert(Arc::new(room));
        Ok(request)
    }
}

/// The service itself, for a caller in this process.
#[must_use]
pub fn teaching(scanner: &Arc<Scanner>) -> Teaching {
    Teaching(Arc::clone(scanner))
}

#[tonic::async_trait]
impl LearningService for Teaching {
    async fn learn(
        &self,
        request: Request<wire::LearnRequest>,
    ) -> Result<Response<wire::LearnResponse>, Status> {
        let learning = self.permitted(&request)?;
        let (_, _room, request) = request.into_parts();
        let class = class(&request)?;
        done(learning, request.mail, Some(class), &request.recipient).await
    }

    async fn unlearn(
        &self,
        request: Request<wire::UnlearnRequest>,
    ) -> Result<Response<wire::LearnResponse>, Status> {
        let learning = self.permitted(&request)?;
        let (_, _room, request) = request.into_parts();
        done(learning, request.mail, None, &request.recipient).await
    }
}

impl Teaching {
    fn permitted<T>(&self, request: &Request<T>) -> Result<&Learning, Status> {
        let Some(learning) = &self.0.learning else {
            let why = "this scanner does not learn: set [scanner.learning] directory or redis";
            return Err(Status::failed_precondition(why));
        };
        let Some(wanted) = learning.token() else {
            return match is_local(request) {
                true => Ok(learning),
                false => Err(Status::permission_denied(LOCAL_ONLY)),
            };
        };
        let shown = request.metadata().get("authorization").and_then(|shown| shown.to_str().ok());
        let shown = shown.and_then(|shown| shown.strip_prefix("Bearer ")).ok_or_else(|| {
            Status::unauthenticated("no token: send authorization: Bearer <token>")
        })?;
        match Token::new(shown.trim()) == *wanted {
            true => Ok(learning),
            false => Err(Status::unauthenticated("this token may not teach")),
        }
    }
}

/// The class that is taught.
///
/// # Errors
/// The caller's: none, or one that is unknown.
pub fn class(request: &wire::LearnRequest) -> Result<Class, Status> {
    match request.class() {
        wire::Class::Spam => Ok(Class::Spam),
        wire::Class::Ham => Ok(Class::Ham),
        wire::Class::Unspecified => Err(Status::invalid_argument("class: write spam or ham")),
    }
}

async fn done(
    learning: &Learning,
    mail: Vec<u8>,
    class: Option<Class>,
    recipient: &str,
) -> Result<Response<wire::LearnResponse>, Status> {
    if mail.is_empty() || mail.len() > MAIL_BYTES_MAX {
        let message = format!("mail: write 1 to {MAIL_BYTES_MAX} bytes");
        return Err(Status::invalid_argument(message));
    }
    let taught = learning.teach(mail, class, recipient).await;
    let (outcome, seen) = taught.map_err(|untaught| match untaught {
        Untaught::Store => Status::unavailable(untaught.to_string()),
        Untaught::Unreadable | Untaught::Domain => Status::invalid_argument(untaught.to_string()),
    })?;
    tracing::info!(?outcome, class = class.map(Class::word), "mail taught");
    Ok(Response::new(wire::LearnResponse {
        outcome: to_wire(outcome).into(),
        spam: seen.totals.spam.into(),
        ham: seen.totals.ham.into(),
    }))
}

const fn to_wire(outcome: Outcome) -> wire::Outcome {
    match outcome {
        Outcome::Learned => wire::Outcome::Learned,
        Outcome::Moved => wire::Outcome::Moved,
        Outcome::Known => wire::Outcome::Known,
        Outcome::Unlearned => wire::Outcome::Unlearned,
        Outcome::Unknown => wire::Outcome::Unknown,
    }
}

/// Whether the caller is on this machine; who he is must be known.
fn is_local<T>(request: &Request<T>) -> bool {
    let extensions = request.extensions();
    let plain = extensions.get::<Peer>();
    let peer =
        plain.or_else(|| extensions.get::<TlsConnectInfo<Peer>>().map(TlsConnectInfo::get_ref));
    peer.is_some_and(Peer::is_local)
}

#[cfg(test)]
mod tests;
