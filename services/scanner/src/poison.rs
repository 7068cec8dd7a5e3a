//! A planted fault: a text that ends the process which reads it. Only in builds that ask for it, for tests of what the
//! cluster does with a mail that fells scanners.

use tamis_domain::dialogue::Content;

/// The text.
const DEADLY: &[u8] = b"tamis-poison-test: the scanner that reads this line ends at once";

/// Ends the process if the text is in the header or in one of the contents.
pub(crate) fn taste(header: &[u8], contents: &[Content]) {
    let mut all = contents.iter().map(|content| content.bytes.as_slice()).chain([header]);
    if all.any(|bytes| bytes.windows(DEADLY.len()).any(|window| window == DEADLY)) {
        std::process::abort();
    }
}
