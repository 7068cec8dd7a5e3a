//! The dialogue's words on the wire.

use prost::Message;
use tamis_domain::dialogue::{ScannerWord, Supply};
use tamis_domain::limits::{ADDRESS_BYTES_MAX, EVIDENCE_MAX, PARTS_MAX, RECIPIENTS_MAX};
use tamis_proto::scan::{ScanRequest, ScanResponse};
use tamis_proto::scan_convert::{
    EdgeWord, REMAINING_MAX, edge_word, offer_to_wire, scanner_word, supply_to_wire,
    verdict_to_wire,
};

use crate::pick::Pick;
use crate::values;

/// Bytes -> word -> bytes -> the same word; words picked from the bytes -> bytes -> the same words.
pub fn scan_convert(data: &[u8]) {
    if let Ok(request) = ScanRequest::decode(data) {
        from_edge(request);
    }
    if let Ok(response) = ScanResponse::decode(data) {
        from_scanner(response);
    }
    let mut pick = Pick::new(data);
    let offer = values::offer(&mut pick);
    let wire = offer_to_wire(offer.clone()).encode_to_vec();
    let read = edge_word(ScanRequest::decode(wire.as_slice()).expect("our own words"));
    assert_eq!(read, Ok(EdgeWord::Offer(Box::new(offer.clone()))));
    let supply =
        Supply { part: pick.below(256) as u16, bytes: pick.bytes(99).to_vec(), last: pick.flag() };
    let wire = supply_to_wire(supply.clone()).encode_to_vec();
    let read = edge_word(ScanRequest::decode(wire.as_slice()).expect("our own words"));
    assert_eq!(read, Ok(EdgeWord::Supply(supply)));
    let verdict = values::verdict(&mut pick, offer.id);
    let wire = verdict_to_wire(verdict.clone()).encode_to_vec();
    let read = scanner_word(ScanResponse::decode(wire.as_slice()).expect("our own words"));
    assert_eq!(read, Ok(ScannerWord::Verdict(Box::new(verdict))));
}

fn from_edge(request: ScanRequest) {
    let Ok(word) = edge_word(request) else { return };
    let again = match word.clone() {
        EdgeWord::Offer(offer) => {
            assert!(offer.remaining <= REMAINING_MAX && offer.outline.parts.len() <= PARTS_MAX);
            assert!(offer.envelope.recipients.len() <= RECIPIENTS_MAX);
            assert!(offer.envelope.sender.len() <= ADDRESS_BYTES_MAX);
            offer_to_wire(*offer)
        }
        EdgeWord::Supply(supply) => supply_to_wire(supply),
    };
    assert_eq!(edge_word(again), Ok(word), "a word reads back as another");
}

fn from_scanner(response: ScanResponse) {
    match scanner_word(response) {
        Ok(ScannerWord::Verdict(verdict)) => {
            assert!(verdict.score.is_finite() && verdict.evidence.len() <= EVIDENCE_MAX);
            let again = scanner_word(verdict_to_wire((*verdict).clone()));
            assert_eq!(again, Ok(ScannerWord::Verdict(verdict)), "a verdict reads back as another");
        }
        Ok(ScannerWord::Need(parts)) => {
            assert!(parts.len() <= PARTS_MAX);
            assert!(parts.iter().all(|part| usize::from(*part) < PARTS_MAX));
        }
        Err(_) => {}
    }
}
