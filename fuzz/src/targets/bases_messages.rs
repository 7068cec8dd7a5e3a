//! What sites say to each other over QUIC.

use tamis_bases::chunks::{CHUNK_BYTES_MAX, Name};
use tamis_bases::messages::{
    ASK_BYTES_MAX, Ask, HEAD_BYTES, Head, PUSH_BYTES_MAX, SUBSCRIBE_BYTES_MAX, Subscribe, push,
    read_push,
};

use crate::pick::Pick;

/// Bytes -> message -> the same bytes, at most one kind of message; values picked from the bytes come back.
pub fn bases_messages(data: &[u8]) {
    let mut kinds = 0;
    if let Ok(subscribe) = Subscribe::decode(data) {
        assert!(data.len() <= SUBSCRIBE_BYTES_MAX);
        assert_eq!(subscribe.encode(), data, "a subscription has one form");
        kinds += 1;
    }
    if let Ok(ask) = Ask::decode(data) {
        assert!(data.len() <= ASK_BYTES_MAX);
        assert_eq!(ask.encode(), data, "an ask has one form");
        kinds += 1;
    }
    if let Ok(manifest) = read_push(data) {
        assert!(data.len() <= PUSH_BYTES_MAX);
        assert_eq!(push(manifest), data, "a push has one form");
        kinds += 1;
    }
    assert!(kinds <= 1, "one message is two kinds");
    let mut pick = Pick::new(data);
    let head: [u8; HEAD_BYTES] = pick.array();
    if let Ok(read) = Head::decode(head) {
        assert_eq!(read.encode(), head, "a head has one form");
        assert!(!matches!(read, Head::Here(bytes) if bytes > CHUNK_BYTES_MAX));
    }
    let ask = Ask { names: (0..1 + pick.below(20)).map(|_| Name([pick.byte(); 32])).collect() };
    let is_short = ask.names.len() <= tamis_bases::messages::NAMES_MAX;
    assert_eq!(Ask::decode(&ask.encode()).ok(), is_short.then_some(ask));
    if let Ok(channel) = pick.text(80).parse() {
        let subscribe = Subscribe { channel, generation: pick.u64() };
        assert_eq!(Subscribe::decode(&subscribe.encode()), Ok(subscribe));
    }
}
