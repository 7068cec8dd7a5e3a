//! `tamis signature`: the reputation service's table, by hand.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_message::reading::read_part;
use tamis_proto::reputation as wire;
use tamis_proto::reputation::reputation_client::ReputationClient;
use tamis_runtime::exit::Failure;
use tamis_scanner::ask::questions::questions;
use tonic::transport::{Channel, Endpoint};

use crate::cli::{Class, Signature as Options, SignatureAction};
use crate::{mails, start};

/// Longest wait for the server.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A signature to say something about, and where it was found.
struct Named {
    signature: Signature,
    sketch: Option<Sketch>,
    origin: String,
}

/// Does what was typed; exit status 2 when some input has no signature or is not listed.
pub async fn run(options: Options) -> Result<ExitCode, Failure> {
    let mut client = connect(&options).await?;
    let done = match options.action {
        SignatureAction::Add { class, weight, reporter, links, what } => {
            add(&mut client, &what, links, class, weight, reporter).await
        }
        SignatureAction::Del { reporter, links, what } => {
            del(&mut client, &what, links, reporter).await
        }
        SignatureAction::Why { what } => why(&mut client, &what).await,
        SignatureAction::Stats => stats(&mut client).await,
    };
    done.map_err(|error| Failure::unavailable(format!("{error:#}"), ""))
}

async fn connect(options: &Options) -> Result<ReputationClient<Channel>, Failure> {
    let usage = |error: tonic::transport::Error| {
        Failure::usage(
            format!("{}: {error}", options.server),
            "Write http://host:port or https://host:port.",
        )
    };
    let mut endpoint = Endpoint::from_shared(options.server.clone())
        .map_err(usage)?
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT);
    if let Some(tls) = start::settings(options.config.as_deref())?.tls.load()? {
        endpoint = endpoint.tls_config(tls.client()).map_err(usage)?;
    }
    let channel = endpoint.connect().await.map_err(|error| {
        Failure::temporary(
            format!("{}: {error}", options.server),
            "Is the reputation server running there? `tamis all` and `tamis reputation` print where they listen.",
        )
    })?;
    Ok(ReputationClient::new(channel))
}

async fn add(
    client: &mut ReputationClient<Channel>,
    what: &[String],
    links: bool,
    class: Class,
    weight: u8,
    reporter: String,
) -> Result<ExitCode> {
    let named = named(what, links)?;
    print(&named);
    let request = wire::AddRequest {
        signatures: named.iter().map(to_wire).collect(),
        class: class_to_wire(class).into(),
        weight: weight.into(),
        reporter,
    };
    let answer = client.add(request).await.map_err(refused)?.into_inner();
    println!("added {}, confirmed {}, epoch {}", answer.added, answer.confirmed, answer.epoch);
    Ok(ExitCode::SUCCESS)
}

async fn del(
    client: &mut ReputationClient<Channel>,
    what: &[String],
    links: bool,
    reporter: String,
) -> Result<ExitCode> {
    let named = named(what, links)?;
    let signatures = named.iter().map(to_wire).collect();
    let request = wire::DeleteRequest { signatures, reporter };
    let answer = client.delete(request).await.map_err(refused)?.into_inner();
    println!("deleted {}, unknown {}, epoch {}", answer.deleted, answer.unknown, answer.epoch);
    Ok(ExitCode::SUCCESS)
}

async fn why(client: &mut ReputationClient<Channel>, what: &[String]) -> Result<ExitCode> {
    let mut all_listed = true;
    for named in named(what, true)? {
        let request = wire::WhyRequest { signature: Some(to_wire(&named)) };
        let answer = client.why(request).await.map_err(refused)?.into_inner();
        let at = format!("{} ({})", named.signature, named.origin);
        if !answer.listed {
            all_listed = false;
            println!("{at}: not listed (epoch {})", answer.epoch);
            continue;
        }
        println!(
            "{at}: {}, weight {}, {} reporters, similarity {}/32, asked for {} times, changed in epoch {} of {}",
            class_word(answer.class),
            answer.weight,
            answer.reporters,
            answer.similarity,
            answer.hits,
            answer.changed_epoch,
            answer.epoch
        );
        for report in answer.reports {
            println!(
                "  {} said {} with weight {}, {} times, first at {}, last at {} (seconds since 1970)",
                report.reporter,
                class_word(report.class),
                report.weight,
                report.times,
                report.first_unix_s,
                report.last_unix_s
            );
        }
    }
    Ok(if all_listed { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn stats(client: &mut ReputationClient<Channel>) -> Result<ExitCode> {
    let answer = client.stats(wire::StatsRequest {}).await.map_err(refused)?.into_inner();
    println!("epoch {}", answer.epoch);
    for count in &answer.kinds {
        let kind = u8::try_from(count.kind).ok().and_then(SignatureKind::from_code);
        println!("{} {}", kind.map_or("?", SignatureKind::word), count.signatures);
    }
    println!("table_bytes {}", answer.table_bytes);
    println!("signatures_max {}", answer.signatures_max);
    println!("durable {}", answer.durable);
    println!("log_bytes {}", answer.log_bytes);
    println!("reporters_needed {}", answer.reporters_needed);
    println!("questions {}", answer.questions);
    println!("hits {}", answer.hits);
    println!("challenges {}", answer.challenges);
    println!("malformed {}", answer.malformed);
    println!("limited {}", answer.limited);
    for warning in &answer.warnings {
        println!("warning: {warning}");
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed, as signatures: each word is one, or a file with a mail.
fn named(what: &[String], links: bool) -> Result<Vec<Named>> {
    let mut all = Vec::new();
    for word in what {
        match word.parse::<Signature>() {
            Ok(signature) => {
                all.push(Named { signature, sketch: None, origin: "as typed".to_owned() });
            }
            Err(_) => of_mail(Path::new(word), links, &mut all)?,
        }
    }
    if all.is_empty() {
        bail!("nothing in there is long enough to be told apart by a signature");
    }
    Ok(all)
}

/// The signatures that a scanner would ask for this mail.
fn of_mail(path: &Path, links: bool, all: &mut Vec<Named>) -> Result<()> {
    let mail = mails::read(path).with_context(|| path.display().to_string())?;
    let offer = mails::offer(&mail, |_| tamis_domain::envelope::Envelope::default());
    let mut facts = vec![None; offer.outline.parts.len()];
    let bases = tamis_scanner::snapshot::Snapshot::default().bases;
    for content in &offer.inline {
        let number = usize::from(content.part);
        if let (Some(part), Some(slot)) = (offer.outline.parts.get(number), facts.get_mut(number)) {
            let reading = read_part(part, &content.bytes);
            *slot =
                Some(std::sync::Arc::new(tamis_scanner::reading::facts(part, &reading, &bases)));
        }
    }
    for asked in questions(&offer, &facts) {
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
        println!("{}{near} ({})", one.signature, one.origin);
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
