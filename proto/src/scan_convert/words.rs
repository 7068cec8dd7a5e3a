//! Enumerations, from and to the wire: one table each, read in both directions.

use tamis_domain::envelope::Door;
use tamis_domain::evidence::{Mark, Source};
use tamis_domain::outline::{BodyForm, Disposition, PartKind, TransferEncoding};
use tamis_domain::status::{Rung, Status};

use super::Unreadable;
use crate::scan;

/// Writes the two functions of one enumeration from one table, so that they cannot disagree.
macro_rules! table {
    ($to:ident, $from:ident, $field:literal, $ours:ty, $wire:ident, $($mine:ident = $theirs:ident),+) => {
        pub(super) fn $to(value: $ours) -> scan::$wire {
            match value { $(<$ours>::$mine => scan::$wire::$theirs),+ }
        }

        pub(super) fn $from(value: i32) -> Result<$ours, Unreadable> {
            match scan::$wire::try_from(value) {
                $(Ok(scan::$wire::$theirs) => Ok(<$ours>::$mine),)+
                _ => Err(Unreadable::Meaningless($field)),
            }
        }
    };
}

table!(
    door_to_wire,
    door,
    "door",
    Door,
    Door,
    Milter = Milter,
    Smtp = Smtp,
    Lmtp = Lmtp,
    File = File
);
table!(
    kind_to_wire,
    kind,
    "kind",
    PartKind,
    PartKind,
    Container = Container,
    Message = Message,
    HeaderBlock = HeaderBlock,
    Text = Text,
    Html = Html,
    Image = Image,
    Report = Report,
    Other = Other
);
table!(
    encoding_to_wire,
    encoding,
    "encoding",
    TransferEncoding,
    TransferEncoding,
    Identity = Identity,
    Base64 = Base64,
    QuotedPrintable = QuotedPrintable,
    Uuencode = Uuencode,
    Unknown = Unknown
);
table!(
    disposition_to_wire,
    disposition,
    "disposition",
    Disposition,
    Disposition,
    None = Unspecified,
    Inline = Inline,
    Attachment = Attachment
);
table!(
    status_to_wire,
    status,
    "status",
    Status,
    Status,
    NotDetected = NotDetected,
    Trusted = Trusted,
    Formal = Formal,
    ProbableSpam = ProbableSpam,
    Spam = Spam,
    Blacklisted = Blacklisted,
    Suspicious = Suspicious,
    Infected = Infected
);
table!(
    rung_to_wire,
    rung,
    "rung",
    Rung,
    Rung,
    Full = Full,
    Cached = Cached,
    Local = Local,
    NotScanned = NotScanned
);
table!(
    source_to_wire,
    source,
    "source",
    Source,
    Source,
    List = List,
    Header = Header,
    Structure = Structure,
    Text = Text,
    Link = Link,
    Attachment = Attachment,
    Malware = Malware,
    Reputation = Reputation,
    Authentication = Authentication,
    DnsList = DnsList,
    Learned = Learned
);
table!(
    body_form_to_wire,
    body_form,
    "body_form",
    BodyForm,
    BodyForm,
    Simple = Simple,
    Relaxed = Relaxed
);
table!(
    mark_word_to_wire,
    mark_word,
    "mark",
    Mark,
    Mark,
    Trusted = Trusted,
    Blacklisted = Blacklisted,
    Infected = Infected,
    Suspicious = Suspicious,
    Formal = Formal,
    Spam = Spam
);

/// No mark is a word of its own on the wire.
pub(super) fn mark_to_wire(mark: Option<Mark>) -> scan::Mark {
    mark.map_or(scan::Mark::None, mark_word_to_wire)
}

pub(super) fn mark(value: i32) -> Result<Option<Mark>, Unreadable> {
    if value == scan::Mark::None as i32 { Ok(None) } else { mark_word(value).map(Some) }
}
