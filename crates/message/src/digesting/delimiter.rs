//! Open containers and their delimiter lines (RFC 2046 section 5.1.1).

/// Bytes of a boundary honoured. RFC 2046 allows 70; no line may have more than 998.
pub const BOUNDARY_BYTES_MAX: usize = 998;

/// Bytes of a line that may be a delimiter: boundary, four hyphens, and room for blanks that gateways add.
pub const DELIMITER_LINE_BYTES_MAX: usize = 2048;

/// One open container.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) boundary: Vec<u8>,
    /// Number of the container's part.
    pub(super) part: u16,
    /// Depth of its children.
    pub(super) child_depth: u8,
    /// Whether its children are messages unless they say otherwise.
    pub(super) is_digest: bool,
    /// Whether a part began in it.
    pub(super) has_parts: bool,
    /// Whether its closing delimiter came.
    pub(super) closed: bool,
}

/// A delimiter line that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    /// Which frame it belongs to.
    pub(super) frame: usize,
    /// Whether it closes that frame.
    pub(super) closing: bool,
}

/// Whether `line`, without its LF, delimits one of `frames`; the innermost first.
pub(super) fn find(line: &[u8], frames: &[Frame]) -> Option<Delimiter> {
    let marked = line.strip_prefix(b"--")?;
    let blanks = marked.iter().rev().take_while(|byte| b" \t\r".contains(byte)).count();
    let marked = &marked[..marked.len() - blanks];
    frames.iter().enumerate().rev().filter(|(_, frame)| !frame.closed).find_map(|(at, frame)| {
        let rest = marked.strip_prefix(frame.boundary.as_slice())?;
        let closing = match rest {
            b"" => false,
            b"--" => true,
            _ => return None,
        };
        Some(Delimiter { frame: at, closing })
    })
}
