//! Formal mail by structure: bounces, receipts, complaints, automatic answers.
//!
//! Formal mail is never spam, so spammers forge it. It therefore takes structure, not words, and three guards:
//!
//! - bounces and receipts count only with a null envelope sender, as RFC 3464 section 2 and RFC 8098 section 3 want;
//!   where no MTA vouches for the envelope, also with one of the names that mail systems write under;
//! - what they show besides the report and the returned mail is text, with no link but to pages that explain refusals
//!   ([`explaining`]);
//! - no signature of the mail, its returned part included, may be listed as spam;
//! - nothing else found in its content and attachment names may amount to probable spam; complaints, which have a
//!   sender, carry nothing to look at but plain text, the report and the mail complained about; automatic answers, whose only structure is a
//!   header field that anybody can write, must also be plain text without links.

use tamis_domain::envelope::{Envelope, domain_of};
use tamis_domain::evidence::{Evidence, Mark, Source};
use tamis_domain::outline::{Outline, Part, PartKind};
use tamis_domain::reading::{HeaderReading, Mailbox, PartFacts, PartReading, Report};
use tamis_domain::reputation::Answered;

use crate::{attachments, reputation};

mod explaining;
mod plain;

/// Weight: none. Formal is a mark, and the score stays what the content is worth.
const WEIGHT: f32 = 0.0;

/// Points of evidence in the content at which mail with the structure of a report is not taken for one.
const OTHER_MAX: f32 = 5.0;

/// The same for automatic answers, which are easier to forge.
const OTHER_ANSWER_MAX: f32 = 1.5;

/// Bytes of an automatic answer at most: a note, not an advertisement.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

/// How mail programs begin the subjects of automatic answers, in lower case.
const ANSWER_SUBJECTS: [&str; 5] =
    ["automatic reply:", "auto reply:", "autoreply:", "auto-reply:", "out of office:"];

/// What subjects of bounces say, in lower case.
const SUBJECTS: [&str; 15] = [
    "undeliver",
    "delivery fail",
    "delivery status",
    "delivery notif",
    "delivery delay",
    "delivery error",
    "delivery problem",
    "mail deliver",
    "message deliver",
    "not delivered",
    "be delivered",
    "non-deliver",
    "returned mail",
    "failure notice",
    "smtp server",
];

/// Characters within which qmail has introduced itself.
const QMAIL_CHARS_MAX: usize = 160;

/// Bytes of a picture that a report may show: the sign of a mail service, not a page in disguise.
const ICON_BYTES_MAX: u64 = 8 * 1024;

/// Bytes of what Outlook adds to the bounces it makes (`application/ms-tnef`): properties, not files.
const TNEF_BYTES_MAX: u64 = 16 * 1024;

/// Parts that a bounce shows beside the returned mail: text, the same as a page, and a file of properties.
const SHOWN_MAX: usize = 4;

/// Says whether the mail is formal, and what kind. `facts` is what is known of each part, by part number.
#[must_use]
pub fn judge(
    envelope: &Envelope,
    header: &HeaderReading,
    outline: &Outline,
    facts: &[Option<&PartFacts>],
    answers: &[Answered],
) -> Option<Evidence> {
    let case = &Case { envelope, header, outline, facts };
    if !is_read(case) {
        return None;
    }
    let named = attachments::judge(outline);
    let found = facts.iter().flatten().flat_map(|facts| &facts.evidence).chain(&named);
    let others: f32 = found.map(|found| found.weight.max(0.0)).sum();
    if others >= OTHER_MAX || reputation::is_matched(answers) {
        return None;
    }
    let what = bounce(case)
        .or_else(|| plain_bounce(case))
        .or_else(|| report_of_others(case))
        .or_else(|| if others < OTHER_ANSWER_MAX { automatic_answer(case) } else { None })?;
    Some(Evidence::new("formal", WEIGHT, Source::Structure, what).marked(Mark::Formal))
}

/// All that the question depends on, but the guards.
struct Case<'a> {
    envelope: &'a Envelope,
    header: &'a HeaderReading,
    outline: &'a Outline,
    facts: &'a [Option<&'a PartFacts>],
}

/// What kind of report the content of one part proves to be. A fact about the part, cached with it.
#[must_use]
pub fn report(part: &Part, reading: &PartReading) -> Option<Report> {
    let text = reading.text.as_ref()?;
    let has = |name: &str| text.folded.contains(name);
    match part.media_type.as_str() {
        "message/delivery-status" | "message/global-delivery-status" => {
            is_delivery_status(&text.folded).then_some(Report::DeliveryStatus)
        }
        "message/disposition-notification" | "message/global-disposition-notification" => {
            (has("disposition:") && has("final-recipient:")).then_some(Report::Disposition)
        }
        "message/feedback-report" => has("feedback-type:").then_some(Report::Feedback),
        // With links to anywhere it must pass as a bounce in words, where the mail that it returns is told from its own.
        _ if part.kind == PartKind::Text
            && is_qmail(&text.visible)
            && !plain::has_foreign_links(&text.visible) =>
        {
            Some(Report::QmailBounce)
        }
        _ if matches!(part.kind, PartKind::Text | PartKind::Html) => {
            plain::report(part.kind, reading, text)
        }
        _ => None,
    }
}

/// RFC 3464 section 2: who reports, about whom, what became of it and why. Two of the four suffice beside a recipient,
/// since some systems leave out one and others misspell one; some put white space before the colon.
fn is_delivery_status(folded: &str) -> bool {
    let mut seen = [false; 4];
    for line in folded.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let place = match name.trim() {
            "final-recipient" | "original-recipient" => 0,
            "reporting-mta" => 1,
            "action" if is_action(value.trim()) => 2,
            "status" => 3,
            _ => continue,
        };
        seen[place] = true;
    }
    let [recipient, others @ ..] = seen;
    recipient && others.iter().filter(|seen| **seen).count() >= 2
}

/// RFC 3464 section 2.3.3, and what Postfix says of a probe (`deliverable`).
fn is_action(value: &str) -> bool {
    ["failed", "delayed", "deliver", "relayed", "expanded", "undeliverable"]
        .iter()
        .any(|action| value.starts_with(action))
}

/// `Hi. This is the qmail-send program at example.org.`; other programs put their name there.
fn is_qmail(visible: &str) -> bool {
    let start = visible.trim_start();
    let end = start.char_indices().nth(QMAIL_CHARS_MAX).map_or(start.len(), |(at, _)| at);
    let start = &start[..end];
    start.starts_with("Hi. This is the ") && start.contains(" program at ")
}

/// Bounces and receipts: null sender and a report in its place.
fn bounce(case: &Case<'_>) -> Option<&'static str> {
    if !shows_only_words(case) {
        return None;
    }
    // The author of a receipt is a person: a file that has no Return-Path tells nothing of the sender.
    let is_unknown = !case.envelope.verified && case.header.return_path.is_none();
    if has_report(case, Report::Disposition) && (is_unknown || is_null_sender(case)) {
        return Some("receipt (RFC 8098)");
    }
    if !is_null_sender(case) {
        return None;
    }
    if has_report(case, Report::DeliveryStatus) {
        return Some("delivery status notification (RFC 3464)");
    }
    let first = case.outline.parts.iter().position(|part| part.kind == PartKind::Text);
    let qmail = first.and_then(|number| fact(case, number)) == Some(Report::QmailBounce);
    let subject = case.header.subject.trim();
    (qmail && subject.eq_ignore_ascii_case("failure notice")).then_some("bounce of qmail")
}

/// Bounces in words: null sender, and the build of a bounce, see [`plain`].
fn plain_bounce(case: &Case<'_>) -> Option<&'static str> {
    if !is_null_sender(case) || !shows_only_words(case) {
        return None;
    }
    let returned = returned(case);
    let shown: Vec<usize> = leaves(case).filter(|at| !returned[*at]).collect();
    if shown.is_empty() || shown.len() > SHOWN_MAX {
        return None;
    }
    let proven = |wanted: Report| shown.iter().any(|at| fact(case, *at) == Some(wanted));
    let comes_back = returned.contains(&true);
    let wrapped = (0..returned.len())
        .any(|at| returned[at] && fact(case, at) == Some(Report::DeliveryStatus));
    let comes_back = comes_back || proven(Report::ReturnedHeader);
    let is_bounce = proven(Report::PlainBounce)
        || wrapped
        || comes_back && (proven(Report::BounceText) || proven(Report::BounceWords))
        || comes_back && is_automatic(case)
        || proven(Report::BounceText) && is_announced(case);
    is_bounce.then_some("bounce in words")
}

/// Whether the header says that a mail system wrote: a field of Exim and Google, or RFC 3834.
fn is_automatic(case: &Case<'_>) -> bool {
    let automatic = case.header.value("Auto-Submitted").is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.starts_with("auto-replied") || value.starts_with("auto-generated")
    });
    automatic || case.header.value("X-Failed-Recipients").is_some()
}

/// The same, or the subject of a bounce that brings nothing back. The null sender alone announces nothing, since
/// anybody can give it, and "delivery" alone is what parcels have too. Whoever wants an answer is no mail system.
fn is_announced(case: &Case<'_>) -> bool {
    let subject = case.header.subject.to_lowercase();
    let wants_answer = case.header.value("Reply-To").is_some();
    !wants_answer && (is_automatic(case) || SUBJECTS.iter().any(|words| subject.contains(words)))
}

/// Whether a report shows its reader nothing but words, apart from the mail that it returns: no links but to pages
/// that explain refusals, no files, and no picture larger than an icon. Else a page of spam with a report behind it
/// would be formal.
fn shows_only_words(case: &Case<'_>) -> bool {
    let returned = returned(case);
    leaves(case).filter(|at| !returned[*at]).all(|at| {
        let Some(part) = case.outline.parts.get(at) else { return false };
        match part.kind {
            PartKind::Text | PartKind::Html => {
                // These were searched for links up to the mail that they return; what else is proven excuses none.
                let searched = matches!(
                    fact(case, at),
                    Some(
                        Report::PlainBounce
                            | Report::BounceText
                            | Report::BounceWords
                            | Report::ReturnedHeader
                    )
                );
                let facts = case.facts.get(at).copied().flatten();
                searched
                    || facts.is_some_and(|it| {
                        it.links.iter().all(|link| explaining::is_explaining(link))
                    })
            }
            PartKind::Image => part.size <= ICON_BYTES_MAX,
            PartKind::Other => {
                part.media_type == "application/ms-tnef" && part.size <= TNEF_BYTES_MAX
            }
            _ => true,
        }
    })
}

/// Which parts are reports or returned mail, and no words of the mail's own: what hangs directly on the whole mail, or
/// on a `multipart/report` within it.
fn returned(case: &Case<'_>) -> Vec<bool> {
    let mut within = vec![false; case.outline.parts.len()];
    for (number, part) in case.outline.parts.iter().enumerate() {
        let parent = part.parent.map(usize::from);
        let inherited = parent.and_then(|at| within.get(at)).copied().unwrap_or(false);
        let begins = parent.is_some_and(|parent| is_report_container(case, parent))
            && (matches!(part.kind, PartKind::Message | PartKind::Report | PartKind::HeaderBlock)
                || part.media_type.starts_with("message/"));
        within[number] = inherited || begins;
    }
    within
}

/// Whether reports may hang on this part: on the whole mail, or on the report that a relay wrapped.
fn is_report_container(case: &Case<'_>, number: usize) -> bool {
    let holds = |number: usize| {
        case.outline.parts.get(number).is_some_and(|part| {
            let form = part.media_type.strip_prefix("multipart/");
            part.kind == PartKind::Container && form.is_some_and(|form| form != "alternative")
        })
    };
    let wrapped = |part: &Part| part.parent == Some(0) && part.media_type == "multipart/report";
    holds(number)
        && (number == 0 || holds(0) && case.outline.parts.get(number).is_some_and(wrapped))
}

/// Numbers of the parts with content.
fn leaves<'a>(case: &'a Case<'_>) -> impl Iterator<Item = usize> + 'a {
    (0..).zip(&case.outline.parts).filter(|(_, part)| part.kind.is_leaf()).map(|(number, _)| number)
}

/// Reports whose sender is often not null: complaints (ARF) and DMARC aggregates.
fn report_of_others(case: &Case<'_>) -> Option<&'static str> {
    if has_report(case, Report::Feedback) && is_plain_complaint(case) {
        return Some("feedback report (RFC 5965)");
    }
    is_dmarc(case).then_some("aggregate report (DMARC)")
}

/// Whether a complaint shows its reader nothing of its own but plain text without links. Its sender is anybody, so
/// else a page of spam with a report behind it would be formal. The mail complained about may be anything.
fn is_plain_complaint(case: &Case<'_>) -> bool {
    let returned = returned(case);
    case.outline.parts.iter().enumerate().all(|(number, part)| {
        let shown = part.parent.is_some() && !returned[number];
        !shown || part.kind == PartKind::Text && is_linkless(case, number)
    })
}

/// Whether the part has no links but to pages that explain complaints and refusals.
fn is_linkless(case: &Case<'_>, number: usize) -> bool {
    let facts = case.facts.get(number).copied().flatten();
    facts.is_some_and(|facts| facts.links.iter().all(|link| explaining::is_explaining(link)))
}

/// Subject and the one attachment as RFC 7489 section 7.2.1.1 wants them, no links, and no pictures or mails within.
fn is_dmarc(case: &Case<'_>) -> bool {
    let subject = case.header.subject.to_ascii_lowercase();
    let named = |part: &Part| {
        let name = part.file_name.as_deref().unwrap_or_default();
        let fields: Vec<&str> = name.splitn(6, '!').collect();
        let digits = |text: &str| text.len() >= 9 && text.chars().all(|c| c.is_ascii_digit());
        let packed = [".xml", ".xml.gz", ".zip", ".gz"].iter().any(|end| name.ends_with(end));
        let time = |at: usize| {
            fields.get(at).is_some_and(|field| digits(field.split('.').next().unwrap_or_default()))
        };
        packed && (4..=5).contains(&fields.len()) && time(2) && time(3)
    };
    let attached: Vec<&Part> =
        case.outline.parts.iter().filter(|part| part.kind == PartKind::Other).collect();
    subject.contains("report domain:")
        && subject.contains("submitter:")
        && matches!(attached.as_slice(), [one] if named(one))
        && !case.outline.parts.iter().any(|part| {
            matches!(part.kind, PartKind::Image | PartKind::Message | PartKind::HeaderBlock)
        })
        && !has_links(case)
}

/// RFC 3834 `Auto-Submitted: auto-replied` and its elder kin: plain text that answers a mail, without links.
fn automatic_answer(case: &Case<'_>) -> Option<&'static str> {
    let header = case.header;
    let says = |name: &str, wanted: &str| {
        header.value(name).is_some_and(|value| value.to_ascii_lowercase().starts_with(wanted))
    };
    let subject = header.subject.to_lowercase();
    let automatic = says("Auto-Submitted", "auto-replied")
        || ANSWER_SUBJECTS.iter().any(|start| subject.starts_with(start))
        || header.value("X-Autoreply").is_some()
        || says("Precedence", "auto_reply")
        || says("Precedence", "auto-reply");
    let answers = is_null_sender(case)
        || header.value("In-Reply-To").is_some()
        || header.value("References").is_some();
    let plain = case.outline.parts.iter().all(|part| {
        matches!(part.kind, PartKind::Text | PartKind::Html | PartKind::Container)
            && part.file_name.is_none()
    });
    let short = case.outline.size <= ANSWER_BYTES_MAX;
    (automatic && answers && plain && short && !has_links(case))
        .then_some("automatic answer (RFC 3834)")
}

/// Whether the bounce has the null sender. Where an MTA vouches for the envelope, nothing else will do: `postmaster`
/// of any domain is a sender like others. A file tells by its Return-Path; where even that is missing, by the name
/// that mail systems write under.
fn is_null_sender(case: &Case<'_>) -> bool {
    if !case.envelope.is_null_sender() {
        let sender = case.envelope.sender.as_str();
        return !case.envelope.verified && (is_system(sender) || sender == "null");
    }
    if case.envelope.verified {
        return true;
    }
    match case.header.return_path.as_deref() {
        Some(path) => path.is_empty() || is_system(path),
        None => {
            let unnamed = |from: &Mailbox| from.address.is_empty() && is_system(&from.name);
            let from = &case.header.from;
            from.iter().any(|from| is_system(&from.address) || unnamed(from))
                || case.header.value("From") == Some("<>")
        }
    }
}

/// Names under which mail systems write. Where no MTA vouches for the envelope, some archives keep these in place
/// of the null sender.
fn is_system(address: &str) -> bool {
    let domain = domain_of(address);
    let local =
        address.get(..address.len() - domain.len()).unwrap_or(address).trim_end_matches('@');
    ["mailer-daemon", "postmaster", "mailerdaemon", "post_master", "double-bounce"]
        .iter()
        .any(|name| local.eq_ignore_ascii_case(name))
}

/// A report is a direct child of a `multipart/report` that is the whole mail or wrapped in it. Some systems call it
/// `multipart/mixed`.
fn has_report(case: &Case<'_>, wanted: Report) -> bool {
    (0..).zip(&case.outline.parts).any(|(number, part): (usize, _)| {
        part.parent.is_some_and(|parent| is_report_container(case, usize::from(parent)))
            && fact(case, number) == Some(wanted)
    })
}

fn fact(case: &Case<'_>, number: usize) -> Option<Report> {
    (*case.facts.get(number)?)?.report
}

/// Whether every part was read: what nobody knows may be anything.
fn is_read(case: &Case<'_>) -> bool {
    (0..).zip(&case.outline.parts).all(|(number, part): (usize, _)| {
        !part.kind.is_leaf() || case.facts.get(number).is_some_and(Option::is_some)
    })
}

fn has_links(case: &Case<'_>) -> bool {
    case.facts.iter().flatten().any(|facts| !facts.links.is_empty())
}
