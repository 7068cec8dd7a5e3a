//! Frames: the boundary first, the meaning second.
//!
//! A frame is a big-endian `u32` length (command byte and payload), one command byte, payload.

use bytes::{BufMut, Bytes, BytesMut};

use super::facts::{ClientAddress, Connection, Mailbox};
use super::negotiate::{Actions, Offer, ProtocolSteps};
use super::{FRAME_BYTES_MAX, MACROS_PER_FRAME_MAX, MilterError, PARAMETERS_MAX};

/// One whole frame, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The command byte.
    pub command: u8,
    /// What follows it.
    pub payload: Bytes,
}

/// Collects bytes as they arrive and yields whole frames. Holds one unfinished frame at most,
/// once [`FrameReader::next_frame`] has been called until `None`.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: BytesMut,
}

impl FrameReader {
    /// Takes bytes, cut anywhere. No memory is set aside for a length that was only announced.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`MilterError::EmptyFrame`] and [`MilterError::FrameTooLong`] as soon as the length field is
    /// there. Both are final: the stream has no trustworthy boundary any more.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, MilterError> {
        let Some(field) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*field);
        if length == 0 {
            return Err(MilterError::EmptyFrame);
        }
        let size = length as usize;
        if size > FRAME_BYTES_MAX {
            return Err(MilterError::FrameTooLong { length });
        }
        if self.buffer.len() < LENGTH_BYTES + size {
            return Ok(None);
        }
        let whole = self.buffer.split_to(LENGTH_BYTES + size).freeze();
        let command = whole[LENGTH_BYTES];
        Ok(Some(Frame { command, payload: whole.slice(LENGTH_BYTES + 1..) }))
    }

    /// Bytes of the unfinished frame.
    #[must_use]
    pub fn bytes_held(&self) -> usize {
        self.buffer.len()
    }
}

/// What the MTA says. Addresses are copied, since a session keeps them; bodies and headers are
/// slices of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `O`: version and what the MTA can do.
    Negotiate(Offer),
    /// `D`: macros for the command that follows.
    Macros {
        /// The command byte that they are for.
        of: u8,
        /// Name (braces removed) and value.
        pairs: Vec<(Bytes, Bytes)>,
    },
    /// `C`: the SMTP client.
    Connect(Connection),
    /// `H`: its HELO or EHLO name.
    Helo(Bytes),
    /// `M`: sender and ESMTP parameters.
    Mail(Mailbox),
    /// `R`: one recipient and ESMTP parameters.
    Recipient(Mailbox),
    /// `T`: DATA.
    Data,
    /// `L`: one header field.
    Header {
        /// Field name, without the colon.
        name: Bytes,
        /// Field value, lines separated by LF.
        value: Bytes,
    },
    /// `N`: the headers are complete.
    EndOfHeaders,
    /// `B`: a piece of body, cut anywhere.
    Body(Bytes),
    /// `E`: the message is complete; may carry a last piece of body.
    EndOfBody(Bytes),
    /// `U`: an SMTP verb that the MTA does not know.
    UnknownVerb(Bytes),
    /// `A`: forget the message, the connection stays.
    Abort,
    /// `K`: this session is over, another follows on the same connection.
    QuitNewConnection,
    /// `Q`: this session is over, close.
    Quit,
}

impl Command {
    /// Gives a frame its meaning.
    ///
    /// # Errors
    /// [`MilterError::UnknownCommand`], or [`MilterError::Malformed`] when a field is missing or
    /// unterminated. Whatever may stand inside a field is taken: it comes from the mail.
    pub fn parse(frame: &Frame) -> Result<Command, MilterError> {
        let payload = frame.payload.clone();
        let malformed = |why| MilterError::Malformed { command: char::from(frame.command), why };
        match frame.command {
            b'O' => offer(&payload).map(Command::Negotiate),
            b'D' => macros(payload),
            b'C' => connection(&payload).map(Command::Connect),
            b'H' => one_string(payload).map(Command::Helo),
            b'M' => mailbox(&payload).map(Command::Mail),
            b'R' => mailbox(&payload).map(Command::Recipient),
            b'T' => Ok(Command::Data),
            b'L' => header(&payload),
            b'N' => Ok(Command::EndOfHeaders),
            b'B' => Ok(Command::Body(payload)),
            b'E' => Ok(Command::EndOfBody(payload)),
            b'U' => one_string(payload).map(Command::UnknownVerb),
            b'A' => Ok(Command::Abort),
            b'K' => Ok(Command::QuitNewConnection),
            b'Q' => Ok(Command::Quit),
            other => return Err(MilterError::UnknownCommand(other)),
        }
        .map_err(malformed)
    }

    /// The command byte.
    #[must_use]
    pub fn byte(&self) -> u8 {
        match self {
            Command::Negotiate(_) => b'O',
            Command::Macros { .. } => b'D',
            Command::Connect(_) => b'C',
            Command::Helo(_) => b'H',
            Command::Mail(_) => b'M',
            Command::Recipient(_) => b'R',
            Command::Data => b'T',
            Command::Header { .. } => b'L',
            Command::EndOfHeaders => b'N',
            Command::Body(_) => b'B',
            Command::EndOfBody(_) => b'E',
            Command::UnknownVerb(_) => b'U',
            Command::Abort => b'A',
            Command::QuitNewConnection => b'K',
            Command::Quit => b'Q',
        }
    }

    /// The frame that an MTA would send for this command: for peers in tests, and for the oracle
    /// "encode then parse gives the same". Macro names longer than one character get braces.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut payload = BytesMut::new();
        match self {
            Command::Negotiate(offer) => {
                payload.put_u32(offer.version);
                payload.put_u32(offer.actions.0);
                payload.put_u32(offer.protocol.0);
            }
            Command::Macros { of, pairs } => put_macros(&mut payload, *of, pairs),
            Command::Connect(connection) => put_connection(&mut payload, connection),
            Command::Helo(text) | Command::UnknownVerb(text) => put_string(&mut payload, text),
            Command::Mail(mailbox) | Command::Recipient(mailbox) => {
                put_string(&mut payload, &mailbox.exact);
                mailbox.parameters.iter().for_each(|text| put_string(&mut payload, text));
            }
            Command::Header { name, value } => {
                put_string(&mut payload, name);
                put_string(&mut payload, value);
            }
            Command::Body(bytes) | Command::EndOfBody(bytes) => payload.extend_from_slice(bytes),
            Command::Data
            | Command::EndOfHeaders
            | Command::Abort
            | Command::QuitNewConnection
            | Command::Quit => {}
        }
        put_frame(out, self.byte(), &payload);
    }
}

/// Appends one frame. `payload` is below 4 GiB by the limits of every caller.
pub(super) fn put_frame(out: &mut BytesMut, command: u8, payload: &[u8]) {
    put_frame_head(out, command, payload.len());
    out.extend_from_slice(payload);
}

/// Appends length and command byte of a frame whose payload follows by itself.
pub(super) fn put_frame_head(out: &mut BytesMut, command: u8, payload_bytes: usize) {
    out.put_u32(u32::try_from(payload_bytes + 1).unwrap_or(u32::MAX));
    out.put_u8(command);
}

/// Appends a NUL-ended string.
pub(super) fn put_string(out: &mut BytesMut, text: &[u8]) {
    out.extend_from_slice(text);
    out.put_u8(0);
}

fn put_macros(payload: &mut BytesMut, of: u8, pairs: &[(Bytes, Bytes)]) {
    payload.put_u8(of);
    for (name, value) in pairs {
        if name.len() > 1 {
            payload.put_u8(b'{');
            payload.extend_from_slice(name);
            put_string(payload, b"}");
        } else {
            put_string(payload, name);
        }
        put_string(payload, value);
    }
}

fn put_connection(payload: &mut BytesMut, connection: &Connection) {
    put_string(payload, connection.hostname.as_bytes());
    let (family, port, text) = match &connection.address {
        ClientAddress::Unknown => return payload.put_u8(b'U'),
        ClientAddress::Local(path) => (b'L', 0, path.clone()),
        ClientAddress::Ip(at) if at.is_ipv4() => (b'4', at.port(), at.ip().to_string()),
        ClientAddress::Ip(at) => (b'6', at.port(), format!("IPv6:{}", at.ip())),
        ClientAddress::Unreadable(text) => (b'4', 0, text.clone()),
    };
    payload.put_u8(family);
    payload.put_u16(port);
    put_string(payload, text.as_bytes());
}

/// Splits the first NUL-ended string off.
fn string_and_rest(payload: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let end = payload.iter().position(|&byte| byte == 0).ok_or(UNTERMINATED)?;
    Ok((&payload[..end], &payload[end + 1..]))
}

/// All NUL-ended strings of a payload that holds nothing else.
fn strings(payload: &[u8]) -> Result<impl Iterator<Item = &[u8]>, &'static str> {
    let body = payload.strip_suffix(&[0]).ok_or(UNTERMINATED)?;
    Ok(body.split(|&byte| byte == 0))
}

fn offer(payload: &[u8]) -> Result<Offer, &'static str> {
    let word = |at: usize| {
        let bytes = payload.get(at..).and_then(|rest| rest.first_chunk::<4>());
        bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or("shorter than three numbers")
    };
    Ok(Offer { version: word(0)?, actions: Actions(word(4)?), protocol: ProtocolSteps(word(8)?) })
}

fn macros(payload: Bytes) -> Result<Command, &'static str> {
    let of = *payload.first().ok_or("no command byte")?;
    let rest = payload.slice(1..);
    let mut pairs = Vec::new();
    if !rest.is_empty() {
        let mut fields = strings(&rest)?;
        while let Some(name) = fields.next() {
            let value = fields.next().ok_or("a macro without a value")?;
            if pairs.len() == MACROS_PER_FRAME_MAX {
                return Err("more macros than the limit");
            }
            pairs.push((rest.slice_ref(without_braces(name)), rest.slice_ref(value)));
        }
    }
    Ok(Command::Macros { of, pairs })
}

fn without_braces(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name)
}

fn connection(payload: &[u8]) -> Result<Connection, &'static str> {
    let (hostname, rest) = string_and_rest(payload)?;
    let (&family, rest) = rest.split_first().ok_or("no address family")?;
    let hostname = String::from_utf8_lossy(hostname).into_owned();
    if family == b'U' {
        return Ok(Connection { hostname, address: ClientAddress::Unknown });
    }
    let (port, rest) = rest.split_first_chunk::<2>().ok_or("no port")?;
    let (text, _) = string_and_rest(rest)?;
    let text = String::from_utf8_lossy(text).into_owned();
    let address = match family {
        b'L' => ClientAddress::Local(text),
        b'4' | b'6' => ClientAddress::read(&text, u16::from_be_bytes(*port)),
        _ => return Err("an address family other than U, L, 4, 6"),
    };
    Ok(Connection { hostname, address })
}

fn mailbox(payload: &[u8]) -> Result<Mailbox, &'static str> {
    // One copy of the whole payload: the session keeps it, and a slice would keep its read buffer.
    let kept = Bytes::copy_from_slice(payload);
    let mut fields = strings(&kept)?;
    let exact = kept.slice_ref(fields.next().unwrap_or_default());
    let parameters: Vec<Bytes> =
        fields.take(PARAMETERS_MAX + 1).map(|field| kept.slice_ref(field)).collect();
    if parameters.len() > PARAMETERS_MAX {
        return Err("more parameters than the limit");
    }
    Ok(Mailbox { exact, parameters })
}

/// The value runs to the last NUL of the frame, so that a NUL inside it (it comes from the mail)
/// is kept as it came.
fn header(payload: &Bytes) -> Result<Command, &'static str> {
    let (name, rest) = string_and_rest(payload)?;
    if name.iter().any(|&byte| matches!(byte, b'\r' | b'\n' | b':')) {
        return Err("a header name with a colon or a line end");
    }
    let value = rest.strip_suffix(&[0]).ok_or(UNTERMINATED)?;
    Ok(Command::Header { name: payload.slice_ref(name), value: payload.slice_ref(value) })
}

fn one_string(payload: Bytes) -> Result<Bytes, &'static str> {
    let (text, _) = string_and_rest(&payload)?;
    Ok(payload.slice_ref(text))
}

/// Size of the length field.
const LENGTH_BYTES: usize = 4;
const UNTERMINATED: &str = "a string without its final NUL";
