//! The first exchange: which actions and protocol steps both sides can do.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{put_frame, put_string};
use super::{MilterError, PROGRESS_EVERY};

/// Modifications that a filter may ask for (`SMFIF_*`), as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actions(pub u32);

impl Actions {
    /// Add or insert headers.
    pub const ADD_HEADERS: Actions = Actions(0x1);
    /// Replace the body.
    pub const CHANGE_BODY: Actions = Actions(0x2);
    /// Add recipients.
    pub const ADD_RECIPIENTS: Actions = Actions(0x4);
    /// Remove recipients.
    pub const REMOVE_RECIPIENTS: Actions = Actions(0x8);
    /// Change or delete headers.
    pub const CHANGE_HEADERS: Actions = Actions(0x10);
    /// Keep the message in the MTA's quarantine.
    pub const QUARANTINE: Actions = Actions(0x20);
    /// Change the sender.
    pub const CHANGE_SENDER: Actions = Actions(0x40);
    /// Say which macros are wanted.
    pub const CHOOSE_MACROS: Actions = Actions(0x100);
    /// All of the above. Recipients with parameters (0x80) are left out: Postfix ignores the
    /// parameters and warns.
    pub const ALL: Actions = Actions(0x17f);

    /// Whether every bit of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: Actions) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Steps that a filter wants left out or changed (`SMFIP_*`), as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolSteps(pub u32);

impl ProtocolSteps {
    /// No reply to header frames.
    pub const NO_REPLY_HEADER: ProtocolSteps = ProtocolSteps(0x80);
    /// No frames for unknown SMTP verbs.
    pub const NO_UNKNOWN: ProtocolSteps = ProtocolSteps(0x100);
    /// No reply to connect.
    pub const NO_REPLY_CONNECT: ProtocolSteps = ProtocolSteps(0x1000);
    /// No reply to HELO.
    pub const NO_REPLY_HELO: ProtocolSteps = ProtocolSteps(0x2000);
    /// No reply to the sender.
    pub const NO_REPLY_MAIL: ProtocolSteps = ProtocolSteps(0x4000);
    /// No reply to recipients.
    pub const NO_REPLY_RECIPIENT: ProtocolSteps = ProtocolSteps(0x8000);
    /// No reply to DATA.
    pub const NO_REPLY_DATA: ProtocolSteps = ProtocolSteps(0x1_0000);
    /// No reply to unknown verbs.
    pub const NO_REPLY_UNKNOWN: ProtocolSteps = ProtocolSteps(0x2_0000);
    /// No reply to the end of headers.
    pub const NO_REPLY_END_OF_HEADERS: ProtocolSteps = ProtocolSteps(0x4_0000);
    /// No reply to pieces of body. (Excludes the `skip` reply, which we do not need: every byte
    /// is wanted.)
    pub const NO_REPLY_BODY: ProtocolSteps = ProtocolSteps(0x8_0000);
    /// Header values come and go with their leading space, so bytes can be rebuilt exactly.
    pub const LEADING_SPACE: ProtocolSteps = ProtocolSteps(0x10_0000);
    /// Everything that leaves two replies a message: at DATA and at its end. The bits for larger data
    /// sizes (0x1000_0000, 0x2000_0000) are internal to libmilter and stay off.
    ///
    /// DATA is answered though nothing depends on it: it is the last word of Postfix' smtpd, whose
    /// cleanup goes on with the header. Without an answer, TCP would hold that back (Nagle) until
    /// our side acknowledges the envelope, which it puts off for 40 ms (RFC 1122 section 4.2.3.2).
    pub const TWO_REPLIES: ProtocolSteps = ProtocolSteps(0x1e_f180);

    /// Whether every bit of `other` is in this set.
    #[must_use]
    pub fn contains(self, other: ProtocolSteps) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What the MTA offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Its protocol version; 6 since 2009, 2 for very old ones.
    pub version: u32,
    /// What it lets a filter do.
    pub actions: Actions,
    /// Which steps it can leave out.
    pub protocol: ProtocolSteps,
}

/// What the caller wants of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Modifications that plans may use.
    pub actions: Actions,
    /// Ask the caller about every recipient (keeps `NR_RCPT` off), so that a policy can refuse a
    /// single one. Costs a reply a recipient.
    pub ask_recipients: bool,
    /// Time between progress frames; a second at least.
    pub progress_every: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options { actions: Actions::ALL, ask_recipients: false, progress_every: PROGRESS_EVERY }
    }
}

/// What both sides agreed on. The caller reads it before it chooses a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// 2 to 6.
    pub version: u32,
    /// Modifications that the MTA will carry out.
    pub actions: Actions,
    /// Steps left out or changed.
    pub protocol: ProtocolSteps,
}

impl Agreement {
    /// The best that this offer allows.
    ///
    /// # Errors
    /// [`MilterError::VersionTooOld`] below version 2, whose frames have another shape.
    pub fn reach(offer: &Offer, options: &Options) -> Result<Agreement, MilterError> {
        if offer.version < VERSION_MIN {
            return Err(MilterError::VersionTooOld { offered: offer.version });
        }
        let mut wanted = ProtocolSteps::TWO_REPLIES.0;
        if options.ask_recipients {
            wanted &= !ProtocolSteps::NO_REPLY_RECIPIENT.0;
        }
        Ok(Agreement {
            version: offer.version.min(VERSION_MAX),
            actions: Actions(offer.actions.0 & options.actions.0),
            protocol: ProtocolSteps(offer.protocol.0 & wanted),
        })
    }

    /// Whether header values come with their leading space. If not, one space was eaten: the
    /// rebuilt header is a guess, and DKIM results are unreliable.
    #[must_use]
    pub fn leading_space(&self) -> bool {
        self.protocol.contains(ProtocolSteps::LEADING_SPACE)
    }

    /// Whether the MTA waits for a reply after this command byte.
    #[must_use]
    pub fn reply_due(&self, command: u8) -> bool {
        let silenced_by = match command {
            b'C' => ProtocolSteps::NO_REPLY_CONNECT,
            b'H' => ProtocolSteps::NO_REPLY_HELO,
            b'M' => ProtocolSteps::NO_REPLY_MAIL,
            b'R' => ProtocolSteps::NO_REPLY_RECIPIENT,
            b'T' => ProtocolSteps::NO_REPLY_DATA,
            b'L' => ProtocolSteps::NO_REPLY_HEADER,
            b'N' => ProtocolSteps::NO_REPLY_END_OF_HEADERS,
            b'B' => ProtocolSteps::NO_REPLY_BODY,
            b'U' => ProtocolSteps::NO_REPLY_UNKNOWN,
            b'E' => return true,
            _ => return false,
        };
        !self.protocol.contains(silenced_by)
    }

    /// Our `O` reply, with the wanted macros where the MTA lets us choose them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut payload = BytesMut::new();
        payload.put_u32(self.version);
        payload.put_u32(self.actions.0);
        payload.put_u32(self.protocol.0);
        if self.actions.contains(Actions::CHOOSE_MACROS) {
            for (stage, names) in MACROS_WANTED {
                payload.put_u32(*stage);
                put_string(&mut payload, names.as_bytes());
            }
        }
        let mut out = BytesMut::new();
        put_frame(&mut out, b'O', &payload);
        out.freeze()
    }
}

/// Oldest version whose frames we read.
const VERSION_MIN: u32 = 2;
/// Newest version there is.
const VERSION_MAX: u32 = 6;

/// Macros by stage (0 connect, 1 helo, 2 mail, 3 rcpt, 4 data, 5 end of message, 6 end of
/// headers). A list replaces the MTA's own for that stage, so the useful defaults are repeated.
/// By default Postfix tells no client address and Sendmail tells `i` at the sender only.
const MACROS_WANTED: &[(u32, &str)] = &[
    (0, "j _ {daemon_name} {client_addr} {client_name} {client_port} {client_ptr}"),
    (1, "{tls_version} {cipher} {verify}"),
    (2, "i {auth_authen} {auth_type} {mail_mailer} {mail_host} {mail_addr} {client_addr}"),
    (3, "i"),
    (4, "i"),
    (5, "i {msg_id}"),
    (6, "i"),
];
