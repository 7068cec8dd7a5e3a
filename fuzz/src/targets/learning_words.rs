//! Words of who teaches: a mail, its class, and whose it is.

use prost::Message;
use tamis_learning::hashing::SiteKey;
use tamis_learning::knowledge::Class;
use tamis_learning::record::{DOMAIN_BYTES_MAX, read};
use tamis_proto::learning as wire;
use tamis_scanner::learning::{domain_named, lesson};
use tamis_scanner::teach::class;

use crate::pick::Pick;

/// Bytes as both requests, and a request picked from the bytes: what is believed of them makes a lesson that can be kept.
pub fn learning_words(data: &[u8]) {
    if let Ok(request) = wire::LearnRequest::decode(data) {
        let class = class(&request).ok();
        assert_eq!(class.is_some(), matches!(request.class, 1 | 2));
        taught(&request.mail, class, &request.recipient);
    }
    if let Ok(request) = wire::UnlearnRequest::decode(data) {
        taught(&request.mail, None, &request.recipient);
    }
    let _ = wire::LearnResponse::decode(data).map(|response| response.outcome());
    let mut pick = Pick::new(data);
    let number = pick.one(&[wire::Class::Spam, wire::Class::Ham]);
    let (user, domain) = (pick.text(20), pick.text(300));
    let request = wire::LearnRequest {
        class: number.into(),
        recipient: format!("{user}@{domain}"),
        mail: pick.bytes(4_000).to_vec(),
    };
    let again = wire::LearnRequest::decode(request.encode_to_vec().as_slice());
    let again = again.expect("our own words");
    assert_eq!(again, request);
    taught(&again.mail, class(&again).ok(), &again.recipient);
}

fn taught(mail: &[u8], class: Option<Class>, recipient: &str) {
    let Some(domain) = domain_named(recipient) else { return };
    assert!(domain.len() <= DOMAIN_BYTES_MAX && !domain.contains(['@', ' ', ':', '\0', '\n']));
    assert_eq!(domain_named(&domain).as_deref(), Some(domain.as_str()), "a domain has one form");
    let lesson = lesson(&SiteKey([7; 16]), mail, class, domain);
    assert!(lesson.is_sound(), "a lesson that cannot be kept");
    let mut kept = Vec::new();
    lesson.push(&mut kept);
    let mut again = Vec::new();
    assert_eq!(read(&kept, |lesson| again.push(lesson)), Ok(()));
    assert_eq!(again, [lesson], "a lesson reads back as another");
}
