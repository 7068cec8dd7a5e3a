//! An invented letter: people who write to each other, and strangers who want something.

use super::{Draw, LANGUAGES, encoded};

/// Mailboxes that are given to anybody.
const FREE: [&str; 6] =
    ["gmail.com", "yahoo.com", "outlook.com", "hotmail.com", "gmx.de", "qq.com"];

/// Programs that people write with.
const PROGRAMS: [&str; 5] = [
    "Mozilla Thunderbird",
    "Mutt/1.10.1",
    "Apple Mail (2.3445)",
    "KMail",
    "Microsoft Outlook 16.0",
];

/// A letter of a stranger, or of somebody known.
pub(super) fn letter(draw: &mut Draw<'_>, is_stranger: bool) -> Vec<u8> {
    let language = draw.one(&LANGUAGES);
    let name = if is_stranger { "pitch" } else { "talk" };
    let subject = draw.say(language, &format!("{name}.subject"));
    let mut text = String::new();
    if draw.chance(if is_stranger { 85 } else { 60 }) {
        text.push_str(&format!("{}\n\n", draw.say(language, "greeting")));
    }
    for _ in 0..1 + draw.below(if is_stranger { 5 } else { 3 }) {
        text.push_str(&format!("{}\n", draw.say(language, &format!("{name}.body"))));
    }
    if !is_stranger && draw.chance(40) {
        let quoted = draw.say(language, "talk.body");
        let more = draw.say(language, "talk.body");
        text.push_str(&format!("\n> {quoted}\n> {more}\n\n{}\n", draw.say(language, "talk.body")));
    }
    let (first, last) = (draw.expand("<first>", 0), draw.expand("<last>", 0));
    text.push_str(&format!("\n{}\n{first} {last}\n", draw.say(language, "bye")));
    if is_stranger && draw.chance(40) {
        let link = format!("https://{}.example/{}", draw.token(10).to_lowercase(), draw.token(6));
        text.push_str(&format!("{link}\n"));
    }
    let head = head(draw, is_stranger, &subject, &format!("{first} {last}"));
    if draw.chance(if is_stranger { 45 } else { 15 }) {
        let page = text.replace('\n', "<br>\n");
        return format!(
            "{head}Content-Type: text/html; charset=utf-8\n\n<html><body>{page}</body></html>"
        )
        .into_bytes();
    }
    format!("{head}Content-Type: text/plain; charset=utf-8\n\n{text}").into_bytes()
}

fn head(draw: &mut Draw<'_>, is_stranger: bool, subject: &str, name: &str) -> String {
    let is_free = draw.chance(if is_stranger { 55 } else { 35 });
    let plain = name.to_lowercase().replace(' ', ".");
    let domain = match is_free {
        true => draw.one(&FREE).to_owned(),
        false => {
            format!("{}.example", draw.expand("<brand>", 0).to_lowercase().replace([' ', '&'], ""))
        }
    };
    let mailbox = match is_stranger && draw.chance(60) {
        true => format!("{}{}", draw.token(6).to_lowercase(), draw.below(1000)),
        false => plain,
    };
    let is_answer = !is_stranger && draw.chance(50);
    let subject = if is_answer || is_stranger && draw.chance(8) {
        format!("Re: {subject}")
    } else {
        subject.to_owned()
    };
    let id = draw.token(18);
    let to = draw.expand("<first>", 0).to_lowercase();
    let mut head = format!(
        "From: {name} <{mailbox}@{domain}>\nSubject: {}\nMessage-ID: <{id}@{domain}>\nDate: Tue, 4 Mar 2025 09:15:00 +0000\nMIME-Version: 1.0\n",
        encoded(&subject)
    );
    match draw.below(10) {
        0 if is_stranger => head.push_str("To: undisclosed-recipients:;\n"),
        1 | 2 if is_stranger => {}
        _ => head.push_str(&format!("To: {to}@inbox.example\n")),
    }
    if is_answer && draw.chance(80) {
        let other = draw.token(18);
        head.push_str(&format!(
            "In-Reply-To: <{other}@inbox.example>\nReferences: <{other}@inbox.example>\n"
        ));
    }
    if is_stranger && draw.chance(45) {
        let (box_name, host) = (draw.token(8).to_lowercase(), draw.one(&FREE));
        head.push_str(&format!("Reply-To: {box_name}@{host}\n"));
    }
    if !is_stranger && draw.chance(40) {
        head.push_str(&format!("User-Agent: {}\n", draw.one(&PROGRAMS)));
    }
    head
}
