//! Invented mail to many: newsletters, receipts and notices of houses that do not exist, and false ones in their manner.
//!
//! Honest mail to many of recent years is scarce in every public corpus, since it is private. Without it a model learns
//! that pages with offers are spam. What is invented here gives it both sides of the same words: who sends, who signs
//! and where links lead tell the sides apart. Nothing of it is a copy of any mail.

mod letter;
mod page;
mod phrases;

use crate::fit::Random;
use letter::letter;
use page::page;
pub use phrases::Phrases;

/// Mails invented for training: few beside tens of thousands, and evened out like every source.
pub const COUNT: usize = 6000;

/// Languages of [`Phrases`], the frequent ones more than once.
const LANGUAGES: [&str; 23] = [
    "en", "en", "en", "en", "en", "en", "en", "en", "de", "de", "fr", "es", "pt", "it", "nl", "ru",
    "zh", "zh", "ja", "pl", "ko", "tr", "cs",
];

/// Services that send for others; their names say nothing, only that they are others' names.
const SENDERS: [&str; 6] =
    ["mailhaus", "sendfleet", "postrelay", "campaignly", "bulkline", "mxcloud"];

/// Notices of a hundred that are letters.
const LETTERS_PERCENT: usize = 35;

/// What kind of mail is invented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Newsletters and offers.
    News,
    /// Receipts and notices of an account.
    Note,
    /// People who write to each other.
    Talk,
    /// False notices: phishing.
    False,
    /// Offers of strangers, threats, advance fees.
    Pitch,
}

impl Kind {
    const fn is_spam(self) -> bool {
        matches!(self, Self::False | Self::Pitch)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Note => "note",
            Self::Talk => "talk",
            Self::False => "false",
            Self::Pitch => "pitch",
        }
    }
}

/// One invented mail and whether it is spam.
#[must_use]
pub fn mail(phrases: &Phrases, number: usize) -> (Vec<u8>, bool) {
    let mut draw =
        Draw { phrases, random: Random::new(number as u64 + 1), house: House::default() };
    let kind = match draw.below(20) {
        0..=3 => Kind::News,
        4..=8 => Kind::Note,
        9..=12 => Kind::Talk,
        13..=16 => Kind::False,
        _ => Kind::Pitch,
    };
    let mail = match kind {
        Kind::Talk | Kind::Pitch => letter(&mut draw, kind == Kind::Pitch),
        _ => draw.mail(kind),
    };
    (mail, kind.is_spam())
}

/// Who sends an invented mail.
#[derive(Clone, Debug, Default)]
pub(crate) struct House {
    /// Name shown.
    brand: String,
    /// Where From points.
    domain: String,
    /// Where links lead.
    links: String,
    /// Recipient's mailbox.
    mailbox: String,
}

/// Phrases, numbers and the house of one mail.
pub(crate) struct Draw<'a> {
    phrases: &'a Phrases,
    random: Random,
    house: House,
}

impl Draw<'_> {
    fn below(&mut self, limit: usize) -> usize {
        (self.random.draw() % limit.max(1) as u64) as usize
    }

    /// True in so many of a hundred mails.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }

    /// A phrase of this name in this language.
    fn say(&mut self, language: &str, name: &str) -> String {
        self.expand(&format!("<{language}.{name}>"), 0)
    }

    /// Replaces names by phrases and `#` by digits.
    fn expand(&mut self, text: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['<', '#']) {
            out.push_str(&rest[..at]);
            if rest[at..].starts_with('#') {
                out.push(char::from(b'0' + self.below(10) as u8));
                rest = &rest[at + 1..];
                continue;
            }
            let Some(end) = rest[at..].find('>') else { break };
            let name = &rest[at + 1..at + end];
            out.push_str(&self.named(name, depth));
            rest = &rest[at + end + 1..];
        }
        out.push_str(rest);
        out
    }

    fn named(&mut self, name: &str, depth: usize) -> String {
        match name {
            "brand" if !self.house.brand.is_empty() => return self.house.brand.clone(),
            "mailbox" => return self.house.mailbox.clone(),
            _ => {}
        }
        let alternatives = self.phrases.of(name);
        let chosen = self.below(alternatives.len());
        match alternatives.get(chosen) {
            Some(text) if depth < 3 => self.expand(text, depth + 1),
            _ => String::new(),
        }
    }

    /// A token as links to many carry.
    fn token(&mut self, length: usize) -> String {
        const SIGNS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        (0..length).map(|_| char::from(SIGNS[self.below(SIGNS.len())])).collect()
    }

    fn settle(&mut self, kind: Kind) {
        let name = self.expand("<brand>", 0);
        let trade = self.expand("<trade>", 0);
        let brand = if self.chance(60) { format!("{name} {trade}") } else { name };
        let plain: String =
            brand.to_lowercase().chars().filter(char::is_ascii_alphabetic).collect();
        let own = format!("{plain}.example");
        let stranger = match self.below(4) {
            0 => format!("{}.example", self.token(9).to_lowercase()),
            1 => format!("{}-{}.example", self.expand("<last>", 0), self.expand("<trade>", 0)),
            2 => format!("{}{}.example", self.expand("<city>", 0), self.expand("<last>", 0)),
            _ => format!("{}-secure-{}.example", plain, self.below(100)),
        };
        let stranger = stranger.to_lowercase();
        let (domain, links) = match kind {
            Kind::False if self.chance(30) => (stranger.clone(), stranger),
            Kind::False => (stranger, format!("{}.example", self.token(11).to_lowercase())),
            _ if self.chance(50) => (own.clone(), own),
            _ => (own, format!("{}.example", self.one(&SENDERS))),
        };
        let first = self.expand("<first>", 0).to_lowercase();
        let last = self.expand("<last>", 0).to_lowercase();
        let mailbox = if self.chance(50) { first } else { format!("{first}.{last}") };
        self.house = House { brand, domain, links, mailbox };
    }

    fn mail(&mut self, kind: Kind) -> Vec<u8> {
        self.settle(kind);
        let language = self.one(&LANGUAGES);
        let name = kind.name();
        let subject = self.say(language, &format!("{name}.subject"));
        let mut text = vec![self.say(language, "greeting")];
        // Houses write letters, too: longer, and with nothing to follow.
        let is_letter = kind == Kind::Note && self.chance(LETTERS_PERCENT);
        let (said, more) = match kind {
            Kind::Note if is_letter => ("letter", 6),
            Kind::News => (name, 7),
            _ => (name, 3),
        };
        for _ in 0..2 + self.below(more) {
            text.push(self.say(language, &format!("{said}.body")));
        }
        let button = self.say(language, &format!("{name}.button"));
        let footer = match kind {
            Kind::False => self.say(language, "false.footer"),
            _ => format!("{}\n{}", self.say(language, "bye"), self.say(language, "footer")),
        };
        let head = self.head(kind, &subject);
        let page = page(self, kind, &text, &button, &footer);
        if is_letter {
            let bye = self.say(language, "bye");
            let plain = format!("{}\n\n{bye}\n", text.join("\n\n"));
            let page =
                format!("<html><body><p>{}</p><p>{bye}</p></body></html>", text.join("</p>\n<p>"));
            return self.body(kind, head, &plain, &page);
        }
        let link = self.link("t");
        let plain = format!("{}\n\n{button}: {link}\n\n{footer}\n", text.join("\n\n"));
        self.body(kind, head, &plain, &page)
    }

    fn head(&mut self, kind: Kind, subject: &str) -> String {
        let House { brand, domain, mailbox, links } = self.house.clone();
        let honest = kind != Kind::False;
        let place = self.one(&["news", "info", "hello", "noreply", "no-reply", "service", "mail"]);
        let name = if honest || self.chance(70) { brand } else { format!("{brand} Support") };
        let from = if honest || self.chance(80) {
            format!("{place}@{domain}")
        } else {
            format!("{}@gmail.com", self.token(8).to_lowercase())
        };
        let sub = if honest && self.chance(40) { "mail." } else { "" };
        let id = self.token(20);
        let mut head = String::new();
        let bounce = if self.chance(50) { &domain } else { &links };
        head.push_str(&format!("Return-Path: <bounce-{}@{bounce}>\n", self.token(8)));
        if self.chance(if honest { 92 } else { 45 }) {
            let signer =
                if honest && self.chance(90) || self.chance(50) { &domain } else { &links };
            let token = self.token(60);
            head.push_str(&format!("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={signer}; s=s1;\n h=from:to:subject; bh={token}; b={token}\n"));
        }
        head.push_str(&format!("From: \"{name}\" <{}>\n", from.replace('@', &format!("@{sub}"))));
        let to = format!("{mailbox}@{}.example", self.one(&["home", "inbox", "post"]));
        head.push_str(&format!("To: {to}\nSubject: {}\n", encoded(subject)));
        head.push_str("Date: Tue, 4 Mar 2025 09:15:00 +0000\nMIME-Version: 1.0\n");
        head.push_str(&format!("Message-ID: <{id}@{bounce}>\n"));
        let list = match kind {
            Kind::News => 95,
            Kind::Note => 35,
            _ => 20,
        };
        if self.chance(list) {
            let link = self.link("unsubscribe");
            head.push_str(&format!("List-Unsubscribe: <{link}>\n"));
            if self.chance(70) {
                head.push_str("List-Unsubscribe-Post: List-Unsubscribe=One-Click\n");
            }
        }
        if honest && self.chance(40) {
            head.push_str("Feedback-ID: 1:2:3:house\n");
        }
        if honest && self.chance(20) {
            head.push_str(&format!("Reply-To: {place}@{domain}\n"));
        }
        head
    }

    /// A link of the mail's house.
    pub(crate) fn link(&mut self, page: &str) -> String {
        let host = self.one(&["click.", "www.", "links.", "", "email.", "t."]);
        let links = self.house.links.clone();
        match self.below(3) {
            0 => format!("https://{host}{links}/{page}/{}", self.token(24)),
            1 => format!("https://{host}{links}/{page}?id={}&utm_source=mail", self.token(12)),
            _ => format!("https://{host}{links}/{page}"),
        }
    }

    fn body(&mut self, kind: Kind, mut head: String, plain: &str, page: &str) -> Vec<u8> {
        let only_page = self.chance(if kind == Kind::False { 60 } else { 30 });
        if only_page {
            head.push_str("Content-Type: text/html; charset=utf-8\n\n");
            head.push_str(page);
        } else {
            let mark = self.token(16);
            head.push_str(&format!("Content-Type: multipart/alternative; boundary=\"{mark}\"\n\n--{mark}\nContent-Type: text/plain; charset=utf-8\n\n{plain}\n--{mark}\nContent-Type: text/html; charset=utf-8\n\n{page}\n--{mark}--\n"));
        }
        head.into_bytes()
    }
}

/// A subject as headers carry it: other letters than ASCII as an encoded word (RFC 2047, Q).
fn encoded(subject: &str) -> String {
    if subject.is_ascii() {
        return subject.to_owned();
    }
    let mut out = String::from("=?utf-8?Q?");
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("={byte:02X}"));
        }
    }
    out + "?="
}

#[cfg(test)]
mod tests;
