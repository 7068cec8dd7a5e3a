//! Every bound of the SMTP and LMTP sessions, with its reason.

use std::time::Duration;

/// A command line without extensions, CR LF included (RFC 5321 section 4.5.3.1.4).
pub const COMMAND_BASE_BYTES: usize = 512;
/// What ` SIZE=` and twenty digits add to MAIL (RFC 1870 section 4).
pub const SIZE_ALLOWANCE_BYTES: usize = 26;
/// What ` BODY=8BITMIME` adds to MAIL, with room for ` BODY=BINARYMIME` (RFC 6152 section 2).
pub const BODY_ALLOWANCE_BYTES: usize = 17;
/// What ` SMTPUTF8` adds to MAIL (RFC 6531 section 3.1 gives ten).
pub const SMTPUTF8_ALLOWANCE_BYTES: usize = 10;
/// What ` AUTH=` adds to MAIL (RFC 4954 section 3 gives 500).
pub const AUTH_ALLOWANCE_BYTES: usize = 500;
/// ` RET=FULL` and ` ENVID=` with its 100 characters (RFC 3461 sections 4.3 and 4.4).
pub const MAIL_DSN_ALLOWANCE_BYTES: usize = 9 + 107;
/// ` NOTIFY=SUCCESS,FAILURE,DELAY` and ` ORCPT=` with its 500 characters (RFC 3461 sections 4.1 and 4.2).
pub const RCPT_DSN_ALLOWANCE_BYTES: usize = 29 + 507;

/// The longest command line taken, CR LF included.
///
/// The base and all allowances make 1716 bytes. Postfix takes and sends 2048 (`line_length_limit`), and a filter
/// between two of them must not be narrower than they are.
pub const COMMAND_LINE_BYTES_MAX: usize = 2048;
const _: () = assert!(
    COMMAND_LINE_BYTES_MAX
        >= COMMAND_BASE_BYTES
            + SIZE_ALLOWANCE_BYTES
            + BODY_ALLOWANCE_BYTES
            + SMTPUTF8_ALLOWANCE_BYTES
            + AUTH_ALLOWANCE_BYTES
            + MAIL_DSN_ALLOWANCE_BYTES
            + RCPT_DSN_ALLOWANCE_BYTES
);

/// A XFORWARD or XCLIENT line that we send, CR LF included (Postfix XFORWARD_README: under 512).
pub const XFORWARD_LINE_BYTES_MAX: usize = 511;
/// One decoded XFORWARD or XCLIENT value (Postfix XFORWARD_README: attribute values are at most 255 bytes).
pub const ATTRIBUTE_VALUE_BYTES_MAX: usize = 255;
/// The name a client gives itself (RFC 5321 section 4.5.3.1.2: 255).
pub const HELLO_NAME_BYTES_MAX: usize = 255;

/// A reply line that we send, CR LF included (RFC 5321 section 4.5.3.1.5); longer text is folded.
pub const REPLY_LINE_BYTES_SENT_MAX: usize = 512;
/// A reply line that we take. The rule is 512; real servers quote long policy texts.
pub const REPLY_LINE_BYTES_MAX: usize = 2048;
/// Lines in one reply that we take. The longest EHLO replies in the field stay under 40.
pub const REPLY_LINES_MAX: usize = 128;

/// Recipients in one transaction, refused ones included. RFC 5321 section 4.5.3.1.8 asks for 100 at
/// least; Postfix takes 1000 (`smtpd_recipient_limit`).
pub const RECIPIENTS_MAX: usize = 1000;
/// The least that may be configured for recipients (RFC 5321 section 4.5.3.1.8).
pub const RECIPIENTS_FLOOR: usize = 100;

/// Bytes kept while a question waits for its answer: pipelined commands, or mail content behind them.
pub const PENDING_INPUT_BYTES_MAX: usize = 64 * 1024;
/// Replies gathered into one piece to send; past it the caller must take them before more commands are read.
pub const SEND_BYTES_TARGET: usize = 16 * 1024;
/// Protocol errors borne from one client before it is sent away (Postfix `smtpd_hard_error_limit`).
pub const ERRORS_MAX: usize = 20;
/// Commands that bring no mail forward (NOOP, RSET, VRFY, HELP, greetings) borne between two mails
/// before each counts as an error (Postfix `smtpd_junk_command_limit`).
pub const JUNK_COMMANDS_MAX: usize = 100;
/// Commands sent ahead of their replies. Keeps the replies due under what a socket buffer holds, so that two sides that
/// both write first cannot block each other.
pub const OUTSTANDING_COMMANDS_MAX: usize = 100;
/// CRs in a row whose meaning is kept open until the next other byte.
pub const HELD_CR_MAX: u8 = 64;

/// How long a client may take for its next command (RFC 5321 section 4.5.3.2.7).
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long mail content may pause (RFC 5321 section 4.5.3.2.5).
pub const CONTENT_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// How long the content of one mail may take in all, so that a client cannot hold a place for ever with a byte a minute.
pub const CONTENT_TIMEOUT_TOTAL: Duration = Duration::from_secs(60 * 60);
/// How long a server may take for its greeting (RFC 5321 section 4.5.3.2.1) and for EHLO, RSET and XFORWARD.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long a server may take to answer MAIL or RCPT (RFC 5321 sections 4.5.3.2.2 and 4.5.3.2.3).
pub const ENVELOPE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How long a server may take to answer DATA (RFC 5321 section 4.5.3.2.4).
pub const DATA_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// How long a server may take to answer the final dot (RFC 5321 section 4.5.3.2.6).
pub const FINAL_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// How long we wait for the answer to QUIT: nothing depends on it.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest mail announced and taken unless configured otherwise, in bytes.
pub const MAIL_BYTES_DEFAULT: u64 = 50 * 1024 * 1024;
