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

/// Letters of a hundred, of either kind alike, that a mailing list distributes: its fields must tell nothing.
const THROUGH_LIST_PERCENT: usize = 35;

/// A letter of a stranger, or of somebody known.
pub(super) fn letter(draw: &mut Draw<'_>, is_stranger: bool) -> Vec<u8> {
    let language = draw.one(&LANGUAGES);
    let name = if is_stranger { "pitch" } else { "talk" };
    let subject = draw.say(language, &format!("{name}.subject"));
    let mut text = String::new();
    if draw.chance(if is_stranger { 85 } else { 60 }) {
        text.push_str(&format!("{}\n\n", draw.say(language, "greeting")));
    }
    for _ in 0..1 + draw.below(5) {
        text.push_str(&format!("{}\n", draw.say(language, &format!("{name}.body"))));
    }
    if !is_stranger && draw.chance(40) {
        let quoted = draw.say(language, "talk.body");
        let more = draw.say(language, "talk.body");
        text.push_str(&format!("\n> {quoted}\n> {more}\n\n{}\n", draw.say(language, "talk.body")));
    }
    let (first, last) = (draw.expand("<first>", 0), draw.expand("<last>", 0));
    text.push_str(&format!("\n{}\n{first} {last}\n", draw.say(language, "bye")));
    if draw.chance(30) {
        let card = draw.expand("<brand> <trade>\n## Station Road, <city>\n+## ### ######\n", 0);
        text.push_str(&card);
    }
    if is_stranger && draw.chance(40) {
        let link = format!("https://{}.example/{}", draw.token(10).to_lowercase(), draw.token(6));
        text.push_str(&format!("{link}\n"));
    }
    let list = draw.chance(THROUGH_LIST_PERCENT).then(|| List::of(draw));
    let head = head(draw, is_stranger, &subject, &format!("{first} {last}"), list.as_ref());
    if let Some(list) = list.filter(|_| draw.chance(60)) {
        text.push_str(&list.footer);
    }
    // Programs of offices, telephones and of the web write both.
    if draw.chance(if is_stranger { 25 } else { 50 }) {
        return format!("{head}{}", both(draw, &text)).into_bytes();
    }
    if draw.chance(if is_stranger { 45 } else { 15 }) {
        let page = text.replace('\n', "<br>\n");
        return format!(
            "{head}Content-Type: text/html; charset=utf-8\n\n<html><body>{page}</body></html>"
        )
        .into_bytes();
    }
    format!("{head}Content-Type: text/plain; charset=utf-8\n\n{text}").into_bytes()
}

/// A text as plain text and as a page beside it, at times with a document.
fn both(draw: &mut Draw<'_>, text: &str) -> String {
    let (open, close, end) = match draw.below(3) {
        0 => (
            "<div class=\"WordSection1\"><p class=\"MsoNormal\">",
            "</p></div>",
            "</p>\n<p class=\"MsoNormal\">",
        ),
        1 => ("<div dir=\"ltr\">", "</div>", "<br>\n"),
        _ => ("<div>", "</div>", "<br>\n"),
    };
    let (page, mark) = (text.replace('\n', end), draw.token(16));
    let both = format!(
        "Content-Type: multipart/alternative; boundary=\"{mark}\"\n\n--{mark}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n--{mark}\nContent-Type: text/html; charset=utf-8\n\n<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>{open}{page}{close}</body></html>\n--{mark}--\n"
    );
    if !draw.chance(15) {
        return both;
    }
    let (mark, data) = (draw.token(20), draw.token(60));
    format!(
        "Content-Type: multipart/mixed; boundary=\"{mark}\"\n\n--{mark}\n{both}\n--{mark}\nContent-Type: application/pdf; name=\"scan.pdf\"\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"scan.pdf\"\n\nJVBERi0xLjQK{data}\n--{mark}--\n"
    )
}

/// What a mailing list adds to a letter.
struct List {
    /// Its address.
    address: String,
    /// Its fields.
    fields: String,
    /// In front of the subject, or nothing.
    tag: String,
    /// Below the text.
    footer: String,
}

impl List {
    fn of(draw: &mut Draw<'_>) -> Self {
        let name = draw.expand("<list>", 0);
        let house = draw.expand("<brand>", 0).to_lowercase().replace([' ', '&'], "");
        let host = format!("{}{house}.example", draw.one(&["lists.", "", "mail."]));
        let address = format!("{name}@{host}");
        let page = format!("https://{host}/listinfo/{name}");
        let fields = match draw.below(4) {
            0 | 1 => format!(
                "Precedence: list\nList-Id: <{name}.{host}>\nList-Unsubscribe: <{page}>,\n <mailto:{name}-request@{host}?subject=unsubscribe>\nList-Post: <mailto:{address}>\nList-Help: <mailto:{name}-request@{host}?subject=help>\nErrors-To: {name}-bounces@{host}\nSender: {name}-bounces@{host}\n"
            ),
            2 => format!(
                "Precedence: bulk\nX-Mailing-List: {address}\nList-Id: <{name}.{host}>\nList-Subscribe: <mailto:{name}+subscribe@{host}>\nList-Unsubscribe: <mailto:{name}+unsubscribe@{host}>\n"
            ),
            _ => format!(
                "Precedence: list\nMailing-list: list {address}; contact {name}+owners@{host}\nList-Id: <{name}.{host}>\nList-Post: <{page}/post>, <mailto:{address}>\nList-Help: <{page}/help>\n"
            ),
        };
        let tag = if draw.chance(45) { format!("[{name}] ") } else { String::new() };
        let footer = format!(
            "\n_______________________________________________\n{name} mailing list\n{address}\n{page}\n"
        );
        Self { address, fields, tag, footer }
    }
}

fn head(
    draw: &mut Draw<'_>,
    is_stranger: bool,
    subject: &str,
    name: &str,
    list: Option<&List>,
) -> String {
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
    let tag = list.map_or("", |list| list.tag.as_str());
    let subject = if is_answer || is_stranger && draw.chance(8) {
        format!("Re: {tag}{subject}")
    } else {
        format!("{tag}{subject}")
    };
    let id = draw.token(18);
    let to = draw.expand("<first>", 0).to_lowercase();
    let mut head = format!(
        "From: {name} <{mailbox}@{domain}>\nSubject: {}\nMessage-ID: <{id}@{domain}>\nDate: Tue, 4 Mar 2025 09:15:00 +0000\nMIME-Version: 1.0\n",
        encoded(&subject)
    );
    if draw.chance(45) {
        let token = draw.token(60);
        head.push_str(&format!("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=s1;\n h=from:to:subject; bh={token}; b={token}\n"));
    }
    if let Some(list) = list {
        head.push_str(&format!("To: {}\n{}", list.address, list.fields));
    }
    match draw.below(10) {
        _ if list.is_some() => {}
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
    if !is_stranger && draw.chance(30) {
        head.push_str(&format!("User-Agent: {}\n", draw.one(&PROGRAMS)));
    } else if draw.chance(if is_stranger { 25 } else { 45 }) {
        head.push_str(&draw.expand("X-Mailer: <program>\n", 0));
        if draw.chance(50) {
            let index = draw.token(30);
            head.push_str(&format!("Thread-Index: {index}==\nContent-Language: en-us\n"));
        }
    }
    head
}
