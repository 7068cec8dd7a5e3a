//! The mails of a run: which are somebody's own and which were sent to many. Pure: the same seed, letters and number are
//! the same mail, so that every filter of a run gets the same ones.
//!
//! Campaigns come as often as Zipf's law says. What is shared between mails is shared in memory too.

mod made;

use bytes::Bytes;
use tamis_domain::outline::PartKind;
use tamis_message::content::decode;
use tamis_message::digesting::dissect;

use super::dice::{Dice, Zipf};
use super::scenario::Mails;
use made::{base64_lines, letter_text, picture, something_attached};

/// Bytes of a text that go into a made letter: what is longer is cut.
const TEXT_BYTES_MAX: usize = 20_000;
/// Texts shorter than this are no letter; words stand in.
const TEXT_BYTES_MIN: usize = 200;
/// Pictures of a newsletter.
const PICTURES: usize = 3;
/// Campaigns with pictures of their own; later ones share them, as mailers' customers share templates.
const PICTURED_MAX: usize = 100;

/// What a mail is to its recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Somebody's own.
    Unique,
    /// A campaign's letter, word for word.
    Copy,
    /// A campaign's letter with a name and a link.
    Personalised,
    /// A page with shared pictures.
    Newsletter,
    /// A letter with an attachment that others got too.
    Forwarded,
}

impl Kind {
    /// All of them, in the order of [`Mails::weights`].
    pub const ALL: [Self; 5] =
        [Self::Unique, Self::Copy, Self::Personalised, Self::Newsletter, Self::Forwarded];

    /// As in scenarios.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Copy => "copies",
            Self::Personalised => "personalised",
            Self::Newsletter => "newsletters",
            Self::Forwarded => "forwarded",
        }
    }
}

impl Mails {
    /// Kinds and their weights.
    pub fn weights(&self) -> impl Iterator<Item = (Kind, &f64)> {
        let weights =
            [&self.unique, &self.copies, &self.personalised, &self.newsletters, &self.forwarded];
        Kind::ALL.into_iter().zip(weights)
    }
}

/// A letter as it was found: lines end in CRLF.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Its header, every line ended, without the empty line.
    pub header: Bytes,
    /// What follows the empty line.
    pub body: Bytes,
}

impl Letter {
    /// Reads a mail. A mailbox's `From ` line is left out; line ends become CRLF, NULs and lone CRs go, since SMTP has no place for them,
    /// and so do lines of the header that are no field: MTAs differ in what follows one.
    #[must_use]
    pub fn of(mail: &[u8]) -> Self {
        let mut lines = mail.split(|byte| *byte == b'\n').peekable();
        if lines.peek().is_some_and(|line| line.starts_with(b"From ")) {
            lines.next();
        }
        let (mut header, mut body, mut in_body) = (Vec::new(), Vec::new(), false);
        let mut is_field = false;
        while let Some(line) = lines.next() {
            if lines.peek().is_none() && line.is_empty() {
                break;
            }
            let mut line: Vec<u8> =
                line.iter().copied().filter(|byte| !matches!(byte, b'\r' | 0)).collect();
            if !in_body && line.is_empty() {
                in_body = true;
                continue;
            }
            let continues = matches!(line.first(), Some(b' ' | b'\t'));
            if !in_body && !continues {
                is_field = line.iter().position(|byte| *byte == b':').is_some_and(|at| at > 0);
            }
            if !in_body && !is_field {
                continue;
            }
            line.extend_from_slice(b"\r\n");
            if in_body { &mut body } else { &mut header }.extend_from_slice(&line);
        }
        Self { header: header.into(), body: body.into() }
    }

    /// Its first text, or words where it has none.
    fn text(&self) -> String {
        let whole = [&self.header[..], b"\r\n", &self.body[..]].concat();
        let read = dissect(&whole);
        let texts = read.outline.parts.iter().zip(&read.spans).filter_map(|(part, span)| {
            let span = span.as_ref().filter(|_| part.kind == PartKind::Text)?;
            Some(decode(span, span.of(&whole)))
        });
        let longest = texts.max_by_key(Vec::len).unwrap_or_default();
        letter_text(&String::from_utf8_lossy(&longest), TEXT_BYTES_MIN, TEXT_BYTES_MAX)
    }

    /// The fields that say how its body is to be read.
    fn mime_fields(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        let mut is_wanted = false;
        for line in self.header.split_inclusive(|byte| *byte == b'\n') {
            if !matches!(line.first(), Some(b' ' | b'\t')) {
                let begins = |name: &str| {
                    line.get(..name.len())
                        .is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()))
                };
                is_wanted = begins("content-") || begins("mime-version:");
            }
            if is_wanted {
                fields.extend_from_slice(line);
            }
        }
        fields
    }
}

/// A mail to be sent. Whoever speaks SMTP doubles the dots.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its number in the run.
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// Envelope sender.
    pub sender: String,
    /// Envelope recipient.
    pub recipient: String,
    /// Header, every line ended in CRLF, without the empty line.
    pub header: Bytes,
    /// The body in pieces, each of whole lines; shared ones are shared with other mails.
    pub body: Vec<Bytes>,
    /// A name and the length, before encoding, of each part below the header.
    pub parts: Vec<(u64, u64)>,
}

impl Mail {
    /// Bytes of the mail as it travels, dots not doubled.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.header.len() + 2 + self.body.iter().map(Bytes::len).sum::<usize>()) as u64
    }

    /// The whole mail in one piece.
    #[must_use]
    pub fn whole(&self) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.bytes() as usize);
        whole.extend_from_slice(&self.header);
        whole.extend_from_slice(b"\r\n");
        self.body.iter().for_each(|piece| whole.extend_from_slice(piece));
        whole
    }
}

/// Field by which a mail is known again where it arrives.
pub const NUMBER_FIELD: &str = "X-Load-Number";

struct Attachment {
    name: u64,
    bytes: u64,
    lines: Bytes,
    media_type: &'static str,
}

struct Campaign {
    letter: Letter,
    text: String,
}

/// Letters that nobody wrote, for where none were found.
#[must_use]
pub fn invented(count: u64) -> Vec<Letter> {
    (0..count).map(made::invented).collect()
}

/// Makes the mails of a run by number.
pub struct Model {
    mails: Mails,
    seed: u64,
    letters: Vec<Letter>,
    campaigns: Vec<Campaign>,
    zipf: Zipf,
    pictures: Vec<Attachment>,
    attachments: Vec<Attachment>,
    attachment_zipf: Zipf,
}

impl Model {
    /// From these letters, of which the first are the campaigns' and the others somebody's own. With fewer letters than
    /// mails, own letters come again: [`Model::seen_before`] says how much that is.
    #[must_use]
    pub fn new(mails: Mails, seed: u64, mut letters: Vec<Letter>) -> Self {
        if letters.is_empty() {
            letters.push(made::invented(0));
        }
        let needs_campaigns = mails.copies + mails.personalised + mails.newsletters > 0.0;
        let count = if needs_campaigns { mails.campaigns.min(letters.len()) } else { 0 };
        let campaigns: Vec<Campaign> = letters[..count]
            .iter()
            .map(|letter| Campaign { letter: letter.clone(), text: letter.text() })
            .collect();
        if letters.len() > 2 * count {
            letters.drain(..count);
        }
        let pictured = if mails.newsletters > 0.0 { count.min(PICTURED_MAX) } else { 0 };
        let pictures = (0..pictured * PICTURES).map(|at| {
            let content = picture(seed, at as u64);
            attachment(0x1_0000 + at as u64, &content, "image/png")
        });
        let going_round = if mails.forwarded > 0.0 { mails.attachments } else { 0 };
        let attachments = (0..going_round).map(|at| {
            let (content, media_type) = something_attached(seed, at as u64, mails.attachment_bytes);
            attachment(0x2_0000 + at as u64, &content, media_type)
        });
        Self {
            zipf: Zipf::new(count, mails.zipf),
            attachment_zipf: Zipf::new(going_round, mails.zipf),
            pictures: pictures.collect(),
            attachments: attachments.collect(),
            mails,
            seed,
            letters,
            campaigns,
        }
    }

    /// What mail `number` is.
    #[must_use]
    pub fn kind(&self, number: u64) -> Kind {
        let sum: f64 = self.mails.weights().map(|(_, weight)| weight).sum();
        let mut left = Dice::of(self.seed ^ 0xc1d, number).share() * sum;
        for (kind, weight) in self.mails.weights() {
            left -= weight;
            if left < 0.0 {
                return kind;
            }
        }
        Kind::Unique
    }

    /// Mail `number`.
    #[must_use]
    pub fn mail(&self, number: u64) -> Mail {
        let mut dice = Dice::of(self.seed, number);
        let kind = self.kind(number);
        let own = &self.letters[number as usize % self.letters.len()];
        match kind {
            Kind::Unique => {
                let field = format!("{NUMBER_FIELD}: {number}\r\n");
                let header = [field.as_bytes(), &own.header];
                let name = 0x4_0000_0000 + number % self.letters.len() as u64;
                let parts = vec![(name, text_bytes(&own.body))];
                let header = header.concat().into();
                mail(
                    number,
                    kind,
                    &format!("person{number}@example.org"),
                    header,
                    vec![own.body.clone()],
                    parts,
                )
            }
            Kind::Forwarded => self.forwarded(number, own, &mut dice),
            _ => self.of_campaign(number, kind, &mut dice),
        }
    }

    fn of_campaign(&self, number: u64, kind: Kind, dice: &mut Dice) -> Mail {
        let at = self.zipf.draw(dice);
        let campaign = &self.campaigns[at];
        let sender = format!("news@campaign{at}.example.net");
        let own = 0x8_0000_0000 + number;
        let (fields, body, parts) = match kind {
            Kind::Copy => {
                let body = campaign.letter.body.clone();
                let parts = vec![(at as u64, text_bytes(&body))];
                (campaign.letter.mime_fields(), vec![body], parts)
            }
            Kind::Newsletter => {
                let first = PICTURES * (at % (self.pictures.len() / PICTURES).max(1));
                let pictures = self.pictures.get(first..first + PICTURES).unwrap_or_default();
                let page = made::page(&campaign.text, number, at, dice.word(), pictures.len());
                let mut parts = vec![(own, text_bytes(page.as_bytes()))];
                parts.extend(pictures.iter().map(|it| (it.name, it.bytes)));
                (made::RELATED.into(), made::related(page, pictures), parts)
            }
            _ => {
                let text = made::personal(&campaign.text, number, at, dice.word());
                let parts = vec![(own, text_bytes(text.as_bytes()))];
                (made::PLAIN.into(), vec![text.into()], parts)
            }
        };
        let header = [&made::header(number, &sender, &format!("News {at}")), &fields[..]].concat();
        mail(number, kind, &sender, header.into(), body, parts)
    }

    fn forwarded(&self, number: u64, own: &Letter, dice: &mut Dice) -> Mail {
        let attached = &self.attachments[self.attachment_zipf.draw(dice)];
        let text = made::personal(&own.text(), number, 0, dice.word());
        let parts = vec![
            (0x8_0000_0000 + number, text_bytes(text.as_bytes())),
            (attached.name, attached.bytes),
        ];
        let sender = format!("person{number}@example.org");
        let header = made::header(number, &sender, "Fwd: as promised");
        let header = [&header, made::MIXED].concat();
        mail(number, Kind::Forwarded, &sender, header.into(), made::mixed(text, attached), parts)
    }

    /// Of the bytes of parts in the first `count` mails, the share that came in an earlier mail: what a filter that forgets
    /// nothing need not look at again.
    #[must_use]
    pub fn seen_before(&self, count: u64) -> f64 {
        let mut seen = std::collections::HashSet::new();
        let (mut again, mut all) = (0, 0);
        for (name, bytes) in (0..count).flat_map(|number| self.mail(number).parts) {
            all += bytes;
            if !seen.insert(name) {
                again += bytes;
            }
        }
        again as f64 / all.max(1) as f64
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Model of {} letters, {} campaigns", self.letters.len(), self.campaigns.len())
    }
}

/// Bytes of a text as readers name it: lines end in LF.
fn text_bytes(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte != b'\r').count() as u64
}

fn attachment(name: u64, content: &[u8], media_type: &'static str) -> Attachment {
    Attachment { name, bytes: content.len() as u64, lines: base64_lines(content), media_type }
}

fn mail(
    number: u64,
    kind: Kind,
    sender: &str,
    header: Bytes,
    body: Vec<Bytes>,
    parts: Vec<(u64, u64)>,
) -> Mail {
    let recipient = format!("reader{}@example.test", number % 1_000);
    Mail { number, kind, sender: sender.to_owned(), recipient, header, body, parts }
}

#[cfg(test)]
mod tests;
