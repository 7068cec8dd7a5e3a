//! `tamis probe`: how a process of ours on this machine is, for supervisors.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use tamis_domain::digest::{Signature, SignatureKind};
use tamis_reputation_protocol::packet::{self, Item, Reply};
use tamis_runtime::exit::Failure;
use tamis_runtime::probe::{self, Question, reachable};

use crate::cli::{Asked, Probe};

/// Questions before the service counts as silent; the first may be met with a challenge, another be lost.
const TRIES: u64 = 3;

/// Longest wait for one answer: three of them stay below the second that Kubernetes grants a probe.
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks; no is a failure that may pass, exit status 75.
pub fn run(options: &Probe) -> Result<(), Failure> {
    let question = match options.what {
        Asked::Live => Question::Live,
        Asked::Ready => Question::Ready,
    };
    let no = |no: String| Failure::temporary(no, "");
    probe::ask(&options.at, question).map_err(|error| no(error.to_string()))?;
    options.udp.map_or(Ok(()), |at| answers(at).map_err(no))
}

/// Whether questions over UDP are answered: asks for a signature that nobody lists.
fn answers(at: SocketAddr) -> Result<(), String> {
    let at = reachable(at);
    let own = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let open = || {
        let socket = UdpSocket::bind(own)?;
        socket.connect(at)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok::<_, std::io::Error>(socket)
    };
    let socket = open().map_err(|error| format!("{at}: {error}"))?;
    let mut cookie = 0;
    for id in 1..=TRIES {
        let item = Item::exact(Signature { kind: SignatureKind::Link, value: [0; 16] });
        let question =
            packet::Question { id, cookie, trace: None, is_sighting: false, items: vec![item] };
        let mut reply = [0; 1500];
        let heard = socket.send(&question.encode()).and_then(|_| socket.recv(&mut reply));
        match heard.ok().and_then(|length| Reply::decode(reply.get(..length)?).ok()) {
            Some(Reply::Answer(answer)) if answer.id == id => return Ok(()),
            Some(Reply::Challenge(challenge)) => cookie = challenge.cookie,
            _ => {}
        }
    }
    Err(format!("no answer over UDP from {at}"))
}
