//! The one place that knows the resolver's types: our question out, our answer back.

use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::question::{Answer, Failure, Kind, Question, Record as Ours};

/// Records of one answer that are read. Honest names have a few; a large answer over TCP can hold thousands.
pub const RECORDS_MAX: usize = 256;

/// Aliases of one answer that are followed. Resolvers give up after some 8 to 16; a loop ends here.
const ALIASES_MAX: usize = 16;

/// Asks, and says how long the answer may be believed.
pub(super) async fn ask(
    resolver: &TokioResolver,
    question: &Question,
) -> (Answer, Option<Duration>) {
    let Ok(mut name) = Name::from_labels(question.name().split('.').map(str::as_bytes)) else {
        return (Answer::NoName, None);
    };
    name.set_fqdn(true);
    match resolver.lookup(name, kind(question.kind())).await {
        Ok(found) => {
            let (owner, mut ttl) = followed(question, found.answers());
            let records = found.answers().iter().filter(|record| text(&record.name) == owner);
            let of_kind = kind(question.kind());
            let records = records.filter(|record| record.record_type() == of_kind);
            ttl = records.clone().map(|record| record.ttl).chain(ttl).min();
            let ours = records.filter_map(|record| ours(question.kind(), &record.data));
            let ours: Arc<[Ours]> = ours.take(RECORDS_MAX).collect();
            let answer = if ours.is_empty() { Answer::NoData } else { Answer::Found(ours) };
            (answer, ttl.map(seconds))
        }
        Err(error) => failed(&error),
    }
}

/// Where the aliases of an answer lead, and how long they hold. Records of any other name are nobody's answer.
fn followed(question: &Question, answers: &[Record<RData>]) -> (String, Option<u32>) {
    let (mut owner, mut ttl) = (question.name().to_owned(), None);
    for _ in 0..ALIASES_MAX {
        let alias = answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if text(&record.name) == owner => Some((text(target), record.ttl)),
            _ => None,
        });
        let Some((target, seconds)) = alias else { break };
        ttl = Some(ttl.map_or(seconds, |ttl: u32| ttl.min(seconds)));
        owner = target;
    }
    (owner, ttl)
}

const fn kind(kind: Kind) -> RecordType {
    match kind {
        Kind::A => RecordType::A,
        Kind::Aaaa => RecordType::AAAA,
        Kind::Mx => RecordType::MX,
        Kind::Ptr => RecordType::PTR,
        Kind::Txt => RecordType::TXT,
    }
}

/// A record of the kind that was asked for; aliases on the way are none.
fn ours(kind: Kind, data: &RData) -> Option<Ours> {
    Some(match (kind, data) {
        (Kind::A, RData::A(address)) => Ours::A(address.0),
        (Kind::Aaaa, RData::AAAA(address)) => Ours::Aaaa(address.0),
        (Kind::Mx, RData::MX(mx)) => {
            Ours::Mx { preference: mx.preference, exchange: text(&mx.exchange) }
        }
        (Kind::Ptr, RData::PTR(name)) => Ours::Ptr(text(&name.0)),
        (Kind::Txt, RData::TXT(text)) => Ours::Txt(text.txt_data.concat()),
        _ => return None,
    })
}

/// A name in lower case, without the last dot. Bytes that are no text are replaced, and match no name.
fn text(name: &Name) -> String {
    let label = |label: &[u8]| String::from_utf8_lossy(label).to_ascii_lowercase();
    name.iter().map(label).collect::<Vec<_>>().join(".")
}

fn failed(error: &NetError) -> (Answer, Option<Duration>) {
    let failure = match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let answer = match none.response_code {
                ResponseCode::NXDomain => Answer::NoName,
                ResponseCode::NoError => Answer::NoData,
                _ => Answer::Failed(Failure::Server),
            };
            return (answer, none.negative_ttl.map(seconds));
        }
        NetError::Dns(_) => Failure::Server,
        NetError::Timeout => Failure::Timeout,
        NetError::Busy => Failure::Busy,
        _ => Failure::Unreachable,
    };
    (Answer::Failed(failure), None)
}

fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into())
}
