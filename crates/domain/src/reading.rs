//! What was read in the parts: folded text, links, file types. Made by `tamis-message`, judged by `tamis-checks`.

use serde::{Deserialize, Serialize};

use crate::digest::{PartDigest, SignatureKind, Sketch};
use crate::evidence::Evidence;

/// The top-level header block, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderReading {
    /// All fields in order: name as written, value unfolded and decoded (RFC 2047).
    pub fields: Vec<Field>,
    /// Mailboxes of From.
    pub from: Vec<Mailbox>,
    /// Mailboxes of Reply-To.
    pub reply_to: Vec<Mailbox>,
    /// Mailboxes of To and Cc.
    pub to: Vec<Mailbox>,
    /// Sender field.
    pub sender: Option<Mailbox>,
    /// Return-Path address, without angle brackets, as the last hop wrote it; empty for `<>`.
    pub return_path: Option<String>,
    /// Subject, decoded.
    pub subject: String,
    /// Date in seconds since 1970, if it can be read.
    pub date_s: Option<i64>,
    /// Message-Id without angle brackets.
    pub message_id: Option<String>,
    /// Relays, topmost (latest) first.
    pub received: Vec<Relay>,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name as written.
    pub name: String,
    /// Value, unfolded, encoded words decoded, surrounding white space removed.
    pub value: String,
}

/// A display name and an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// Display name, decoded; empty if none.
    pub name: String,
    /// Address without angle brackets, as written.
    pub address: String,
}

/// What one Received field tells (RFC 5321 section 4.4), as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relay {
    /// Name after `from`: what the client called itself.
    pub helo: Option<String>,
    /// Address literal found in the from clause.
    pub address: Option<std::net::IpAddr>,
    /// Name found by reverse DNS in the from clause.
    pub name: Option<String>,
    /// Name after `by`.
    pub by: Option<String>,
    /// Word after `with`, such as `ESMTPS`.
    pub with: Option<String>,
    /// Time in seconds since 1970.
    pub date_s: Option<i64>,
}

impl HeaderReading {
    /// Values of all fields of this name, in any case, top to bottom.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }

    /// The first value of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.as_str())
    }
}

/// One part, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartReading {
    /// Name of the bytes that were read, computed from them here.
    pub digest: Option<PartDigest>,
    /// Hex SHA-256 of the bytes, for hash lists of other makers.
    pub sha256: String,
    /// First bytes, at most 256, for telling file types.
    pub head: Vec<u8>,
    /// What a person would see.
    pub text: Option<Text>,
    /// What an HTML page does besides showing text; nothing for other parts.
    pub page: Page,
    /// Links in order of appearance, at most `LINKS_MAX`.
    pub links: Vec<Link>,
    /// Similarity names of what it is, as far as there is enough of it.
    pub names: Vec<PartName>,
    /// What it is besides, if it was read as a document or as a picture with a code.
    pub document: Option<Document>,
    /// A budget ended its reading before it did: bytes of text, links, or what one document may cost.
    pub is_cut: bool,
}

/// What an attached document or picture is besides text and links. Each alone may be honest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Holds macros (VBA, Excel 4, Basic).
    pub has_macros: bool,
    /// Its content is encrypted.
    pub is_encrypted: bool,
    /// Holds scripts.
    pub has_javascript: bool,
    /// Runs something or goes somewhere when it is opened.
    pub has_auto_action: bool,
    /// Holds files or objects of other programs.
    pub has_embedded_files: bool,
    /// Fetches a template, frame or object from elsewhere when it is opened.
    pub has_external_template: bool,
    /// Asks another program for data (DDE).
    pub has_dde: bool,
    /// Breaks the rules of its format.
    pub is_damaged: bool,
    /// Unpacks to far more than it weighs, or its entries lie upon each other.
    pub is_bomb: bool,
    /// Not all of it was read: it is longer than what is read of a document.
    pub is_cut: bool,
    /// Links that stand in QR codes, the last of the part's links.
    pub code_links: usize,
    /// Whether it is a picture, which has no other links than those of codes.
    pub is_picture: bool,
}

/// A similarity name of a part's content, and what its exact name of the same kind names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartName {
    /// What is named: text, page, attachment or image.
    pub kind: SignatureKind,
    /// What the exact signature names, where that is not the part's own digest: the BLAKE3 of a page's skeleton or of
    /// an image's look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub material: Option<PartDigest>,
    /// Similarity name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sketch: Option<Sketch>,
}

impl PartReading {
    /// The similarity name of this kind, if there is one.
    #[must_use]
    pub fn sketch(&self, kind: SignatureKind) -> Option<Sketch> {
        self.names.iter().find(|name| name.kind == kind).and_then(|name| name.sketch)
    }
}

/// Text as a person sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// Visible text, entities resolved, white space collapsed.
    pub visible: String,
    /// `visible` in lower case, compatibility forms folded, zero-width characters removed.
    pub folded: String,
    /// Characters of text that a person would not see (hidden elements, comments, zero-width).
    pub hidden_chars: u32,
    /// Zero-width and other invisible characters found inside the visible text.
    pub invisible_chars: u32,
    /// Letters of other scripts that pose as Latin ones inside Latin words.
    pub homoglyphs: u32,
    /// Whether bytes did not fit the declared charset.
    pub broken_charset: bool,
}

/// What an HTML page does besides showing text. Counts stop at their largest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Characters in the colour of their ground. These and the next two are among [`Text::hidden_chars`].
    pub coloured_chars: u32,
    /// Characters too small to be read.
    pub tiny_chars: u32,
    /// Characters off the screen, or clipped to nothing.
    pub away_chars: u32,
    /// Forms.
    pub forms: u16,
    /// Fields for passwords.
    pub password_fields: u16,
    /// Scripts, and elements that run one on an event.
    pub scripts: u16,
    /// Fetched pictures of at most one by one pixel.
    pub pixels: u16,
    /// Pages within addresses (`data:text/html`).
    pub carried: u16,
    /// Whether it sends its reader on by itself (`meta` refresh).
    pub refreshes: bool,
}

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Target as written, scheme included, cut to `LINK_BYTES_MAX`.
    pub target: String,
    /// Host in lower case; empty when there is none (`mailto:` has the domain).
    pub host: String,
    /// Text shown for it, if it was an HTML anchor.
    pub shown: Option<String>,
}

/// Facts about one part's bytes: what the cache remembers. Never a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartFacts {
    /// Findings in the part's content alone.
    pub evidence: Vec<Evidence>,
    /// Its similarity names. What an older version remembered has none.
    #[serde(default)]
    pub names: Vec<PartName>,
    /// `host/path` of its links, without duplicates, for reputation questions.
    pub links: Vec<String>,
    /// What kind of automatic report the content proves to be.
    pub report: Option<Report>,
    /// A budget of this part alone ended its reading: the same for everybody who has these bytes.
    #[serde(default)]
    pub is_cut: bool,
    /// Pictures and documents in it that the budget of the whole mail had no room for. Facts with any hold for that mail
    /// alone.
    #[serde(default)]
    pub left_out: u16,
    /// Its features, where users teach: see `tamis-learning`. None otherwise.
    #[serde(default, skip_serializing_if = "Tokens::is_empty")]
    pub tokens: Tokens,
    /// What the content model makes of a text; nothing where there is no model, or no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentSums>,
}

/// Keyed hashes of a part's features, ascending; eight hexadecimal digits each where they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Tokens(pub Vec<u32>);

impl Tokens {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.0
    }
}

impl From<Tokens> for String {
    fn from(tokens: Tokens) -> Self {
        let bytes: Vec<u8> = tokens.0.iter().flat_map(|token| token.to_be_bytes()).collect();
        crate::digest::hex(&bytes)
    }
}

impl TryFrom<String> for Tokens {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (chunks, rest) = text.as_bytes().as_chunks::<8>();
        let token = |digits: &[u8; 8]| {
            let is_number = digits.iter().all(|digit| b"0123456789abcdef".contains(digit));
            let digits = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
            u32::from_str_radix(digits, 16).ok()
        };
        let tokens = chunks.iter().map(token).collect::<Option<Vec<u32>>>();
        let tokens = tokens.filter(|tokens| rest.is_empty() && tokens.is_sorted());
        tokens.map(Self).ok_or("tokens are eight hexadecimal digits each, ascending")
    }
}

/// What the content model remembers of one part: enough to judge a mail of several parts without their texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentSums {
    /// Bytes of visible text.
    pub visible_bytes: u32,
    /// Whom the web links belong to (registrable domains), each with how many links, in order of appearance.
    pub owners: Vec<(String, u32)>,
    /// For each group of features, the sum of weights.
    pub weights: Vec<f32>,
    /// For each group of features, the squared length of the vector.
    pub squares: Vec<f32>,
}

/// A well-formed automatic report, by structure (RFC 3464, 8098, 5965).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// `message/delivery-status` with Reporting-MTA and at least one recipient block.
    DeliveryStatus,
    /// `message/disposition-notification` with a Disposition field.
    Disposition,
    /// `message/feedback-report` with a Feedback-Type field.
    Feedback,
    /// The plain text bounce of qmail ("Hi. This is the ... program at").
    QmailBounce,
    /// A bounce in words: why, and the header of the returned mail behind it.
    PlainBounce,
    /// A mail system's words about who could not be reached and why, with a code, without the returned mail.
    BounceText,
    /// The same without a code, by a set phrase alone.
    BounceWords,
    /// The header of a returned mail, without a reason that could be told.
    ReturnedHeader,
}
