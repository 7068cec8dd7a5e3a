//! Where the header of a mail in hand is edited, and how the edited mail is read out.

use bytes::Bytes;
use tamis_domain::plan::HeaderEdit;
use tamis_message::edit::{LineEnd, edited_header, separator};

use crate::held::{HeldError, READ_BYTES};
use crate::mail::Mail;

/// The longest header block taken through SMTP or LMTP: four times what scanners are shown, ten times what Postfix lets
/// pass. Edits hold it in memory.
pub const HEADER_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a mail out, piece by piece, with another header.
#[derive(Debug)]
pub struct Edited<'a> {
    mail: &'a Mail,
    edits: &'a [HeaderEdit],
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Up to the header (an mbox line, nearly never), and where it ends.
    Before(u64),
    Header,
    /// From here on as it came.
    Rest(u64),
}

impl<'a> Edited<'a> {
    /// `mail` with `edits`.
    #[must_use]
    pub fn new(mail: &'a Mail, edits: &'a [HeaderEdit]) -> Self {
        let step = if edits.is_empty() { Step::Rest(0) } else { Step::Before(0) };
        Self { mail, edits, step }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`HeldError::Spool`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, HeldError> {
        loop {
            let header = &self.mail.dissected.header;
            match self.step {
                Step::Before(at) if at < header.start => {
                    let length = usize::try_from(header.start - at).unwrap_or(READ_BYTES);
                    let bytes = self.mail.held.read(at, length.min(READ_BYTES)).await?;
                    self.step = Step::Before(at + bytes.len() as u64);
                    return Ok(Some(bytes));
                }
                Step::Before(_) => self.step = Step::Header,
                Step::Header => {
                    self.step = Step::Rest(header.end);
                    return Ok(Some(self.header().await?));
                }
                Step::Rest(at) => {
                    let bytes = self.mail.held.read(at, READ_BYTES).await?;
                    self.step = Step::Rest(at + bytes.len() as u64);
                    return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
                }
            }
        }
    }

    async fn header(&self) -> Result<Bytes, HeldError> {
        let raw = self.mail.header().await?;
        let mut edited = edited_header(&raw, self.edits, LineEnd::CrLf);
        if !edited.is_empty() && !edited.ends_with(b"\n") {
            edited.extend_from_slice(LineEnd::CrLf.bytes());
        }
        let behind = self.mail.held.read(self.mail.dissected.header.end, BEHIND_BYTES).await?;
        edited.extend_from_slice(separator(&behind, LineEnd::CrLf));
        Ok(edited.into())
    }
}

/// Enough of what follows the header to see whether it is an empty line.
const BEHIND_BYTES: usize = 2;
