//! The header block, read: fields in order, mailboxes, dates, relays.
//!
//! All values are read by code of this room, in time linear in the block, without a way to panic: header values are
//! where hostile mail is most inventive.

mod addresses;
mod date;
mod received;

pub use addresses::{MAILBOXES_MAX, mailboxes};
pub use date::date_s;
pub use received::relay;

use tamis_domain::reading::{Field, HeaderReading};

use crate::charset::lossy;
use crate::fields::{fields, unfolded};
use crate::words;

/// Received fields read. Loops are cut at 50 to 100 hops by every MTA.
pub const RELAYS_MAX: usize = 200;

/// Fields that are read further.
const KNOWN: [&str; 10] = [
    "received",
    "from",
    "reply-to",
    "to",
    "cc",
    "sender",
    "return-path",
    "subject",
    "date",
    "message-id",
];

/// Reads a header block (`Outline::header`, or the content of a `HeaderBlock` part).
#[must_use]
pub fn read(block: &[u8]) -> HeaderReading {
    let mut reading = HeaderReading::default();
    let mut subject_seen = false;
    for field in fields(block).filter(|field| !field.name.is_empty()) {
        let flat = unfolded(field.value);
        let value = words::decode(&flat);
        let name = lossy(field.name).into_owned();
        let known = KNOWN.into_iter().find(|it| it.eq_ignore_ascii_case(&name));
        match known.unwrap_or_default() {
            "from" => add_mailboxes(&mut reading.from, &flat),
            "reply-to" => add_mailboxes(&mut reading.reply_to, &flat),
            "to" | "cc" => add_mailboxes(&mut reading.to, &flat),
            "sender" if reading.sender.is_none() => {
                reading.sender = mailboxes(&flat).into_iter().next()
            }
            "return-path" if reading.return_path.is_none() => {
                reading.return_path = Some(without_angles(&value).to_owned());
            }
            "subject" if !subject_seen => {
                reading.subject.clone_from(&value);
                subject_seen = true;
            }
            "date" if reading.date_s.is_none() => reading.date_s = date_s(&value),
            "message-id" if reading.message_id.is_none() => {
                reading.message_id =
                    Some(without_angles(&value).to_owned()).filter(|id| !id.is_empty());
            }
            "received" if reading.received.len() < RELAYS_MAX => {
                reading.received.push(relay(&value))
            }
            _ => {}
        }
        reading.fields.push(Field { name, value });
    }
    reading
}

fn add_mailboxes(list: &mut Vec<tamis_domain::reading::Mailbox>, value: &[u8]) {
    let room = MAILBOXES_MAX.saturating_sub(list.len());
    list.extend(mailboxes(value).into_iter().take(room));
}

/// What stands between the first `<` and the `>` behind it, or all.
fn without_angles(value: &str) -> &str {
    let inside = value.split_once('<').map(|(_, behind)| behind);
    let inside = inside.map(|text| text.split_once('>').map_or(text, |(inside, _)| inside));
    inside.unwrap_or(value).trim()
}

#[cfg(test)]
mod tests;
