//! Seeds of what administrators and users say over gRPC.

use prost::Message;
use tamis_proto::learning;
use tamis_proto::reputation as wire;

use super::{Made, seed};

fn signature(kind: i32, value: usize, sketch: usize) -> wire::Signature {
    wire::Signature { kind, value: vec![0x5a; value], sketch: vec![3; sketch] }
}

fn add(signatures: Vec<wire::Signature>) -> wire::AddRequest {
    let reporter = "example.org/desk".to_owned();
    wire::AddRequest { signatures, class: 2, weight: 60, reporter }
}

fn admin() -> Vec<Made> {
    let good = || vec![signature(2, 16, 64), signature(2, 16, 0), signature(5, 16, 0)];
    let whole = add(good()).encode_to_vec();
    let reporter = "operator".to_owned();
    let many = vec![signature(1, 16, 0); 12];
    let seeds = vec![
        ("add.bin", whole.clone()),
        ("add_truncated.bin", whole[..whole.len() - 9].to_vec()),
        ("add_nothing.bin", add(Vec::new()).encode_to_vec()),
        ("add_class_unknown.bin", wire::AddRequest { class: 7, ..add(good()) }.encode_to_vec()),
        ("add_class_negative.bin", wire::AddRequest { class: -1, ..add(good()) }.encode_to_vec()),
        ("add_weight_256.bin", wire::AddRequest { weight: 256, ..add(good()) }.encode_to_vec()),
        ("add_kind_unknown.bin", add(vec![signature(8, 16, 0)]).encode_to_vec()),
        ("add_value_short.bin", add(vec![signature(1, 15, 0)]).encode_to_vec()),
        ("add_sketch_short.bin", add(vec![signature(2, 16, 63)]).encode_to_vec()),
        ("add_sketch_of_a_link.bin", add(vec![signature(4, 16, 64)]).encode_to_vec()),
        ("delete.bin", wire::DeleteRequest { signatures: many, reporter }.encode_to_vec()),
        ("why.bin", wire::WhyRequest { signature: Some(signature(3, 16, 64)) }.encode_to_vec()),
        ("why_nothing.bin", wire::WhyRequest { signature: None }.encode_to_vec()),
    ];
    seeds.into_iter().map(|(name, bytes)| seed("admin_words", name, bytes)).collect()
}

fn learn(class: i32, recipient: &str) -> learning::LearnRequest {
    let mail = b"From: ann@sender.test\r\nSubject: offers\r\n\r\nOur offers of this week.\r\n";
    learning::LearnRequest { mail: mail.to_vec(), class, recipient: recipient.to_owned() }
}

fn teaching() -> Vec<Made> {
    let whole = learn(1, "Bob@Example.TEST.").encode_to_vec();
    let long = format!("b@{}.test", "a".repeat(249));
    let undo = learning::UnlearnRequest {
        mail: learn(1, "").mail,
        recipient: "bob@example.test".to_owned(),
    };
    let seeds = vec![
        ("spam.bin", whole.clone()),
        ("spam_truncated.bin", whole[..whole.len() - 5].to_vec()),
        ("ham_of_all.bin", learn(2, "").encode_to_vec()),
        ("class_unspecified.bin", learn(0, "bob@example.test").encode_to_vec()),
        ("class_unknown.bin", learn(3, "bob@example.test").encode_to_vec()),
        ("domain_alone.bin", learn(1, "example.test").encode_to_vec()),
        ("domain_past_limit.bin", learn(1, &long).encode_to_vec()),
        ("domain_with_a_colon.bin", learn(1, "b@exa:mple.test").encode_to_vec()),
        ("domain_of_letters_that_grow.bin", learn(1, "b@\u{130}\u{3a3}.test").encode_to_vec()),
        (
            "no_mail.bin",
            learning::LearnRequest { mail: Vec::new(), ..learn(1, "") }.encode_to_vec(),
        ),
        ("unlearn.bin", undo.encode_to_vec()),
    ];
    seeds.into_iter().map(|(name, bytes)| seed("learning_words", name, bytes)).collect()
}

pub fn all() -> Vec<Made> {
    [admin(), teaching()].concat()
}
