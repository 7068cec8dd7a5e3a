//! `tamis learn` and `tamis unlearn`: what users say about mail, told to a scanner.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tamis_proto::learning as wire;
use tamis_proto::learning::learning_client::LearningClient;
use tamis_runtime::exit::Failure;
use tamis_scanner::teach::MAIL_BYTES_MAX;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::cli::{Learn, Lesson, Taught, Unlearn};
use crate::{mails, signature, start};

/// Longest wait for the scanner, for each mail.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Pause before a scanner that learns from too many others is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// Exit status when some mail could not be read or was refused for itself.
const UNREADABLE: u8 = 2;

/// How often each outcome came, and the last totals.
#[derive(Default)]
struct Tally {
    outcomes: [u64; 6],
    unread: u64,
    totals: (u64, u64),
}

/// `tamis learn`.
pub async fn learn(options: Learn) -> Result<ExitCode, Failure> {
    let class = match options.class {
        Taught::Spam => wire::Class::Spam,
        Taught::Ham => wire::Class::Ham,
    };
    teach(options.lesson, Some(class)).await
}

/// `tamis unlearn`.
pub async fn unlearn(options: Unlearn) -> Result<ExitCode, Failure> {
    teach(options.lesson, None).await
}

async fn teach(options: Lesson, class: Option<wire::Class>) -> Result<ExitCode, Failure> {
    let token = options.token_file.as_deref().map(signature::token).transpose()?;
    let mut client = connect(&options).await?;
    let (files, complaints) = mails::find(&options.paths);
    let mut tally = Tally { unread: complaints.len() as u64, ..Tally::default() };
    for complaint in &complaints {
        eprintln!("tamis learn: {complaint}");
    }
    for file in &files {
        let Some(mail) = read(file) else {
            tally.unread += 1;
            continue;
        };
        match told_in_turn(&mut client, token.as_ref(), mail, class, &options.user).await {
            Ok(answer) => tally.add(&answer),
            Err(status) if status.code() == Code::InvalidArgument => {
                tally.unread += 1;
                eprintln!("tamis learn: {}: {}", file.display(), status.message());
            }
            Err(status) => return Err(refused(&status)),
        }
    }
    if !options.quiet {
        tamis_runtime::say!("{}", tally.line());
    }
    Ok(if tally.unread == 0 { ExitCode::SUCCESS } else { ExitCode::from(UNREADABLE) })
}

/// The bytes of a mail that may be taught; what is wrong with another is said.
fn read(file: &Path) -> Option<Vec<u8>> {
    let mail = mails::read(file).map_err(|error| format!("{error:#}"));
    let mail = mail.and_then(|mail| match mail.len() {
        1..=MAIL_BYTES_MAX => Ok(mail),
        0 => Err("empty".to_owned()),
        _ => Err(format!("longer than {MAIL_BYTES_MAX} bytes")),
    });
    mail.inspect_err(|wrong| eprintln!("tamis learn: {}: {wrong}", file.display())).ok()
}

/// Tells it; and again, as long as the scanner has its hands full.
async fn told_in_turn(
    client: &mut LearningClient<Channel>,
    token: Option<&MetadataValue<Ascii>>,
    mail: Vec<u8>,
    class: Option<wire::Class>,
    user: &str,
) -> Result<wire::LearnResponse, Status> {
    let began = tamis_runtime::clock::now();
    loop {
        let said = told(client, token, mail.clone(), class, user).await;
        let is_busy = said.as_ref().is_err_and(|it| it.code() == Code::ResourceExhausted);
        if !is_busy || began.elapsed() > TIMEOUT {
            return said;
        }
        tokio::time::sleep(BUSY_PAUSE).await;
    }
}

async fn told(
    client: &mut LearningClient<Channel>,
    token: Option<&MetadataValue<Ascii>>,
    mail: Vec<u8>,
    class: Option<wire::Class>,
    user: &str,
) -> Result<wire::LearnResponse, Status> {
    let recipient = user.to_owned();
    let answer = match class {
        Some(class) => {
            let message = wire::LearnRequest { mail, class: class.into(), recipient };
            client.learn(with(message, token)).await
        }
        None => client.unlearn(with(wire::UnlearnRequest { mail, recipient }, token)).await,
    };
    answer.map(tonic::Response::into_inner)
}

fn with<T>(message: T, token: Option<&MetadataValue<Ascii>>) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.clone());
    }
    request
}

impl Tally {
    fn add(&mut self, answer: &wire::LearnResponse) {
        if let Some(count) = self.outcomes.get_mut(answer.outcome() as usize) {
            *count += 1;
        }
        self.totals = (answer.spam, answer.ham);
    }

    fn line(&self) -> String {
        let words = ["", "learned", "moved", "known already", "unlearned", "unknown"];
        let counted = words.iter().zip(self.outcomes).skip(1).filter(|(_, count)| *count > 0);
        let mut parts: Vec<String> =
            counted.map(|(word, count)| format!("{word} {count}")).collect();
        if self.unread > 0 {
            parts.push(format!("not read {}", self.unread));
        }
        let (spam, ham) = self.totals;
        format!("{}; the scanner remembers {spam} spam and {ham} ham", parts.join(", "))
    }
}

async fn connect(options: &Lesson) -> Result<LearningClient<Channel>, Failure> {
    let advice =
        "Is a scanner running there? `tamis all` and `tamis scanner` print where they listen.";
    let channel = start::channel(&options.server, options.config.as_deref(), TIMEOUT, advice);
    Ok(LearningClient::new(channel.await?).max_encoding_message_size(MAIL_BYTES_MAX + 4096))
}

/// A refusal that the next mail would meet, too.
fn refused(status: &Status) -> Failure {
    let message = format!("the scanner refused: {}", status.message());
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::FailedPrecondition => {
            Failure::configuration(message, "docs/learning.md says how a scanner is taught.")
        }
        _ => Failure::temporary(message, "Try again later: learning a mail twice changes nothing."),
    }
}
