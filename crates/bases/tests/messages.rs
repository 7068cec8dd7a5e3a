//! Messages between subscriber and publisher: one reading each, limits at n and n + 1.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use tamis_bases::chunks::{CHUNK_BYTES_MAX, Name};
use tamis_bases::manifest::MANIFEST_BYTES_MAX;
use tamis_bases::messages::{
    ASK_BYTES_MAX, Ask, Head, NAMES_MAX, PUSH_BYTES_MAX, SUBSCRIBE_BYTES_MAX, Subscribe, push,
    read_push,
};

#[test]
fn each_message_comes_back_and_no_part_of_it_does() {
    let channel = "c".repeat(64).parse().unwrap();
    let subscribe = Subscribe { channel, generation: u64::MAX };
    let bytes = subscribe.encode();
    assert_eq!(bytes.len(), SUBSCRIBE_BYTES_MAX);
    assert_eq!(Subscribe::decode(&bytes), Ok(subscribe));
    let ask = Ask { names: vec![Name([7; 32]); NAMES_MAX] };
    let asked = ask.encode();
    assert_eq!(asked.len(), ASK_BYTES_MAX);
    assert_eq!(Ask::decode(&asked), Ok(ask));
    for end in 0..bytes.len() {
        assert!(Subscribe::decode(&bytes[..end]).is_err());
    }
    for end in 0..asked.len() {
        assert!(Ask::decode(&asked[..end]).is_err());
    }
    assert!(Subscribe::decode(&[bytes, vec![0]].concat()).is_err());
    assert!(Ask::decode(&[asked.clone(), vec![0]].concat()).is_err());
    assert!(Subscribe::decode(&asked).is_err(), "one message is not another");
}

#[test]
fn an_ask_names_1_to_16_chunks() {
    for (count, is_good) in [(0, false), (1, true), (NAMES_MAX, true), (NAMES_MAX + 1, false)] {
        let ask = Ask { names: vec![Name([1; 32]); count] };
        assert_eq!(Ask::decode(&ask.encode()).is_ok(), is_good, "{count}");
    }
}

#[test]
fn a_push_holds_1_byte_to_the_longest_manifest() {
    for (bytes, is_good) in
        [(0, false), (1, true), (MANIFEST_BYTES_MAX, true), (MANIFEST_BYTES_MAX + 1, false)]
    {
        let pushed = push(&vec![5; bytes]);
        assert_eq!(read_push(&pushed).is_ok(), is_good, "{bytes}");
        assert_eq!(pushed.len() <= PUSH_BYTES_MAX, is_good || bytes == 0);
    }
    assert!(read_push(&[]).is_err() && read_push(&[1, 5]).is_err());
}

#[test]
fn a_chunk_has_1_byte_to_256_kib_or_is_absent() {
    for head in [Head::Absent, Head::Here(1), Head::Here(CHUNK_BYTES_MAX)] {
        assert_eq!(Head::decode(head.encode()), Ok(head));
    }
    for head in [Head::Here(0), Head::Here(CHUNK_BYTES_MAX + 1)] {
        assert!(Head::decode(head.encode()).is_err());
    }
    assert!(Head::decode([0, 0, 0, 0, 1]).is_err());
    assert!(Head::decode([2, 0, 0, 0, 0]).is_err());
}
