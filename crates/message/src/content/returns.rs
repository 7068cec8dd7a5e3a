//! Lone carriage returns as line ends: what some mail programs make of them.

/// Turns each CR without LF behind it into LF; every byte keeps its place.
#[derive(Clone, Debug, Default)]
pub(super) struct Returns {
    held: bool,
}

impl Returns {
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        let Some(&first) = bytes.first() else { return };
        if std::mem::take(&mut self.held) {
            out(if first == b'\n' { b"\r" } else { b"\n" });
        }
        let whole = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.held = whole.len() < bytes.len();
        if !whole.is_empty() {
            out(&ended_by_returns(whole));
        }
    }

    pub(super) fn finish(&mut self, out: &mut dyn FnMut(&[u8])) {
        if std::mem::take(&mut self.held) {
            out(b"\n");
        }
    }
}

/// The bytes with LF for each CR that has no LF behind it, nor as the next byte.
pub(crate) fn ended_by_returns(bytes: &[u8]) -> Vec<u8> {
    let mut turned = bytes.to_vec();
    for at in memchr::memchr_iter(b'\r', bytes) {
        if bytes.get(at + 1) != Some(&b'\n') {
            turned[at] = b'\n';
        }
    }
    turned
}
