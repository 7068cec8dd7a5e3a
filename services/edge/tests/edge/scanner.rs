//! A scanner that speaks by script, over real gRPC.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tamis_domain::dialogue::{Collecting, Content, Offer, Offered};
use tamis_domain::digest::MailId;
use tamis_domain::evidence::{Evidence, Source};
use tamis_domain::plan::{Action, GroupPlan, HeaderEdit, Plan};
use tamis_domain::status::{Rung, Status};
use tamis_domain::verdict::{Timings, Verdict};
use tamis_proto::scan;
use tamis_proto::scan::scanner_server::{Scanner as Service, ScannerServer};
use tamis_proto::scan_convert::{EdgeWord, edge_word, need_to_wire, verdict_to_wire};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status as Rpc, Streaming, async_trait};

use super::house::Shared;

pub type Planner = Arc<dyn Fn(&Offer) -> Plan + Send + Sync>;

/// What it says to an Offer.
#[derive(Clone)]
pub enum Script {
    /// A verdict at once.
    Judge(Planner),
    /// Need for all leaves that did not come inline, then a verdict.
    NeedAll(Planner),
    /// The same, keeping nothing: for measuring.
    Swallow(Planner),
    /// Refuses at once.
    Refuse,
    /// Says that nobody judges this mail any more.
    SetAside,
    /// Need, then the stream breaks.
    BreakAfterNeed,
    /// Ends the stream without a word.
    End,
    /// Nothing, for ever.
    Silence,
    /// A verdict about another mail.
    WrongMail,
    /// A plan that forgets a recipient.
    WrongPlan,
    /// Need, and Need again.
    NeedTwice,
    /// Need for a part that does not exist.
    NeedUnknown,
}

#[derive(Clone)]
pub struct Scanner {
    pub address: SocketAddr,
    pub offers: Shared<Vec<Offer>>,
    pub supplied: Shared<Vec<Content>>,
    script: Shared<Script>,
}

impl Scanner {
    pub async fn saying(script: Script) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scanner = Self {
            address: socket.local_addr().unwrap(),
            offers: Arc::default(),
            supplied: Arc::default(),
            script: Arc::new(Mutex::new(script)),
        };
        let service = ScannerServer::new(scanner.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        let incoming = TcpListenerStream::new(socket)
            .map(|stream| stream.inspect(|stream| stream.set_nodelay(true).unwrap()));
        tokio::spawn(server.serve_with_incoming(incoming));
        scanner
    }

    pub async fn planning(plan: impl Fn(&Offer) -> Plan + Send + Sync + 'static) -> Self {
        Self::saying(Script::Judge(Arc::new(plan))).await
    }

    /// Accepts everything, with one header.
    pub async fn accepting() -> Self {
        Self::planning(|offer| all(offer, Action::Accept)).await
    }

    pub fn now_says(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    pub fn offers(&self) -> Vec<Offer> {
        self.offers.lock().unwrap().clone()
    }
}

/// The same for all recipients.
pub fn all(offer: &Offer, action: Action) -> Plan {
    let recipients = (0..offer.envelope.recipients.len() as u16).collect();
    Plan { groups: vec![group("default", recipients, Status::NotDetected, action)] }
}

/// One group; mail that goes on gets the status as a header, and loses forged ones.
pub fn group(name: &str, recipients: Vec<u16>, status: Status, action: Action) -> GroupPlan {
    let field = "X-Tamis-Status".to_owned();
    let edits = vec![
        HeaderEdit::RemoveAll { name: field.clone() },
        HeaderEdit::Add { name: field, value: status.word().to_owned() },
    ];
    let edits = if action.goes_on() { edits } else { Vec::new() };
    GroupPlan { group: name.to_owned(), recipients, status, action, edits }
}

pub fn verdict(id: MailId, plan: Plan) -> Verdict {
    Verdict {
        id,
        status: plan.groups.first().map_or(Status::NotDetected, |group| group.status),
        score: 4.5,
        evidence: vec![Evidence::new("scripted", 4.5, Source::Header, "by script")],
        rung: Rung::Full,
        plan,
        generation: 1,
        timings: Timings::default(),
    }
}

type Words = mpsc::Sender<Result<scan::ScanResponse, Rpc>>;

#[async_trait]
impl Service for Scanner {
    type ScanStream =
        Pin<Box<dyn tokio_stream::Stream<Item = Result<scan::ScanResponse, Rpc>> + Send>>;

    async fn scan(
        &self,
        request: Request<Streaming<scan::ScanRequest>>,
    ) -> Result<Response<Self::ScanStream>, Rpc> {
        let script = self.script.lock().unwrap().clone();
        if matches!(script, Script::Refuse) {
            return Err(Rpc::resource_exhausted("no place"));
        }
        if matches!(script, Script::SetAside) {
            return Err(Rpc::aborted("set aside"));
        }
        let (words, heard) = mpsc::channel(4);
        tokio::spawn(self.clone().speak(script, request.into_inner(), words));
        Ok(Response::new(Box::pin(ReceiverStream::new(heard))))
    }
}

impl Scanner {
    async fn speak(self, script: Script, mut edge: Streaming<scan::ScanRequest>, words: Words) {
        let Ok(Some(first)) = edge.message().await else { return };
        let Ok(EdgeWord::Offer(offer)) = edge_word(first) else { return };
        let offer = *offer;
        let swallows = matches!(script, Script::Swallow(_));
        if !swallows {
            self.offers.lock().unwrap().push(offer.clone());
        }
        let say = |plan| Ok(verdict_to_wire(verdict(offer.id, plan)));
        match script {
            Script::Judge(plan) => drop(words.send(say(plan(&offer))).await),
            Script::NeedAll(plan) | Script::Swallow(plan) => {
                let Some(contents) = self.collect(&offer, &mut edge, &words).await else { return };
                if !swallows {
                    self.supplied.lock().unwrap().extend(contents);
                }
                let _ = words.send(say(plan(&offer))).await;
            }
            Script::Refuse | Script::SetAside | Script::End => {}
            Script::Silence => {
                let _open = (edge, words);
                std::future::pending::<()>().await;
            }
            Script::WrongMail => {
                let other = verdict(MailId([9; 16]), all(&offer, Action::Accept));
                let _ = words.send(Ok(verdict_to_wire(other))).await;
            }
            Script::WrongPlan => drop(words.send(say(Plan::default())).await),
            Script::BreakAfterNeed => {
                let _ = words.send(Ok(need_for(&[0]))).await;
                let _ = edge.message().await;
                let _ = words.send(Err(Rpc::internal("broken"))).await;
            }
            Script::NeedTwice => {
                let _ = words.send(Ok(need_for(&[0]))).await;
                let _ = edge.message().await;
                let _ = words.send(Ok(need_for(&[0]))).await;
            }
            Script::NeedUnknown => drop(words.send(Ok(need_for(&[77]))).await),
        }
    }

    /// The scanner's own half of the dialogue, as the real one keeps it.
    async fn collect(
        &self,
        offer: &Offer,
        edge: &mut Streaming<scan::ScanRequest>,
        words: &Words,
    ) -> Option<Vec<Content>> {
        let inline: Vec<u16> = offer.inline.iter().map(|content| content.part).collect();
        let lacking: Vec<u16> = (0_u16..)
            .zip(&offer.outline.parts)
            .filter(|(number, part)| part.kind.is_leaf() && !inline.contains(number))
            .map(|(number, _)| number)
            .collect();
        let offered = Offered::accept(offer.clone(), std::time::Instant::now()).unwrap();
        if lacking.is_empty() {
            return Some(Vec::new());
        }
        let (need, mut awaiting) = offered.need(lacking).unwrap();
        if words.send(Ok(need_to_wire(&need))).await.is_err() {
            return None;
        }
        while let Ok(Some(word)) = edge.message().await {
            let Ok(EdgeWord::Supply(supply)) = edge_word(word) else { return None };
            match awaiting.supply(supply).expect("the edge keeps the dialogue") {
                Collecting::Missing(next) => awaiting = next,
                Collecting::Complete(done) => return Some(done.contents),
            }
        }
        None
    }
}

fn need_for(parts: &[u32]) -> scan::ScanResponse {
    let need = scan::Need { parts: parts.to_vec() };
    scan::ScanResponse { word: Some(scan::scan_response::Word::Need(need)) }
}
