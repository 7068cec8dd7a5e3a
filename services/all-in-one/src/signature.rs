//! `tamis signature`: the reputation service's table, by hand.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_message::reading::{Budget, read_part_within};
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_reputation::reporters::{NAME_RULE, Reporter, is_name, new_token};
use tamis_reputation_protocol::naming;
use tamis_reputation_protocol::signatures::Authority;
use tamis_runtime::exit::Failure;
use tamis_scanner::ask::questions::questions;
use tamis_scanner::ask::questions::room::choose;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::cli::{Class, Signature as Options, SignatureAction};
use crate::{mails, start};

/// Longest wait for the server.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What stands before a sender's domain.
const SENDER: &str = "sender:";

/// Who reports when nobody is named and no token is shown.
const REPORTER: &str = "postmaster";

/// A signature to say something about, and where it was found.
struct Named {
    signature: Signature,
    sketch: Option<Sketch>,
    origin: String,
}

/// The server, and the token to show it.
struct Server {
    client: ReputationClient<Channel>,
    token: Option<MetadataValue<Ascii>>,
}

impl Server {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request.metadata_mut().insert("authorization", token.clone());
        }
        request
    }

    /// Who is said to report: with a token, the server knows.
    fn reporter(&self, typed: Option<String>) -> String {
        let default = if self.token.is_some() { "" } else { REPORTER };
        typed.unwrap_or_else(|| default.to_owned())
    }
}

/// Does what was typed; exit status 2 when some input has no signature or is not listed.
pub async fn run(options: Options) -> Result<ExitCode, Failure> {
    if let SignatureAction::Reporter { name, operator } = &options.action {
        return reporter(name, *operator);
    }
    if let SignatureAction::Key { name } = &options.action {
        return key(name);
    }
    let token = options.token_file.as_deref().map(token).transpose()?;
    let mut server = Server { client: connect(&options).await?, token };
    let done = match options.action {
        SignatureAction::Add { class, weight, reporter, links, what } => {
            add(&mut server, &what, links, (class, weight), reporter).await
        }
        SignatureAction::Retract { reporter, links, what } => {
            retract(&mut server, &what, links, reporter).await
        }
        SignatureAction::Del { reporter, links, what } => {
            del(&mut server, &what, links, reporter).await
        }
        SignatureAction::Why { what } => why(&mut server, &what).await,
        SignatureAction::Stats => stats(&mut server).await,
        SignatureAction::Reporter { .. } | SignatureAction::Key { .. } => Ok(ExitCode::SUCCESS),
    };
    done.map_err(|error| Failure::unavailable(format!("{error:#}"), ""))
}

/// Makes a token. It is shown once; the server keeps its hash alone.
fn reporter(name: &str, is_operator: bool) -> Result<ExitCode, Failure> {
    if !is_name(name) {
        return Err(Failure::usage(format!("{name:?}: {NAME_RULE}"), ""));
    }
    let authority = if is_operator { Authority::Operator } else { Authority::Reporter };
    let made = new_token(&Reporter { name: name.to_owned(), authority });
    let (token, entry) = made.map_err(|error| Failure::software(error.to_string()))?;
    tamis_runtime::say!(
        "# the token, for --token-file of the one who reports; it is shown only here"
    );
    tamis_runtime::say!("{token}");
    tamis_runtime::say!("# for the file named in [reputation] reporters");
    tamis_runtime::say!("{}", entry.trim_end());
    Ok(ExitCode::SUCCESS)
}

/// Makes a key for sealed questions. Both sides take what is printed as it is.
fn key(name: &str) -> Result<ExitCode, Failure> {
    if !is_name(name) {
        return Err(Failure::usage(format!("{name:?}: {NAME_RULE}"), ""));
    }
    let made = tamis_scanner::ask::keys::new_line(name);
    let line = made.map_err(|error| Failure::software(error.to_string()))?;
    tamis_runtime::say!("# client: alone in the file named in [scanner] reputation_key");
    tamis_runtime::say!(
        "# server: the same line, among others in the file named in [reputation] client_keys"
    );
    tamis_runtime::say!("{line}");
    Ok(ExitCode::SUCCESS)
}

/// Reads a token: the first line that is no comment, so that what `reporter` printed may be kept as it is.
pub(crate) fn token(path: &Path) -> Result<MetadataValue<Ascii>, Failure> {
    let wrong = |what: String| {
        Failure::configuration(
            format!("{}: {what}", path.display()),
            "`tamis signature reporter NAME` makes a token.",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let lines = text.lines().map(str::trim);
    let line = lines.clone().find(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.ok_or_else(|| wrong("holds no token".to_owned()))?;
    let shown = format!("Bearer {line}").parse::<MetadataValue<Ascii>>();
    let mut shown = shown.map_err(|_| wrong("holds no token".to_owned()))?;
    shown.set_sensitive(true);
    Ok(shown)
}

async fn connect(options: &Options) -> Result<ReputationClient<Channel>, Failure> {
    let advice = "Is the reputation server running there? `tamis all` and `tamis reputation` print where they listen.";
    let channel = start::channel(&options.server, options.config.as_deref(), TIMEOUT, advice);
    Ok(ReputationClient::new(channel.await?))
}

async fn add(
    server: &mut Server,
    what: &[String],
    links: bool,
    (class, weight): (Class, u8),
    reporter: Option<String>,
) -> Result<ExitCode> {
    let named = named(what, links)?;
    print(&named);
    let request = server.request(wire::AddRequest {
        signatures: named.iter().map(to_wire).collect(),
        class: class_to_wire(class).into(),
        weight: weight.into(),
        reporter: server.reporter(reporter),
    });
    let answer = server.client.add(request).await.map_err(refused)?.into_inner();
    tamis_runtime::say!(
        "added {}, confirmed {}, epoch {}",
        answer.added,
        answer.confirmed,
        answer.epoch
    );
    Ok(ExitCode::SUCCESS)
}

async fn retract(
    server: &mut Server,
    what: &[String],
    links: bool,
    reporter: Option<String>,
) -> Result<ExitCode> {
    let signatures = named(what, links)?.iter().map(to_wire).collect();
    let reporter = server.reporter(reporter);
    let request = server.request(wire::RetractRequest { signatures, reporter });
    let answer = server.client.retract(request).await.map_err(refused)?.into_inner();
    let (retracted, unknown, epoch) = (answer.retracted, answer.unknown, answer.epoch);
    tamis_runtime::say!("retracted {retracted}, unknown {unknown}, epoch {epoch}");
    Ok(ExitCode::SUCCESS)
}

async fn del(
    server: &mut Server,
    what: &[String],
    links: bool,
    reporter: Option<String>,
) -> Result<ExitCode> {
    let signatures = named(what, links)?.iter().map(to_wire).collect();
    let reporter = server.reporter(reporter);
    let request = server.request(wire::DeleteRequest { signatures, reporter });
    let answer = server.client.delete(request).await.map_err(refused)?.into_inner();
    tamis_runtime::say!(
        "deleted {}, unknown {}, epoch {}",
        answer.deleted,
        answer.unknown,
        answer.epoch
    );
    Ok(ExitCode::SUCCESS)
}

/// How often it was seen lately, where the server counts that.
fn seen(answer: &wire::WhyResponse) -> String {
    match (answer.copies_seen, answer.clients_seen) {
        (0, _) => String::new(),
        (copies, clients) => format!(", seen {copies} times lately by {clients} clients"),
    }
}

async fn why(server: &mut Server, what: &[String]) -> Result<ExitCode> {
    let mut all_listed = true;
    for named in named(what, true)? {
        let request = server.request(wire::WhyRequest { signature: Some(to_wire(&named)) });
        let answer = server.client.why(request).await.map_err(refused)?.into_inner();
        let at = format!("{} ({})", named.signature, named.origin);
        if !answer.listed {
            all_listed = false;
            tamis_runtime::say!("{at}: not listed (epoch {}){}", answer.epoch, seen(&answer));
            continue;
        }
        tamis_runtime::say!(
            "{at}: {}, weight {}, {} reporters, similarity {}/32, changed in epoch {} of {}{}",
            class_word(answer.class),
            answer.weight,
            answer.reporters,
            answer.similarity,
            answer.changed_epoch,
            answer.epoch,
            seen(&answer)
        );
        if let Some(other) = answered_by(&named, &answer) {
            tamis_runtime::say!(
                "  answered by {other}, listed: {} of 32 lanes agree",
                answer.similarity
            );
        }
        if answer.base_generation > 0 {
            let (generation, channel) = (answer.base_generation, &answer.base_channel);
            tamis_runtime::say!("  from bases generation {generation} of channel {channel}");
        }
        answer.reports.iter().for_each(print_report);
    }
    Ok(if all_listed { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Which listed signature answers, where it is another one than was asked for: one that resembles it.
fn answered_by(named: &Named, answer: &wire::WhyResponse) -> Option<Signature> {
    let listed = answer.signature.as_ref()?;
    let kind = SignatureKind::from_code(u8::try_from(listed.kind).ok()?)?;
    let signature = Signature { kind, value: listed.value.as_slice().try_into().ok()? };
    (signature != named.signature).then_some(signature)
}

fn print_report(report: &wire::Report) {
    tamis_runtime::say!(
        "  {} said {} with weight {}, {} times, first at {}, last at {} (seconds since 1970){}{}{}",
        if report.reporter.is_empty() { "another reporter" } else { &report.reporter },
        class_word(report.class),
        report.weight,
        report.times,
        report.first_unix_s,
        report.last_unix_s,
        if report.authority() == wire::Authority::Operator { ", as an operator" } else { "" },
        match report.named() {
            wire::Named::Stored => ", of this sketch",
            wire::Named::Other => ", of another sketch",
            wire::Named::Unspecified => "",
        },
        if report.contradicted { ", contradicted by an operator" } else { "" }
    );
}

async fn stats(server: &mut Server) -> Result<ExitCode> {
    let request = server.request(wire::StatsRequest {});
    let answer = server.client.stats(request).await.map_err(refused)?.into_inner();
    tamis_runtime::say!("epoch {}", answer.epoch);
    for count in &answer.kinds {
        let kind = u8::try_from(count.kind).ok().and_then(SignatureKind::from_code);
        tamis_runtime::say!("{} {}", kind.map_or("?", SignatureKind::word), count.signatures);
    }
    tamis_runtime::say!("table_bytes {}", answer.table_bytes);
    tamis_runtime::say!("signatures_max {}", answer.signatures_max);
    tamis_runtime::say!("durable {}", answer.durable);
    tamis_runtime::say!("log_bytes {}", answer.log_bytes);
    tamis_runtime::say!("reporters_needed {}", answer.reporters_needed);
    tamis_runtime::say!("questions {}", answer.questions);
    tamis_runtime::say!("hits {}", answer.hits);
    tamis_runtime::say!("challenges {}", answer.challenges);
    tamis_runtime::say!("malformed {}", answer.malformed);
    tamis_runtime::say!("limited {}", answer.limited);
    if let Some(order) = &answer.order {
        tamis_runtime::say!("node {}", order.node);
        tamis_runtime::say!("connected {}", order.connected);
        tamis_runtime::say!("position {}", order.position);
        tamis_runtime::say!("lag_changes {}", order.lag_changes);
        tamis_runtime::say!("lag_seconds {:.3}", order.lag_seconds);
        tamis_runtime::say!("resyncs {}", order.resyncs);
        tamis_runtime::say!("nodes {}", order.nodes);
        tamis_runtime::say!("stale {}", order.stale);
    }
    if let Some(base) = &answer.base {
        tamis_runtime::say!("base_generation {}", base.generation);
        tamis_runtime::say!("base_channel {}", base.channel);
        tamis_runtime::say!("base_epoch {}", base.epoch);
        tamis_runtime::say!("base_signatures {}", base.signatures);
        tamis_runtime::say!("base_table_bytes {}", base.table_bytes);
    }
    for warning in &answer.warnings {
        tamis_runtime::say!("warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, as signatures: each word is one, or a sender's domain, or a file with a mail.
fn named(what: &[String], links: bool) -> Result<Vec<Named>> {
    let mut all = Vec::new();
    for word in what {
        match word.parse::<Signature>() {
            Ok(signature) => {
                all.push(Named { signature, sketch: None, origin: "as typed".to_owned() });
            }
            Err(_) if word.starts_with(SENDER) => all.push(Named {
                signature: naming::sender(word.trim_start_matches(SENDER).trim_end_matches('.')),
                sketch: None,
                origin: word.clone(),
            }),
            Err(_) => of_mail(Path::new(word), links, &mut all)?,
        }
    }
    if all.is_empty() {
        bail!("nothing in there is long enough to be told apart by a signature");
    }
    Ok(all)
}

/// The signatures that a scanner would ask for this mail, but for its senders: they are easily forged, so that reporting
/// them with each mail would list the forgers' victims.
fn of_mail(path: &Path, links: bool, all: &mut Vec<Named>) -> Result<()> {
    let mail = mails::read(path).with_context(|| path.display().to_string())?;
    let offer = mails::offer(&mail, |_| tamis_domain::envelope::Envelope::default());
    let mut facts = vec![None; offer.outline.parts.len()];
    let snapshot = tamis_scanner::snapshot::Snapshot::default();
    let mut contents = offer.inline.clone();
    tamis_scanner::reading::put_in_order(&mut contents);
    let mut budget = Budget::default();
    for content in &contents {
        let number = usize::from(content.part);
        if let (Some(part), Some(slot)) = (offer.outline.parts.get(number), facts.get_mut(number)) {
            let reading = read_part_within(part, &content.bytes, &mut budget);
            *slot =
                Some(std::sync::Arc::new(tamis_scanner::reading::facts(part, &reading, &snapshot)));
        }
    }
    for asked in choose(questions(&offer, &facts), |_| true).asked {
        let kind = asked.item.signature.kind;
        if kind == SignatureKind::Link && !links {
            continue;
        }
        let part = asked.part.map_or(String::new(), |part| format!(" part {part}"));
        all.push(Named {
            signature: asked.item.signature,
            sketch: asked.item.sketch,
            origin: format!("{}{part}", path.display()),
        });
    }
    Ok(())
}

fn print(named: &[Named]) {
    for one in named {
        let near = if one.sketch.is_some() { " and near copies" } else { "" };
        tamis_runtime::say!("{}{near} ({})", one.signature, one.origin);
    }
}

fn to_wire(named: &Named) -> wire::Signature {
    wire::Signature {
        kind: named.signature.kind.code().into(),
        value: named.signature.value.to_vec(),
        sketch: named.sketch.map_or_else(Vec::new, |sketch| sketch.to_bytes().to_vec()),
    }
}

fn class_to_wire(class: Class) -> wire::Class {
    match class {
        Class::Spam => wire::Class::Spam,
        Class::Phishing => wire::Class::Phishing,
        Class::Malware => wire::Class::Malware,
        Class::Bulk => wire::Class::Bulk,
        Class::Allowed => wire::Class::Allowed,
    }
}

fn class_word(code: i32) -> &'static str {
    let class = u8::try_from(code).ok().and_then(tamis_domain::reputation::Class::from_code);
    class.map_or("unknown class", tamis_domain::reputation::Class::word)
}

fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("the reputation server answered {}: {}", status.code(), status.message())
}
