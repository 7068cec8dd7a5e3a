//! The header: subject, sender, and facts that do not tell which server received the mail.

use tamis_domain::reading::{HeaderReading, Mailbox};

use super::host::{domain, is_free_mail, owner, same_owner, shape, top_level};
use super::magnitude;
use super::words::{letters, words};
use crate::bag::Bag;
use crate::group::Group;

/// Bytes of a subject, a name or an address that are read. RFC 5322 lets a line have 998.
const VALUE_READ_BYTES_MAX: usize = 1024;

/// Features of most headers; more cost a move.
const FEATURES_EXPECTED: usize = 256;

/// Characters of the subject whose runs are features.
const SUBJECT_LETTERS_MAX: usize = 300;

/// Words of a program's name that are read.
const PROGRAM_WORDS_MAX: usize = 8;

/// Prefixes of answers and forwards taken off at most.
const PREFIXES_MAX: usize = 8;

/// Prefixes of answers.
const ANSWERS: [&str; 5] = ["re:", "aw:", "sv:", "re :", "antw:"];

/// Prefixes of forwards.
const FORWARDS: [&str; 5] = ["fwd:", "fw:", "tr:", "wg:", "rv:"];

/// Claims of other filters in front of a subject: they are no word of the sender's.
const CLAIMS: [&str; 9] = [
    "[spam]",
    "[spam?]",
    "[bulk]",
    "[suspected spam]",
    "[probable spam]",
    "{spam?}",
    "{spam}",
    "***spam***",
    "*****spam*****",
];

/// Fields whose presence says what kind of program or list sent the mail. What a receiving server adds is not among
/// them.
const FIELDS: [&str; 31] = [
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-post",
    "list-help",
    "in-reply-to",
    "references",
    "reply-to",
    "sender",
    "precedence",
    "organization",
    "mime-version",
    "cc",
    "errors-to",
    "importance",
    "x-priority",
    "x-msmail-priority",
    "x-mimeole",
    "thread-index",
    "user-agent",
    "x-mailer",
    "feedback-id",
    "auto-submitted",
    "content-language",
    "disposition-notification-to",
    "mailing-list",
    "date",
    "message-id",
    "to",
    "from",
    "subject",
];

/// Features of the top header.
#[must_use]
pub fn read_header(header: &HeaderReading) -> Bag {
    let mut bag = Bag::with_room(FEATURES_EXPECTED);
    subject(&mut bag, header);
    // What is missing is no feature: that says which year and which kind of store a mail comes from.
    for name in FIELDS.into_iter().filter(|name| header.value(name).is_some()) {
        bag.add(Group::Header, &["has", name]);
    }
    let from = header.from.first();
    match from {
        None => bag.add(Group::Sender, &["nobody"]),
        Some(from) => sender(&mut bag, header, from),
    }
    recipients(&mut bag, header, from);
    programs(&mut bag, header);
    message_id(&mut bag, header, from);
    if header.date_s.is_none() {
        bag.add(Group::Header, &["no date"]);
    }
    bag
}

fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(VALUE_READ_BYTES_MAX)]
}

fn subject(bag: &mut Bag, header: &HeaderReading) {
    let written = cut(&header.subject).trim();
    let folded = written.to_lowercase();
    let (core, answers, forwards, tags) = core_of(&folded);
    let threaded = header.value("in-reply-to").is_some() || header.value("references").is_some();
    let answers = ["0", "1", "2"][answers.min(2)];
    bag.add(Group::Header, &["answers", answers, if threaded { "threaded" } else { "alone" }]);
    if forwards > 0 {
        bag.add(Group::Header, &["forward"]);
    }
    if tags > 0 {
        bag.add(Group::Header, &["tagged subject"]);
    }
    let mut found = Vec::new();
    words(core, &mut found);
    for word in &found {
        bag.add(Group::Subject, &[word]);
    }
    for pair in found.windows(2) {
        bag.add(Group::Subject, pair);
    }
    bag.add_letters(Group::SubjectLetters, &letters(core, SUBJECT_LETTERS_MAX));
    bag.add_number(Group::Header, "subject words", found.len().min(12));
    let letters = written.chars().filter(|c| c.is_alphabetic()).count().max(1);
    let capitals = written.chars().filter(|c| c.is_uppercase()).count();
    bag.add_number(Group::Header, "subject capitals", capitals * 5 / letters);
    for sign in ["!", "?", "$", "%", ":", "*"] {
        if core.contains(sign) {
            bag.add(Group::Header, &["subject has", sign]);
        }
    }
    if !written.is_ascii() {
        let pictured = written.contains(is_pictograph);
        bag.add(Group::Header, &[if pictured { "subject pictured" } else { "subject foreign" }]);
    }
    if written.contains(|c: char| c.is_ascii_digit()) {
        bag.add(Group::Header, &["subject digits"]);
    }
}

/// A folded subject without claims, prefixes and tags of lists; how many answers, forwards and tags were taken off.
fn core_of(folded: &str) -> (&str, usize, usize, usize) {
    let mut core = folded;
    let (mut answers, mut forwards, mut tags) = (0, 0, 0);
    for _ in 0..PREFIXES_MAX {
        let strip = |list: &[&str]| list.iter().find_map(|prefix| core.strip_prefix(prefix));
        if let Some(rest) = strip(&CLAIMS) {
            core = rest.trim_start();
        } else if let Some(rest) = strip(&ANSWERS) {
            answers += 1;
            core = rest.trim_start();
        } else if let Some(rest) = strip(&FORWARDS) {
            forwards += 1;
            core = rest.trim_start();
        } else if let Some((_, rest)) = core.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        {
            tags += 1;
            core = rest.trim_start();
        } else {
            break;
        }
    }
    (core, answers, forwards, tags)
}

fn sender(bag: &mut Bag, header: &HeaderReading, from: &Mailbox) {
    let domain = domain(cut(&from.address));
    let name = cut(&from.name);
    let folded = name.to_lowercase();
    let mut found = Vec::new();
    words(&folded, &mut found);
    bag.add_number(Group::Sender, "name words", found.len().min(5));
    for word in &found {
        bag.add(Group::Sender, &["name", word]);
    }
    let (mut letters, mut capitals) = (0_usize, 0);
    for c in name.chars().filter(|c| c.is_alphabetic()) {
        letters += 1;
        capitals += usize::from(c.is_uppercase());
    }
    if letters > 0 && (capitals == 0 || capitals == letters) {
        bag.add(Group::Sender, &[if capitals == 0 { "small name" } else { "capital name" }]);
    }
    if name.contains('@') {
        bag.add(Group::Sender, &["address as name"]);
    }
    if name.contains(|c: char| c.is_ascii_digit()) {
        bag.add(Group::Sender, &["digits in name"]);
    }
    let local = cut(&from.address).split('@').next().unwrap_or_default().to_lowercase();
    for word in local.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() >= 2) {
        bag.add(Group::Sender, &["mailbox", word]);
    }
    bag.add(Group::Sender, &["shape", &shape(&local, 6)]);
    bag.add(Group::Sender, &[if is_free_mail(&domain) { "free mail" } else { "own domain" }]);
    if let Some(label) = top_level(&domain) {
        bag.add(Group::Sender, &["top level", label]);
    }
    domain_form(bag, &domain);
    if !name.is_ascii() {
        let pictured = name.contains(is_pictograph);
        bag.add(Group::Sender, &[if pictured { "pictured name" } else { "foreign name" }]);
    }
    bag.add_number(Group::Sender, "labels", domain.split('.').count().min(5));
    let named = |text: &str| found.iter().any(|word| word.len() >= 3 && text.contains(word));
    bag.add(
        Group::Sender,
        &[if named(&local) { "name in mailbox" } else { "name not in mailbox" }],
    );
    bag.add(Group::Sender, &[if named(&domain) { "name in domain" } else { "name not in domain" }]);
    answers_to(bag, header, from, &domain);
}

/// Whether a domain looks like a name that somebody chose, or like one that was drawn.
fn domain_form(bag: &mut Bag, domain: &str) {
    let label = owner(domain).split('.').next().unwrap_or_default();
    let (mut run, mut longest) = (0_usize, 0);
    for c in label.chars() {
        run = if c.is_ascii_alphabetic() && !"aeiouy".contains(c) { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    bag.add_number(Group::Sender, "consonants", longest.min(6));
    bag.add_number(Group::Sender, "domain length", magnitude(label.len()).min(6));
    if label.contains(|c: char| c.is_ascii_digit()) {
        bag.add(Group::Sender, &["domain digits"]);
    }
    bag.add_number(Group::Sender, "hyphens", label.matches('-').count().min(2));
}

/// Signs that are pictures: emoji, dingbats, arrows.
fn is_pictograph(c: char) -> bool {
    matches!(u32::from(c), 0x2190..=0x21ff | 0x2300..=0x27bf | 0x2b00..=0x2bff | 0x1_f000..=0x1_faff)
}

fn answers_to(bag: &mut Bag, header: &HeaderReading, from: &Mailbox, domain: &str) {
    let Some(reply) = header.reply_to.first() else { return };
    let reply_domain = self::domain(cut(&reply.address));
    let whom = match () {
        () if reply.address.eq_ignore_ascii_case(&from.address) => "same",
        () if same_owner(&reply_domain, domain) => "same owner",
        () => "other",
    };
    let free = if is_free_mail(&reply_domain) { "free" } else { "" };
    let from_free = if is_free_mail(domain) { "free" } else { "" };
    bag.add(Group::Header, &["answers to", whom, free, from_free]);
}

/// Programs that people write with, and programs that send for them: by the words of their names.
fn programs(bag: &mut Bag, header: &HeaderReading) {
    for field in ["x-mailer", "user-agent"] {
        let Some(value) = header.value(field) else { continue };
        let value = cut(value).to_lowercase();
        let words = value.split(|c: char| !c.is_alphabetic()).filter(|word| word.len() >= 3);
        for word in words.take(PROGRAM_WORDS_MAX) {
            bag.add(Group::Header, &["program", word]);
        }
    }
    if let Some(value) = header.value("precedence") {
        bag.add(Group::Header, &["precedence", &cut(value).to_lowercase()]);
    }
}

fn recipients(bag: &mut Bag, header: &HeaderReading, from: Option<&Mailbox>) {
    bag.add_number(Group::Header, "recipients", magnitude(header.to.len()).min(5));
    if header.to.iter().any(|to| !to.name.is_empty()) {
        bag.add(Group::Header, &["recipient named"]);
    }
    let himself =
        |from: &Mailbox| header.to.iter().any(|to| to.address.eq_ignore_ascii_case(&from.address));
    if from.is_some_and(himself) {
        bag.add(Group::Header, &["to himself"]);
    }
    let undisclosed = |to: &str| cut(to).to_lowercase().contains("undisclosed");
    if header.value("to").is_some_and(undisclosed) {
        bag.add(Group::Header, &["undisclosed"]);
    }
}

fn message_id(bag: &mut Bag, header: &HeaderReading, from: Option<&Mailbox>) {
    let Some(id) = &header.message_id else { return };
    let host = domain(cut(id));
    let from = from.map_or(String::new(), |from| domain(cut(&from.address)));
    let owner = if same_owner(&host, &from) { "sender's" } else { "other" };
    bag.add(Group::Header, &["message id", owner]);
}
