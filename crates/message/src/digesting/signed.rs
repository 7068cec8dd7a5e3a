//! Hashes of the body that signatures in the header ask for, while the body passes.
//!
//! DKIM and ARC sign a hash of the whole body in a canonical form (RFC 6376 section 3.4). Where the bytes are, that costs
//! little; a scanner that is only told names would have to be sent all of them. A line ends at LF here too, and counts as
//! CRLF, as it stood on the wire when it was signed.

use sha2::{Digest as _, Sha256};
use tamis_domain::outline::{BodyForm, BodyHash};

use crate::fields::{fields, unfold};

/// The body forms that signatures of this header block need, each once.
///
/// A signature is asked for its `c=` alone: what else may be wrong with it is for whoever verifies it. SHA-1 is not
/// computed (RFC 8301 section 3.1), nor are bodies cut by `l=`, to which anybody may add what he likes (RFC 6376
/// section 8.2).
pub(super) fn wanted(header: &[u8]) -> Vec<BodyForm> {
    let signatures = fields(header)
        .filter(|field| field.is("DKIM-Signature") || field.is("ARC-Message-Signature"));
    let mut forms = Vec::new();
    for form in signatures.map(|field| form_of(&unfold(field.value))) {
        if !forms.contains(&form) {
            forms.push(form);
        }
        if forms.len() == BodyForm::ALL.len() {
            break;
        }
    }
    forms
}

/// The form of the body named by `c=`; simple unless it says more (RFC 6376 section 3.5).
fn form_of(value: &[u8]) -> BodyForm {
    let tag = value.split(|&byte| byte == b';').find_map(|tag| {
        let at = tag.iter().position(|&byte| byte == b'=')?;
        (tag[..at].trim_ascii() == b"c").then(|| tag[at + 1..].trim_ascii())
    });
    let body = tag.and_then(|forms| {
        let at = forms.iter().position(|&byte| byte == b'/')?;
        Some(forms[at + 1..].trim_ascii())
    });
    if body.is_some_and(|body| body.eq_ignore_ascii_case(b"relaxed")) {
        BodyForm::Relaxed
    } else {
        BodyForm::Simple
    }
}

/// One body being hashed in the forms that are wanted.
#[derive(Debug, Default)]
pub(super) struct Bodies(Vec<Canonical>);

impl Bodies {
    pub(super) fn new(forms: &[BodyForm]) -> Self {
        Self(forms.iter().map(|form| Canonical::new(*form)).collect())
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|body| body.push(bytes));
    }

    pub(super) fn finish(self) -> Vec<BodyHash> {
        self.0.into_iter().map(Canonical::finish).collect()
    }
}

/// One canonical form under way.
#[derive(Debug)]
struct Canonical {
    form: BodyForm,
    hasher: Sha256,
    /// Line ends not yet written: those at the end are dropped, all but one.
    line_ends: u64,
    /// A CR that may be the first half of a line end.
    cr: bool,
    /// Blanks not yet written (relaxed): at the end of a line they are dropped.
    blank: bool,
    /// Whether anything but line ends was written.
    is_begun: bool,
}

impl Canonical {
    fn new(form: BodyForm) -> Self {
        let hasher = Sha256::new();
        Self { form, hasher, line_ends: 0, cr: false, blank: false, is_begun: false }
    }

    fn push(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let mut text = line.strip_suffix(b"\n").unwrap_or(line);
            let ends = text.len() < line.len();
            // A CR kept from before belongs to the line end if nothing stands between.
            if self.cr && !(ends && text.is_empty()) && !text.is_empty() {
                self.text(b"\r");
            }
            self.cr &= text.is_empty();
            if let Some(rest) = text.strip_suffix(b"\r") {
                (text, self.cr) = (rest, true);
            }
            self.text(text);
            if ends {
                self.line_ends += 1;
                (self.cr, self.blank) = (false, false);
            }
        }
    }

    /// Text within a line.
    fn text(&mut self, text: &[u8]) {
        match self.form {
            BodyForm::Simple => self.write(text),
            BodyForm::Relaxed => {
                let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
                let mut rest = text;
                while let Some(first) = rest.first() {
                    let in_run = is_blank(first);
                    let length =
                        rest.iter().position(|byte| is_blank(byte) != in_run).unwrap_or(rest.len());
                    if in_run {
                        self.blank = true;
                    } else {
                        self.write(&rest[..length]);
                    }
                    rest = &rest[length..];
                }
            }
        }
    }

    /// Writes text, and before it what was held back.
    fn write(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.hasher.update(b"\r\n");
        }
        if std::mem::take(&mut self.blank) {
            self.hasher.update(b" ");
        }
        self.hasher.update(text);
        self.is_begun = true;
    }

    fn finish(mut self) -> BodyHash {
        if self.cr {
            self.text(b"\r");
        }
        // An empty body is one line end in the simple form, and nothing in the relaxed one.
        if self.is_begun || self.form == BodyForm::Simple {
            self.hasher.update(b"\r\n");
        }
        BodyHash { form: self.form, sha256: self.hasher.finalize().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What RFC 6376 sections 3.4.3 and 3.4.4 say, written for reading: lines in, lines out.
    fn plain(form: BodyForm, body: &[u8]) -> [u8; 32] {
        let text = body.strip_suffix(b"\n").unwrap_or(body);
        let mut lines: Vec<Vec<u8>> = text
            .split(|&byte| byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
            .collect();
        if !body.ends_with(b"\n") && body.ends_with(b"\r") {
            // A CR at the very end ends no line.
            lines.last_mut().unwrap().push(b'\r');
        }
        if form == BodyForm::Relaxed {
            for line in &mut lines {
                let words = line.split(|byte| b" \t".contains(byte));
                let leads = line.first().is_some_and(|byte| b" \t".contains(byte));
                let joined = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ');
                *line =
                    if leads && !joined.is_empty() { [b" ", &joined[..]].concat() } else { joined };
            }
        }
        while lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        let mut out = lines.join(&b"\r\n"[..]);
        if !lines.is_empty() || form == BodyForm::Simple {
            out.extend_from_slice(b"\r\n");
        }
        Sha256::digest(out).into()
    }

    #[test]
    fn forms_are_those_of_the_rfc_at_every_split_of_the_bytes() {
        let bodies: [&[u8]; 14] = [
            b"",
            b"\r\n",
            b"\n\n\n",
            b" C \r\nD \t E\r\n\r\n\r\n",
            b" C \nD \t E\n\n\n",
            b"no line end",
            b"a\rb\r\n",
            b"a\r",
            b"a\r\r\nb\r\n",
            b" \t \r\n\r\n",
            b"a\r\n \r\n\t\r\n",
            b"a  \r\n\r\n\r\nb",
            b"\r\na\r\n",
            b"x \r y \r\n",
        ];
        for body in bodies {
            for form in BodyForm::ALL {
                let expect = BodyHash { form, sha256: plain(form, body) };
                for at in 0..=body.len() {
                    for behind in at..=body.len() {
                        let mut one = Canonical::new(form);
                        one.push(&body[..at]);
                        one.push(&body[at..behind]);
                        one.push(&body[behind..]);
                        let shown = String::from_utf8_lossy(body);
                        assert_eq!(one.finish(), expect, "{form:?} {shown:?} at {at}, {behind}");
                    }
                }
            }
        }
    }

    #[test]
    fn only_what_signatures_ask_for_is_computed() {
        use BodyForm::{Relaxed, Simple};
        for (header, expect) in [
            ("From: a@example.org\r\n", vec![]),
            ("DKIM-Signature: v=1; a=rsa-sha256\r\n", vec![Simple]),
            ("dkim-signature: v=1; c=relaxed; b=x\r\n", vec![Simple]),
            ("DKIM-Signature: v=1;\r\n c=relaxed/\r\n relaxed; b=x\r\n", vec![Relaxed]),
            ("DKIM-Signature: bc=relaxed/relaxed; b=x\r\n", vec![Simple]),
            (
                "ARC-Message-Signature: c = simple/relaxed\r\nDKIM-Signature: c=simple/simple\r\n",
                vec![Relaxed, Simple],
            ),
        ] {
            assert_eq!(wanted(header.as_bytes()), expect, "{header}");
        }
    }
}
