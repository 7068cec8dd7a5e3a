//! Open containers and their delimiter lines (RFC 2046 section 5.1.1).

/// Bytes of a boundary honoured. RFC 2046 allows 70; no line may have more than 998.
pub const BOUNDARY_BYTES_MAX: usize = 998;

/// Bytes of a line that may be a delimiter: boundary, four hyphens, and room for blanks that gateways add.
pub const DELIMITER_LINE_BYTES_MAX: usize = 2048;

/// One open container.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Empty where it is to be guessed.
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

/// What is open around a line, and how lines are looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) frames: &'a [Frame],
    /// See [`super::habits::Habits::loose`].
    pub(super) loose: bool,
    /// Whether what the loose habit changes is to be told.
    pub(super) doubts: bool,
}

/// What a line of a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Delimiter(Delimiter),
    /// Text, but a delimiter to programs that are loose.
    Doubt(Delimiter),
}

impl View<'_> {
    /// Whether `line`, without its LF, is a delimiter, or to some programs.
    pub(super) fn find(&self, line: &[u8]) -> Option<Found> {
        if self.loose {
            return find_loosely(line, self.frames).map(Found::Delimiter);
        }
        find(line, self.frames).map(Found::Delimiter).or_else(|| {
            let doubts = self.doubts && line.starts_with(b"--");
            doubts.then(|| find_loosely(line, self.frames)).flatten().map(Found::Doubt)
        })
    }
}

/// A delimiter line that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delimiter {
    /// Which frame it belongs to.
    pub(super) frame: usize,
    /// Whether it closes that frame.
    pub(super) closing: bool,
}

/// The same to a program that is loose about delimiters: those that others know first, then every line that begins like
/// one, closed containers included. Where the boundary is not known, any line may show it.
pub(super) fn find_loosely(line: &[u8], frames: &[Frame]) -> Option<Delimiter> {
    if let Some(delimiter) = find(line, frames) {
        return Some(delimiter);
    }
    let marked = line.strip_prefix(b"--")?.trim_ascii_end();
    frames.iter().enumerate().rev().find_map(|(at, frame)| {
        let rest = marked.strip_prefix(frame.boundary.as_slice())?;
        if frame.boundary.is_empty() {
            let shows = rest.first().is_some_and(|byte| !b"- \t".contains(byte));
            return shows.then_some(Delimiter { frame: at, closing: false });
        }
        let closing = rest.starts_with(b"--");
        (!(closing && frame.closed)).then_some(Delimiter { frame: at, closing })
    })
}

/// Whether `line`, without its LF, delimits one of `frames`; the innermost first.
pub(super) fn find(line: &[u8], frames: &[Frame]) -> Option<Delimiter> {
    let marked = line.strip_prefix(b"--")?;
    let blanks = marked.iter().rev().take_while(|byte| b" \t\r".contains(byte)).count();
    let marked = &marked[..marked.len() - blanks];
    let open = frames.iter().enumerate().rev();
    let mut open = open.filter(|(_, frame)| !frame.closed && !frame.boundary.is_empty());
    open.find_map(|(at, frame)| {
        let rest = marked.strip_prefix(frame.boundary.as_slice())?;
        let closing = match rest {
            b"" => false,
            b"--" => true,
            _ => return None,
        };
        Some(Delimiter { frame: at, closing })
    })
}
