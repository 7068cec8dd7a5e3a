//! What LMTP (RFC 2033) does differently from SMTP. Sessions themselves are in [`crate::smtp`].
//!
//! The greeting is LHLO, and after the final dot each accepted recipient gets a reply of its own, in the order of RCPT.

use crate::smtp::Mode;
use crate::smtp::command::HelloVerb;
use crate::smtp::reply::Reply;

/// The greeting that asks for extensions.
pub fn hello_verb(mode: Mode) -> &'static str {
    match mode {
        Mode::Smtp => "EHLO",
        Mode::Lmtp => "LHLO",
    }
}

/// Whether a client may greet with `verb`.
pub fn takes_hello(mode: Mode, verb: HelloVerb) -> bool {
    (mode == Mode::Lmtp) == (verb == HelloVerb::Lhlo)
}

/// How many replies the final dot gets, for `accepted` recipients.
pub fn final_replies_due(mode: Mode, accepted: usize) -> usize {
    match mode {
        Mode::Smtp => 1,
        Mode::Lmtp => accepted,
    }
}

/// Makes `replies` exactly as many as are due, so that the peer never loses count: a missing one becomes
/// a temporary failure, one too many is left away.
pub fn align(mut replies: Vec<Reply>, due: usize) -> Vec<Reply> {
    replies.resize(due, Reply::new(451, "4.3.0 no answer for this recipient, try again later"));
    if due > 1 {
        // 421 would say that the connection ends before the replies that follow.
        let stay = |reply: Reply| if reply.code() == 421 { reply.with_code(451) } else { reply };
        replies = replies.into_iter().map(stay).collect();
    }
    replies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_accepted_recipient_gets_one_reply() {
        let ok = Reply::new(250, "2.0.0 ok");
        let gone = Reply::new(421, "4.3.2 closing");
        assert_eq!(final_replies_due(Mode::Smtp, 3), 1);
        assert_eq!(final_replies_due(Mode::Lmtp, 3), 3);
        let aligned = align(vec![ok.clone(), gone], 3);
        assert_eq!(aligned.iter().map(Reply::code).collect::<Vec<_>>(), [250, 451, 451]);
        assert_eq!(align(vec![ok.clone(), ok.clone()], 1), [ok]);
    }

    #[test]
    fn each_protocol_has_its_own_greeting() {
        assert!(takes_hello(Mode::Lmtp, HelloVerb::Lhlo));
        assert!(!takes_hello(Mode::Lmtp, HelloVerb::Ehlo));
        assert!(!takes_hello(Mode::Lmtp, HelloVerb::Helo));
        assert!(!takes_hello(Mode::Smtp, HelloVerb::Lhlo));
        assert!(
            takes_hello(Mode::Smtp, HelloVerb::Helo) && takes_hello(Mode::Smtp, HelloVerb::Ehlo)
        );
    }
}
