//! Words of the administration of reputation.

use prost::Message;
use tamis_domain::digest::{Signature, SignatureKind, Sketch};
use tamis_proto::reputation as wire;
use tamis_reputation::admin::SIGNATURES_PER_REQUEST_MAX;
use tamis_reputation::admin::convert;
use tamis_reputation::reporters::is_name;
use tamis_reputation_protocol::packet::Item;

use crate::pick::Pick;

/// Bytes as each of the requests: what is believed of them is written as the same again. Signatures picked from the bytes
/// come back as they were.
pub fn admin_words(data: &[u8]) {
    if let Ok(request) = wire::AddRequest::decode(data) {
        signatures(&request.signatures);
        if let Ok(class) = convert::class(request.class) {
            assert_eq!(i32::from(class.code()), request.class);
        }
        assert_eq!(convert::weight(request.weight).ok().map(u32::from), within(request.weight));
        let _ = is_name(&request.reporter);
    }
    if let Ok(request) = wire::RetractRequest::decode(data) {
        signatures(&request.signatures);
    }
    if let Ok(request) = wire::DeleteRequest::decode(data) {
        signatures(&request.signatures);
    }
    if let Ok(wire::WhyRequest { signature: Some(signature) }) = wire::WhyRequest::decode(data) {
        signatures(&[signature]);
    }
    picked(&mut Pick::new(data));
}

fn within(weight: u32) -> Option<u32> {
    (weight <= 255).then_some(weight)
}

fn signatures(told: &[wire::Signature]) {
    let Ok(items) = convert::items(told) else { return };
    assert!((1..=SIGNATURES_PER_REQUEST_MAX).contains(&items.len()));
    let again: Vec<_> = items.iter().map(to_wire).collect();
    assert_eq!(again, told, "a signature has one form");
}

fn picked(pick: &mut Pick<'_>) {
    let mut items = Vec::new();
    while !pick.is_empty() && items.len() < 40 {
        let kind = pick.one(&SignatureKind::ALL);
        let has_sketch = kind.has_sketch() && pick.flag();
        let sketch = has_sketch.then(|| Sketch::from_bytes(&pick.array()));
        items.push(Item { signature: Signature { kind, value: pick.array() }, sketch });
    }
    let request = wire::DeleteRequest {
        signatures: items.iter().map(to_wire).collect(),
        reporter: pick.text(20),
    };
    let request = wire::DeleteRequest::decode(request.encode_to_vec().as_slice());
    match convert::items(&request.expect("our own words").signatures) {
        Ok(read) => assert_eq!(read, items),
        Err(_) => assert!(items.is_empty()),
    }
}

fn to_wire(item: &Item) -> wire::Signature {
    wire::Signature {
        kind: item.signature.kind.code().into(),
        value: item.signature.value.to_vec(),
        sketch: item.sketch.map(|sketch| sketch.to_bytes().to_vec()).unwrap_or_default(),
    }
}
